"""Judges that learn from labelled texts: per trait a logistic regression on sentence embeddings,
alone or with the markers' hits and the words. None judges a scenario that it has learnt from."""

from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse

from helpers import files
from helpers.alphabets import WITH_APOSTROPHES
from helpers.alphabets import words as words_of
from helpers.corpus.personas import trait_ids
from helpers.files import StudyError, fingerprint
from helpers.measure.labels import label_folder, load_key, load_labels, load_to_label, settled
from helpers.measure.markers import compile_markers, tag, without_words
from helpers.pretrained import embed
from helpers.rows import Row, Text, TraitId, read_rows

# Judge -> whether it sees the markers' hits and the words besides the sentence embedding.
SEES_WORDS = {"classifier": False, "combined": True}
# Words and pairs of words; "don't" is one.
TERMS = {"tokenizer": partial(words_of, pattern=WITH_APOSTROPHES), "token_pattern": None}
TERMS |= {"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True}
FOLDS = 5
LEAST = 10  # examples that show a trait, and that do not, below which nothing is learnt


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


def load_examples(persona: str, card: dict) -> pd.DataFrame:
    """What the judges learn from, the passages and the answers that were read: text, group, and 1,
    0 or missing (not read for it) per trait. The group of an answer is its scenario, that of a
    passage its id. Raises StudyError as the readers of the files do."""
    traits = trait_ids(card)
    passages = load_labelled_passages(persona, card)
    rows = [
        {"text": row["text"], "group": row["id"]} | {t: float(t in row["traits"]) for t in traits}
        for row in passages
    ]
    found = settled(load_labels(persona, card))
    if len(found):
        wide = found.pivot(index="label_id", columns="trait", values="label").reindex(
            columns=traits
        )
        texts = pd.DataFrame(load_to_label(label_folder(persona))).set_index("label_id")["answer"]
        key = load_key(label_folder(persona)).drop_duplicates("label_id")
        group = key.set_index("label_id")["item"]
        read = wide.astype(float).assign(text=texts, group=group.reindex(wide.index))
        rows += read.assign(group=read["group"].fillna(read.index.to_series())).to_dict("records")
    return pd.DataFrame(rows, columns=["text", "group", *traits])


def fold_of(groups: list[str]) -> np.ndarray:
    """The fold of each group, drawn by its name: the same whatever other groups there are."""
    return np.array([int(fingerprint(name)[:8], 16) % FOLDS for name in groups], dtype=int)


def add_judgements(
    judged: pd.DataFrame, answers: pd.DataFrame, examples: pd.DataFrame, card: dict
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`judged` with a column `<judge>_<trait>` per judge of SEES_WORDS and trait (0 or 1; missing
    for an answer without words), and how the judges did on the examples: judge, trait, n,
    positives, auc, sensitivity, specificity.

    `answers` (item, answer) are those of `judged` row by row, `examples` those of `load_examples`.
    Answers and examples are dealt to FOLDS by scenario, and each fold is judged by models that
    learnt from the examples of the others. No examples: no columns. Raises StudyError for a trait
    with too few examples.
    """
    names = ["judge", "trait", "n", "positives", "auc", "sensitivity", "specificity"]
    if examples.empty:
        return judged, pd.DataFrame(columns=names)
    traits, count = trait_ids(card), len(examples)
    refuse_few(examples, traits)
    truth = examples[traits].to_numpy(float)
    texts = [*examples["text"], *answers["answer"]]
    fold = fold_of([*examples["group"], *answers["item"]])
    seen, reports = numbers(texts, card), []
    for judge, words in SEES_WORDS.items():
        scores = cross_fitted(texts, seen, truth, fold, words)
        reports += [
            {"judge": judge, "trait": trait} | quality(truth[:, column], scores[:count, column])
            for column, trait in enumerate(traits)
        ]
        shows = pd.DataFrame(scores[count:] > 0.5, judged.index, traits).astype("Int64")
        empty = without_words(answers["answer"]).set_axis(judged.index)
        judged = judged.join(shows.mask(empty).add_prefix(f"{judge}_"))
    return judged, pd.DataFrame(reports, columns=names)


def refuse_few(examples: pd.DataFrame, traits: list[str]) -> None:
    """Raise StudyError where too few examples show a trait, or lack it, to learn from in every
    fold."""
    fold = fold_of(examples["group"].tolist())
    for trait in traits:
        for value in (0, 1):
            own = fold[examples[trait] == value]
            if len(own) < LEAST or len(set(own)) < 2:
                raise StudyError(
                    f"data/labels/<persona>/: {len(own)} passages and answers "
                    f"{'show' if value else 'do not show'} the trait '{trait}', and at least "
                    f"{LEAST} are needed. Write more passages.jsonl, or remove it and the labels: "
                    "the markers then judge alone."
                )


def numbers(texts: list[str], card: dict) -> tuple[np.ndarray, np.ndarray]:
    """The sentence embeddings (texts, 384) and the markers' hits (texts, traits) of the texts, each
    different text read once."""
    different = list(dict.fromkeys(texts))
    place, patterns = {text: row for row, text in enumerate(different)}, compile_markers(card)
    hits = np.array([list(tag(text, patterns).values()) for text in different], dtype=float)
    rows = [place[text] for text in texts]
    return embed(different)[rows], hits[rows]


def cross_fitted(
    texts: list[str],
    seen: tuple[np.ndarray, np.ndarray],
    truth: np.ndarray,
    fold: np.ndarray,
    words: bool,
) -> np.ndarray:
    """The probability (texts, traits) that each text shows each trait, by models that learnt from
    the other folds. The first texts are the examples, whose `truth` (examples, traits) is 1, 0 or
    nan; `seen` is that of `numbers`. With `words` a model sees the hits too, and the TF-IDF of
    words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # loading them takes a second
    from sklearn.linear_model import LogisticRegression

    vectors, hits = seen
    scores = np.full((len(texts), truth.shape[1]), np.nan)
    for own in np.unique(fold):
        learn, asked = np.flatnonzero(fold[: len(truth)] != own), np.flatnonzero(fold == own)
        x_learn, x_asked = vectors[learn], vectors[asked]
        if words:
            terms = TfidfVectorizer(**TERMS).fit([texts[row] for row in learn])
            x_learn, x_asked = (
                sparse.hstack([np.c_[x, hits[rows]], terms.transform([texts[r] for r in rows])])
                for x, rows in ((x_learn, learn), (x_asked, asked))
            )
        x_learn = sparse.csr_matrix(x_learn)
        for trait, labels in enumerate(truth[learn].T):
            known = ~np.isnan(labels)
            model = LogisticRegression(class_weight="balanced", solver="liblinear")
            model.fit(x_learn[known], labels[known])
            scores[asked, trait] = model.predict_proba(x_asked)[:, 1]
    return scores


def quality(truth: np.ndarray, score: np.ndarray) -> dict:
    """How scores tell what is there: n, positives, auc, sensitivity and specificity at 0.5."""
    from sklearn.metrics import roc_auc_score

    known = ~np.isnan(truth)
    shows, score = truth[known] == 1, score[known]
    return {
        "n": len(shows),
        "positives": int(shows.sum()),
        "auc": float(roc_auc_score(shows, score)),
        "sensitivity": float((score[shows] > 0.5).mean()),
        "specificity": float((score[~shows] <= 0.5).mean()),
    }
