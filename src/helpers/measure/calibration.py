"""How good a judge is, against blind labels, and expression rates corrected for its errors."""

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score

from helpers.measure.stats import components, difference, effective_n, paired, wilson
from helpers.measure.triplets import gap_cells, is_judged, side

# A judge whose sensitivity + specificity - 1 is below this tells too little to correct anything.
YOUDEN = 0.15


def agreement(a: np.ndarray, b: np.ndarray) -> dict:
    """Two raters' judgements of the same things, 0/1 or any categories: n, share agreed, Cohen's
    kappa (1960), Gwet's AC1.

    AC1 = (agreed - e) / (1 - e) with e = sum of q (1 - q) / (categories - 1), q the mean share of a
    category (Gwet, Br. J. Math. Stat. Psychol. 61, 2008, equation 8; of two, 2 q (1 - q)), over the
    categories that occur. Unlike kappa it stays meaningful where nearly all judgements are the
    same. nan without things.
    """
    a, b = np.asarray(a), np.asarray(b)
    if len(a) == 0:
        return {"n": 0, "agreed": np.nan, "kappa": np.nan, "ac1": np.nan}
    categories, counts = np.unique(np.concatenate([a, b]), return_counts=True)
    agreed, q = float((a == b).mean()), counts / counts.sum()
    by_chance = float((q * (1 - q)).sum() / max(1, len(categories) - 1))
    kappa = np.nan if len(categories) == 1 else cohen_kappa_score(a, b)  # 0/0 there
    ac1 = (agreed - by_chance) / (1 - by_chance)
    return {"n": len(a), "agreed": agreed, "kappa": kappa, "ac1": ac1}


def errors(judged: np.ndarray, truth: np.ndarray, answers: np.ndarray) -> dict:
    """Sensitivity and specificity of 0/1 judgements with Wilson intervals, and what they were
    counted on.

    `answers` names the answer of every judgement: those of one answer (its traits) are alike, so
    that n in the interval is divided by their design effect, the linearised variance of a ratio
    over clusters (Cochran 1977, section 6.3) over the binomial one; where all are right, n is the
    number of answers.
    """
    judged, truth = np.asarray(judged, dtype=bool), np.asarray(truth, dtype=bool)
    answers = np.asarray(answers)
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
        row |= {name: hits / n if n else np.nan, f"{name}_low": low, f"{name}_high": high}
        row[f"{name}_n"] = n
    return row | youden(row)


def youden(row: dict) -> dict:
    """Youden's index, sensitivity + specificity - 1 (Cancer 3, 1950), of a row of `errors`, with an
    interval made of the two of that row, as of a sum of independent rates (Newcombe, Statistics in
    Medicine 17, 1998, method 10)."""
    rates = ("sensitivity", "specificity")
    index = row["sensitivity"] + row["specificity"] - 1
    low, high = (
        float(np.hypot(*(row[name] - row[f"{name}_{end}"] for name in rates)))
        for end in ("low", "high")
    )
    return {"youden": index, "youden_low": index - low, "youden_high": index + high}


def ac1_interval(a: np.ndarray, b: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
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
        len(counts), np.full(len(counts), 1 / len(counts)), size=2000
    )
    n, agreed, ones = (weights @ counts).T
    by_chance = 2 * ones / n * (1 - ones / n)
    low, high = np.quantile((agreed / n - by_chance) / (1 - by_chance), [0.025, 0.975])
    return float(low), float(high)


