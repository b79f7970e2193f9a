"""How good a judge is, against blind labels, and expression rates corrected for its errors."""

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score

from helpers.stats import effective_n, wilson

YOUDEN = 0.15  # a judge whose sensitivity + specificity - 1 is below this tells too little to correct anything


def agreement(a: np.ndarray, b: np.ndarray) -> dict:
    """Two raters' 0/1 judgements of the same things: n, share agreed, Cohen's kappa (1960), Gwet's AC1.

    AC1 = (agreed - e) / (1 - e) with e = 2 q (1 - q), q the mean share of ones (Gwet, Br. J. Math. Stat. Psychol. 61,
    2008, equation 8); unlike kappa it stays meaningful where nearly all judgements are the same. nan without things.
    """
    a, b = np.asarray(a, dtype=int), np.asarray(b, dtype=int)
    if len(a) == 0:
        return {"n": 0, "agreed": np.nan, "kappa": np.nan, "ac1": np.nan}
    agreed, q = float((a == b).mean()), float((a.mean() + b.mean()) / 2)
    by_chance = 2 * q * (1 - q)
    same = len(set(a) | set(b)) == 1  # kappa is 0/0 there
    kappa = np.nan if same else cohen_kappa_score(a, b)
    return {"n": len(a), "agreed": agreed, "kappa": kappa, "ac1": (agreed - by_chance) / (1 - by_chance)}


def errors(judged: np.ndarray, truth: np.ndarray) -> dict:
    """Sensitivity and specificity of 0/1 judgements with Wilson intervals, and what they were counted on."""
    judged, truth = np.asarray(judged, dtype=bool), np.asarray(truth, dtype=bool)
    row = {}
    for name, where, right in (("sensitivity", truth, judged), ("specificity", ~truth, ~judged)):
        n, hits = int(where.sum()), int((where & right).sum())
        low, high = wilson(hits, n)
        row |= {name: hits / n if n else np.nan, f"{name}_low": low, f"{name}_high": high, f"{name}_n": n}
    return row


def per_arm(labelled: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Agreement and errors of judges per group: `labelled` has a row per labelled answer and trait with arm, trait,
    judge, shown (the judge's) and label; unscored judgements are left out."""
    rows = []
    for key, group in labelled.dropna(subset=["shown", "label"]).groupby(by, sort=False):
        found, truth = group["shown"].astype(int).to_numpy(), group["label"].astype(int).to_numpy()
        rows.append(dict(zip(by, key, strict=True)) | agreement(found, truth) | errors(found, truth))
    counted = ["n", "agreed", "kappa", "ac1"]
    errors_of = [f"{name}{end}" for name in ("sensitivity", "specificity") for end in ("", "_low", "_high", "_n")]
    return pd.DataFrame(rows, columns=[*by, *counted, *errors_of])


def corrected(
    rate: float, n: float, sensitivity: float, m1: int, specificity: float, m0: int, level: float = 0.95
) -> dict:
    """A rate corrected for a judge's errors, with an interval that carries the uncertainty of both: {corrected,
    corrected_low, corrected_high}, nan where the judge tells too little (YOUDEN) or was never checked.

    (rate + specificity - 1) / (sensitivity + specificity - 1) (Rogan and Gladen 1978), with the smoothed interval of Lee
    et al., arXiv 2511.21140, section 3. `n` is the (effective) number of answers behind the rate, m1 and m0 the labelled
    answers with and without the trait. Sensitivity and specificity may come from answers with another share of the trait.
    """
    nothing = dict.fromkeys(("corrected", "corrected_low", "corrected_high"), np.nan)
    if min(m1, m0) < 1 or n <= 0 or sensitivity + specificity - 1 < YOUDEN:
        return nothing
    z = norm.ppf(0.975)
    point = (rate + specificity - 1) / (sensitivity + specificity - 1)
    p, q0, q1 = (n * rate + z**2 / 2) / (n + z**2), (m0 * specificity + 1) / (m0 + 2), (m1 * sensitivity + 1) / (m1 + 2)
    n, m0, m1 = n + z**2, m0 + 2, m1 + 2
    if q0 + q1 - 1 <= 0:
        return nothing
    smooth = (p + q0 - 1) / (q0 + q1 - 1)
    v0, v1 = q0 * (1 - q0) / m0, q1 * (1 - q1) / m1
    shift = 2 * z**2 * (smooth * v1 - (1 - smooth) * v0)
    error = np.sqrt(p * (1 - p) / n + (1 - smooth) ** 2 * v0 + smooth**2 * v1) / (q0 + q1 - 1)
    low, high = smooth + shift - z * error, smooth + shift + z * error
    return {"corrected": float(np.clip(point, 0, 1)), "corrected_low": float(np.clip(low, 0, 1)),
            "corrected_high": float(np.clip(high, 0, 1))}  # fmt: skip


def correct_rates(rates: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """The rates of `stats.rates` (arm, trait, rate, effective_n) with their corrected form beside them, from the errors of
    the same arm and trait in `quality` (see `per_arm`); where there are none, the corrected form is missing."""
    keep = ["arm", "trait", "sensitivity", "sensitivity_n", "specificity", "specificity_n"]
    table = rates.merge(quality[keep] if len(quality) else pd.DataFrame(columns=keep), on=["arm", "trait"], how="left")
    table[["sensitivity_n", "specificity_n"]] = table[["sensitivity_n", "specificity_n"]].fillna(0)
    columns = ["rate", "effective_n", "sensitivity", "sensitivity_n", "specificity", "specificity_n"]
    found = [corrected(*row) for row in table[columns].astype(float).itertuples(index=False)]
    return table.assign(**pd.DataFrame(found, index=table.index))


def over_traits(do: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """The rate of doing over all traits per arm, corrected by prediction-powered inference (Angelopoulos et al., Science 382,
    2023, algorithm 1): the judged rate of all answers plus the mean of label minus judgement where there are labels, with a
    normal 95 % interval; arm, labels (their number), corrected, corrected_low, corrected_high.

    `do` has a row per answer judged for its scenario's trait (arm, seed, item, shown), `labelled` a row per labelled
    answer and trait with arm, kind, about, trait, shown (the judge's) and label, drawn evenly over the traits.
    """
    own = labelled[(labelled["kind"] == "do") & (labelled["trait"] == labelled["about"])].dropna(
        subset=["shown", "label"]
    )
    z, rows = norm.ppf(0.975), []
    for arm, group in own.groupby("arm", sort=False):
        judged, off = do[do["arm"] == arm], group["label"].astype(float) - group["shown"].astype(float)
        if len(judged) and len(off) > 1:
            rate = float(judged["shown"].mean())
            error = np.sqrt(rate * (1 - rate) / effective_n(judged) + off.var() / len(off))
            middle = rate + off.mean()
            rows.append((arm, len(off), *np.clip([middle, middle - z * error, middle + z * error], 0, 1)))
    return pd.DataFrame(rows, columns=["arm", "labels", "corrected", "corrected_low", "corrected_high"])
