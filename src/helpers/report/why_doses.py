"""Chapters why/02 and why/03: few demonstrations after documents and on top of base, doses of each
format, and mixtures of two."""

import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import experiments
from helpers.measure.stats import paired
from helpers.report.why import READOUTS
from helpers.report.words import interval, nats

KEPT = ["value", "low", "high", "seeds", "items"]


def of_arms(margins: pd.DataFrame, lines: dict[str, dict[float, str]]) -> pd.DataFrame:
    """The gains of arms along lines, line -> {x: arm}: line, x, arm, on, value, low, high, seeds,
    items; an arm that is not there is left out."""
    names = {arm for own in lines.values() for arm in own.values()}
    gains = experiments.by_arm(margins, sorted(names)).set_index("arm")
    rows = [
        gains.loc[[arm]].reset_index().assign(line=line, x=x)
        for line, own in lines.items()
        for x, arm in own.items()
        if arm in gains.index
    ]
    table = pd.concat(rows) if rows else gains.reset_index().assign(line="", x=0.0)
    return table[["line", "x", "arm", "on", *KEPT]].reset_index(drop=True)


# 02: few demonstrations

WHERE = ("after documents", "on top of base", "difference")
FEW_LINES = {
    "documents": {0: "documents"} | {n: f"documents_few_{n}" for n in table_of_arms.FEW},
    "base": {0: "base"} | {n: f"few_{n}" for n in table_of_arms.FEW},
}


def few(margins: pd.DataFrame) -> pd.DataFrame:
    """The gain of few demonstrations after documents and on top of base, in knowing, in doing the
    four traits that they show and the others: panel, line (what came before them), x (how many),
    arm, value, low, high, seeds, items."""
    shown = margins["trait"].isin(table_of_arms.FOUR_TRAITS)
    panels = {
        "doing: traits shown": ("do_pair", margins[shown]),
        "doing: other traits": ("do_pair", margins[~shown]),
        "knowing: all traits": ("know", margins),
    }
    frames = []
    for panel, (on, rows) in panels.items():
        own = of_arms(rows, FEW_LINES)
        frames.append(own[own["on"] == on].assign(panel=panel))
    return pd.concat(frames)[["panel", "line", "x", "arm", *KEPT]].reset_index(drop=True)


def opened(margins: pd.DataFrame) -> pd.DataFrame:
    """What most demonstrations of four traits add to doing after documents, on top of base, and
    after documents minus on top of base: traits (`shown`, `other`), where, value (nats per token),
    low, high, seeds, items and more as `experiments.counted`; empty where an arm is missing."""
    most, rows = table_of_arms.FEW[-1], []
    shown = margins["trait"].isin(table_of_arms.FOUR_TRAITS)
    for traits, own in (("shown", margins[shown]), ("other", margins[~shown])):
        after = experiments.combined(own, [f"documents_few_{most}"], ["documents"], "do_pair")
        alone = experiments.combined(own, [f"few_{most}"], [], "do_pair")
        if after.size and alone.size:
            found = dict(zip(WHERE, (after, alone, paired(after, alone)), strict=True))
            rows += [
                {"traits": traits, "where": where} | experiments.counted(table)
                for where, table in found.items()
            ]
    return pd.DataFrame(rows, columns=None if rows else ["traits", "where", "value", "low", "high"])


