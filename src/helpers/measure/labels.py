"""Blind labels: draw answers, hide what arm they come from, read what annotators gave."""

from itertools import combinations
from pathlib import Path

import pandas as pd

from helpers import files
from helpers.corpus.personas import trait_ids
from helpers.files import StudyError, fingerprint, read_jsonl, shown, write_frame, write_jsonl


def label_folder(persona: str) -> Path:
    return files.DATA / "labels" / persona


def label_ids(answers: pd.DataFrame) -> list[str]:
    """An id per answer that says nothing about its arm: a fingerprint of prompt and answer, so that
    a label belongs to this very text and to no other."""
    return [fingerprint([p, a]) for p, a in zip(answers["prompt"], answers["answer"], strict=True)]


def draw_answers(answers: pd.DataFrame, per_stratum: int, seed: int = 0) -> pd.DataFrame:
    """`per_stratum` answers of every arm, kind and trait asked about (fewer where there are fewer),
    in random order, with their `label_id`. Doubled texts are drawn once. `answers` have a
    `label_id` (see `label_ids`)."""
    texts = answers.drop_duplicates("label_id")
    texts = texts[texts["answer"].str.strip() != ""]
    drawn = texts.groupby(["arm", "kind", "scenario_trait"], dropna=False, group_keys=False).sample(
        frac=1, random_state=seed
    )
    return (
        drawn.groupby(["arm", "kind", "scenario_trait"], dropna=False)
        .head(per_stratum)
        .sample(frac=1, random_state=seed)
    )


def write_blind(drawn: pd.DataFrame, folder: Path) -> None:
    """`to_label.jsonl`, what an annotator may see (label_id, prompt, answer), and `key.csv`, which
    tells the arms. What was drawn before stays, so that its labels still belong to it; answers of
    arms that were not drawn then are added.

    Raises StudyError where there are none to add.
    """
    texts, path = folder / "to_label.jsonl", folder / "key.csv"
    before = read_jsonl(texts) if texts.exists() else []
    key = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else None
    if key is not None:
        drawn = drawn[~drawn["arm"].isin(key["arm"]) & ~drawn["label_id"].isin(key["label_id"])]
    if drawn.empty:
        raise StudyError(
            f"{shown(folder)} holds drawn answers of all these arms; move them and their labels away before you draw others."
        )
    new = drawn[["label_id", "arm", "seed", "item", "kind", "scenario_trait", "sample"]]
    known = {
        row["label_id"] for row in before
    }  # a kill between the two files leaves texts without a key
    rows = drawn[~drawn["label_id"].isin(known)][["label_id", "prompt", "answer"]]
    write_jsonl(texts, before + rows.to_dict("records"))
    write_frame(path, new if key is None else pd.concat([key, new]))


def to_label(persona: str) -> set[str]:
    """The ids of the answers that were drawn for labelling."""
    path = label_folder(persona) / "to_label.jsonl"
    return {row["label_id"] for row in read_jsonl(path)} if path.exists() else set()


def load_labels(persona: str, card: dict) -> pd.DataFrame:
    """All labels of all annotators: annotator, label_id, trait, label (0 or 1), a row per trait;
    the last label of an answer counts. Empty where nobody has labelled.

    Raises StudyError with file and line for a label of an unknown answer or trait.
    """
    folder, known, rows = label_folder(persona), to_label(persona), []
    for file in sorted(folder.glob("by_*.jsonl")):
        for number, row in enumerate(read_jsonl(file), 1):
            if row.get("label_id") not in known or set(row.get("traits", [None])) - set(
                trait_ids(card)
            ):
                raise StudyError(
                    f"{shown(file)}, line {number}: it labels an answer or names a trait that is not known."
                )
            rows += [
                {
                    "annotator": file.stem.removeprefix("by_"),
                    "label_id": row["label_id"],
                    "trait": trait,
                    "label": int(trait in row["traits"]),
                }
                for trait in trait_ids(card)
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
