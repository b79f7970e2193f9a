"""Rates, means and differences with intervals.

Each estimate has a core that works on a (seeds, items) array, and a function that makes the array
from a tidy frame with a row per answer: seed, item and `outcome` (0, 1, or missing where the answer
could not be scored). A cell of the array is nan where nothing was scored; all other cells count.
"""

import numpy as np
import pandas as pd
from scipy.stats import norm, permutation_test
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

UNKNOWN = dict.fromkeys(("low", "high", "detectable"), float("nan"))


# Rates


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson 95 % score interval of a proportion (Wilson 1927; statsmodels' `proportion_confint`);
    nan where n is 0."""
    if n == 0:
        return float("nan"), float("nan")
    low, high = proportion_confint(successes, n, alpha=0.05, method="wilson")
    return float(low), float(high)


def rates(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Share of outcomes that are 1 per group: the columns `by`, then n, successes, rate, low, high,
    effective_n, unscored, seeds.

    Missing outcomes are unscored: counted, and no part of n. The interval is Wilson's with n
    divided by the design effect (Kish 1965; Franco et al., J. Survey Statistics and Methodology
    7(3), 2019): answers to one prompt or of one seed are alike, so they count for fewer.
    """
    rows = []
    for key, group in frame.groupby(by, sort=False):
        scored = group["outcome"].dropna()
        n, successes = len(scored), int(scored.sum())
        rate, effective = (successes / n, effective_n(group)) if n else (float("nan"), 0.0)
        low, high = wilson(rate * effective, effective) if n else (float("nan"), float("nan"))
        counts = (round(effective, 1), len(group) - n, group["seed"].nunique())
        rows.append((*key, n, successes, rate, low, high, *counts))
    columns = ["n", "successes", "rate", "low", "high", "effective_n", "unscored", "seeds"]
    return pd.DataFrame(rows, columns=[*by, *columns])


def effective_n(frame: pd.DataFrame) -> float:
    """How many independent answers carry as much information about the rate of a tidy frame:
    `effective_size` of its scored answers."""
    scored = frame["outcome"].dropna()
    return effective_size(cells(frame).to_numpy(), float(scored.mean()), len(scored))


def effective_size(table: np.ndarray, rate: float, n: int) -> float:
    """rate (1 - rate) / variance of the mean of a (seeds, items) table of n answers, at most
    `largest_size`.

    The variance is that of `components`; its few degrees of freedom are paid for with Student's t.
    """
    part, most = components(table), largest_size(rate, n, table.shape[1])
    if part["variance"] == 0:
        return most
    return float(min(most, rate * (1 - rate) / part["variance"] / part["widen"] ** 2))


def largest_size(rate: float, n: int, items: int) -> float:
    """The largest effective number of n answers to `items` prompts: n over the least design effect.

    How alike the answers to one prompt are cannot be seen where (nearly) all answers agree. So they
    are taken to be half alike to begin with, a design effect of d = 1 + (answers per prompt - 1) /
    2, which weighs as much as two answers of the rarer outcome (the two that Agresti and Coull,
    American Statistician 52, 1998, add to a rate); against it stands 1, which weighs as much as
    those that were seen, over d. With less weight the interval's far end would not rise with the
    rate from 0 on.
    """
    alike = 1 + max(n / items - 1, 0) / 2
    seen = min(rate, 1 - rate) * n / alike
    return float(n * (2 + seen) / (2 * alike + seen))


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean outcome per seed (rows) and item (columns), missing where nothing was scored."""
    scored = frame.dropna(subset=["outcome"]).astype({"outcome": float})
    return scored.groupby(["seed", "item"])["outcome"].mean().unstack("item")


# Variance


def components(table: np.ndarray) -> dict:
    """What the mean of a (seeds, items) table varies by: mean, the parts of its variance that
    seeds, items and the rest have (seed, item, rest), their sum `variance`, its degrees of freedom
    df, `widen` (Student's t over the normal quantile at these), seed_effects and item_effects.

    Two-way random effects by fitting constants (Henderson's method III; Searle, Casella and
    McCulloch 1992, section 5.5), so that a table with missing cells (nan) is used whole; the mean
    is then the least-squares one, in which each item counts alike, however many seeds it has.
    Without any missing it is the analysis of variance by mean squares. Negative components are set
    to zero; degrees of freedom after Satterthwaite (1946). One seed has no seed component, and the
    variance says nothing about other seeds; one item likewise. Where too few items have two seeds
    to tell seeds from items, the items' means are the units.
    """
    missing = np.isnan(table)
    table = table[np.ix_(~missing.all(1), ~missing.all(0))]
    there = ~np.isnan(table)
    (k, m), n = table.shape, int(there.sum())
    seed, item, left, free = fit(table)
    if min(k, m) == 1 or free < 1 or n == k:
        return components_of_one(table, "seed" if m == 1 else "item")
    alone = [np.nansum((table - np.nanmean(table, axis=a, keepdims=True)) ** 2) for a in (0, 1)]
    freedom = np.array([k - 1, m - 1, free])
    squares = np.array([alone[0] - left, alone[1] - left, left]) / freedom
    # The variance of the mean, per excess of a mean square over the rest's.
    weight = np.array([(k - 1) / k / (n - m), (m - 1) / m / (n - k)])
    # What is left of equal squares is rounding.
    weight *= squares[:2] - squares[2] > 1e-9 * squares.max()
    of_rest = (1 / there.sum(0)).mean() / m
    of_seed, of_item = weight * (squares[:2] - squares[2])
    parts = {"seed": float(of_seed), "item": float(of_item), "rest": float(squares[2] * of_rest)}
    share = squares * [*weight, abs(of_rest - weight.sum())]
    return described(float(item.mean()), parts, share, freedom, seed, item - item.mean())


def fit(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Least squares of seed + item on the cells that are there: the seeds' effects (about their
    mean), the items' means for an average seed, the residual sum of squares and its degrees of
    freedom, 0 where the cells do not connect all seeds."""
    there = ~np.isnan(table)
    of_item = np.nanmean(table, axis=0)
    # The items' means taken out of the normal equations, which leaves one equation per seed.
    equations = np.diag(there.sum(1)) - (there / there.sum(0)) @ there.T
    seed = np.linalg.pinv(equations, rcond=1e-9) @ np.nansum(table - of_item, axis=1)
    seed -= seed.mean()
    item = np.nanmean(table - seed[:, None], axis=0)
    left = np.nansum((table - seed[:, None] - item) ** 2)
    connected = np.linalg.matrix_rank(equations, tol=1e-9) == len(seed) - 1
    free = there.sum() - len(item) - len(seed) + 1 if connected else 0
    return seed, item, float(left), int(free)


def components_of_one(table: np.ndarray, unit: str) -> dict:
    """`components` where the means of one `unit`, seed or item, are all that varies."""
    means = np.nanmean(table, axis=1 if unit == "seed" else 0)
    effects = {"seed": np.zeros(table.shape[0]), "item": np.zeros(table.shape[1])}
    effects[unit] = means - means.mean()
    freedom = max(1, len(means) - 1)
    variance = float(effects[unit] @ effects[unit]) / freedom / len(means)
    parts = {"seed": 0.0, "item": 0.0, "rest": 0.0} | {unit: variance}
    mean = float(means.mean())
    return described(mean, parts, np.array([variance]), np.array([freedom]), *effects.values())


def described(mean, parts, share, freedom, seed, item) -> dict:
    """The answer of `components`: `share` is what each mean square adds to the variance."""
    # What is left of equal cells is rounding.
    variance = sum(parts.values()) if sum(parts.values()) > 1e-20 else 0.0
    df = variance**2 / (share**2 / freedom).sum() if variance > 0 else np.inf
    widen = student.ppf(0.975, df) / norm.ppf(0.975)
    effects = {"seed_effects": seed, "item_effects": item}
    return {"mean": mean, **effects, **parts, "variance": variance, "df": df, "widen": widen}


# Differences


def difference(a: pd.DataFrame, b: pd.DataFrame, draws: int = 10_000, seed: int = 0) -> dict:
    """Rate of `a` minus rate of `b`: the columns of `compare` on the cells that both share, with
    n_a and n_b, the number of scored answers.

    Two rates of which each is as sure as `largest_size` lets it be (near 0 or 1 the cells vary by
    too little to tell) have an interval that is at least `newcombe`'s; likewise where nothing
    varies, as in all against none.
    """
    sides = [side.dropna(subset=["outcome"]) for side in (a, b)]
    found = compare(paired(cells(a), cells(b)).to_numpy(), draws, seed)
    if found["items"] and all(side["outcome"].isin([0, 1]).all() for side in sides):
        rates_of = [float(side["outcome"].mean()) for side in sides]
        sizes = [effective_n(side) for side in sides]
        most = [
            largest_size(rate, len(side), side["item"].nunique())
            for rate, side in zip(rates_of, sides, strict=True)
        ]
        if sizes == most or np.isnan(found["low"]):
            low, high = newcombe(rates_of[0], sizes[0], rates_of[1], sizes[1])
            found |= {"low": np.fmin(found["low"], low), "high": np.fmax(found["high"], high)}
        found |= {end: float(np.clip(found[end], -1, 1)) for end in ("low", "high")}
    return found | {"n_a": len(sides[0]), "n_b": len(sides[1])}


def minus_base(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """`difference` of every arm and `base` in each group of the column `by`: by, arm, minus_base,
    minus_base_low, minus_base_high. No rows where there is no `base`."""
    columns = ["minus_base", "minus_base_low", "minus_base_high"]
    rows = []
    for group, own in frame.groupby(by, sort=False):
        base = own[own["arm"] == "base"]
        for arm, part in own[own["arm"] != "base"].groupby("arm") if len(base) else ():
            found = difference(part, base)
            rows.append((group, arm, *(found[name] for name in ("difference", "low", "high"))))
    return pd.DataFrame(rows, columns=[by, "arm", *columns])


def newcombe(a: float, n_a: float, b: float, n_b: float) -> tuple[float, float]:
    """95 % interval of a difference of two independent rates of (effective) n answers, from their
    Wilson intervals (Newcombe, Statistics in Medicine 17, 1998, method 10)."""
    (low_a, high_a), (low_b, high_b) = wilson(a * n_a, n_a), wilson(b * n_b, n_b)
    low = a - b - np.hypot(a - low_a, high_b - b)
    return float(low), float(a - b + np.hypot(high_a - a, b - low_b))


def paired(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """One table of `cells` minus another, over the seeds and items that both have; a side with one
    seed is compared with every seed of the other. A cell that one of them lacks is missing."""
    if len(a) == 1 < len(b):
        a = pd.concat([a] * len(b)).set_axis(b.index)
    elif len(b) == 1 < len(a):
        b = pd.concat([b] * len(a)).set_axis(a.index)
    return (a - b).dropna(how="all").dropna(axis=1, how="all")


def compare(table: np.ndarray, draws: int = 10_000, seed: int = 0) -> dict:
    """The mean of a (seeds, items) table of differences with a hierarchical bootstrap interval:
    {difference, low, high, detectable, p, seeds, items}. Missing cells are those of `components`.

    Seed effects, item effects and what is left are drawn anew, `draws` times, after they were
    rescaled to their estimated variances (the reflated residual bootstrap of Carpenter, Goldstein
    and Rasbash, Applied Statistics 52(4), 2003: drawing raw clusters would count the noise within
    them several times, and few seeds too little), and the percentiles are widened by Student's t.
    The rest, a mean over hundreds of cells, is drawn from a normal.

    `detectable` is the smallest true difference that such an interval keeps off zero in 80 % of
    studies like this; `p` is the exact sign-flip test over seeds. With one seed the interval says
    nothing about other seeds, and p is missing. Where the table is empty everything is missing;
    where nothing varies there is no interval.
    """
    if table.size == 0:
        return {"difference": float("nan"), **UNKNOWN, "p": float("nan"), "seeds": 0, "items": 0}
    part, rng = components(table), np.random.default_rng(seed)
    found = {"difference": part["mean"], **UNKNOWN, "p": sign_flip(np.nanmean(table, axis=1))}
    size = dict(zip(("seeds", "items"), table.shape, strict=True))
    if part["variance"] == 0:
        return found | size
    drawn = rng.normal(0, np.sqrt(part["rest"]), draws)
    for name in ("seed", "item"):
        effects = part[f"{name}_effects"]
        if part[name] > 0:
            reflated = effects * len(effects) * np.sqrt(part[name] / (effects @ effects))
            drawn += reflated[rng.integers(len(effects), size=(draws, len(effects)))].mean(1)
    low, high = part["mean"] + part["widen"] * np.quantile(drawn, [0.025, 0.975])
    needed = student.ppf(0.975, part["df"]) + student.ppf(0.8, part["df"])
    detectable = float(needed * np.sqrt(part["variance"]))
    return found | {"low": float(low), "high": float(high), "detectable": detectable} | size


# Permutation


def sign_flip(values: np.ndarray, most: float = np.inf) -> float:
    """Two-sided p of the sign-flip test that `values`, one per seed or one per item, are symmetric
    about zero (Fisher 1935, section 21; scipy's `permutation_test`): over all sign patterns, or
    over `most` random ones where there are more. The smallest p of all patterns is 2 / 2^values, so
    that five seeds cannot reach 0.05. nan for a single value."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float("nan")

    def total(flipped: np.ndarray, axis: int) -> np.ndarray:
        return np.round(flipped.sum(axis=axis), 10)  # sums that differ by rounding alone are ties

    how = {"permutation_type": "samples", "n_resamples": most, "vectorized": True, "rng": 0}
    return float(permutation_test((values,), total, **how).pvalue)


def over_scenarios(table: np.ndarray, draws: int = 2000) -> dict:
    """A (seeds, items) table of differences with the items (scenarios) as units, about these seeds:
    p_scenarios, the sign-flip test over the items' mean differences, and detectable_scenarios, the
    smallest true difference that this test finds (p < 0.05) in 80 % of `draws` simulated studies of
    this size.

    A simulated study draws as many items anew, with the mean taken off. The flips of n values are
    about normal with the root of their sum of squares as standard deviation, so that a shift by d
    is found where mean + d > z sd / sqrt(n - z^2), sd the drawn values' own.
    """
    if table.shape[1] < 2:
        return {"p_scenarios": float("nan"), "detectable_scenarios": float("nan")}
    values, n, z = np.nanmean(table, axis=0), table.shape[1], norm.ppf(0.975)
    least = float("nan")
    if n > z**2:
        drawn = (values - values.mean())[np.random.default_rng(0).integers(n, size=(draws, n))]
        needed = z * drawn.std(1) / np.sqrt(n - z**2) - drawn.mean(1)
        least = float(np.quantile(needed, 0.8))
    return {"p_scenarios": sign_flip(values, 9999), "detectable_scenarios": least}


def of_differences(table: pd.DataFrame) -> dict:
    """What is said of a table of differences per seed (rows) and scenario (columns): `compare` and
    `over_scenarios`."""
    return compare(table.to_numpy()) | over_scenarios(table.to_numpy())


def holm(p: list[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979; statsmodels' `multipletests`) over the tests that
    have a p; nan stays."""
    p = np.asarray(p, dtype=float)
    known = ~np.isnan(p)
    if known.any():
        p[known] = multipletests(p[known], method="holm")[1]
    return p.tolist()


# Means and tidy frames


def means(frame: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Mean of the column `value` per group, every item alike: the columns `by`, then value, low,
    high, n (rows), items, seeds. Mean and 95 % interval are those of `components`; no interval
    where nothing varies."""
    rows = []
    for key, group in frame.dropna(subset=[value]).groupby(by, sort=False):
        part = components(cells(group.assign(outcome=group[value])).to_numpy())
        reach = norm.ppf(0.975) * part["widen"] * np.sqrt(part["variance"]) or np.nan
        counts = (len(group), group["item"].nunique(), group["seed"].nunique())
        rows.append((*key, part["mean"], part["mean"] - reach, part["mean"] + reach, *counts))
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "n", "items", "seeds"])


def long(judged: pd.DataFrame, judge: str, *more: str) -> pd.DataFrame:
    """The table of judged answers, a row per answer with a column `<judge>_<trait>` each, as a row
    per answer and trait with `trait` and `outcome`; `more` are further columns to keep."""
    named = [
        column.removeprefix(f"{judge}_") for column in judged if column.startswith(f"{judge}_")
    ]
    traits = [trait for trait in named if trait != "coherence"]  # the model judge's other score
    about = ["arm", "seed", "item", "kind", "scenario_trait", "setting", "sample", "incoherent"]
    keep = judged[[*about, *more]]
    frames = [keep.assign(trait=t, outcome=judged[f"{judge}_{t}"]) for t in traits]
    return pd.concat(frames, ignore_index=True)
