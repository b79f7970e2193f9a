"""Run a study: python workflow/run.py STUDY [--profile NAME] [-- more Snakemake options]

Prints the plan and what it will cost, holds the run's folder, and hands the chain to Snakemake. Run
it again after an interrupt: finished steps stay, training goes on from its checkpoint and answering
from its rows.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import publishing
from chain import all_values, refuse_missing_others
from inputs import check_inputs
from plan import describe
from study import Study, load_study

from helpers import embedded
from helpers.files import ROOT, RUNS, StudyError, lock
from helpers.report import book

DRY = re.compile("--dry-?run|-[a-z]*n[a-z]*")  # also among short options: -np
HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument(
        "--profile", default="local", help="a folder of workflow/profiles (local, slurm)"
    )
    given = sys.argv[1:]
    split = given.index("--") if "--" in given else len(given)
    args, more = parser.parse_args(given[:split]), given[split + 1 :]
    began = time.time()
    try:
        study = load_study(args.study)
        check_inputs(study)
        print(describe(study), flush=True)
        refuse_missing_others(study)
        publishing.refuse_other_lent(study)
        planned_only = any(map(DRY.fullmatch, more))
        if study.publish:
            publishing.check(study, planned_only)
        if not planned_only:
            embedded.refuse_missing(all_values(study)["model"])
        with lock(RUNS):  # one at a time: Snakemake's own locks are the checkout's, not the study's
            with lock(RUNS / study.name):  # none of its steps outlived an earlier run
                pass
            done = chain(study, args.profile, more)
        if done and study.publish and not more:
            book.publish(study.name, study.seeds[0])
    except StudyError as error:
        sys.exit(f"error: {error}")
    if not done:
        sys.exit(f"The study stopped; see the message above. Executed notebooks: {study.run}/logs/")
    if done and study.publish and more and not planned_only:
        print(
            f"docs/{study.name} is as it was: run the same command without what follows `--` to "
            "publish the executed chapters."
        )
    if not more:  # else a dry run or a part of the chain: what is done is for Snakemake to say
        print(
            f"Done in {(time.time() - began) / 60:.1f} minutes. Notebooks: {study.run}/notebooks/, "
            f"tables and figures: {study.results}, {study.figures}"
        )


def chain(study: Study, profile: str, more: list[str]) -> bool:
    """Run the chain in this process, and say whether it came to its end. We hold the lock, so a
    lock that Snakemake finds is a dead run's and is cleared."""
    from snakemake import cli  # takes a second, which a mistyped study need not

    options = ["--snakefile", HERE / "Snakefile", "--directory", ROOT]
    options += ["--profile", HERE / "profiles" / profile, "--config", f"study={study.name}"]
    options = list(map(str, options))
    if any((ROOT / ".snakemake" / "locks").glob("*")):
        command = [sys.executable, "-m", "snakemake", *options, "--unlock"]
        subprocess.run(command, capture_output=True)
    try:
        cli.main([*options, *more])
    except SystemExit as end:
        return not end.code
    return True


if __name__ == "__main__":
    main()
