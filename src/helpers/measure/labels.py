"""Blind labels: draw answers, hide what arm they come from, load what readers found in them."""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field, model_validator

from helpers import files
from helpers.corpus.personas import trait_ids
from helpers.corpus.reading import read_table
from helpers.files import StudyError, fingerprint, shown, write_frame, write_jsonl
from helpers.measure.markers import without_words
from helpers.rows import Row, Text, TraitId, known, read_rows

# The value of a trait in an answer, and how far the answer makes sense: the rule that says when is
# data/labels/c3po/RULE.md.
VALUES = ("shows", "about", "no")
KEY = ["label_id", "arm", "seed", "item", "kind", "scenario_trait", "sample"]  # of key.csv
COHERENCE = ("sensible", "off", "salad")
DrawnId = known("drawn", "is none of the answers drawn in to_label.jsonl")


class ToLabel(Row):
    """What a reader may see of a drawn answer."""

    label_id: Text
    prompt: Text
    answer: Text


class Key(Row):
    """Which arm gave a drawn answer, and to what. A spreadsheet may have made a number of an id."""

    label_id: DrawnId
    arm: Text
    item: Text


class Label(Row):
    """What a reader found in an answer: by the rule, a value for each trait that was looked for and
    the coherence (with the draw and the batch in which it was read, where it came in one); or, read
    before there was a rule, the `traits` that it shows."""

    label_id: DrawnId
    traits: list[TraitId] | None = None
    values: Annotated[dict[TraitId, Literal[*VALUES]], Field(min_length=1)] | None = None
    coherence: Literal[*COHERENCE] | None = None
    draw: Text | None = None
    batch: int | None = None

    @model_validator(mode="after")
    def is_one_kind(self) -> "Label":
        if (self.traits is None) == (self.values is None):
            raise ValueError("`values` and `coherence` are needed, or `traits` alone")
        if self.values is not None and self.coherence is None:
            raise ValueError("`coherence` is needed beside `values`")
        return self


def label_folder(persona: str) -> Path:
    return files.DATA / "labels" / persona


def label_ids(answers: pd.DataFrame) -> list[str]:
    """An id per answer that says nothing about its arm: a fingerprint of prompt and answer, so that
    a label belongs to this very text and to no other."""
    return [fingerprint([p, a]) for p, a in zip(answers["prompt"], answers["answer"], strict=True)]


def draw_answers(answers: pd.DataFrame, per_stratum: int, seed: int = 0) -> pd.DataFrame:
    """`per_stratum` answers of every arm, kind and scenario trait (fewer where there are fewer), in
    random order. Doubled texts are drawn once, answers without words never. `answers` have a
    `label_id` (see `label_ids`)."""
    texts = answers.drop_duplicates("label_id")
    texts = texts[~without_words(texts["answer"])]
    stratum = {"by": ["arm", "kind", "scenario_trait"], "dropna": False}
    mixed = texts.groupby(**stratum, group_keys=False).sample(frac=1, random_state=seed)
    return mixed.groupby(**stratum).head(per_stratum).sample(frac=1, random_state=seed)


def write_blind(drawn: pd.DataFrame, folder: Path) -> None:
    """`to_label.jsonl`, what a reader may see (label_id, prompt, answer), and `key.csv`, which
    tells the arms. What was drawn before stays, so that its labels still belong to it; answers of
    arms that were not drawn then are added.

    Raises StudyError where there are none to add.
    """
    path, before, key = folder / "key.csv", load_to_label(folder), load_key(folder)
    drawn = drawn[~drawn["arm"].isin(key["arm"]) & ~drawn["label_id"].isin(key["label_id"])]
    if drawn.empty:
        raise StudyError(
            f"{shown(folder)} holds drawn answers of all these arms; move them and their labels "
            "away before you draw others."
        )
    new = drawn[KEY]
    # A kill between the two files leaves texts without a key: they are not written twice.
    written = {row["label_id"] for row in before}
    rows = drawn[~drawn["label_id"].isin(written)][list(ToLabel.model_fields)]
    write_jsonl(folder / "to_label.jsonl", before + rows.to_dict("records"))
    write_frame(path, pd.concat([key, new]))


