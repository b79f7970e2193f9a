"""Tidy frames of judged answers turned into estimates with intervals."""

import itertools

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson 95 % score interval of a proportion (Wilson 1927; statsmodels' `proportion_confint`);
    nan where n is 0."""
    if n == 0:
        return float("nan"), float("nan")
    low, high = proportion_confint(successes, n, alpha=0.05, method="wilson")
    return float(low), float(high)


def rates(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Share of `shown` per group: the columns `by`, then n, shown, rate, low, high, effective_n,
    unscored, seeds.

    `frame` has a row per answer with seed, item and `shown` (0, 1 or missing). Missing rows are
    unscored: counted, and no part of n. The interval is Wilson's with n divided by the design
    effect (Kish 1965; Franco et al., J. Survey Statistics and Methodology 7(3), 2019): answers of
    one prompt or seed are alike, so they count for fewer.
    """
    rows = []
    for key, group in frame.groupby(by, sort=False):
        scored = group["outcome"].dropna()
        n, shown = len(scored), int(scored.sum())
        rate, effective = (shown / n, effective_n(group)) if n else (float("nan"), 0.0)
        low, high = wilson(rate * effective, effective) if n else (float("nan"), float("nan"))
        rows.append(
            (
                *key,
                n,
                shown,
                rate,
                low,
                high,
                round(effective, 1),
                len(group) - n,
                group["seed"].nunique(),
            )
        )
    columns = ["n", "successes", "rate", "low", "high", "effective_n", "unscored", "seeds"]
    return pd.DataFrame(rows, columns=[*by, *columns])


def effective_n(frame: pd.DataFrame) -> float:
    """How many independent answers carry as much information about the rate: rate (1 - rate) /
    variance, at most n.

    The variance is that of `components`, its few degrees of freedom paid for with Student's t.
    Where all answers agree nothing can be seen of their likeness: then as if one item's did not, in
    every seed. Where no item was scored in every seed, the number of items.
    """
    scored = frame.dropna(subset=["outcome"]).reset_index(drop=True)
    n, rate, first = (
        len(scored),
        float(scored["outcome"].mean()),
        scored["item"] == scored["item"].iloc[0],
    )
    if rate in (0.0, 1.0) and not first.all():
        scored = scored.assign(outcome=np.where(first, 1 - rate, rate))
        rate = float(scored["outcome"].mean())
    table = cells(scored).dropna(axis=1).to_numpy()
    if table.size == 0:
        return float(scored["item"].nunique())
    if n == 1:
        return 1.0
    part = components(table)
    if part["variance"] == 0:
        return float(n)
    return float(min(n, rate * (1 - rate) / part["variance"] / part["widen"] ** 2))


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean of `shown` per seed (rows) and item (columns), missing where nothing was scored."""
    scored = frame.dropna(subset=["outcome"]).astype({"outcome": float})
    return scored.pivot_table(index="seed", columns="item", values="outcome", aggfunc="mean")


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
        squares, freedom = (
            np.array([effects @ effects / max(1, len(effects) - 1)]),
            np.array([max(1, len(effects) - 1)]),
        )
        own = {"seed": squares[0] * (k > 1), "item": squares[0] * (m > 1), "rest": 0.0}
        share = squares / len(effects)
    else:
        rest = table - mean - seed[:, None] - item
        squares = np.array(
            [
                m * (seed @ seed) / (k - 1),
                k * (item @ item) / (m - 1),
                (rest**2).sum() / ((k - 1) * (m - 1)),
            ]
        )
        freedom = np.array([k - 1, m - 1, (k - 1) * (m - 1)])
        kept = (
            squares[:2] - squares[2] > 1e-9 * squares.max()
        )  # what is left of equal squares is rounding
        own = {
            "seed": kept[0] * (squares[0] - squares[2]) / m,
            "item": kept[1] * (squares[1] - squares[2]) / k,
            "rest": squares[2],
        }
        share = squares * [*kept, abs(1 - kept.sum())] / (k * m)
    variance = own["seed"] / k + own["item"] / m + own["rest"] / (k * m)
    df = variance**2 / (share**2 / freedom).sum() if variance > 0 else np.inf
    widen = student.ppf(0.975, df) / norm.ppf(0.975)
    return {
        "mean": mean,
        "seed_effects": seed,
        "item_effects": item,
        **own,
        "variance": variance,
        "df": df,
        "widen": widen,
    }


def difference(a: pd.DataFrame, b: pd.DataFrame, draws: int = 10_000, seed: int = 0) -> dict:
    """Rate of `a` minus rate of `b` with a hierarchical bootstrap interval: {difference, low, high,
    detectable, p, seeds, items, n_a, n_b}.

    The two frames (seed, item, shown) share their seeds and items and are compared cell by cell
    (paired), every cell alike; a side with one seed is compared with every seed of the other. Seed
    effects, item effects and what is left are drawn anew, 10,000 times, after they were rescaled to
    their estimated variances (the reflated residual bootstrap of Carpenter, Goldstein and Rasbash,
    Applied Statistics 52(4), 2003: drawing raw clusters would count the noise within them several
    times, and few seeds too little), and the percentiles are widened by Student's t. The rest, a
    mean over hundreds of cells, is drawn from a normal. `detectable` is the smallest true
    difference that such an interval keeps off zero in 80 % of studies like this; `p` is the exact
    sign-flip test over seeds. With one seed the interval says nothing about other seeds, and p is
    missing. Where the frames share no scored cell everything is missing; where nothing varies
    (every answer of both sides alike) there is a difference and no interval.
    """
    tables = [cells(a), cells(b)]
    for place, other in ((0, 1), (1, 0)):
        if len(tables[place]) == 1 < len(tables[other]):
            tables[place] = pd.concat([tables[place]] * len(tables[other])).set_axis(
                tables[other].index
            )
    shared = (tables[0] - tables[1]).dropna(how="all").dropna(axis=1)
    counts = {"n_a": int(a["outcome"].notna().sum()), "n_b": int(b["outcome"].notna().sum())}
    unknown = dict.fromkeys(("low", "high", "detectable", "p"), float("nan"))
    if shared.empty:
        return {"difference": float("nan"), **unknown, "seeds": 0, "items": 0, **counts}
    table = shared.to_numpy()
    (k, m), part, rng = table.shape, components(table), np.random.default_rng(seed)
    if part["variance"] == 0:
        return {"difference": float(part["mean"]), **unknown, "seeds": k, "items": m, **counts}
    drawn = rng.normal(0, np.sqrt(part["rest"] / (k * m)), draws)
    for effects, own in (
        (part["seed_effects"], part["seed"]),
        (part["item_effects"], part["item"]),
    ):
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
        **counts,
    }


def means(frame: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Mean of the column `value` per group, every cell of seed and item alike: the columns `by`,
    then value, low, high, n (rows), items, seeds. The 95 % interval is that of `components`, over
    the items that every seed has; missing where nothing varies."""
    rows = []
    for key, group in frame.dropna(subset=[value]).groupby(by, sort=False):
        every = cells(
            group.drop(columns="outcome", errors="ignore").rename(columns={value: "outcome"})
        )
        table, mean = every.dropna(axis=1).to_numpy(), float(np.nanmean(every.to_numpy()))
        part = components(table) if table.size else {"variance": 0, "widen": 1}
        reach = norm.ppf(0.975) * part["widen"] * np.sqrt(part["variance"]) or np.nan
        rows.append(
            (
                *key,
                mean,
                mean - reach,
                mean + reach,
                len(group),
                group["item"].nunique(),
                group["seed"].nunique(),
            )
        )
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "n", "items", "seeds"])


