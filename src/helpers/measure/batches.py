"""Answers to read blind, in batches that each hold all arms, and what readers found in them.

    python -m helpers.measure.batches draw data/results/reference data/runs/reading/a --set a
    python -m helpers.measure.batches collect data/results/reference data/runs/reading/a claude

`draw` writes `batch_01.jsonl` and so on: label_id, prompt, answer, and the traits to look for. A
reader writes, by the rule of `data/labels`, a file of the same name into `by_<reader>/`, a row
{label_id, values: {trait: value}, coherence} per answer. `collect` checks them and puts them into
`data/labels/<persona>/by_<reader>.jsonl`.
"""

import argparse
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field, field_validator

from helpers import arms
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import ROOT, StudyError, located, read_jsonl, shown, write_frame, write_jsonl
from helpers.measure.labels import (
    COHERENCE,
    KEY,
    VALUES,
    ToLabel,
    label_folder,
    label_ids,
    load_key,
    load_to_label,
)
from helpers.measure.markers import without_words
from helpers.parameters import at_least_one, is_name
from helpers.rows import Row, TraitId, known, read_rows


class InBatch(ToLabel):
    """What a reader may see of a drawn answer: the message, the answer, the traits to look for."""

    traits: Annotated[list[TraitId], Field(min_length=1)]


class Reading(Row, extra="forbid"):
    """What a reader found in an answer of a batch: a value for each of its traits, and its
    coherence. The context `asked` gives the traits by label_id."""

    label_id: known("asked", "is the label_id of no answer in the batch")
    values: dict[str, Literal[*VALUES]]
    coherence: Literal[*COHERENCE]

    @field_validator("values")
    @classmethod
    def are_the_asked(cls, values: dict, info) -> dict:
        asked = info.context["asked"].get(info.data.get("label_id"), values)
        if set(values) != set(asked):
            raise ValueError(f"values of {', '.join(asked)} are needed, found {[*values]}")
        return values


# Drawing


