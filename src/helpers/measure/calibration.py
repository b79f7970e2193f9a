"""How good a judge is, against blind labels, and expression rates corrected for its errors."""

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score

from helpers.measure.stats import difference, effective_n, side, wilson

YOUDEN = 0.15  # a judge whose sensitivity + specificity - 1 is below this tells too little to correct anything


def agreement(a: np.ndarray, b: np.ndarray) -> dict:
    """Two raters' 0/1 judgements of the same things: n, share agreed, Cohen's kappa (1960), Gwet's
    AC1.

    AC1 = (agreed - e) / (1 - e) with e = 2 q (1 - q), q the mean share of ones (Gwet, Br. J. Math.
    Stat. Psychol. 61, 2008, equation 8); unlike kappa it stays meaningful where nearly all
    judgements are the same. nan without things.
    """
    a, b = np.asarray(a, dtype=int), np.asarray(b, dtype=int)
    if len(a) == 0:
        return {"n": 0, "agreed": np.nan, "kappa": np.nan, "ac1": np.nan}
    agreed, q = float((a == b).mean()), float((a.mean() + b.mean()) / 2)
    by_chance = 2 * q * (1 - q)
    same = len(set(a) | set(b)) == 1  # kappa is 0/0 there
    kappa = np.nan if same else cohen_kappa_score(a, b)
    return {
        "n": len(a),
        "agreed": agreed,
        "kappa": kappa,
        "ac1": (agreed - by_chance) / (1 - by_chance),
    }


def errors(judged: np.ndarray, truth: np.ndarray, answers: np.ndarray) -> dict:
    """Sensitivity and specificity of 0/1 judgements with Wilson intervals, and what they were
    counted on.

    `answers` names the answer of every judgement: those of one answer (its traits) are alike, so
    that n in the interval is divided by their design effect, the linearised variance of a ratio
    over clusters (Cochran 1977, section 6.3) over the binomial one; where all are right, n is the
    number of answers.
    """
    judged, truth, answers = (
        np.asarray(judged, dtype=bool),
        np.asarray(truth, dtype=bool),
        np.asarray(answers),
    )
    row = {}
    for name, where, right in (("sensitivity", truth, judged), ("specificity", ~truth, ~judged)):
        n, hits = int(where.sum()), int((where & right).sum())
        if n:
            left = pd.Series(right[where] - hits / n).groupby(answers[where]).sum()
            spread = left.pow(2).sum() * len(left) / max(1, len(left) - 1)
            effective = min(n, hits * (n - hits) / spread) if spread > 0 else len(left)
            low, high = wilson(hits / n * effective, effective)
        else:
            low = high = np.nan
        row |= {
            name: hits / n if n else np.nan,
            f"{name}_low": low,
            f"{name}_high": high,
            f"{name}_n": n,
        }
    return row


def ac1_interval(
    a: np.ndarray, b: np.ndarray, answers: np.ndarray, draws: int = 2000
) -> tuple[float, float]:
    """Bootstrap 95 % interval of Gwet's AC1 over answers, whose judgements (one per trait) are
    drawn together; nan for one answer."""
    counts = (
        pd.DataFrame({"n": 1, "agreed": a == b, "ones": (a + b) / 2})
        .groupby(np.asarray(answers))
        .sum()
        .to_numpy(float)
    )
    if len(counts) < 2:
        return np.nan, np.nan
    weights = np.random.default_rng(0).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), size=draws
    )
    n, agreed, ones = (weights @ counts).T
    by_chance = 2 * ones / n * (1 - ones / n)
    low, high = np.quantile((agreed / n - by_chance) / (1 - by_chance), [0.025, 0.975])
    return float(low), float(high)


