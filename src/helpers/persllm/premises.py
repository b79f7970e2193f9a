"""False premises: which answers are read blind, and which of them put the premise right."""

from typing import Annotated

import pandas as pd
from pydantic import Field

from helpers.files import StudyError, shown, write_jsonl
from helpers.persllm.life_stages import persllm_folder
from helpers.rows import Row, Text, known, read_rows


class ToLabel(Row):
    """What a labeller of corrected premises may see."""

    label_id: Text
    question: Text
    premise: Text
    answer: Text


class Corrected(Row):
    """A blind label: 1 where the answer puts the premise right."""

    label_id: known("drawn", "is none of the answers drawn in to_label.jsonl")
    label: Annotated[int, Field(ge=0, le=1)]


def load_to_label(persona: str) -> list[dict]:
    """The rows of `to_label.jsonl`; [] where nothing was drawn. Raises StudyError."""
    path = persllm_folder(persona) / "to_label.jsonl"
    return read_rows(path, ToLabel, key="label_id") if path.exists() else []


def write_to_label(drawn: pd.DataFrame, persona: str) -> None:
    """`to_label.jsonl`, what a labeller of corrected premises may see: label_id, question, premise,
    answer. What was drawn before stays. Raises StudyError where there is nothing to add."""
    path, before = persllm_folder(persona) / "to_label.jsonl", load_to_label(persona)
    new = drawn[~drawn["label_id"].isin([row["label_id"] for row in before])]
    if new.empty:
        raise StudyError(
            f"{shown(path)}: answers of every arm are drawn and labelled; nothing is added."
        )
    write_jsonl(path, before + new[list(ToLabel.model_fields)].to_dict("records"))


def load_corrections(persona: str) -> pd.DataFrame:
    """Blind labels of study answers, `data/persllm/<persona>/corrected.jsonl`: label_id and label
    (1: puts the premise right); the last label of an answer counts. Empty where nobody has
    labelled. Raises StudyError with file, line and field."""
    path, rows = persllm_folder(persona) / "corrected.jsonl", []
    if path.exists():
        drawn = {row["label_id"] for row in load_to_label(persona)}
        rows = read_rows(path, Corrected, {"drawn": drawn}, key=None)
    frame = pd.DataFrame(rows, columns=["label_id", "label"])
    return frame.drop_duplicates("label_id", keep="last")
