"""Blind labels: draw answers, hide what arm they come from, read what annotators gave."""

from itertools import combinations
from pathlib import Path
from typing import Annotated

import pandas as pd

from helpers import files
from helpers.corpus.personas import trait_ids
from helpers.files import StudyError, fingerprint, shown, write_frame, write_jsonl
from helpers.measure.markers import without_words
from helpers.rows import Row, Text, TraitId, known, read_rows


class ToLabel(Row):
    """What an annotator may see of a drawn answer."""

    label_id: Text
    prompt: Text
    answer: Text


class Label(Row):
    """What an annotator gave to an answer: the traits that it shows."""

    label_id: Annotated[Text, known("drawn", "is none of the answers drawn in to_label.jsonl")]
    traits: list[TraitId]


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
    """`to_label.jsonl`, what an annotator may see (label_id, prompt, answer), and `key.csv`, which
    tells the arms. What was drawn before stays, so that its labels still belong to it; answers of
    arms that were not drawn then are added.

    Raises StudyError where there are none to add.
    """
    path, before = folder / "key.csv", load_to_label(folder)
    key = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else None
    if key is not None:
        drawn = drawn[~drawn["arm"].isin(key["arm"]) & ~drawn["label_id"].isin(key["label_id"])]
    if drawn.empty:
        raise StudyError(
            f"{shown(folder)} holds drawn answers of all these arms; move them and their labels "
            "away before you draw others."
        )
    new = drawn[["label_id", "arm", "seed", "item", "kind", "scenario_trait", "sample"]]
    # A kill between the two files leaves texts without a key: they are not written twice.
    written = {row["label_id"] for row in before}
    rows = drawn[~drawn["label_id"].isin(written)][list(ToLabel.model_fields)]
    write_jsonl(folder / "to_label.jsonl", before + rows.to_dict("records"))
    write_frame(path, new if key is None else pd.concat([key, new]))


def load_to_label(folder: Path) -> list[dict]:
    """The rows {label_id, prompt, answer} of `to_label.jsonl`; [] where nothing was drawn. Raises
    StudyError with file, line and field."""
    path = folder / "to_label.jsonl"
    return read_rows(path, ToLabel, key="label_id") if path.exists() else []


def to_label(persona: str) -> set[str]:
    """The ids of the answers that were drawn for labelling."""
    return {row["label_id"] for row in load_to_label(label_folder(persona))}


def load_labels(persona: str, card: dict) -> pd.DataFrame:
    """All labels of all annotators: annotator, label_id, trait, label (0 or 1), a row per trait;
    the last label of an answer counts. Empty where nobody has labelled.

    Raises StudyError with file and line for a label of an unknown answer or trait.
    """
    traits, rows = trait_ids(card), []
    context = {"drawn": to_label(persona), "traits": traits}
    for file in sorted(label_folder(persona).glob("by_*.jsonl")):
        annotator = file.stem.removeprefix("by_")
        rows += [
            (annotator, row["label_id"], trait, int(trait in row["traits"]))
            for row in read_rows(file, Label, context, key=None)
            for trait in traits
        ]
    frame = pd.DataFrame(rows, columns=["annotator", "label_id", "trait", "label"])
    return frame.drop_duplicates(["annotator", "label_id", "trait"], keep="last", ignore_index=True)


def settled(labels: pd.DataFrame) -> pd.DataFrame:
    """One label per answer and trait: label_id, trait, label, the majority of its annotators; a tie
    goes to the one of them who has labelled most."""
    keys, most = ["label_id", "trait"], labels["annotator"].value_counts()
    ranked = labels.assign(labelled=labels["annotator"].map(most)).sort_values(
        "labelled", ascending=False, kind="stable"
    )
    deciding = ranked.drop_duplicates(keys).set_index(keys)["label"]
    share = labels.groupby(keys)["label"].mean().reindex(deciding.index)
    return deciding.where(share == 0.5, (share > 0.5).astype(int)).reset_index()


def twice(labels: pd.DataFrame) -> pd.DataFrame:
    """The labels that two annotators gave to the same answer and trait: label_id, trait, first,
    second (the two that labelled most in common)."""
    wide = labels.pivot(index=["label_id", "trait"], columns="annotator", values="label")
    pairs = [
        (int(wide[[a, b]].notna().all(axis=1).sum()), a, b)
        for a, b in combinations(wide.columns, 2)
    ]
    if not pairs or max(pairs)[0] == 0:
        return pd.DataFrame(columns=["label_id", "trait", "first", "second"])
    _, a, b = max(pairs)
    return wide[[a, b]].dropna().astype(int).set_axis(["first", "second"], axis=1).reset_index()
