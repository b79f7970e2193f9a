"""The judges side by side: which have judged, how they stand to the labels, which is primary."""

import pandas as pd

from helpers.measure.stats import long

JUDGES = ("markers", "classifier", "combined", "model")  # from the simplest on
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


def by_the_rule(labelled: pd.DataFrame) -> pd.DataFrame:
    """The rows of `beside_labels` that were read by the rule; all where none was."""
    ruled = labelled[labelled["coherence"].notna()] if "coherence" in labelled else labelled
    return ruled if len(ruled) else labelled


def primary(quality: pd.DataFrame) -> str:
    """The judge that counts, of those that need no server: the markers, unless a less simple one
    has a higher Youden index (sensitivity + specificity - 1) in every arm than the one that counted
    before it (the choice fixed in `data/contrasts.yaml`). `quality` has a row per judge and arm
    (`calibration.per_arm`)."""
    index = quality.pivot(index="arm", columns="judge", values="youden")
    best = "markers"
    for name in JUDGES[1:]:
        if name in index and name != SERVED and best in index:
            both = index[[best, name]].dropna()
            if len(both) and (both[name] > both[best]).all():
                best = name
    return best


def youden_by_arm(quality: pd.DataFrame) -> pd.DataFrame:
    """The Youden index of every judge: a row per judge, a column per arm, and `difference`, the
    largest between two arms: a judge that errs more in one arm than in another makes a difference
    where there is none."""
    table = quality.pivot(index="judge", columns="arm", values="youden")
    table = table.reindex([name for name in JUDGES if name in table.index])
    table = table[list(dict.fromkeys(quality["arm"]))]
    return table.assign(difference=table.max(axis=1) - table.min(axis=1))
