"""False premises: written answers, a local judge of those put right, and blind labels."""

import re
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from helpers import files
from helpers.alphabets import length, sentences
from helpers.files import StudyError, shown, write_jsonl
from helpers.measure.markers import without_words
from helpers.persllm.life_stages import persllm_folder
from helpers.persllm.reasoned import load_examples
from helpers.pretrained import embed
from helpers.rows import Row, Text, known, read_rows

# The kinds of written answers to questions with a false premise, and whether they count as putting
# it right.
WRITTEN = {"corrects": True, "corrects_late": True, "goes_along": False, "evades": False}


DENIAL = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|nor|cannot|wrong|mistaken|false|untrue|actually)\b|n't",
    re.IGNORECASE,
)


class Written(Row):
    """Four written answers to an example's question, whose premise is false."""

    id: Annotated[Text, known("splits", "is the id of no example")]
    corrects: Text
    corrects_late: Text
    goes_along: Text
    evades: Text

    @field_validator("id")
    @classmethod
    def is_for_training(cls, example: str, info) -> str:
        if info.context["splits"][example] != "train":
            raise ValueError(f"{example!r} is held out, and the judge would learn from it")
        return example


class ToLabel(Row):
    """What a labeller of corrected premises may see."""

    label_id: Text
    question: Text
    premise: Text
    answer: Text


class Corrected(Row):
    """A blind label: 1 where the answer puts the premise right."""

    label_id: Annotated[Text, known("drawn", "is none of the answers drawn in to_label.jsonl")]
    label: Annotated[int, Field(ge=0, le=1)]


def load_written() -> pd.DataFrame:
    """The written answers of every persona's `data/persllm/<persona>/premises.jsonl`, a row per
    answer: item, written (the kind), question, premise, answer, label; only training examples have
    any. The judge sees no persona, so all teach it.

    Raises StudyError with file, line and field.
    """
    rows = []
    for path in sorted((files.DATA / "persllm").glob("*/premises.jsonl")):
        persona = path.parent.name
        examples = {example["id"]: example for example in load_examples(persona)}
        splits = {name: example["split"] for name, example in examples.items()}
        rows += [
            {
                "item": f"{persona}/{row['id']}",
                "written": kind,
                "question": examples[row["id"]]["question"],
                "premise": examples[row["id"]]["premise"],
                "answer": row[kind],
                "label": int(right),
            }
            for row in read_rows(path, Written, {"splits": splits})
            for kind, right in WRITTEN.items()
        ]
    return pd.DataFrame(rows)


def features(rows: pd.DataFrame) -> np.ndarray:
    """What the judge sees of a question, the statement of what is in fact so, and an answer: (rows,
    12).

    How near the answer, its first sentence and its nearest sentence are to question and statement
    (cosines of sentence embeddings); the same for sentences with a denial alone; denials in the
    whole and in the first sentence; length.
    """
    pieces = [sentences(text) or [""] for text in rows["answer"]]
    texts = [*rows["question"], *rows["premise"], *rows["answer"]]
    texts = list(dict.fromkeys([*texts, *(sentence for split in pieces for sentence in split)]))
    vectors = dict(zip(texts, embed(texts), strict=True))
    table = []
    for row, parts in zip(rows.itertuples(), pieces, strict=True):
        question, premise, whole = (vectors[t] for t in (row.question, row.premise, row.answer))
        each = np.stack([vectors[sentence] for sentence in parts])
        denied = np.array([bool(DENIAL.search(sentence)) for sentence in parts])
        to_premise, to_question = each @ premise, each @ question
        table.append(
            [
                whole @ question,
                whole @ premise,
                to_question[0],
                to_premise[0],
                to_question.max(),
                to_premise.max(),
                (to_question * denied).max(),
                (to_premise * denied).max(),
                (to_premise - to_question).max(),
                len(DENIAL.findall(row.answer)),
                len(DENIAL.findall(parts[0])),
                length(row.answer),
            ]
        )
    return np.array(table, dtype=float)


def train_judge(passages: pd.DataFrame, folds: int = 5) -> tuple[object, pd.DataFrame]:
    """The judge, a logistic regression on `features`, and how it did on questions that it had not
    learnt from: written, n, and the share it took for a correction; the whole's AUC in every
    row."""
    from sklearn.linear_model import LogisticRegression  # loading it takes a second
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = features(passages), passages["label"].to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    score = cross_val_predict(
        model, x, y, groups=passages["item"], cv=GroupKFold(folds), method="predict_proba"
    )[:, 1]
    table = (
        passages.assign(taken=score > 0.5)
        .groupby("written", sort=False)["taken"]
        .agg(["count", "mean"])
        .reset_index()
    )
    report = table.set_axis(["written", "n", "taken_for_correction"], axis=1).assign(
        auc=roc_auc_score(y, score)
    )
    return model.fit(x, y), report


def judge_premises(answers: pd.DataFrame, model) -> pd.Series:
    """1 where an answer (question, premise, answer) puts the premise right, else 0; missing for an
    answer without words."""
    if answers.empty:
        return pd.Series(dtype="Int64", index=answers.index)
    found = pd.Series(model.predict(features(answers)), index=answers.index).astype("Int64")
    return found.mask(without_words(answers["answer"]))


# Blind labels


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
