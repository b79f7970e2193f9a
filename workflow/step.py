"""One step of the chain: run a notebook through papermill. Snakemake calls it as the `script:` of
every rule.

papermill writes after every cell into the rule's log file, which survives a failure, so that the
executed notebook of a failed step can be read; on success it is copied to the rule's output.
"""

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

import papermill
from papermill.exceptions import PapermillExecutionError

from helpers.store import ROOT, StudyError, check_parameters, declared_parameters


def run_notebook(notebook: str, values: dict, log: Path) -> None:
    """Execute notebooks/<notebook>.ipynb with `values` into `log`; raises StudyError that names the
    executed copy."""
    source = f"notebooks/{notebook}.ipynb"  # relative, since papermill writes the paths into the executed copy
    check_parameters(declared_parameters(ROOT / source), values, source)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            source,
            str(log),
            values,
            cwd=str(ROOT),
            progress_bar=False,
            log_output=True,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
        )
    except PapermillExecutionError as error:
        raise StudyError(
            f"\n{source} failed: {error.ename}: {error.evalue}\n"
            f"What it had done stands in {log}; run the same command again to go on from there.\n"
        ) from None


if "snakemake" in globals():
    log = Path(snakemake.log[0])  # noqa: F821
    try:
        run_notebook(snakemake.params.notebook, snakemake.params["values"], log)  # noqa: F821
    except StudyError as error:
        sys.exit(str(error))
    shutil.copyfile(log, snakemake.output.notebook)  # noqa: F821
