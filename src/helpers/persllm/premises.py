"""False premises: written answers, a local judge of those put right, and blind labels."""

import re

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import files
from helpers.files import StudyError, read_jsonl, shown, write_jsonl
from helpers.persllm.life_stages import persllm_folder
from helpers.persllm.reasoned import load_examples
from helpers.pretrained import embed

# The kinds of written answers to questions with a false premise, and whether they count as putting
# it right.
WRITTEN = {"corrects": True, "corrects_late": True, "goes_along": False, "evades": False}


DENIAL = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|nor|cannot|wrong|mistaken|false|untrue|actually)\b|n't",
    re.IGNORECASE,
)


def load_written() -> pd.DataFrame:
    """The written answers of every persona's `data/persllm/<persona>/premises.jsonl`, a row per
    answer: item, written (the kind), question, premise, answer, label; only training examples have
    any. The judge sees no persona, so all teach it.

    Raises StudyError with the line for an unknown example or a missing kind.
    """
    rows = []
    for path in sorted((files.DATA / "persllm").glob("*/premises.jsonl")):
        known = {example["id"]: example for example in load_examples(path.parent.name)}
        for number, row in enumerate(read_jsonl(path), 1):
            if row.get("id") not in known or not set(WRITTEN) <= set(row):
                raise StudyError(
                    f"{shown(path)}, line {number}: a row needs the id of an example and {', '.join(WRITTEN)}."
                )
            example = known[row["id"]]
            if example["split"] != "train":
                raise StudyError(
                    f"{shown(path)}, line {number}: {row['id']} is held out, and the judge would learn from it."
                )
            rows += [
                {
                    "item": f"{path.parent.name}/{row['id']}",
                    "written": kind,
                    "question": example["question"],
                    "premise": example["premise"],
                    "answer": row[kind],
                    "label": int(right),
                }
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
    pieces = [[s for s in re.split(r"(?<=[.!?])\s+", text) if s] or [""] for text in rows["answer"]]
    texts = list(
        dict.fromkeys(
            [
                *rows["question"],
                *rows["premise"],
                *rows["answer"],
                *(s for own in pieces for s in own),
            ]
        )
    )
    vectors = dict(zip(texts, embed(texts), strict=True))
    table = []
    for row, own in zip(rows.itertuples(), pieces, strict=True):
        question, premise, whole = (
            vectors[text] for text in (row.question, row.premise, row.answer)
        )
        each = np.stack([vectors[sentence] for sentence in own])
        denied = np.array([bool(DENIAL.search(sentence)) for sentence in own])
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
                len(DENIAL.findall(own[0])),
                len(row.answer.split()),
            ]
        )
    return np.array(table, dtype=float)


def train_judge(passages: pd.DataFrame, folds: int = 5) -> tuple[object, pd.DataFrame]:
    """The judge, a logistic regression on `features`, and how it did on questions that it had not
    learnt from: written, n, and the share it took for a correction; the whole's AUC in every
    row."""
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
    return found.mask(answers["answer"].str.strip() == "")


def write_to_label(drawn: pd.DataFrame, persona: str) -> None:
    """`to_label.jsonl`, what a labeller of corrected premises may see: label_id, question, premise,
    answer. What was drawn before stays. Raises StudyError where there is nothing to add."""
    path = persllm_folder(persona) / "to_label.jsonl"
    before = read_jsonl(path) if path.exists() else []
    new = drawn[~drawn["label_id"].isin([row["label_id"] for row in before])]
    if new.empty:
        raise StudyError(
            f"{shown(path)}: answers of every arm are drawn and labelled; nothing is added."
        )
    write_jsonl(
        path, before + new[["label_id", "question", "premise", "answer"]].to_dict("records")
    )


def load_corrections(persona: str) -> pd.DataFrame:
    """Blind labels of study answers, `data/persllm/<persona>/corrected.jsonl`: label_id and label
    (1: puts the premise right)."""
    path = persllm_folder(persona) / "corrected.jsonl"
    rows = pd.DataFrame(read_jsonl(path) if path.exists() else [], columns=["label_id", "label"])
    return rows.drop_duplicates("label_id", keep="last")
