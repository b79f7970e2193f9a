"""What one step of the chain does: a chapter through papermill, or the gathering of what the arms
answered.

papermill writes after every cell into the rule's log file, which survives a failure, so that the
executed notebook of a failed step can be read; on success it is copied to the rule's output.
"""

import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

from study import COMMITTED

from helpers import parameters
from helpers.files import (
    ROOT,
    RUNS,
    StudyError,
    adapter_folder,
    append_jsonl,
    arm_folder,
    atomic,
    lock,
    read_json,
    shown,
)

ADAPTER = ("adapter_config.json", "added_tokens.json", "log.csv", "adapter_model.safetensors")


def run_notebook(chapter: str, values: dict, log: Path) -> None:
    """Execute notebooks/<chapter>.ipynb with `values` into `log`; raises StudyError that names the
    executed copy."""
    import papermill  # takes a second and more, and gathering needs none
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    source = f"notebooks/{chapter}.ipynb"  # relative: papermill writes it into the executed copy
    parameters.check(parameters.declared(ROOT / source), values, source)
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
    except DeadKernelError:
        raise StudyError(
            f"\n{source}: its process was killed, most often for want of memory. Take a smaller "
            "`batch`, `answer_batch` or `model`, or close other programs; then run the same "
            "command again to go on.\n"
        ) from None


def take_adapter(chapter: str, values: dict, lender: str, log: Path) -> None:
    """Take the adapter of another study's run, its records and its executed chapter, instead of
    training it; of a committed one, which has no executed chapter, the chapter as it is.

    Raises StudyError when it was trained on other rows than this run has prepared.
    """
    run, arm, seed = values["run"], values["arm"], values["seed"]
    source, folder = arm_folder(lender, arm, seed), arm_folder(run, arm, seed)
    executed = RUNS / lender / "notebooks" / f"{chapter}-{arm}-{seed}.ipynb"
    if lender == COMMITTED:
        source, executed = adapter_folder(arm), ROOT / "notebooks" / f"{chapter}.ipynb"
    record, prepared = read_json(source / "record.json"), read_json(RUNS / run / "data/record.json")
    if record["rows"] != prepared["rows"][arm]:
        raise StudyError(
            f"{arm}, seed {seed}: the adapter in {shown(source)} was trained on other rows than "
            f"'{run}' has prepared. Remove `adapters_from` from the study file, or make the "
            "adapter again where it comes from."
        )
    for name in (*ADAPTER, "record.json"):
        if (source / name).exists():
            with atomic(folder / name) as temporary:
                shutil.copyfile(source / name, temporary)
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(executed, log)
    print(f"{arm}, seed {seed}: the adapter in {shown(source)}, which has the same recipe")


def run_step(snakemake) -> None:
    """Run one step, holding its study's folder together with the run's other steps: a step can
    outlive the run that began it, and no other run may then write beside it.

    Raises StudyError where the step fails.
    """
    with lock(RUNS / snakemake.config["study"], shared=True):
        carry_out(snakemake)


def carry_out(snakemake) -> None:
    values, began = snakemake.params["values"], time.time()
    chapter, lender = snakemake.params.get("chapter"), snakemake.params.get("taken_from")
    if not chapter:
        from helpers.measure.gather import gather

        gather(**values)
    else:
        log = Path(snakemake.log[0])
        if lender:
            take_adapter(chapter, values, lender, log)
        else:
            run_notebook(chapter, values, log)
        shutil.copyfile(log, snakemake.output.notebook)
    if not lender:  # what the next plan expects such a step to take
        wildcards = dict(snakemake.wildcards.items())
        row = {"step": chapter or "gather", "arm": wildcards.get("arm", "")}
        append_jsonl(
            RUNS / snakemake.config["study"] / "seconds.jsonl",
            [row | {"seconds": round(time.time() - began, 1)}],
        )
