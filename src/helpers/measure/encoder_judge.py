"""Second judge: one logistic regression per trait on sentence embeddings, trained on labelled
passages."""

import numpy as np
import pandas as pd

from helpers import files
from helpers.alphabets import length, sentences
from helpers.corpus.personas import trait_ids
from helpers.files import StudyError
from helpers.measure.markers import without_words
from helpers.pretrained import embed
from helpers.rows import Row, Text, TraitId, read_rows

# In cross-validation, a threshold lets at most one in twenty passages without the trait pass.
SPECIFICITY = 0.95
CHUNK = 40  # words; the passages that the classifiers learn from have 12 to 60


class Labelled(Row):
    """A passage and the traits that it shows."""

    id: Text
    text: Text
    traits: list[TraitId]


def load_labelled_passages(persona: str, card: dict) -> list[dict]:
    """The rows {id, text, traits} of `data/labels/<persona>/passages.jsonl`; [] where there is no
    such file.

    Raises StudyError with file, line and field.
    """
    path = files.DATA / "labels" / persona / "passages.jsonl"
    return read_rows(path, Labelled, {"traits": trait_ids(card)}) if path.exists() else []


def train_classifiers(
    passages: list[dict], card: dict, folds: int = 5
) -> tuple[dict, pd.DataFrame]:
    """A classifier and threshold per trait, and how they did on passages that they had not learnt
    from.

    The frame has trait, n, positives, auc, threshold, sensitivity and specificity, by stratified
    cross-validation; the threshold is the lowest score that keeps the specificity at SPECIFICITY
    there, so that the specificity of a whole answer, of which any piece may pass, is lower: the
    blind labels tell it. No passages: no classifiers. Raises StudyError for a trait with too few
    passages.
    """
    if not passages:
        return {}, pd.DataFrame(columns=["trait"])
    from sklearn.linear_model import LogisticRegression  # loading it takes a second
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    vectors = embed([row["text"] for row in passages])
    judges, report = {}, []
    for trait in trait_ids(card):
        truth = np.array([trait in row["traits"] for row in passages])
        if min(truth.sum(), (~truth).sum()) < folds:
            raise StudyError(
                f"data/labels/<persona>/passages.jsonl: trait '{trait}' needs at least {folds} "
                "passages that show it and as many that do not. Write more, or remove the file: "
                "the markers then judge alone."
            )
        model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
        split = StratifiedKFold(folds, shuffle=True, random_state=0)
        score = cross_val_predict(model, vectors, truth, cv=split, method="predict_proba")[:, 1]
        threshold = float(np.quantile(score[~truth], SPECIFICITY))
        judges[trait] = (model.fit(vectors, truth), threshold)
        report.append(
            {
                "trait": trait,
                "n": len(truth),
                "positives": int(truth.sum()),
                "auc": roc_auc_score(truth, score),
                "threshold": threshold,
                "sensitivity": (score[truth] > threshold).mean(),
                "specificity": (score[~truth] <= threshold).mean(),
            }
        )
    return judges, pd.DataFrame(report)


def chunks(text: str) -> list[str]:
    """A text in pieces of whole sentences, each of at most CHUNK words where its sentences allow
    it."""
    pieces = [""]
    for sentence in sentences(text):
        whole = f"{pieces[-1]} {sentence}".strip()
        if length(whole) <= CHUNK or not pieces[-1]:
            pieces[-1] = whole
        else:
            pieces.append(sentence)
    return pieces


def add_judgements(judged: pd.DataFrame, texts: pd.Series, judges: dict) -> pd.DataFrame:
    """`judged` with a column `classifier_<trait>` per trait: 1 where any piece of the text scores
    above the trait's threshold, else 0; missing for a text without words. `texts` are the answers,
    row by row. No classifiers: no columns."""
    if not judges:
        return judged
    parts = [chunks(text) for text in texts]
    flat = list(dict.fromkeys(piece for pieces in parts for piece in pieces))
    place, vectors = {piece: i for i, piece in enumerate(flat)}, embed(flat)
    found = {}
    for trait, (model, threshold) in judges.items():
        above = model.predict_proba(vectors)[:, 1] > threshold
        found[f"classifier_{trait}"] = [
            int(any(above[place[piece]] for piece in pieces)) for pieces in parts
        ]
    columns = pd.DataFrame(found, index=judged.index).astype("Int64")
    return judged.join(columns.mask(without_words(texts).set_axis(judged.index)))
