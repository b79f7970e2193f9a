"""The `script:` of every rule. Snakemake runs every step again when this file changes: what a step
does is in steps.py."""

import sys

import steps

from helpers.files import StudyError

try:
    steps.run_step(snakemake)  # noqa: F821
except StudyError as error:
    sys.exit(str(error))
