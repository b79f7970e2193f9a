"""The experiments of `why`: mean gains of groups of arms held against one another, and what each
factor of the eight cells adds.

All of it starts from margins (`margins.margins`). Everything is a number per seed and scenario, so
that intervals are over seeds and scenarios, and tests over scenarios.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure.contrasts import load_contrasts
from helpers.measure.margins import DO, KNOW, gains, replies
from helpers.measure.stats import compare, holm, of_differences, paired

READOUTS = (KNOW, DO, "crossover")
# Factor -> the level whose mean the effect adds, and the one whose mean it takes off.
LEVELS = {"voice": ("neutral", "his"), "person": ("he", "I"), "wrapper": ("raw", "chat")}
FACTORS = tuple(LEVELS)
EFFECTS = [c for n in (1, 2, 3) for c in combinations(FACTORS, n)]


def readout(margins: pd.DataFrame, arm: str, on: str) -> pd.DataFrame:
    """The gains of an arm in a readout, or in `crossover`, its gain in knowing minus that in doing,
    per seed (rows) and scenario (columns)."""
    if on != "crossover":
        return gains(margins, arm, on)
    return paired(gains(margins, arm, KNOW), gains(margins, arm, DO))


def mean_of(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The mean of tables over the seeds and scenarios that all of them have; a cell that one of
    them lacks is missing."""
    total = sum(tables)
    return total.dropna(how="all").dropna(axis=1, how="all") / len(tables)


def combined(
    margins: pd.DataFrame, plus: list[str], minus: list[str], on: str, under: str = "own"
) -> pd.DataFrame:
    """The mean gain of the arms `plus` minus that of the arms `minus`, per seed and scenario; under
    another condition than `own`, what that condition adds to it.

    Empty where one of the arms has no such gain. `margins` are of one set and of the traits that
    count.
    """
    if under != "own":
        other = margins[margins["condition"] == under].assign(condition="own")
        parts = [combined(frame, plus, minus, on) for frame in (other, margins)]
        return paired(*parts) if all(map(len, parts)) else pd.DataFrame()
    sides = [[readout(margins, arm, on) for arm in names] for names in (plus, minus)]
    if any(table.empty for side in sides for table in side):
        return pd.DataFrame()
    return paired(*map(mean_of, sides)) if minus else mean_of(sides[0])


def counted(table: pd.DataFrame) -> dict:
    """Value, low, high, detectable, seeds, items and p_scenarios of a table of differences."""
    found = of_differences(table)
    return {"value": found.pop("difference")} | found