def evenly(answers: pd.DataFrame, count: int, seed: int = 0) -> pd.DataFrame:
    """`count` of the answers, spread over arms and within an arm over its scenarios' traits as
    evenly as it can be, no scenario of an arm a second time while another is left."""
    mixed = answers.sample(frac=1, random_state=seed)
    for stratum in (["arm", "item"], ["arm", "scenario_trait"]):
        mixed = mixed.assign(turn=mixed.groupby(stratum).cumcount())
        mixed = mixed.sort_values("turn", kind="stable")
    return mixed.drop(columns="turn").groupby("arm").head(count // answers["arm"].nunique())


def batches(drawn: pd.DataFrame, size: int, seed: int = 0) -> list[pd.DataFrame]:
    """The drawn answers in batches of `size`, each with all arms in the shares that they have in
    the whole, in random order."""
    mixed = drawn.sample(frac=1, random_state=seed)
    by_arm = mixed.groupby("arm")["arm"]
    place = (by_arm.cumcount() + 0.5) / by_arm.transform("size")
    laid = mixed.loc[place.sort_values(kind="stable").index]
    parts = [laid[start : start + size] for start in range(0, len(laid), size)]
    return [part.sample(frac=1, random_state=seed) for part in parts]


def to_read(
    results: Path, kind: str, sets: list[str], seeds: list[int], arm_names: list[str]
) -> pd.DataFrame:
    """The answers that may be drawn, with their `label_id`: of one kind, and of these sets, seeds
    and arms; without those that have no words, and each text once. Raises StudyError where there
    are none."""
    answers = given_answers(results)
    wanted = {"kind": [kind], "set": sets, "seed": seeds, "arm": arm_names}
    for column, values in wanted.items():
        if column not in answers:
            raise StudyError(
                f"{shown(results)}/answers.parquet: it has no column '{column}'; an older version "
                "of this code made it. Run the study again."
            )
        if lacking := sorted(set(values) - set(answers[column]), key=str):
            raise StudyError(
                f"{shown(results)}/answers.parquet: no answer has {column} {lacking[0]!r}; there "
                f"are {', '.join(map(str, answers[column].unique()))}."
            )
        answers = answers[answers[column].isin(values)]
    answers = answers[~without_words(answers["answer"])]
    return answers.assign(label_id=label_ids(answers)).drop_duplicates("label_id")


def given_answers(results: Path) -> pd.DataFrame:
    """The answers of a folder of results; raises StudyError where it has none."""
    path = results / "answers.parquet"
    if not path.is_file():
        raise StudyError(f"{shown(path)} is missing. Give a folder of results, then run again.")
    return pd.read_parquet(path)


def write_batches(drawn: pd.DataFrame, traits: list[list[str]], folder: Path, size: int) -> int:
    """Write the drawn answers into `folder` as batches, and return their number. `traits` are the
    ones to look for, answer by answer. Raises StudyError where the folder has batches already, and
    where no answer was drawn."""
    if drawn.empty:
        raise StudyError("No answer was drawn. Give a --count of at least the number of arms.")
    if any(folder.glob("batch_*.jsonl")):
        raise StudyError(f"{shown(folder)} holds batches already; give another folder.")
    drawn = drawn.assign(traits=pd.Series(traits, index=drawn.index))
    parts = batches(drawn, size)
    for number, part in enumerate(parts, 1):
        rows = part[list(InBatch.model_fields)].to_dict("records")
        write_jsonl(folder / f"batch_{number:02d}.jsonl", rows)
    return len(parts)


# Collecting


def read_batch(path: Path, traits: list[str]) -> dict[str, dict]:
    """The rows of a batch by label_id; raises StudyError with file, line and field."""
    return {
        row["label_id"]: row for row in read_rows(path, InBatch, {"traits": traits}, "label_id")
    }


def readings(path: Path, asked: dict[str, dict]) -> list[dict]:
    """What a reader found in the answers of one batch (see `Reading`). Raises StudyError with file,
    line and field for a wrong value and an unknown or doubled label_id, and where an answer is
    missing."""
    context = {"asked": {name: row["traits"] for name, row in asked.items()}}
    rows = read_rows(path, Reading, context, "label_id")
    read = {row["label_id"] for row in rows}
    if missing := [name for name in asked if name not in read]:
        raise StudyError(
            f"{shown(path)}: {len(missing)} of {len(asked)} answers are not read, the first "
            f"{missing[0]!r}. Read them, then run again."
        )
    return rows


def collect(folder: Path, reader: str, traits: list[str]) -> tuple[list[dict], list[dict]]:
    """The answers of the batches in `folder` that a reader has read, and the readings, with `draw`,
    the folder's name, and `batch`. A batch that the reader has not begun is left out. Raises
    StudyError as `readings` does, and where no batch is read."""
    texts, found = [], []
    for path in sorted(folder.glob("batch_*.jsonl")):
        own = folder / f"by_{reader}" / path.name
        if own.exists():
            asked = read_batch(path, traits)
            where = {"draw": folder.name, "batch": int(path.stem.removeprefix("batch_"))}
            found += [row | where for row in readings(own, asked)]
            texts += asked.values()
    if not found:
        raise StudyError(f"{shown(folder)}/by_{reader}: no batch is read yet.")
    return texts, found


def keep(
    asked: list[dict], found: list[dict], answers: pd.DataFrame, reader: str, folder: Path
) -> None:
    """Put readings into a folder of labels: the texts into `to_label.jsonl`, the arms that gave
    them into `key.csv`, the readings into `by_<reader>.jsonl`, in place of those of the same
    draws that are there. StudyError, before anything is written, where a text is no answer of
    `answers`: without its scenario a judge would learn from what it is to judge."""
    known = set(label_ids(answers))
    if odd := [row["label_id"] for row in asked if row["label_id"] not in known]:
        raise StudyError(
            f"{len(odd)} of {len(asked)} texts that were read are no answers of these results, "
            f"{odd[0]} the first. Give the results that the batches were drawn from."
        )
    texts, names, before = load_to_label(folder), list(ToLabel.model_fields), load_key(folder)
    there = {row["label_id"] for row in texts}
    new = {r["label_id"]: {n: r[n] for n in names} for r in asked if r["label_id"] not in there}
    write_jsonl(folder / "to_label.jsonl", [*texts, *new.values()])
    key = answers.assign(label_id=label_ids(answers))[KEY]
    key = key[key["label_id"].isin([row["label_id"] for row in asked])]
    key = key[~key["label_id"].isin(before["label_id"])]
    write_frame(folder / "key.csv", pd.concat([before, key]))
    path, draws = folder / f"by_{reader}.jsonl", {row["draw"] for row in found}
    before = read_jsonl(path) if path.exists() else []
    write_jsonl(path, [row for row in before if row.get("draw") not in draws] + found)


# Commands


def draw(given: argparse.Namespace) -> str:
    """Draw as the command line says, and say what was drawn."""
    traits = trait_ids(load_persona(given.persona))
    answers = to_read(located(given.results), given.kind, given.set, given.seed, given.arm)
    if odd := sorted(set(answers["scenario_trait"].dropna()) - {"", *traits}):
        raise StudyError(
            f"persona '{given.persona}': its card has no trait {odd[0]!r}, which the answers have. "
            "Give the persona of these results as --persona."
        )
    if given.again:
        paths = sorted(located(given.again).glob("batch_*.jsonl"))
        if not paths:
            raise StudyError(
                f"{shown(located(given.again))} holds no batches. Give another folder."
            )
        before = {name for path in paths for name in read_batch(path, traits)}
        answers, traits = answers[answers["label_id"].isin(before)], traits[::-1]
    drawn = evenly(answers, given.count) if given.count else answers
    # An answer to no scenario has no trait that it should show: it is read for all of them.
    own = [[trait] if trait else traits for trait in drawn["scenario_trait"].fillna("")]
    look_for = [traits] * len(drawn) if given.count or given.again else own
    number = write_batches(drawn, look_for, ROOT / given.folder, given.size)
    shares = drawn.groupby("arm").size().to_dict()
    return (
        f"{len(drawn)} answers in {number} batches, {shown(ROOT / given.folder)}; by arm {shares}"
    )


def collected(given: argparse.Namespace) -> str:
    """Collect as the command line says, and say what was found."""
    folder = ROOT / given.folder
    try:
        is_name(given.reader)
    except ValueError as error:
        raise StudyError(f"the reader {error}. Give another name.") from error
    asked, found = collect(folder, given.reader, trait_ids(load_persona(given.persona)))
    answers = given_answers(located(given.results))
    keep(asked, found, answers, given.reader, label_folder(given.persona))
    read, there = len({row["batch"] for row in found}), len(list(folder.glob("batch_*.jsonl")))
    own = shown(label_folder(given.persona) / f"by_{given.reader}.jsonl")
    return f"{len(found)} answers of {read} batches ({there} were drawn), written to {own}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run, name in ((draw, "draw"), (collected, "collect")):
        own = commands.add_parser(name, help=run.__doc__)
        own.set_defaults(run=run)
        own.add_argument("results", help="the folder of results whose answers are read")
        own.add_argument("folder", help="the folder of the batches; its name is that of the draw")
        own.add_argument("--persona", default="c3po")
        if name == "collect":
            reader = "whose readings, by_<reader>/ in the folder"
            own.add_argument("reader", help=reader)
            continue
        own.add_argument("--kind", default="do", help="default do")
        own.add_argument("--set", nargs="+", default=["a", "b"], help="default a b")
        own.add_argument("--seed", nargs="+", type=int, default=[0, 1], help="default 0 1")
        own.add_argument("--arm", nargs="+", default=["base", "prompted", *arms.formats()])
        size = "answers in a batch, default 40"
        own.add_argument("--size", type=at_least_one, default=40, help=size)
        spread = "draw so many, spread over arms and traits, for all traits of the card"
        own.add_argument("--count", type=at_least_one, help=spread)
        again = "draw among the answers of these batches, with the traits in reverse order"
        own.add_argument("--again", metavar="FOLDER", help=again)
    given = parser.parse_args()
    try:
        print(given.run(given))
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