def per_arm(labelled: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Agreement and errors of judges per group: `labelled` has a row per labelled answer and trait
    with label_id, arm, trait, judge, shown (the judge's) and label; unscored judgements are left
    out. Intervals take an answer's judgements together."""
    rows = []
    for key, group in labelled.dropna(subset=["outcome", "label"]).groupby(by, sort=False):
        found, truth = (
            group["outcome"].astype(int).to_numpy(),
            group["label"].astype(int).to_numpy(),
        )
        ids = group["label_id"].to_numpy()
        bounds = dict(zip(("ac1_low", "ac1_high"), ac1_interval(found, truth, ids), strict=True))
        rows.append(
            dict(zip(by, key, strict=True))
            | agreement(found, truth)
            | bounds
            | errors(found, truth, ids)
        )
    counted = ["n", "agreed", "kappa", "ac1", "ac1_low", "ac1_high"]
    errors_of = [
        f"{name}{end}"
        for name in ("sensitivity", "specificity")
        for end in ("", "_low", "_high", "_n")
    ]
    return pd.DataFrame(rows, columns=[*by, *counted, *errors_of])


def corrected(
    rate: float,
    n: float,
    sensitivity: float,
    m1: int,
    specificity: float,
    m0: int,
    level: float = 0.95,
) -> dict:
    """A rate corrected for a judge's errors, with an interval that carries the uncertainty of both:
    {corrected, corrected_low, corrected_high}, nan where the judge tells too little (YOUDEN), was
    never checked, or where no share of answers would give this rate with these errors (the interval
    misses 0 to 1): it errs otherwise here than on the labelled answers.

    (rate + specificity - 1) / (sensitivity + specificity - 1) (Rogan and Gladen 1978), with the
    smoothed interval of Lee et al., arXiv 2511.21140, section 3. `n` is the (effective) number of
    answers behind the rate, m1 and m0 the labelled answers with and without the trait. Sensitivity
    and specificity may come from answers with another share of the trait.
    """
    nothing = dict.fromkeys(("corrected", "corrected_low", "corrected_high"), np.nan)
    if min(m1, m0) < 1 or n <= 0 or sensitivity + specificity - 1 < YOUDEN:
        return nothing
    z = norm.ppf(0.975)
    point = (rate + specificity - 1) / (sensitivity + specificity - 1)
    p, q0, q1 = (
        (n * rate + z**2 / 2) / (n + z**2),
        (m0 * specificity + 1) / (m0 + 2),
        (m1 * sensitivity + 1) / (m1 + 2),
    )
    n, m0, m1 = n + z**2, m0 + 2, m1 + 2
    if q0 + q1 - 1 <= 0:
        return nothing
    smooth = (p + q0 - 1) / (q0 + q1 - 1)
    v0, v1 = q0 * (1 - q0) / m0, q1 * (1 - q1) / m1
    shift = 2 * z**2 * (smooth * v1 - (1 - smooth) * v0)
    error = np.sqrt(p * (1 - p) / n + (1 - smooth) ** 2 * v0 + smooth**2 * v1) / (q0 + q1 - 1)
    low, high = smooth + shift - z * error, smooth + shift + z * error
    if high <= 0 or low >= 1:
        return nothing
    return {
        "corrected": float(np.clip(point, 0, 1)),
        "corrected_low": float(np.clip(low, 0, 1)),
        "corrected_high": float(np.clip(high, 0, 1)),
    }


def correct_rates(rates: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """The rates of `stats.rates` (arm, trait, rate, effective_n) with their corrected form beside
    them, from the errors of the same arm and trait in `quality` (see `per_arm`); where there are
    none, the corrected form is missing."""
    keep = ["arm", "trait", "sensitivity", "sensitivity_n", "specificity", "specificity_n"]
    table = rates.merge(
        quality[keep] if len(quality) else pd.DataFrame(columns=keep),
        on=["arm", "trait"],
        how="left",
    )
    table[["sensitivity_n", "specificity_n"]] = table[["sensitivity_n", "specificity_n"]].fillna(0)
    columns = [
        "rate",
        "effective_n",
        "sensitivity",
        "sensitivity_n",
        "specificity",
        "specificity_n",
    ]
    found = [corrected(*row) for row in table[columns].astype(float).itertuples(index=False)]
    return table.assign(**pd.DataFrame(found, index=table.index))


def prediction_powered(judged: pd.DataFrame, labelled: pd.DataFrame) -> tuple[float, float]:
    """A judged rate corrected by prediction-powered inference (Angelopoulos et al., Science 382,
    2023, algorithm 1), and its standard error: the rate of all answers plus the mean of label minus
    judgement where there are labels.

    `judged` has seed, item and shown, `labelled` shown and label, drawn like the answers. The
    labels' part of the variance is at least that of one miss and one false alarm: a few labels that
    happen to agree do not prove a judge.
    """
    rate, off = (
        float(judged["outcome"].mean()),
        labelled["label"].astype(float) - labelled["outcome"].astype(float),
    )
    variance = max(off.var() / len(off), 2 / (len(off) + 2) ** 2)
    return rate + off.mean(), float(np.sqrt(rate * (1 - rate) / effective_n(judged) + variance))


def interval(middle: float, error: float, least: float = 0) -> tuple[float, float, float]:
    """A value and its normal 95 % interval, cut at `least` and 1."""
    reach = norm.ppf(0.975) * error
    return tuple(
        float(value) for value in np.clip([middle, middle - reach, middle + reach], least, 1)
    )


def over_traits(measured: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """The rates of saying and doing over all traits per arm, corrected (`prediction_powered`), with
    a normal 95 % interval: arm, measure, labels (their number), corrected, corrected_low,
    corrected_high.

    `measured` has a row per answer judged for its scenario's trait (arm, measure, seed, item,
    shown), `labelled` a row per labelled one with shown (the judge's) and label, drawn evenly over
    the traits.
    """
    rows = []
    for (arm, measure), own in labelled.groupby(["arm", "measure"], sort=False):
        judged = measured[(measured["arm"] == arm) & (measured["measure"] == measure)].dropna(
            subset=["outcome"]
        )
        if len(judged) and len(own) > 1:
            rows.append((arm, measure, len(own), *interval(*prediction_powered(judged, own))))
    return pd.DataFrame(
        rows, columns=["arm", "measure", "labels", "corrected", "corrected_low", "corrected_high"]
    )


def correct_contrasts(
    contrasts: list[dict], measured: pd.DataFrame, labelled: pd.DataFrame
) -> pd.DataFrame:
    """The contrasts with both sides corrected where they are judged (knowing is scored, not
    judged): contrast, corrected, corrected_low, corrected_high, a normal 95 % interval that carries
    judge error and takes the sides as independent. Where every answer of both sides has a `label`
    in `measured`, nothing is left to correct: the difference is the labels' own
    (`stats.difference`). Contrasts with a judged side that has no labels are left out."""
    rows = []
    for contrast in contrasts:
        scored = [
            side(measured, **contrast[name]).dropna(subset=["outcome"]) for name in ("a", "b")
        ]
        if all(len(own) and "label" in own and own["label"].notna().all() for own in scored):
            read = difference(*(own.assign(outcome=own["label"]) for own in scored))
            rows.append((contrast["id"], read["difference"], read["low"], read["high"]))
            continue
        found = []
        for one in (contrast["a"], contrast["b"]):
            own, labels = (
                side(frame, **one).dropna(subset=["outcome"]) for frame in (measured, labelled)
            )
            if one["measure"].startswith("know") and len(own):
                rate = float(own["outcome"].mean())
                found.append((rate, np.sqrt(rate * (1 - rate) / effective_n(own))))
            elif len(own) and len(labels) > 1:
                found.append(prediction_powered(own, labels))
        if len(found) == 2:
            (a, error_a), (b, error_b) = found
            rows.append((contrast["id"], *interval(a - b, np.hypot(error_a, error_b), -1)))
    return pd.DataFrame(rows, columns=["contrast", "corrected", "corrected_low", "corrected_high"])