def contrast_table(margins: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """The contrasts of an experiment that were fixed in advance and whose arms are there: contrast,
    question, on, value (nats per token), low, high, detectable, p, seeds, items, p_scenarios,
    detectable_scenarios, and p_holm, corrected over these."""
    rows = []
    for contrast in load_contrasts(("means",)):
        if contrast["experiment"] == experiment:
            own = margins[margins["set"] == contrast["set"]]
            if contrast.get("traits"):
                own = own[own["trait"].isin(contrast["traits"])]
            sides = [contrast[name] for name in ("plus", "minus", "on")]
            table = combined(own, *sides, contrast.get("under", "own"))
            if table.size:
                named = {"contrast": contrast["id"], "question": contrast["question"]}
                rows.append(named | {"on": contrast["on"]} | counted(table))
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p_scenarios"].tolist())) if rows else table


# The eight cells


def effect_tables(margins: pd.DataFrame, on: str) -> dict[tuple[str, ...], pd.DataFrame]:
    """What each factor of the eight cells, and each product of factors, adds in a readout, per seed
    (rows) and scenario (columns); {} unless all eight cells are there.

    A factor's effect is the mean over the four cells of one level minus that over the other four
    (`LEVELS`); a product's is the mean over the cells in which an even number of its factors are at
    their second level, minus that over the others (Box, Hunter and Hunter, Statistics for
    Experimenters, section 5.5).
    """
    tables = [readout(margins, arm, on) for arm in table_of_arms.CELLS]
    if any(table.empty for table in tables):
        return {}
    stacked = np.stack([table.reindex_like(tables[0]) for table in tables])
    found = {}
    for factors in EFFECTS:
        signs = np.array([sign(arm, factors) for arm in table_of_arms.CELLS])
        cells = (signs[:, None, None] * stacked).sum(0) / 4
        table = pd.DataFrame(cells, tables[0].index, tables[0].columns)
        found[factors] = table.dropna(how="all").dropna(axis=1, how="all")
    return found


def effects(margins: pd.DataFrame) -> pd.DataFrame:
    """`effect_tables` in every readout: on (`READOUTS`), effect, value (nats per token), low, high,
    detectable, p, seeds, items, p_scenarios, detectable_scenarios."""
    rows = [
        {"on": on, "effect": name_of(factors)} | counted(table)
        for on in READOUTS
        for factors, table in effect_tables(margins, on).items()
    ]
    return pd.DataFrame(rows, columns=None if rows else ["on", "effect", "value", "low", "high"])


def sign(arm: str, factors: tuple[str, ...]) -> int:
    """1 where an even number of these factors are at their second level in a cell, else -1."""
    cell = table_of_arms.CELLS[arm]
    return int(np.prod([1 if cell[name] == LEVELS[name][0] else -1 for name in factors]))


def name_of(factors: tuple[str, ...]) -> str:
    return " x ".join(factors)


def effects_on_replies(choices: pd.DataFrame) -> pd.DataFrame:
    """What each factor adds to the likelihood of the reply in character, and of the neutral one:
    effect, reply (`margins.PAIR`), value (nats per token), low, high, seeds, items and more as
    `counted`. The factor's effect on doing is the first minus the second."""
    rows = [
        {"effect": name_of(factors), "reply": reply} | counted(table)
        for reply, own in replies(choices).items()
        for factors, table in effect_tables(own, DO).items()
        if len(factors) == 1
    ]
    return pd.DataFrame(rows, columns=None if rows else ["effect", "reply", "value", "low", "high"])


def carried(margins: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """What the lead of cell `a` over cell `b` is the sum of, in every readout: on, factor, value
    (nats per token), low, high and more as `counted`, and share, the value over the sum.

    The two cells are alike in the wrapper and unlike in voice and in person, as documents and
    first-person texts are. The part of each of these two factors is its effect in that wrapper: the
    effect and its product with the wrapper. Products of the two take the same sign in both cells.
    """
    rows = []
    for on in READOUTS:
        tables = effect_tables(margins, on)
        for factor in ("voice", "person") if tables else ():
            turned = [
                (sign(a, factors) - sign(b, factors)) / 2 * table
                for factors, table in tables.items()
                if factor in factors and {"voice", "person"} - set(factors)
            ]
            rows.append({"on": on, "factor": factor} | counted(sum(turned)))
    table = pd.DataFrame(rows, columns=None if rows else ["on", "factor", "value", "low", "high"])
    return table.assign(share=table["value"] / table.groupby("on")["value"].transform("sum"))


# Doses, strengths, traits


def by_arm(margins: pd.DataFrame, arms: list[str], by: tuple[str, ...] = ()) -> pd.DataFrame:
    """The gain of each arm in each readout, per value of the columns `by`: arm, `by`, on, value,
    low, high, seeds, items."""
    rows = []
    groups = margins.groupby(list(by), sort=False) if by else [((), margins)]
    for key, own in groups:
        for arm in arms:
            for on in READOUTS:
                table = readout(own, arm, on)
                if table.size:
                    found = compare(table.to_numpy())
                    kept = {name: found[name] for name in ("low", "high", "seeds", "items")}
                    about = {"arm": arm, **dict(zip(by, key, strict=True)), "on": on}
                    rows.append(about | {"value": found["difference"]} | kept)
    return pd.DataFrame(rows, columns=["arm", *by, "on", "value", "low", "high", "seeds", "items"])
