"""Tidy frames of judged answers turned into estimates with intervals."""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927; statsmodels' `proportion_confint`); nan where n is 0."""
    if n == 0:
        return float("nan"), float("nan")
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    return float(low), float(high)


def rates(frame: pd.DataFrame, by: list[str], level: float = 0.95) -> pd.DataFrame:
    """Expression rate per group: the columns `by`, then n, shown, rate, low, high, unscored, seeds.

    `frame` has a row per answer and trait with `shown` (0, 1 or missing). Missing rows are unscored: counted, and no
    part of n. The interval is Wilson's over all scored answers of the group, which takes them as independent;
    answers of one prompt or seed are not quite, so `difference` resamples them by seed and prompt for any claim.
    """
    rows = []
    for key, group in frame.groupby(by, sort=False):
        scored = group["shown"].dropna()
        n, shown = len(scored), int(scored.sum())
        low, high = wilson(shown, n, level)
        rate = shown / n if n else float("nan")
        rows.append(dict(zip(by, key, strict=True)) | {"n": n, "shown": shown, "rate": rate, "low": low, "high": high,
                    "unscored": len(group) - n, "seeds": group["seed"].nunique()})  # fmt: skip
    return pd.DataFrame(rows)


def difference(a: pd.DataFrame, b: pd.DataFrame, draws: int = 10_000, seed: int = 0, level: float = 0.95) -> dict:
    """Rate of `a` minus rate of `b` with a hierarchical percentile bootstrap interval: {difference, low, high, seeds,
    items, n_a, n_b}.

    The two frames (seed, item, sample, shown) share their seeds and items, which are resampled together (paired),
    seeds first, then items, then the samples within (Davison and Hinkley 1997, section 3.8). With one seed the
    interval says nothing about other seeds. Raises ValueError when the frames do not share seeds and items.
    """
    tables = []
    for frame in (a, b):
        scored = frame.dropna(subset=["shown"])
        tables.append(scored.astype({"shown": float}).groupby(["seed", "item"])["shown"].agg(["sum", "count"]))
    shared = tables[0].index.intersection(tables[1].index)
    if shared.empty:
        raise ValueError("the two frames share no seed and item")
    seeds, items = (shared.get_level_values(level).unique() for level in ("seed", "item"))
    grid = pd.MultiIndex.from_product([seeds, items])
    arrays = [table.reindex(grid, fill_value=0) for table in tables]
    sums, counts = (
        np.stack([array[column].to_numpy().reshape(len(seeds), len(items)) for array in arrays])
        for column in ("sum", "count")
    )
    rng = np.random.default_rng(seed)
    drawn = np.empty(draws)
    for draw in range(draws):
        s = rng.integers(len(seeds), size=len(seeds))[:, None]
        i = rng.integers(len(items), size=(1, len(items)))  # the same prompts stand in every seed
        n = counts[:, s, i].astype(int)
        rate = np.divide(sums[:, s, i], n, out=np.zeros(n.shape), where=n > 0)
        resampled = rng.binomial(n, rate).sum((1, 2)) / n.sum((1, 2))
        drawn[draw] = resampled[0] - resampled[1]
    point = sums[0].sum() / counts[0].sum() - sums[1].sum() / counts[1].sum()
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return {"difference": float(point), "low": float(low), "high": float(high), "seeds": len(seeds),
            "items": len(items), "n_a": int(counts[0].sum()), "n_b": int(counts[1].sum())}  # fmt: skip


def mean_nats(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean negative log-likelihood per token (nats) and perplexity per group of texts, with the texts' and seeds' count.

    The mean is over tokens, not over texts. `scores` has the columns `by`, seed, unit, nll (summed) and n_tokens.
    """
    sums = scores.groupby(by, sort=False).agg(
        nll=("nll", "sum"), tokens=("n_tokens", "sum"), texts=("unit", "nunique"), seeds=("seed", "nunique")
    )
    sums["nats"] = sums["nll"] / sums["tokens"]
    sums["perplexity"] = np.exp(sums["nats"])
    return sums.drop(columns="nll").reset_index()


def nats(perplexity: float) -> float:
    """Mean negative log-likelihood per token of a perplexity: its natural logarithm."""
    return float(np.log(perplexity))


def square(matrix: pd.DataFrame, value: str, arms: list[str]) -> pd.DataFrame:
    """A tidy frame (arm, text, value) as a table: rows in the order of `arms`, columns in the order found."""
    table = matrix.pivot(index="arm", columns="text", values=value)
    return table.reindex([a for a in arms if a in table.index])[list(dict.fromkeys(matrix["text"]))].rename_axis(None)


def beside(matrix: pd.DataFrame, published: dict) -> pd.DataFrame:
    """Our tidy perplexities with the published ones ({arm: {text: perplexity}}) as a last column."""
    theirs = [published.get(row.arm, {}).get(row.text) for row in matrix.itertuples()]
    return matrix.assign(published_perplexity=theirs)


def published_rates(rows: list[dict]) -> pd.DataFrame:
    """Published rates {arm, trait, rate, [shown, n]} with a Wilson interval where the counts are known, else nan."""
    frame = pd.DataFrame(rows).reindex(columns=["arm", "trait", "rate", "shown", "n"])
    known = frame["n"].notna()
    bounds = [
        wilson(int(r.shown), int(r.n)) if k else (np.nan, np.nan)
        for r, k in zip(frame.itertuples(), known, strict=True)
    ]
    frame[["low", "high"]] = bounds
    return frame
