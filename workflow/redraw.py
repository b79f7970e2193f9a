"""Redraw the published studies' figures and chapters from their committed tables, without a
model."""

import os
import sys
from pathlib import Path

from chain import arm_parameters, jobs
from chapters import READS_TABLES
from published import refuse_stale_recipe
from step import run_notebook
from study import Study, known, load_study

from helpers.files import ROOT, StudyError, read_json
from helpers.report import book


def published_studies() -> list[Study]:
    """The studies whose results are in the repository."""
    return [study for study in map(load_study, known()) if study.publish]


def redraw(study: Study) -> None:
    """Run every chapter of a study that reads tables alone.

    Raises StudyError when the tables were made by another recipe or from other data.
    """
    refuse_stale_recipe(study, read_json(ROOT / study.results / "record.json"))
    for chapter, _, _ in jobs(study):
        if chapter in READS_TABLES:
            executed = Path(f"data/runs/redraw/{study.name}/{chapter}.ipynb")
            run_notebook(chapter, arm_parameters(study, chapter), executed)
            book.publish_chapter(executed, study.name, f"{chapter}.ipynb")


def main() -> None:
    os.chdir(ROOT)
    wanted = sys.argv[1:]
    try:
        for study in [load_study(name) for name in wanted] or published_studies():
            redraw(study)
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