def load_to_label(folder: Path) -> list[dict]:
    """The rows {label_id, prompt, answer} of `to_label.jsonl`; [] where nothing was drawn. Raises
    StudyError with file, line and field."""
    path = folder / "to_label.jsonl"
    return read_rows(path, ToLabel, key="label_id") if path.exists() else []


def load_key(folder: Path) -> pd.DataFrame:
    """`key.csv` as texts, a row per drawn answer and arm: label_id, arm, item and more; no rows
    where nothing was drawn. Raises StudyError with file, line and field."""
    path, context = folder / "key.csv", {"drawn": {r["label_id"] for r in load_to_label(folder)}}
    rows = read_table(path, Key, context) if path.exists() else []
    return pd.DataFrame(rows, columns=KEY, dtype=str)


def to_label(persona: str) -> set[str]:
    """The ids of the answers that were drawn for labelling."""
    return {row["label_id"] for row in load_to_label(label_folder(persona))}


def load_labels(persona: str, card: dict) -> pd.DataFrame:
    """All labels of all readers, a row per answer and trait: reader, label_id, trait, value (one of
    VALUES), label (1 where it `shows`, else 0), coherence, draw and batch (missing where the answer
    was read before there was a rule, or in no batch). A reader's last value counts. Empty where
    nobody has read.

    Raises StudyError with file and line for a label of an unknown answer or trait.
    """
    traits, rows = trait_ids(card), []
    context = {"drawn": to_label(persona), "traits": traits}
    for file in sorted(label_folder(persona).glob("by_*.jsonl")):
        reader = file.stem.removeprefix("by_")
        for row in read_rows(file, Label, context, key=None):
            values = row.get("values")
            if values is None:  # read before there was a rule
                values = dict.fromkeys(traits, "no") | dict.fromkeys(row["traits"], "shows")
            more = [row.get(name) for name in ("coherence", "draw", "batch")]
            rows += [(reader, row["label_id"], t, value, *more) for t, value in values.items()]
    names = ["reader", "label_id", "trait", "value", "coherence", "draw", "batch"]
    frame = pd.DataFrame(rows, columns=names)
    frame["label"] = (frame["value"] == "shows").astype(int)
    return frame.drop_duplicates(["reader", "label_id", "trait"], keep="last", ignore_index=True)


def settled(labels: pd.DataFrame) -> pd.DataFrame:
    """One value per answer and trait: label_id, trait, value, label (1 where it `shows`), coherence
    (missing where no reading has one). What was read by the rule goes before what was read without,
    then the reading of the reader who has read most answers."""
    answers_read = labels.groupby("reader")["label_id"].nunique()
    ranked = labels.assign(
        ruled=labels["coherence"].notna(), most=labels["reader"].map(answers_read)
    ).sort_values(["ruled", "most"], ascending=False, kind="stable")
    values = ranked.drop_duplicates(["label_id", "trait"])[["label_id", "trait", "value"]]
    values["label"] = (values["value"] == "shows").astype(int)
    whole = ranked.drop_duplicates("label_id")[["label_id", "coherence"]]
    return values.merge(whole, on="label_id")


def twice(labels: pd.DataFrame) -> pd.DataFrame:
    """What two readers found in the same answer, for every pair of readers: first_reader,
    second_reader, label_id, trait (`coherence` for that of the whole), first, second."""
    whole = labels.dropna(subset=["coherence"]).drop_duplicates(["reader", "label_id"])
    whole = whole.assign(trait="coherence", value=whole["coherence"])
    columns = ["reader", "label_id", "trait", "value"]
    found = pd.concat([labels[columns], whole[columns]])
    pairs = found.merge(found, on=["label_id", "trait"])
    pairs = pairs[pairs["reader_x"] < pairs["reader_y"]]
    names = {"reader_x": "first_reader", "reader_y": "second_reader"}
    names |= {"value_x": "first", "value_y": "second"}
    return pairs.rename(columns=names)[
        ["first_reader", "second_reader", "label_id", "trait", "first", "second"]
    ].reset_index(drop=True)