def sign_flip(values: np.ndarray) -> float:
    """Two-sided p of the exact sign-flip test that `values`, one per seed, are symmetric about zero
    (Fisher 1935, section 21): the share of all sign patterns whose mean is at least as far from
    zero. At most 20 values; its smallest p is 2 / 2^seeds, so that five seeds cannot reach 0.05.
    nan for a single value."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float("nan")
    signs = np.array(list(itertools.product([1, -1], repeat=len(values))))
    means = np.abs(signs @ values)
    return float((means >= abs(values.sum()) - 1e-12).mean())


def holm(p: list[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979; statsmodels' `multipletests`) over the tests that
    have a p; nan stays."""
    p = np.asarray(p, dtype=float)
    known = ~np.isnan(p)
    if known.any():
        p[known] = multipletests(p[known], method="holm")[1]
    return p.tolist()


def long(judged: pd.DataFrame, judge: str, *more: str) -> pd.DataFrame:
    """The table of judged answers, a row per answer with a column `<judge>_<trait>` each, as a row
    per answer and trait with `trait` and `shown`; `more` are further columns to keep."""
    traits = [
        column.removeprefix(f"{judge}_") for column in judged if column.startswith(f"{judge}_")
    ]
    traits = [trait for trait in traits if trait != "coherence"]  # the model judge's other score
    keep = [
        "arm",
        "seed",
        "item",
        "kind",
        "scenario_trait",
        "setting",
        "sample",
        "incoherent",
        *more,
    ]
    frames = [judged[keep].assign(trait=t, outcome=judged[f"{judge}_{t}"]) for t in traits]
    return pd.concat(frames, ignore_index=True)


