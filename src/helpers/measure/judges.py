"""The judges side by side: which have judged, how they stand to the labels, which is primary."""

import pandas as pd

from helpers.measure.stats import long

JUDGES = ("markers", "classifier", "model")
SERVED = "model"  # the judge that needs a server


def present(judged: pd.DataFrame) -> list[str]:
    """The judges whose judgements are among the columns of `judged`, `<judge>_<trait>`."""
    return [name for name in JUDGES if any(c.startswith(f"{name}_") for c in judged)]


def beside_labels(judged: pd.DataFrame, label_ids: pd.Series, truth: pd.DataFrame) -> pd.DataFrame:
    """Every judgement of a labelled answer beside its label: a row per judge, answer and trait, the
    columns of `stats.long` with label_id, judge and label. `label_ids` name the answers of `judged`
    row by row; `truth` has label_id, trait, label. A text that an arm gave twice counts once."""
    known = judged.assign(label_id=label_ids)
    known = known[known["label_id"].isin(truth["label_id"])].drop_duplicates(["arm", "label_id"])
    rows = pd.concat(long(known, name, "label_id").assign(judge=name) for name in present(judged))
    return rows.merge(truth, on=["label_id", "trait"])


def primary(quality: pd.DataFrame) -> str:
    """The judge, of those that need no server, that agrees best with the labels by Gwet's AC1 (the
    choice fixed in `data/contrasts.yaml`); `markers` where nothing is labelled. `quality` has a row
    per judge (`calibration.per_arm`)."""
    offline = quality[quality["judge"] != SERVED].dropna(subset=["ac1"])
    return offline.loc[offline["ac1"].idxmax(), "judge"] if len(offline) else "markers"
