"""Explanations of knowing without doing (`data/explanations.yaml`), held against the contrasts of
the experiments of `why`."""

import argparse
import sys
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, Field

from helpers import files
from helpers.files import StudyError, shown
from helpers.measure import margins
from helpers.measure.contrasts import load_contrasts
from helpers.report import why, why_answers, why_limits, why_weights
from helpers.report.page_words import markdown_table
from helpers.report.results import Results
from helpers.report.words import bullets, capital, counted, listed, spaced
from helpers.rows import Row, Text, different_ids, read_mapping

PAGE = "docs/why.md"
# Experiment -> the study whose results it is read from.
STUDIES = {
    "voice_person_wrapper": "why-cells",
    "few_demonstrations": "why-few",
    "dose": "why-dose",
    "selection": "reference",
    "weights": "reference",
}
VERDICTS = ("holds", "reversed", "open")
OPPOSITE = {"holds": "reversed", "reversed": "holds"}


class Explanation(Row, extra="forbid"):
    """An explanation, and how it predicts contrasts to come out."""

    id: Text
    explanation: Text
    predicts: Annotated[dict[Text, Literal[*VERDICTS]], Field(min_length=1)]


def load_explanations() -> list[dict]:
    """The explanations {id, explanation, predicts}; raises StudyError with the entry and the field
    of a wrong one, and for a prediction of a contrast that is not there."""
    path = files.DATA / "explanations.yaml"
    found = read_mapping(path, Annotated[list[Explanation], AfterValidator(different_ids)])
    known = {contrast["id"] for contrast in load_contrasts(("means",))}
    for one in found:
        if odd := sorted(set(one["predicts"]) - known):
            raise StudyError(
                f"{shown(path)}, {one['id']!r}, field 'predicts': {odd[0]!r} is no contrast of an "
                "experiment in contrasts.yaml. Correct the name, then run again."
            )
    return found


def standing(predicts: dict[str, str], seen: dict[str, str]) -> str:
    """`stands` where every prediction came true, `falls` where one came out the other way, `open`
    otherwise, also where a contrast has not been seen."""
    if any(seen.get(name) == OPPOSITE.get(verdict, "") for name, verdict in predicts.items()):
        return "falls"
    return "stands" if all(seen.get(n) == verdict for n, verdict in predicts.items()) else "open"


