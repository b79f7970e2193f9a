"""Rates, means and differences with intervals.

Each estimate has a core that works on a (seeds, items) array, and a function that makes the array
from a tidy frame with a row per answer: seed, item and `outcome` (0, 1, or missing where the answer
could not be scored).
"""

import numpy as np
import pandas as pd
from scipy.stats import norm, permutation_test
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

UNKNOWN = dict.fromkeys(("low", "high", "detectable", "p"), float("nan"))


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
    """How many independent answers carry as much information about the rate: `effective_size` of
    the items that were scored in every seed.

    Where all answers agree nothing can be seen of their likeness: then as if one item's did not, in
    every seed. Where no item was scored in every seed, the number of items.
    """
    scored = frame.dropna(subset=["outcome"]).reset_index(drop=True)
    rate = float(scored["outcome"].mean())
    first = scored["item"] == scored["item"].iloc[0]
    if rate in (0.0, 1.0) and not first.all():
        scored = scored.assign(outcome=np.where(first, 1 - rate, rate))
        rate = float(scored["outcome"].mean())
    table = cells(scored).dropna(axis=1).to_numpy()
    if table.size == 0:
        return float(scored["item"].nunique())
    return effective_size(table, rate, len(scored))


def effective_size(table: np.ndarray, rate: float, n: int) -> float:
    """rate (1 - rate) / variance of the mean of a (seeds, items) table of n answers, at most n.

    The variance is that of `components`; its few degrees of freedom are paid for with Student's t.
    """
    if n == 1:
        return 1.0
    part = components(table)
    if part["variance"] == 0:
        return float(n)
    return float(min(n, rate * (1 - rate) / part["variance"] / part["widen"] ** 2))


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean outcome per seed (rows) and item (columns), missing where nothing was scored."""
    scored = frame.dropna(subset=["outcome"]).astype({"outcome": float})
    return scored.groupby(["seed", "item"])["outcome"].mean().unstack("item")


# Variance


def components(table: np.ndarray) -> dict:
    """What the mean of a (seeds, items) table varies by: mean, seed and item effects, their
    variances, the variance of the mean, and `widen`, Student's t over the normal quantile at the
    variance's degrees of freedom.

    Two-way random effects by the mean squares (Searle, Casella and McCulloch 1992, section 4.5),
    negative components set to zero; degrees of freedom after Satterthwaite (1946). One seed has no
    seed component, and the variance says nothing about other seeds; one item likewise.
    """
    k, m = table.shape
    mean = table.mean()
    seed, item = table.mean(1) - mean, table.mean(0) - mean
    if k == 1 or m == 1:
        effects = item if k == 1 else seed
        freedom = np.array([max(1, len(effects) - 1)])
        squares = np.array([effects @ effects]) / freedom
        own = {"seed": squares[0] * (k > 1), "item": squares[0] * (m > 1), "rest": 0.0}
        share = squares / len(effects)
    else:
        rest = table - mean - seed[:, None] - item
        freedom = np.array([k - 1, m - 1, (k - 1) * (m - 1)])
        sums = np.array([m * (seed @ seed), k * (item @ item), (rest**2).sum()])
        squares = sums / freedom
        # What is left of equal squares is rounding.
        kept = squares[:2] - squares[2] > 1e-9 * squares.max()
        own = {
            "seed": kept[0] * (squares[0] - squares[2]) / m,
            "item": kept[1] * (squares[1] - squares[2]) / k,
            "rest": squares[2],
        }
        share = squares * [*kept, abs(1 - kept.sum())] / (k * m)
    variance = own["seed"] / k + own["item"] / m + own["rest"] / (k * m)
    df = variance**2 / (share**2 / freedom).sum() if variance > 0 else np.inf
    widen = student.ppf(0.975, df) / norm.ppf(0.975)
    effects = {"seed_effects": seed, "item_effects": item}
    return {"mean": mean, **effects, **own, "variance": variance, "df": df, "widen": widen}


# Differences


def difference(a: pd.DataFrame, b: pd.DataFrame, draws: int = 10_000, seed: int = 0) -> dict:
    """Rate of `a` minus rate of `b`: the columns of `compare` on the cells that both share, with
    n_a and n_b, the number of scored answers."""
    counts = {"n_a": int(a["outcome"].notna().sum()), "n_b": int(b["outcome"].notna().sum())}
    return compare(paired(cells(a), cells(b)).to_numpy(), draws, seed) | counts


def paired(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """One table of `cells` minus another, over the seeds and items that both have; a side with one
    seed is compared with every seed of the other."""
    if len(a) == 1 < len(b):
        a = pd.concat([a] * len(b)).set_axis(b.index)
    elif len(b) == 1 < len(a):
        b = pd.concat([b] * len(a)).set_axis(a.index)
    return (a - b).dropna(how="all").dropna(axis=1)


def compare(table: np.ndarray, draws: int = 10_000, seed: int = 0) -> dict:
    """The mean of a (seeds, items) table of differences with a hierarchical bootstrap interval:
    {difference, low, high, detectable, p, seeds, items}. Every cell counts alike.

    Seed effects, item effects and what is left are drawn anew, `draws` times, after they were
    rescaled to their estimated variances (the reflated residual bootstrap of Carpenter, Goldstein
    and Rasbash, Applied Statistics 52(4), 2003: drawing raw clusters would count the noise within
    them several times, and few seeds too little), and the percentiles are widened by Student's t.
    The rest, a mean over hundreds of cells, is drawn from a normal.

    `detectable` is the smallest true difference that such an interval keeps off zero in 80 % of
    studies like this; `p` is the exact sign-flip test over seeds. With one seed the interval says
    nothing about other seeds, and p is missing. Where the table is empty everything is missing;
    where nothing varies there is a difference and no interval.
    """
    if table.size == 0:
        return {"difference": float("nan"), **UNKNOWN, "seeds": 0, "items": 0}
    (k, m), part, rng = table.shape, components(table), np.random.default_rng(seed)
    if part["variance"] == 0:
        return {"difference": float(part["mean"]), **UNKNOWN, "seeds": k, "items": m}
    drawn = rng.normal(0, np.sqrt(part["rest"] / (k * m)), draws)
    for name in ("seed", "item"):
        effects, own = part[f"{name}_effects"], part[name]
        if own > 0:
            reflated = effects * np.sqrt(own * len(effects) / (effects @ effects))
            drawn += reflated[rng.integers(len(effects), size=(draws, len(effects)))].mean(1)
    low, high = part["mean"] + part["widen"] * np.quantile(drawn, [0.025, 0.975])
    needed = student.ppf(0.975, part["df"]) + student.ppf(0.8, part["df"])
    return {
        "difference": float(part["mean"]),
        "low": float(low),
        "high": float(high),
        "detectable": float(needed * np.sqrt(part["variance"])),
        "p": sign_flip(table.mean(1)),
        "seeds": k,
        "items": m,
    }


def sign_flip(values: np.ndarray) -> float:
    """Two-sided p of the exact sign-flip test that `values`, one per seed, are symmetric about zero
    (Fisher 1935, section 21; scipy's `permutation_test` over all sign patterns). Its smallest p is
    2 / 2^seeds, so that five seeds cannot reach 0.05. nan for a single value."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float("nan")

    def total(flipped: np.ndarray, axis: int) -> np.ndarray:
        return np.round(flipped.sum(axis=axis), 10)  # sums that differ by rounding alone are ties

    every = {"permutation_type": "samples", "n_resamples": np.inf, "vectorized": True}
    return float(permutation_test((values,), total, **every).pvalue)


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
    """Mean of the column `value` per group, every cell of seed and item alike: the columns `by`,
    then value, low, high, n (rows), items, seeds. The 95 % interval is that of `components`, over
    the items that every seed has; missing where nothing varies."""
    rows = []
    for key, group in frame.dropna(subset=[value]).groupby(by, sort=False):
        every = cells(group.assign(outcome=group[value]))
        table, mean = every.dropna(axis=1).to_numpy(), float(np.nanmean(every.to_numpy()))
        part = components(table) if table.size else {"variance": 0, "widen": 1}
        reach = norm.ppf(0.975) * part["widen"] * np.sqrt(part["variance"]) or np.nan
        counts = (len(group), group["item"].nunique(), group["seed"].nunique())
        rows.append((*key, mean, mean - reach, mean + reach, *counts))
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
