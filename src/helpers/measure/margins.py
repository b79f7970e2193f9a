"""Margins: by how much the true option is likelier than the others, what an arm gains in this over
base, and what such a gain hangs on (name, scenario, describing or doing, person).

All tables start from scored options (`triplets.COLUMNS`). Without triplets they are empty.
"""

import pandas as pd

from helpers.measure.stats import of_differences, paired
from helpers.measure.triplets import complete

KEYS = ["arm", "seed", "set", "item", "trait", "setting", "measure", "condition"]
SCENARIO = ["set", "item", "trait", "setting"]
KNOW, DO = "know", "do_pair"
PAIR = ("in character", "neutral")  # the two replies that doing is scored on, by their option

# `know` describes in the third person, `know_first` in the first; `told_pair` does in the third,
# `do_pair` in the first.
READOUTS = (KNOW, "know_first", "told_pair", DO)
# What a lead of one arm over another is made of: part -> readout -> its weight. The crossover is
# the sum of `describing` and `person`.
PARTS = {
    **{readout: {readout: 1} for readout in READOUTS},
    "crossover": {KNOW: 1, DO: -1},
    "describing": {KNOW: 0.5, "know_first": 0.5, "told_pair": -0.5, DO: -0.5},
    "person": {KNOW: 0.5, "told_pair": 0.5, "know_first": -0.5, DO: -0.5},
    "interaction": {KNOW: 1, "know_first": -1, "told_pair": -1, DO: 1},
}


# Options, margins, hits


def options(choices: pd.DataFrame, per: str) -> pd.DataFrame:
    """The scored options of triplets with `fit`, their log-likelihood in nats (a token where `per`
    is "token", in all where it is "total"), and `gained`, fit minus that of base (the mean of its
    seeds); base gains nothing."""
    rows = complete(choices)
    rows = rows[rows["set"] != ""].rename(columns={"scenario_trait": "trait"})
    fit = -rows["nll"] / (rows["n_tokens"] if per == "token" else 1)
    asked = [*KEYS[2:], "version", "option"]
    rows = rows.assign(fit=fit)
    base = rows[rows["arm"] == "base"].groupby(asked)["fit"].mean()
    gained = fit - rows.join(base.rename("base"), on=asked)["base"]
    return rows.assign(gained=gained.mask(rows["arm"] == "base", 0.0))


def margins(choices: pd.DataFrame, per: str = "token") -> pd.DataFrame:
    """Margin and gain per arm, seed, scenario, measure and condition: `KEYS`, margin, gain.

    The margin is fit of the true option minus the mean fit of the others (of a pair, in-persona
    minus neutral), in nats per token, or in nats where `per` is "total"; over both pairs of replies
    it is their mean. The gain is the margin minus that of base.
    """
    rows, keys = options(choices, per), [*KEYS, "version"]
    true, values = rows["option"] == 0, ["fit", "gained"]
    others = rows[~true].groupby(keys)[values].mean()
    found = (rows[true].set_index(keys)[values] - others).groupby(level=KEYS, sort=False).mean()
    return found.set_axis(["margin", "gain"], axis=1).reset_index()


def replies(choices: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The gain in doing taken apart: how much likelier than in base the reply in character becomes,
    and the neutral one, each over both pairs of replies: `KEYS`, gain (nats per token). The gain of
    `margins` is the first minus the second."""
    rows = options(choices[choices["measure"] == DO], "token")
    found = {}
    for option, name in enumerate(PAIR):
        own = rows[rows["option"] == option].groupby([*KEYS, "version"])["gained"].mean()
        found[name] = own.groupby(level=KEYS, sort=False).mean().rename("gain").reset_index()
    return found


def hits(choices: pd.DataFrame, per: str = "token") -> pd.DataFrame:
    """Whether the true option wins: `KEYS`, `outcome` (1 where its fit is the highest) and `gained`
    (1 where it gained most over base). Options that are level share the win, so that base, whose
    options gain nothing, has one in four of `know`. Over both pairs of replies it is the mean."""
    rows, keys = options(choices, per), [*KEYS, "version"]
    found = {}
    for name, value in (("outcome", "fit"), ("gained", "gained")):
        level = rows.assign(value=rows[value].round(9))
        won = level["value"] == level.groupby(keys)["value"].transform("max")
        found[name] = won / rows.assign(won=won).groupby(keys)["won"].transform("sum")
    first = rows.assign(**found)[rows["option"] == 0]
    return first.groupby(KEYS, sort=False)[list(found)].mean().reset_index()


# What a gain hangs on


def beyond(margins: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The gain as written minus the gain under a condition, per arm, seed, scenario and measure:
    `KEYS` without condition, value. With "stranger" it is what is gained about the persona alone,
    with "mismatched" what is gained in the scenario alone."""
    keys = KEYS[:-1]
    own, other = (
        margins[margins["condition"] == name].set_index(keys)["gain"] for name in ("own", condition)
    )
    return (own - other).dropna().rename("value").reset_index()


def gains(margins: pd.DataFrame, arm: str, measure: str) -> pd.DataFrame:
    """The gains of an arm as written, per seed (rows) and scenario (columns, `SCENARIO`)."""
    where = (margins["arm"] == arm) & (margins["measure"] == measure)
    own = margins[where & (margins["condition"] == "own")]
    return own.set_index(["seed", *SCENARIO])["gain"].unstack(SCENARIO)


def lead(margins: pd.DataFrame, a: str, b: str, measure: str) -> pd.DataFrame:
    """What `a` gains more than `b`, per seed (rows) and scenario (columns)."""
    return paired(gains(margins, a, measure), gains(margins, b, measure))


def crossover(margins: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """The lead of `a` over `b` in knowing minus their lead in doing, per seed and scenario: seed,
    `SCENARIO`, value (nats per token)."""
    table = paired(*(lead(margins, a, b, measure) for measure in (KNOW, DO)))
    return table.T.stack().dropna().rename("value").reset_index()[["seed", *SCENARIO, "value"]]


def decomposed(margins: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """What the crossover of `a` and `b` is made of, per set of triplets and over both: set, part
    (`PARTS`), value (nats per token), low, high, seeds, items, p_scenarios, and share, the value
    over that of the crossover.

    `describing` is describing minus doing, over both persons: knowing against doing. `person` is
    third minus first, over describing and doing: a match of registers. They add up to the
    crossover. `interaction` is how much more describing counts in the third person. Only scenarios
    with all four readouts count; empty where there are none.
    """
    leads = {measure: lead(margins, a, b, measure) for measure in READOUTS}
    tables = {
        part: sum(weight * leads[measure] for measure, weight in weights.items())
        for part, weights in PARTS.items()
    }
    whole = tables["interaction"].dropna(axis=1, how="all").columns
    names = sorted(set(whole.get_level_values("set"))) if len(whole) else []
    rows = []
    for name in [*names, *["both"] * (len(names) > 1)]:
        kept = [column for column in whole if name in (column[0], "both")]
        for part, table in tables.items():
            found = of_differences(table[kept].dropna(how="all"))
            rows.append({"set": name, "part": part, "value": found["difference"]} | found)
    columns = ["set", "part", "value", "low", "high", "seeds", "items", "p_scenarios"]
    table = pd.DataFrame(rows, columns=columns)
    crossed = table[table["part"] == "crossover"].set_index("set")["value"]
    return table.assign(share=table["value"] / table["set"].map(crossed).astype(float))