def per_arm(labelled: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Agreement and errors of judges per group: `labelled` has a row per labelled answer and trait
    with label_id, arm, trait, judge, outcome (the judge's) and label; unscored judgements are left
    out. Intervals take an answer's judgements together."""
    rows = []
    for key, group in labelled.dropna(subset=["outcome", "label"]).groupby(by, sort=False):
        found, truth = (group[name].to_numpy(int) for name in ("outcome", "label"))
        ids = group["label_id"].to_numpy()
        low, high = ac1_interval(found, truth, ids)
        bounds = {"ac1_low": low, "ac1_high": high}
        names = dict(zip(by, key, strict=True))
        rows.append(names | agreement(found, truth) | bounds | errors(found, truth, ids))
    counted = ["n", "agreed", "kappa", "ac1", "ac1_low", "ac1_high"]
    errors_of = [
        f"{name}{end}"
        for name in ("sensitivity", "specificity")
        for end in ("", "_low", "_high", "_n")
    ]
    errors_of += ["youden", "youden_low", "youden_high"]
    return pd.DataFrame(rows, columns=[*by, *counted, *errors_of])


def corrected(
    rate: float, n: float, sensitivity: float, m1: int, specificity: float, m0: int
) -> dict:
    """A rate corrected for a judge's errors, with an interval that carries the uncertainty of both:
    {corrected, corrected_low, corrected_high}, nan where the judge tells too little (YOUDEN), was
    never checked, or where no share of answers would give this rate with these errors (the interval
    misses 0 to 1): it errs otherwise here than on the labelled answers.

    (rate + specificity - 1) / (sensitivity + specificity - 1) (Rogan and Gladen 1978), with the
    smoothed interval of Lee et al., arXiv 2511.21140, section 3, extended to the point where the
    smoothing (towards a worse judge) leaves it out. `n` is the (effective) number of
    answers behind the rate, m1 and m0 the labelled answers with and without the trait. Sensitivity
    and specificity may come from answers with another share of the trait.
    """
    nothing = dict.fromkeys(("corrected", "corrected_low", "corrected_high"), np.nan)
    if min(m1, m0) < 1 or n <= 0 or sensitivity + specificity - 1 < YOUDEN:
        return nothing
    z = norm.ppf(0.975)
    point = (rate + specificity - 1) / (sensitivity + specificity - 1)
    p = (n * rate + z**2 / 2) / (n + z**2)
    q0, q1 = (m0 * specificity + 1) / (m0 + 2), (m1 * sensitivity + 1) / (m1 + 2)
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
    inside = np.clip([point, min(low, point), max(high, point)], 0, 1)
    return dict(zip(nothing, map(float, inside), strict=True))


def correct_rates(rates: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """The rates of `stats.rates` (arm, trait, rate, effective_n) with their corrected form beside
    them, from the errors of the same arm and trait in `quality` (see `per_arm`); where there are
    none, the corrected form is missing."""
    keep = ["arm", "trait", "sensitivity", "sensitivity_n", "specificity", "specificity_n"]
    known = quality[keep] if len(quality) else pd.DataFrame(columns=keep)
    table = rates.merge(known, on=["arm", "trait"], how="left")
    table[["sensitivity_n", "specificity_n"]] = table[["sensitivity_n", "specificity_n"]].fillna(0)
    given = table[["rate", "effective_n", *keep[2:]]].astype(float)
    found = [corrected(*row) for row in given.itertuples(index=False)]
    return table.assign(**pd.DataFrame(found, index=table.index))


def prediction_powered(judged: pd.DataFrame, labelled: pd.DataFrame) -> tuple[float, float]:
    """`powered` from tidy frames: `judged` has seed, item and outcome, `labelled` item, outcome and
    label, drawn like the answers."""
    found, label = (labelled[name].to_numpy(float) for name in ("outcome", "label"))
    rate, items = float(judged["outcome"].mean()), labelled["item"].to_numpy()
    return powered(rate, effective_n(judged), found, label, items)


def powered(
    rate: float, n: float, found: np.ndarray, label: np.ndarray, items: np.ndarray
) -> tuple[float, float]:
    """A judged rate corrected by prediction-powered inference with power tuning (PPI++;
    Angelopoulos, Duchi and Zrnic, arXiv 2311.01453), and its standard error.

    `rate` is that of all `n` (an effective number) answers as judged, `found` the judgements,
    `label` the truth and `items` the prompts where there are labels. The value is the mean of the
    labels plus `tuning` times what the judge finds in all answers beyond those with labels: a judge
    that tells much counts in full, one that tells nothing not at all.
    """
    weight = tuning(rate, n, found, label)
    variance = weight**2 * rate * (1 - rate) / n + labels_variance(found, label, items, weight)
    return float(weight * rate + (label - weight * found).mean()), float(np.sqrt(variance))


def tuning(rate: float, n: float, found: np.ndarray, label: np.ndarray) -> float:
    """The weight of the judge, 0 to 1, for which `powered` has the least variance: covariance of
    label and judgement over (variance of the judgements + number of labels x variance of the judged
    rate), as PPI++ has it for a mean."""
    both = np.cov(found, label)
    variance = both[0, 0] + len(label) * rate * (1 - rate) / n
    return float(np.clip(both[0, 1] / variance, 0, 1)) if variance > 0 else 0.0


def labels_variance(
    found: np.ndarray, label: np.ndarray, items: np.ndarray, weight: float
) -> float:
    """Variance of the mean of label - weight x judgement over the labelled answers, the weight
    being estimated from them.

    The answers to one item, of several seeds, count together (the cluster-robust variance of a
    mean). It is at least that of answers which have nothing to do with one another, and that of one
    miss and one false alarm: a few labels that happen to agree do not prove a judge.
    """
    off, n = label - weight * found, len(label)
    together = np.bincount(np.unique(items, return_inverse=True)[1], off - off.mean())
    groups = len(together)
    clustered = (together**2).sum() / n**2 * groups / max(1, groups - 2)
    return float(max(clustered, off.var() / max(1, n - 2), 2 / (n + 2) ** 2))


def interval(middle: float, error: float, least: float = 0) -> tuple[float, float, float]:
    """A value and its normal 95 % interval, cut at `least` and 1."""
    reach = norm.ppf(0.975) * error
    found = np.clip([middle, middle - reach, middle + reach], least, 1)
    return tuple(float(value) for value in found)


def independent_difference(
    a: tuple[float, float], b: tuple[float, float]
) -> tuple[float, float, float]:
    """One (value, standard error) minus another that is independent of it, with its interval."""
    return interval(a[0] - b[0], float(np.hypot(a[1], b[1])), -1)


def over_traits(measured: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """The rates of saying and doing over all traits per arm, corrected (`powered`), with a normal
    95 % interval: arm, measure, labels (their number), corrected, corrected_low, corrected_high.

    `measured` has a row per answer judged for its scenario's trait (arm, measure, seed, item,
    outcome), `labelled` a row per labelled one with outcome (the judge's) and label, drawn evenly
    over the traits.
    """
    rows = []
    for (arm, measure), own in labelled.groupby(["arm", "measure"], sort=False):
        judged = side(measured, arm, measure).dropna(subset=["outcome"])
        if len(judged) and len(own) > 1:
            rows.append((arm, measure, len(own), *interval(*prediction_powered(judged, own))))
    corrected = ["corrected", "corrected_low", "corrected_high"]
    return pd.DataFrame(rows, columns=["arm", "measure", "labels", *corrected])


def estimate(measured: pd.DataFrame, labelled: pd.DataFrame, arm: str, measure: str):
    """One side of a contrast as (value, standard error): corrected where it is judged, as it is
    where it is scored by likelihood. None for a judged side that has no labels, and for one without
    answers."""
    own = side(measured, arm, measure).dropna(subset=["outcome"])
    if own.empty:
        return None
    if is_judged(measure):
        labels = side(labelled, arm, measure).dropna(subset=["outcome"])
        return prediction_powered(own, labels) if len(labels) > 1 else None
    rate = float(own["outcome"].mean())
    return rate, float(np.sqrt(rate * (1 - rate) / effective_n(own)))


def correct_contrasts(
    contrasts: list[dict], measured: pd.DataFrame, labelled: pd.DataFrame
) -> pd.DataFrame:
    """The contrasts with both sides corrected where they are judged: contrast, corrected,
    corrected_low, corrected_high, a normal 95 % interval that carries judge error and takes the
    sides as independent. Where every answer of both sides has a `label` in `measured`, nothing is
    left to correct: the difference is the labels' own (`stats.difference`). Contrasts with a judged
    side that has no labels are left out."""
    rows = []
    for contrast in contrasts:
        sides = [contrast["a"], contrast["b"]]
        scored = [side(measured, **one).dropna(subset=["outcome"]) for one in sides]
        if all(len(own) and "label" in own and own["label"].notna().all() for own in scored):
            read = difference(*(own.assign(outcome=own["label"]) for own in scored))
            rows.append((contrast["id"], read["difference"], read["low"], read["high"]))
            continue
        found = [estimate(measured, labelled, **one) for one in sides]
        if all(found):
            rows.append((contrast["id"], *independent_difference(*found)))
    return pd.DataFrame(rows, columns=["contrast", "corrected", "corrected_low", "corrected_high"])


def corrected_gaps_over_base(
    measured: pd.DataFrame, labelled: pd.DataFrame, arms: list[str]
) -> pd.DataFrame:
    """Each arm's gap (knowing minus doing) minus the gap of `base`, doing corrected in both: arm,
    corrected, corrected_low, corrected_high. Arms without labels are left out.

    The value is made of the rates over all answers (`estimate`). Its normal 95 % interval carries
    the variance of the judged gaps, paired by scenario (`triplets.gaps_over_base`) and with doing
    weighted as in `powered`, and that of the labels in both arms.
    """

    def with_labels(arm: str) -> tuple[pd.DataFrame, float]:
        """The arm's judged gaps by seed and scenario, and the variance that its labels add."""
        judged, own = (side(t, arm, "do").dropna(subset=["outcome"]) for t in (measured, labelled))
        found, label = (own[name].to_numpy(float) for name in ("outcome", "label"))
        weight = tuning(float(judged["outcome"].mean()), effective_n(judged), found, label)
        added = labels_variance(found, label, own["item"].to_numpy(), weight)
        return gap_cells(measured, arm, weight), added

    def sides(arm: str) -> list:
        return [estimate(measured, labelled, arm, measure) for measure in ("know", "do")]

    rows, base = [], sides("base")
    for arm in arms:
        own = sides(arm)
        if arm != "base" and all([*own, *base]):
            (know, do), (base_know, base_do) = (
                [value for value, _ in pair] for pair in (own, base)
            )
            (table, more), (base_table, base_more) = with_labels(arm), with_labels("base")
            variance = components(paired(table, base_table).to_numpy())["variance"]
            variance += more + base_more
            rows.append((arm, *interval(know - do - base_know + base_do, np.sqrt(variance), -1)))
    return pd.DataFrame(rows, columns=["arm", "corrected", "corrected_low", "corrected_high"])