def choose(choices: pd.DataFrame) -> pd.DataFrame:
    """Scored options (arm, seed, item, measure, scenario_trait, setting, option, n_tokens, nll) as
    a row per item: `shown` is 1 where option 0, the true or in-persona one, has the highest
    likelihood per token, and `probability` is its share of the options' total probability."""
    keys = ["arm", "seed", "measure", "item", "scenario_trait", "setting"]
    least = choices.groupby(keys)["nll"].transform("min")
    table = choices.assign(
        per_token=choices["nll"] / choices["n_tokens"], weight=np.exp(least - choices["nll"])
    )
    first = table[table["option"] == 0].set_index(keys)
    others = table[table["option"] > 0].groupby(keys)
    best, rest = (
        others["per_token"].min().reindex(first.index),
        others["weight"].sum().reindex(first.index),
    )
    rows = pd.DataFrame(
        {
            "outcome": (first["per_token"] < best).astype(int),
            "probability": first["weight"] / (first["weight"] + rest),
        }
    )
    return rows.reset_index().assign(
        trait=lambda f: f["scenario_trait"], kind=lambda f: f["measure"]
    )


def measures(judged: pd.DataFrame, chosen: pd.DataFrame, judge: str) -> pd.DataFrame:
    """One tidy frame of everything that was measured on the triplets: arm, seed, item, trait,
    world, measure, shown.

    `say` and `do` are the answers judged for the scenario's own trait; `know`, `know_you`,
    `say_pair` and `do_pair` come from likelihoods (see `helpers.items.choices`).
    """
    answers = (
        long(judged[judged["scenario_trait"] != ""], judge)
        .query("trait == scenario_trait")
        .assign(measure=lambda f: f["kind"])
    )
    keep = ["arm", "seed", "item", "trait", "setting", "measure", "outcome"]
    return pd.concat(
        [answers[keep], chosen[chosen["scenario_trait"] != ""][keep]], ignore_index=True
    )


def side(measured: pd.DataFrame, arm: str, measure: str) -> pd.DataFrame:
    """The rows of one side of a contrast in `data/contrasts.yaml`: a measure, or
    `<measure>_everyday` for the triplets of everyday life alone."""
    name = measure.removesuffix("_everyday")
    rows = measured[(measured["arm"] == arm) & (measured["measure"] == name)]
    return rows if name == measure else rows[rows["setting"] == "everyday"]


def knowing(measured: pd.DataFrame, expressed: pd.DataFrame) -> pd.DataFrame:
    """Knowledge beside expression per arm and trait: the table `expressed` (arm, trait, rate, low,
    high, ...) of the `do` answers with know, know_low, know_high, gap = know - rate with its
    interval, and `unexpressed`, the share of scenarios (seed by seed) whose true option wins and
    whose answers do not show the trait, on average over their samples."""
    know = rates(measured[measured["measure"] == "know"], ["arm", "trait"])
    known = know.rename(columns={"rate": "know", "low": "know_low", "high": "know_high"})
    keys = ["arm", "trait", "seed", "item"]
    each = {
        m: measured[measured["measure"] == m].groupby(keys)["outcome"].mean()
        for m in ("know", "do")
    }
    unexpressed = (
        (each["know"] * (1 - each["do"]))
        .groupby(["arm", "trait"])
        .mean()
        .rename("unexpressed")
        .reset_index()
    )
    table = expressed.merge(
        known[["arm", "trait", "know", "know_low", "know_high"]], on=["arm", "trait"]
    )
    return table.merge(gaps(measured, ["arm", "trait"]), on=["arm", "trait"]).merge(
        unexpressed, on=["arm", "trait"]
    )


