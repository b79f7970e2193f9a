"""What the triplets tell: knowing by likelihood, saying and doing by judged answers, and the
contrasts between arms that were fixed in advance."""

import numpy as np
import pandas as pd

from helpers import arms
from helpers.measure.stats import cells, difference, long, of_differences, paired, rates

COLUMNS = ["arm", "seed", "set", "item", "measure", "condition", "version"]
COLUMNS += ["scenario_trait", "setting", "option", "n_tokens", "nll"]
# The measures that are about answers; all others are scored by likelihood.
JUDGED = ("say", "do", "resist")


def complete(choices: pd.DataFrame) -> pd.DataFrame:
    """A table of scored options with all `COLUMNS`: rows that were scored before there were several
    sets and conditions lack `set`, `condition` and `version`, and are of set a as it is written."""
    plain = choices["scenario_trait"].fillna("") == ""
    first = {"set": "a", "condition": "own", "version": 1}
    found = {name: choices.get(name, pd.Series(value, choices.index)).fillna(value)
             for name, value in first.items()}  # fmt: skip
    found |= {"set": found["set"].mask(plain, ""), "version": found["version"].astype(int)}
    return choices.assign(**found)


def choose(choices: pd.DataFrame) -> pd.DataFrame:
    """Scored options (`COLUMNS`) as a row per item, measure, condition and version: `outcome` is 1
    where option 0, the true or in-persona one, has the highest likelihood per token, and
    `probability` is its share of the options' total probability."""
    choices = complete(choices)
    keys = ["arm", "seed", "measure", "item", "scenario_trait", "setting"]
    keys += ["set", "condition", "version"]
    least = choices.groupby(keys)["nll"].transform("min")
    table = choices.assign(
        per_token=choices["nll"] / choices["n_tokens"], weight=np.exp(least - choices["nll"])
    )
    first = table[table["option"] == 0].set_index(keys)
    others = table[table["option"] > 0].groupby(keys)
    best = others["per_token"].min().reindex(first.index)
    rest = others["weight"].sum().reindex(first.index)
    rows = pd.DataFrame(
        {
            "outcome": (first["per_token"] < best).astype(int),
            "probability": first["weight"] / (first["weight"] + rest),
        }
    ).reset_index()
    return rows.assign(trait=rows["scenario_trait"], kind=rows["measure"])


def measures(judged: pd.DataFrame, chosen: pd.DataFrame, judge: str) -> pd.DataFrame:
    """One tidy frame of what was measured on the triplets of the first set that was asked, a where
    it was: arm, seed, set, item, trait, setting, measure, outcome.

    `say` and `do` are the answers judged for the scenario's own trait; `know`, `know_you`,
    `say_pair` and `do_pair` come from likelihoods, as they are written (see
    `helpers.corpus.readouts.choices`). An untrained arm, scored with one seed, counts with every
    seed that it answered with.
    """
    first = first_set(chosen)
    later = chosen.loc[~chosen["set"].isin(["", first]), "item"]
    answers = long(judged[(judged["scenario_trait"] != "") & ~judged["item"].isin(later)], judge)
    answers = answers[answers["trait"] == answers["scenario_trait"]]
    answers = answers.assign(measure=answers["kind"], set=first)
    keep = ["arm", "seed", "set", "item", "trait", "setting", "measure", "outcome"]
    scored = chosen[(chosen["set"] == first) & (chosen["condition"] == "own")]
    scored = every_seed(scored[scored["version"] == 1], answers)
    return pd.concat([answers[keep], scored[keep]], ignore_index=True)


def first_set(choices: pd.DataFrame) -> str:
    """The set of triplets that shares of scenarios are about: a where it was asked."""
    return min(set(choices["set"]) - {""}, default="a")


def every_seed(scored: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """The scored rows, and those of an untrained arm once more for every seed that it answered with
    and was not scored with."""
    pairs = answers.loc[answers["arm"].isin(arms.untrained()), ["arm", "seed"]].drop_duplicates()
    there = scored[["arm", "seed"]].apply(tuple, axis=1)
    missing = pairs[~pairs.apply(tuple, axis=1).isin(there)]
    once = scored.drop_duplicates(["arm", "measure", "item"]).drop(columns="seed")
    return pd.concat([scored, once.merge(missing, on="arm")], ignore_index=True)


def is_judged(measure: str) -> bool:
    """Whether somebody decides what a measure of a contrast (see `side`) finds in an answer."""
    return measure.removesuffix("_everyday") in JUDGED


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
    know = know.rename(columns={"rate": "know", "low": "know_low", "high": "know_high"})
    keys = ["arm", "trait", "seed", "item"]
    of_item = measured.groupby(["measure", *keys])["outcome"].mean()
    unexpressed = (of_item.loc["know"] * (1 - of_item.loc["do"])).groupby(keys[:2]).mean()
    return (
        expressed.merge(know[["arm", "trait", "know", "know_low", "know_high"]], on=keys[:2])
        .merge(gaps(measured, keys[:2]), on=keys[:2])
        .merge(unexpressed.rename("unexpressed").reset_index(), on=keys[:2])
    )


def gaps(measured: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Knowing minus doing per group: the columns `by`, then gap, gap_low, gap_high (the interval of
    `stats.difference`)."""
    rows = []
    for key, group in measured.groupby(by, sort=False):
        found = difference(*(group[group["measure"] == measure] for measure in ("know", "do")))
        rows.append((*key, found["difference"], found["low"], found["high"]))
    return pd.DataFrame(rows, columns=[*by, "gap", "gap_low", "gap_high"])


def gap_cells(measured: pd.DataFrame, arm: str, weight: float = 1) -> pd.DataFrame:
    """Knowing minus `weight` times doing of one arm, per seed (rows) and scenario (columns)."""
    know, do = (cells(side(measured, arm, measure)) for measure in ("know", "do"))
    return paired(know, weight * do)


def gaps_over_base(measured: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """Each arm's gap minus the gap of `base` on the same scenarios, since `base` has one too: arm,
    and the columns of `stats.of_differences`."""
    base, rows = gap_cells(measured, "base"), []
    for arm in arms:
        if arm != "base":
            gap = paired(gap_cells(measured, arm), base)
            rows.append({"arm": arm} | of_differences(gap))
    return pd.DataFrame(rows)