def explanations(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Each explanation, what it predicts, what was seen and whether it stands (`not tested` where
    none of its contrasts has been seen). `tables` are those of `why.contrasts`, of all
    experiments."""
    seen = {row.contrast: row.verdict for table in tables for row in table.itertuples()}
    rows = []
    for one in load_explanations():
        names = one["predicts"]
        rows.append(
            {
                "explanation": one["explanation"],
                "predicted": in_words(names),
                "seen": in_words({name: seen.get(name, "not run") for name in names}),
                "verdict": standing(names, seen) if set(names) & set(seen) else "not tested",
            }
        )
    return pd.DataFrame(rows)


def in_words(verdicts: dict[str, str]) -> str:
    """`voice in doing: holds; ...`."""
    return "; ".join(f"{spaced(name)}: {what}" for name, what in verdicts.items())


def found(table: pd.DataFrame) -> str:
    """How many explanations stand, fall or are left open."""
    counts = table["verdict"].value_counts()
    words = {
        "stands": ("stands", "stand"),
        "falls": ("falls", "fall"),
        "open": ("is left open", "are left open"),
        "not tested": ("has not been tested yet", "have not been tested yet"),
    }
    parts = [f"{counts[k]} {w[int(counts[k] > 1)]}" for k, w in words.items() if counts.get(k)]
    return capital(f"of {len(table)} explanations, {listed(parts)}")


# The page


def verdicts(studies: dict[str, Results]) -> list[pd.DataFrame]:
    """The contrasts of every experiment that has results."""
    found_tables = []
    for experiment, study in studies.items():
        gained = (
            why_weights.with_changes(study)
            if has_changes(experiment, study)
            else margins.margins(study.choices)
        )
        table = why.contrasts(gained, experiment)
        found_tables += [table] * (len(table) > 0)
    return found_tables


def made_from(studies: dict[str, Results]) -> str:
    """A table of how the experiments were run: study, units, seeds and number formats."""
    rows = []
    for experiment, study in studies.items():
        record = study.record
        units = record["prepared"]["corpus"]["settings"]["train_units"]
        trained, scored = (
            listed(sorted({own["dtype"].removeprefix("torch.") for own in record[part].values()}))
            for part in ("training", "arms")
        )
        name, seeds = spaced(experiment), ", ".join(map(str, seeds_of(experiment, study)))
        rows.append([name, f"`{STUDIES[experiment]}`", str(units), seeds, trained, scored])
    head = ["experiment", "study", "units, at most", "seeds", "trained in", "scored in"]
    return markdown_table(head, rows)


def has_changes(experiment: str, study: Results) -> bool:
    return experiment == "weights" and (study.folder / "changed.csv").exists()


def seeds_of(experiment: str, study: Results) -> list[int]:
    """The seeds that an experiment rests on: those of its study, or those whose weights were
    changed."""
    if has_changes(experiment, study):
        return sorted(why_weights.read(study.folder, "changed")["seed"].unique())
    return study.record["settings"]["seeds"]


def load(folders: dict[str, Path], persona: str) -> dict[str, Results]:
    """The results of the studies of experiments, by experiment."""
    return {
        experiment: why.load(folders[name], persona)
        for experiment, name in STUDIES.items()
        if name in folders
    }


def page(studies: dict[str, Results]) -> str:
    """The page on the experiments: every explanation, what its predictions leave open, every
    contrast as it was answered, and how the experiments were run."""
    tables, open_ = verdicts(studies), why_limits.limits(studies)
    table = explanations(tables)
    seen = pd.concat(tables, ignore_index=True)
    few, most = int(seen["seeds"].min()), int(seen["seeds"].max())
    seeds = counted(most, "seed") if few == most else f"{few} to {most} seeds"
    once = "With one seed, intervals are about *this seed* alone. " if few == 1 else ""
    short = why_answers.answers([*why_answers.IN_SHORT, *why_answers.FURTHER])
    lines = [
        "# What separates knowing from doing",
        "",
        "## In short",
        "",
        *([short, ""] if short else []),
        "## The explanations",
        "",
        f"{found(table)}. Each contrast was fixed and each prediction written before anything was "
        "scored for these experiments. `not run` stands where the study of an "
        "experiment has no results yet (`make why`).",
        "",
        "*Stands* means that what was predicted came true, and no more: another explanation may "
        "predict the same. Knowing and doing are [gains](reading_the_numbers.md#margin-and-gain) "
        f"over `base`, in nats per token, on at most {seen['items'].max():.0f} scenarios of set b, "
        f"from {seeds} (see the table below). {once}The 95 % intervals are over "
        f"scenarios{', and over seeds where there are several' if most > 1 else ''}. A contrast "
        "*holds*, or is *reversed*, where the test over scenarios says so (p below .05 after "
        "Holm's correction). That test is about the seeds that were run.",
        "",
    ]
    lines += ["| explanation | predicted | seen | verdict |", "|---|---|---|---|"]
    lines += [
        f"| {row.explanation} | {row.predicted} | {row.seen} | **{row.verdict}** |"
        for row in table.itertuples()
    ]
    if open_:
        lines += ["", "## What the predictions do not test", "", bullets(open_)]
    lines += ["", "## The contrasts", ""]
    lines += [bullets(why.answered(one)) for one in tables]
    lines += ["", "## How the experiments were run", "", made_from(studies)]
    return "\n".join(lines) + "\n"


def results() -> dict[str, Path]:
    """Study -> the folder of its results, for those that have any, published ones first."""
    folders = {}
    for name in set(STUDIES.values()):
        for path in (files.DATA / "results" / name, files.RUNS / name / "results"):
            if name not in folders and (path / "record.json").exists():
                folders[name] = path
    return folders


def main() -> None:
    """Write the page from the results of the studies that have any."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    folders = results()
    if not folders:
        sys.exit(f"error: none of {', '.join(sorted(set(STUDIES.values())))} has results.")
    try:
        text = page(load(folders, "c3po"))
    except StudyError as error:
        sys.exit(f"error: {error}")
    files.write_text(files.ROOT / PAGE, text)
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
