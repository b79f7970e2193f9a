"""A positive control: answers that show the trait, mixed into base's at a known rate, must come
back at that rate from the judges and their corrections."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.measure.calibration import corrected, powered
from helpers.measure.judges import by_the_rule
from helpers.measure.stats import wilson

SHARES = (0.1, 0.25, 0.5)  # one answer in ten, in four, in two
LEAST = 10  # with fewer answers of a sort there is nothing to mix
JUDGED, BY_ERRORS, BY_LABELS = "as judged", "corrected by errors", "corrected by labels"
COLUMNS = ["judge", "planted", "method", "n", "value", "low", "high", "covered"]


def pools(labelled: pd.DataFrame, judge: str) -> tuple[np.ndarray, np.ndarray]:
    """The judge's 0/1 judgements of the `do` answers that were read as showing the scenario's own
    trait, of every arm, and of those of base that were read as not showing it."""
    rows = by_the_rule(labelled[(labelled["judge"] == judge) & (labelled["kind"] == "do")])
    rows = rows[rows["trait"] == rows["scenario_trait"]].dropna(subset=["outcome", "label"])
    shows = rows[rows["label"] == 1]
    none = rows[(rows["label"] == 0) & (rows["arm"] == "base")]
    return shows["outcome"].to_numpy(float), none["outcome"].to_numpy(float)


def planted(labelled: pd.DataFrame, judges: list[str], draws: int = 400) -> pd.DataFrame:
    """What comes back of the planted `SHARES`: judge, planted, method, n (answers that are mixed),
    value (mean over draws), low and high (95 % of the draws), covered (the share of draws whose own
    95 % interval holds the planted share). A draw in which a method gives no value, as
    `calibration.corrected` where the judge tells too little, counts in none of the three.

    In every draw both sorts of answers are halved: one half is mixed, at exactly the share and as
    many as can be without taking an answer twice, the other tells the judge's errors. Methods: the
    judge alone; corrected by these errors (`calibration.corrected`); by the labels of a third of
    the mixed answers (`calibration.powered`). `labelled` are the rows of `judges.beside_labels`. A
    judge that has judged fewer than `LEAST` answers of a sort has no rows.
    """
    rng, rows = np.random.default_rng(0), []
    for judge in judges:
        sorts = pools(labelled, judge)
        if min(map(len, sorts)) < 2 * LEAST:
            continue
        for share in SHARES:
            found = pd.concat(mixed(*sorts, share, rng) for _ in range(draws))
            for method, own in found.groupby("method", sort=False):
                value = own["value"].dropna()
                ends = value.quantile([0.025, 0.975]).tolist() if len(value) else [np.nan] * 2
                inside = (own["low"] <= share) & (share <= own["high"])
                covered = inside[own["value"].notna()].mean()
                row = (judge, share, method, int(own["n"].iloc[0]), value.mean(), *ends, covered)
                rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def mixed(
    shows: np.ndarray, none: np.ndarray, share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """One draw: method, value, low, high, n. `share` is one in a whole number, so that it can be
    planted exactly."""
    (shown, apart), (silent, other) = (
        np.split(rng.permutation(sort), [len(sort) // 2]) for sort in (shows, none)
    )
    one_in = round(1 / share)
    of_share = min(len(shown), len(silent) // (one_in - 1))
    n = one_in * of_share
    found = np.concatenate([shown[:of_share], silent[: n - of_share]])
    label = np.repeat([1.0, 0.0], [of_share, n - of_share])
    rate = float(found.mean())
    by_errors = corrected(rate, n, apart.mean(), len(apart), 1 - other.mean(), len(other))
    read = rng.permutation(n)[: max(2, n // 3)]
    value, error = powered(rate, n, found[read], label[read], read)
    reach = norm.ppf(0.975) * error
    rows = [
        (JUDGED, rate, *wilson(found.sum(), n)),
        (BY_ERRORS, *by_errors.values()),
        (BY_LABELS, value, value - reach, value + reach),
    ]
    return pd.DataFrame(rows, columns=["method", "value", "low", "high"]).assign(n=n)
