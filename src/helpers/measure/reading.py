"""Doing as read: rates, coherence, agreement of two readings, and drift from batch to batch."""

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from helpers.measure import stats
from helpers.measure.calibration import agreement
from helpers.measure.labels import COHERENCE, settled, twice

# The two ways in which a value counts as doing: the answer shows the trait, or it shows it or tells
# that the character has it.
COUNTS = {"shows": ("shows",), "shows or about": ("shows", "about")}

ANSWER = ["arm", "seed", "set", "item", "kind", "scenario_trait", "setting", "sample", "label_id"]


def as_read(answers: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """What was read by the rule, a row per answer and trait: the columns ANSWER, then trait, value
    and coherence (`labels.settled`). `answers` have a `label_id`; a text that several of them have
    was read once and counts for each."""
    found = settled(labels[labels["coherence"].notna()])
    known = answers.reindex(columns=ANSWER)  # answers of an older study have no `set`
    return known.merge(found[["label_id", "trait", "value", "coherence"]], on="label_id")


def outcomes(read: pd.DataFrame) -> pd.DataFrame:
    """`read` once for each way of COUNTS: `counts`, its name, and `outcome`, 0 or 1."""
    return pd.concat(
        read.assign(counts=name, outcome=read["value"].isin(values).astype("Int64"))
        for name, values in COUNTS.items()
    )


def own_trait(read: pd.DataFrame) -> pd.DataFrame:
    """The rows about the trait of the answer's own scenario."""
    return read[read["trait"] == read["scenario_trait"]]


def read_rates(read: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Share of answers that show the scenario's own trait, as read: the columns `by`, counts (the
    way of COUNTS), those of `stats.rates`, and the shares of these answers that are sensible, off
    and salad. For other rows than those of `own_trait`, `by` should hold `trait`."""
    keys = [*by, "counts"]
    table = stats.rates(outcomes(read), keys)
    shares = pd.crosstab([read[name] for name in by], read["coherence"], normalize="index")
    shares = shares.reindex(columns=list(COHERENCE), fill_value=0.0)
    return table.merge(shares.reset_index(), on=by, how="left")


# Agreement


def read_twice(answers: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """What two readers found in the same answer: arm, and the columns of `labels.twice`. A text
    that an arm gave twice counts once."""
    given = answers[["arm", "label_id"]].drop_duplicates()
    return given.merge(twice(labels), on="label_id")


def read_agreement(both: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Agreement of two readings, for every pair of readers: first_reader, second_reader, the
    columns `by`, about (what is compared: a way of COUNTS, or the coherence), n, agreed, kappa and
    ac1 (see `calibration.agreement`). `both` is that of `read_twice`."""
    rows, pair = [], ["first_reader", "second_reader"]
    whole = both["trait"] == "coherence"
    for key, group in both[~whole].groupby([*pair, *by], sort=False):
        names = dict(zip([*pair, *by], key, strict=True))
        for counts, values in COUNTS.items():
            found = [group[name].isin(values) for name in ("first", "second")]
            rows.append(names | {"about": counts} | agreement(*found))
    for key, group in both[whole].groupby([*pair, *by], sort=False):
        names = dict(zip([*pair, *by], key, strict=True))
        rows.append(names | {"about": "coherence"} | agreement(group["first"], group["second"]))
    columns = [*pair, *by, "about", "n", "agreed", "kappa", "ac1"]
    return pd.DataFrame(rows, columns=columns)


# Drift


def drift(answers: pd.DataFrame, labels: pd.DataFrame, draws: int = 2000) -> pd.DataFrame:
    """Whether a reader's standard moved from batch to batch: a row per reader, draw and thing that
    was found (a way of COUNTS, sensible, salad), with n, batches, change, p_change and p_batches.

    Answers were dealt to the batches at random with all arms in each, so that a reading differs
    between batches only by chance or by drift. Each finding is taken minus the mean of its arm and
    trait. `change` is the rise of the share over a draw, by least squares on the batch number;
    p_change its two-sided permutation test, p_batches that of any differences between the batches'
    means (scipy's `permutation_test`, readings dealt to the batches anew).
    """
    first = answers.drop_duplicates("label_id")[["label_id", "arm"]]
    read, rows = labels.dropna(subset=["batch"]).merge(first, on="label_id"), []
    for (reader, name), own in read.groupby(["reader", "draw"], sort=False):
        whole = own.drop_duplicates("label_id")
        found = {c: (own, own["value"].isin(values)) for c, values in COUNTS.items()}
        found |= {c: (whole, whole["coherence"] == c) for c in ("sensible", "salad")}
        for about, (part, hit) in found.items():
            like = [part["arm"], part["trait"]] if about in COUNTS else [part["arm"]]
            left = (hit - hit.groupby(like).transform("mean")).to_numpy(float)
            tested = moved(left, part["batch"].to_numpy(int), draws)
            rows.append({"reader": reader, "draw": name, "about": about, "n": len(part)} | tested)
    columns = ["reader", "draw", "about", "n", "batches", "change", "p_change", "p_batches"]
    return pd.DataFrame(rows, columns=columns)


def moved(values: np.ndarray, batch: np.ndarray, draws: int) -> dict:
    """The tests of `drift` for centred `values` and the number of the batch of each."""
    numbers, place = np.unique(batch, return_inverse=True)
    row = {"batches": len(numbers), "change": np.nan, "p_change": np.nan, "p_batches": np.nan}
    if len(numbers) < 2 or not np.any(values):
        return row
    line = (batch - batch.mean()) / ((batch - batch.mean()) ** 2).sum()
    member = (place[:, None] == np.arange(len(numbers))) / np.sqrt(np.bincount(place))

    def slope(dealt: np.ndarray, axis: int) -> np.ndarray:
        return np.round(dealt @ line, 12)

    def spread(dealt: np.ndarray, axis: int) -> np.ndarray:
        return np.round(((dealt @ member) ** 2).sum(axis=-1), 12)

    how = {"permutation_type": "pairings", "n_resamples": draws, "vectorized": True, "rng": 0}
    row["change"] = float(values @ line * (numbers[-1] - numbers[0]))
    row["p_change"] = float(permutation_test((values,), slope, **how).pvalue)
    one_sided = permutation_test((values,), spread, alternative="greater", **how)
    return row | {"p_batches": float(one_sided.pvalue)}