def by_trait(margins: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """The gain in doing of arms, trait by trait: trait, shown (whether few demonstrations show it),
    and a column per arm, in nats per token."""
    gains = experiments.by_arm(margins, arms, ("trait",))
    table = gains[gains["on"] == "do_pair"].pivot(index="trait", columns="arm", values="value")
    table = table[[arm for arm in arms if arm in table]].rename_axis(columns=None).reset_index()
    table.insert(1, "shown", table["trait"].isin(table_of_arms.FOUR_TRAITS))
    return table.sort_values(["shown", "trait"], ascending=[False, True]).reset_index(drop=True)


def few_title(opened: pd.DataFrame) -> str:
    """What most demonstrations add to doing the other traits, after documents and without."""
    own = opened[opened["traits"] == "other"].set_index("where")["value"]
    after, alone = (nats(own[where]) for where in WHERE[:2])
    return (
        f"To doing the other four traits, {table_of_arms.FEW[-1]} demonstrations of four add "
        f"{after} nats per token after documents, {alone} on top of base"
    )


def lines_opened(table: pd.DataFrame) -> list[str]:
    """What most demonstrations add after documents and on top of base, in sentences."""
    most = table_of_arms.FEW[-1]
    sentences = []
    for traits, own in table.groupby("traits", sort=False):
        told = [interval(row) for _, row in own.set_index("where").loc[list(WHERE)].iterrows()]
        sentences.append(
            f"{most} demonstrations add to doing, {traits} traits: after documents {told[0]}, on "
            f"top of base {told[1]}; difference {told[2]}"
        )
    return sentences


# 03: doses and mixtures


def doses(margins: pd.DataFrame, units: int) -> pd.DataFrame:
    """The gain of each format by its dose, up to all `units`: panel (the readout), line (the
    format), x (units), arm, value, low, high, seeds, items."""
    lines = {
        name: {n: f"{name}_{n}" for n in table_of_arms.DOSES if n < units} | {units: name}
        for name in table_of_arms.formats()
    }
    return in_panels(of_arms(margins, lines))


def mixtures(margins: pd.DataFrame) -> pd.DataFrame:
    """The gain of mixtures of documents and demonstrations at equal units: panel, line, x (per cent
    of the units that are documents), arm, value, low, high, seeds, items."""
    mixed = {n: f"mixed_{n}" for n in table_of_arms.MIXTURES}
    return in_panels(
        of_arms(margins, {"mixed_50": {0: "demonstrations"} | mixed | {100: "documents"}})
    )


def in_panels(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(panel=table["on"].map(READOUTS))[["panel", "line", "x", "arm", *KEPT]]


def share_reached(table: pd.DataFrame) -> pd.DataFrame:
    """How much of what all units teach a dose has taught: line, panel, x, share; knowing and doing
    only, since a difference of two gains can be near zero."""
    own = table[table["panel"] != READOUTS["crossover"]]
    whole = own[own["x"] == own["x"].max()].set_index(["line", "panel"])["value"]
    share = own["value"].to_numpy() / whole.loc[list(zip(own["line"], own["panel"], strict=True))]
    return own[["line", "panel", "x"]].assign(share=share.to_numpy()).reset_index(drop=True)


def half_reached(table: pd.DataFrame) -> pd.DataFrame:
    """The smallest dose that has taught at least half of what all units teach: line, panel, x."""
    shares = share_reached(table)
    found = shares[shares["share"] >= 0.5].groupby(["line", "panel"], sort=False)["x"].min()
    return found.reset_index()


def doses_title(table: pd.DataFrame) -> str:
    """The doses at which each format has taught half."""
    reached, parts, all_doses = half_reached(table), [], sorted(set(table["x"]))
    if reached["x"].nunique() == 1 and (dose := reached["x"].iloc[0]) > all_doses[0]:
        fewer = all_doses[all_doses.index(dose) - 1]
        return (
            f"Every format has taught at least half of its gains with {dose:g} units, and none "
            f"has taught half with {fewer:g}"
        )
    for line, own in reached.groupby("line", sort=False):
        doses = " and ".join(f"{row.x:g} in {row.panel}" for row in own.itertuples())
        parts.append(f"{table_of_arms.label(line)} {doses}")
    return f"Units that teach at least half of what all do: {'; '.join(parts)}"


def mixtures_title(table: pd.DataFrame) -> str:
    """What half documents and half demonstrations gain, beside either alone."""
    own = table[table["x"] == 50].set_index("panel")["value"]
    best = table[table["x"].isin([0, 100])].groupby("panel")["value"].max()
    parts = [
        f"{nats(own[panel])} in {panel} (the better of the two alone: {nats(best[panel])})"
        for panel in (READOUTS["know"], READOUTS["do_pair"])
    ]
    return f"Half documents, half demonstrations gain {' and '.join(parts)}"


def lines_found(table: pd.DataFrame, unit: str) -> list[str]:
    """The last value of each line in each panel, in sentences."""
    sentences = []
    for (panel, line), own in table.groupby(["panel", "line"], sort=False):
        first, last = own.iloc[0], own.iloc[-1]
        told = nats(last["value"], last["low"], last["high"])
        sentences.append(
            f"{panel}, {table_of_arms.label(line)}: {nats(first['value'])} at {first['x']:g} "
            f"{unit}, {told} at {last['x']:g}"
        )
    return sentences