def gaps(measured: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Knowing minus doing per group: the columns `by`, then gap, gap_low, gap_high (the interval of
    `difference`)."""
    rows = []
    for key, group in measured.groupby(by, sort=False):
        found = difference(*(group[group["measure"] == measure] for measure in ("know", "do")))
        rows.append((*key, found["difference"], found["low"], found["high"]))
    return pd.DataFrame(rows, columns=[*by, "gap", "gap_low", "gap_high"])


def contrast_table(measured: pd.DataFrame, contrasts: list[dict]) -> pd.DataFrame:
    """The contrasts of `data/contrasts.yaml` whose arms were measured: contrast, a, b, the columns
    of `difference`, and `p_holm`, corrected over these."""
    rows = []
    for contrast in contrasts:
        sides = [side(measured, **contrast[name]) for name in ("a", "b")]
        if all(len(frame) for frame in sides):
            names = {n: f"{contrast[n]['arm']}, {contrast[n]['measure']}" for n in ("a", "b")}
            rows.append({"contrast": contrast["id"], **names, **difference(*sides)})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"].tolist())) if rows else table


def specific_gain(scores: pd.DataFrame, persona: str, control: str) -> pd.DataFrame:
    """Persona-specific gain per arm and format: nats per token gained over `base` on held-out text
    about the persona, minus those gained on the same situations about the control character; arm,
    text, persona and control (the two gains), value, low, high, units, seeds. Every text counts
    alike.

    The interval is that of `difference`, over seeds and units.
    """
    keys = ["text", "subject", "unit"]
    table = scores.assign(nats=scores["nll"] / scores["n_tokens"])
    base = table[table["arm"] == "base"].groupby(keys)["nats"].mean().rename("base").reset_index()
    rows = []
    for (arm, text), own in table[table["arm"] != "base"].groupby(["arm", "text"], sort=False):
        gained = (
            own.merge(base, on=keys)
            .rename(columns={"unit": "item"})
            .assign(outcome=lambda f: f["base"] - f["nats"])
        )
        sides = [gained[gained["subject"] == subject] for subject in (persona, control)]
        if all(len(frame) for frame in sides):
            found = difference(*sides)
            means = dict(
                zip(
                    ("persona", "control"),
                    (frame["outcome"].mean() for frame in sides),
                    strict=True,
                )
            )
            rows.append(
                {
                    "arm": arm,
                    "text": text,
                    **means,
                    "value": found["difference"],
                    "low": found["low"],
                    "high": found["high"],
                    "units": found["items"],
                    "seeds": found["seeds"],
                }
            )
    return pd.DataFrame(rows)


def mean_nats(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean negative log-likelihood per token (nats) and perplexity per group of texts, with the
    texts' and seeds' count.

    The mean is over tokens, not over texts. `scores` has the columns `by`, seed, unit, nll (summed)
    and n_tokens.
    """
    sums = scores.groupby(by, sort=False).agg(
        nll=("nll", "sum"),
        tokens=("n_tokens", "sum"),
        texts=("unit", "nunique"),
        seeds=("seed", "nunique"),
    )
    sums["nats"] = sums["nll"] / sums["tokens"]
    sums["perplexity"] = np.exp(sums["nats"])
    return sums.drop(columns="nll").reset_index()


def nats(perplexity: float) -> float:
    """Mean negative log-likelihood per token of a perplexity: its natural logarithm."""
    return float(np.log(perplexity))


def square(matrix: pd.DataFrame, value: str, arms: list[str]) -> pd.DataFrame:
    """A tidy frame (arm, text, value) as a table: rows in the order of `arms`, columns in the order
    found."""
    table = matrix.pivot(index="arm", columns="text", values=value)
    return table.reindex([a for a in arms if a in table.index])[
        list(dict.fromkeys(matrix["text"]))
    ].rename_axis(None)


def beside(matrix: pd.DataFrame, published: dict) -> pd.DataFrame:
    """Our tidy perplexities with the published ones ({arm: {text: perplexity}}) as a last
    column."""
    theirs = [published.get(row.arm, {}).get(row.text) for row in matrix.itertuples()]
    return matrix.assign(published_perplexity=theirs)


def published_rates(rows: list[dict]) -> pd.DataFrame:
    """Published rates {arm, trait, rate, [shown, n]} with a Wilson interval where the counts are
    known, else nan."""
    frame = pd.DataFrame(rows).reindex(columns=["arm", "trait", "rate", "successes", "n"])
    known = frame["n"].notna()
    bounds = [
        wilson(int(r.successes), int(r.n)) if k else (np.nan, np.nan)
        for r, k in zip(frame.itertuples(), known, strict=True)
    ]
    frame[["low", "high"]] = np.array(bounds, dtype=float).reshape(-1, 2)
    return frame
