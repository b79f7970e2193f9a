"""Redraw the published studies' figures and chapters from their committed tables, without a model:
python workflow/redraw.py [--judge] [STUDY ...]

With --judge, the chapters that judge and measure run before that, from the committed answers. They
need the sentence encoder and some minutes.
"""

import argparse
import os
import sys
from pathlib import Path

from chain import arm_parameters, jobs
from chapters import JUDGING, READS_TABLES
from recipe import judgements, refuse_stale_recipe
from steps import run_notebook
from study import Study, known, load_study

from helpers.files import ROOT, RUNS, StudyError, lock, read_json
from helpers.report import book


def published_studies() -> list[Study]:
    """The studies whose results are in the repository; one that is still to run has none."""
    every = [study for study in map(load_study, known()) if study.publish]
    return [study for study in every if (ROOT / study.results / "record.json").exists()]


def redraw(study: Study, judge: bool) -> None:
    """Run every chapter of a study that reads tables alone, and before it with `judge` those that
    write the tables of judgements.

    Raises StudyError when the tables were made by another recipe or from other data, and for a
    study that is not published.
    """
    if not study.publish:
        raise StudyError(
            f"study '{study.name}' is not published, so that it has no figures here. Run "
            f"`workflow/run.py {study.name}`, which draws what is to be drawn anew."
        )
    record = read_json(ROOT / study.results / "record.json")
    refuse_stale_recipe(study, record, {} if judge else judgements(study))
    for chapter, _, _ in jobs(study):
        if chapter in READS_TABLES or (judge and chapter in JUDGING):
            executed = Path(f"data/runs/redraw/{study.name}/{chapter}.ipynb")
            run_notebook(chapter, arm_parameters(study, chapter), executed)
            book.publish_chapter(executed, study.name, f"{chapter}.ipynb")


def main() -> None:
    os.chdir(ROOT)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="*", metavar="STUDY")
    parser.add_argument("--judge", action="store_true")
    args = parser.parse_args()
    try:
        with lock(RUNS):  # a study that runs writes the same tables and figures
            for study in [load_study(name) for name in args.studies] or published_studies():
                redraw(study, args.judge)
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
