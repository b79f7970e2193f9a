"""Redraw the committed figures from the committed results: notebook 06 once, without a model."""

import os
import shutil
import sys
from pathlib import Path

from step import run_notebook
from study import arm_parameters, load_study

from helpers.store import ROOT, StudyError

try:
    os.chdir(ROOT)
    log = Path("data/runs/redraw/06_findings.ipynb")
    run_notebook("06_findings", arm_parameters(load_study("reference"), "06_findings"), log)
except StudyError as error:
    sys.exit(f"error: {error}")
shutil.copyfile(log, "figures/06_findings.ipynb")
