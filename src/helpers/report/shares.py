"""Chapter formats/06, knowing and doing as shares of scenarios: how often the true option is the
likeliest, and how often the answer shows the trait.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers import arms as table_of_arms
from helpers.files import StudyError
from helpers.measure import calibration, stats, triplets
from helpers.report import drawing, panels
from helpers.report.answers import quality
from helpers.report.drawing import save
from helpers.report.knowing_and_doing import SETS
from helpers.report.panels import COLOURS, DARK, GREY, reach
from helpers.report.results import Results, of_arms
from helpers.report.words import (
    apart,
    bound,
    capital,
    counted,
    does,
    hundred,
    listed,
    points,
    spaced,
)

# What was measured


def measured(study: Results, arms: list[str]) -> pd.DataFrame:
    """Everything that was measured on the triplets (`triplets.measures`, the primary judge).

    Raises StudyError where scenarios were not both asked about and acted out.
    """
    judged, choices = of_arms(study.judged, arms), of_arms(study.choices, arms)
    found = triplets.measures(judged, triplets.choose(choices), study.judge["judge"])
    if not {"know", "do"} <= set(found["measure"]):
        raise StudyError(
            "the study has no triplets that were both asked about and acted out: ask `do` in "
            "`samples`, and score `know`."
        )
    return found


def know_say_do(measured: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """Rates over all traits: arm, measure, the columns of `stats.rates`, and the corrected rates of
    saying and doing."""
    corrected = calibration.over_traits(measured, labelled)
    return stats.rates(measured, ["arm", "measure"]).merge(
        corrected, on=["arm", "measure"], how="left"
    )


def summary(rates: pd.DataFrame, measured: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """`know_say_do` as a row per arm: a rate per measure, say and do corrected, and the gap between
    knowing and doing as judged, with its interval."""
    table = rates.pivot(index="arm", columns="measure", values="rate").reindex(arms)
    corrected = rates.pivot(index="arm", columns="measure", values="corrected")
    for name in ("say", "do"):
        table[f"{name}_corrected"] = corrected.get(name, np.nan)
    table = table.join(triplets.gaps(measured, ["arm"]).set_index("arm"))
    return table.rename_axis(index="arm", columns=None).reset_index()


def which(study: Results) -> str:
    """The set of scenarios that shares are about, in words."""
    return SETS[triplets.first_set(triplets.complete(study.choices))]


# What training adds


def knows_and_does(measured: pd.DataFrame, labelled: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """What every arm gains over `base` on the same scenarios, as shares of scenarios: arm, readout
    (knows; does; does, corrected), value, low, high, seeds. Arms without labels have no corrected
    row."""
    rows = []
    for arm in arms:
        if arm == "base":
            continue
        for readout, measure in (("knows", "know"), ("does", "do")):
            sides = (triplets.side(measured, name, measure) for name in (arm, "base"))
            found = stats.difference(*sides)
            kept = [found[name] for name in ("difference", "low", "high", "seeds")]
            rows.append((arm, readout, *kept))
        both = [calibration.estimate(measured, labelled, name, "do") for name in (arm, "base")]
        if all(both):
            corrected = calibration.independent_difference(*both)
            rows.append((arm, "does, corrected", *corrected, found["seeds"]))
    return pd.DataFrame(rows, columns=["arm", "readout", "value", "low", "high", "seeds"])


def readings(gaps: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """By how much the gap of each arm is wider than that of base (beyond, low, high of
    `gap_over_base`), by reading. Titles begin with the first: once corrected, where every arm has a
    corrected value. As judged stands beside it, since it alone is about more than the seeds that
    were run."""
    own = gaps[gaps["arm"] != "base"]
    if own["corrected"].isna().any():
        return {"as judged": own}
    ends = {end: own[f"corrected_{end}"] for end in ("low", "high")}
    return {"once corrected": own.assign(beyond=own["corrected"], **ends), "as judged": own}


def by_reading(told: dict[str, str], none: str) -> str:
    """What is told in each of the `readings`, in a title; `none` where nothing is."""
    if not any(told.values()):
        return capital(f"{none}, {' or '.join(told)}")
    return capital("; ".join(f"{reading}, {text or none}" for reading, text in told.items()))


def off_base(own: pd.DataFrame) -> pd.DataFrame:
    """The arms of one of `readings` whose gap is told apart from that of base, wider ones first."""
    off = own[(own["low"] > 0) | (own["high"] < 0)]
    return pd.concat([off[off["low"] > 0], off[off["high"] < 0]])


def knows_and_does_title(gains: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """What the gains over base (`knows_and_does`) say, with the intervals of their difference
    (`gap_over_base`), in each reading."""
    told = {}
    for reading, own in readings(gaps).items():
        done_by = "does" if reading == "as judged" else "does, corrected"
        told[reading] = " and ".join(more_gained(off_base(own), gains, done_by))
    return by_reading(told, "in no arm is a difference seen between the gains in knowing and doing")


def more_gained(off: pd.DataFrame, gains: pd.DataFrame, done_by: str) -> list[str]:
    """In which of the two each of the arms `off_base` gains more, in words."""
    gained, parts = gains.set_index(["arm", "readout"])["value"], []
    for row in off.itertuples():
        both = [hundred(gained[row.arm, name]) for name in ("knows", done_by)]
        numbers = "{:+d} against {:+d} points".format(*both[:: 1 if row.low > 0 else -1])
        order = "knowing than in doing" if row.low > 0 else "doing than in knowing"
        parts.append(f"{does(row.arm, 'gain')} more in {order} ({numbers} over base)")
    return parts


def draw_knows_and_does(gains: pd.DataFrame, gaps: pd.DataFrame, study, folder):
    """A row per arm: gain over base in knowing (disc) and in doing (square), and in doing corrected
    for judge error (hollow)."""
    names = table_of_arms.in_order(gains["arm"])
    fig, ax = plt.subplots(figsize=(7.6, 1.0 + 0.72 * len(names)))
    shapes = {"knows": ("o", -0.16), "does": ("s", 0.16), "does, corrected": ("s", 0.34)}
    for place, arm in enumerate(names):
        own, colour = gains[gains["arm"] == arm].set_index("readout"), COLOURS[arm]
        for readout in own.index:
            shape, off = shapes[readout]
            hollow = readout.endswith("corrected")
            drawn = ax.errorbar(
                own.loc[readout, "value"],
                place + off,
                xerr=reach(own.loc[[readout]], "value"),
                fmt=shape,
                ms=5 if hollow else 9,
                color=colour,
                mfc="white" if hollow else colour,
                elinewidth=0.8 if hollow else 1.6,
                capsize=2,
            )
            panels.dash(drawn, own.loc[[readout]])
            ax.annotate(
                readout.removeprefix("does, "),
                (own.loc[readout, "high"], place + off),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5 if hollow else 9,
                color=colour,
            )
    ax.axvline(0, color=DARK, lw=1)
    ax.annotate("base", (0, 1), (3, -10), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=8.5, color=DARK)  # fmt: skip
    panels.limit(ax, gains, "value", most=1)
    ax.set_xlabel("gain over base (percentage points of scenarios)")
    panels.signed_points(ax.xaxis)
    panels.arm_rows(ax, names)
    fig.tight_layout()
    title = knows_and_does_title(gains, gaps)
    seeds = counted(int(gaps["seeds"].max()), "seed")
    about = {"scenarios": int(gaps["items"].max()), "seeds": seeds, "which": which(study)}
    save(fig, "knows_and_does", gains, study, folder, title, **about)
    return fig


def gap_over_base(measured: pd.DataFrame, labelled: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """The gap between knowing and doing per arm, and by how much it is wider than that of `base`,
    as the first edition counted: knowing by the likeliest option, doing as judged. The contrast
    `gap_beyond_base` of `data/contrasts.yaml` counts otherwise (`comparison.beyond_base`).

    Columns: arm, gap, gap_low, gap_high, beyond (how much wider), low, high, detectable, p, seeds,
    items, p_scenarios, detectable_scenarios, and `beyond` with doing corrected: corrected,
    corrected_low, corrected_high.
    """
    beyond = triplets.gaps_over_base(measured, arms).rename(columns={"difference": "beyond"})
    corrected = calibration.corrected_gaps_over_base(measured, labelled, arms)
    gaps = triplets.gaps(measured, ["arm"]).set_index("arm").reindex(arms).reset_index()
    return gaps.merge(beyond, on="arm", how="left").merge(corrected, on="arm", how="left")


def gap_over_base_title(gaps: pd.DataFrame) -> str:
    """The gaps that are told apart from that of base, with the intervals of how much they differ,
    in each reading."""
    told = {}
    for reading, own in readings(gaps).items():
        parts = [wider(row) for row in off_base(own).itertuples()]
        told[reading] = f"{listed(parts)} than that of base" if parts else ""
    return by_reading(told, "no gap is told apart from that of base")


def wider(row) -> str:
    """By how much a gap is wider or narrower than that of base, with the ends of its interval."""
    ends = [bound(abs(end)) for end in sorted((row.low, row.high), key=abs)]
    return (
        f"the gap of {table_of_arms.label(row.arm)} is {abs(hundred(row.beyond))} points "
        f"{'wider' if row.low > 0 else 'narrower'} ({ends[0]} to {ends[1]})"
    )


def gap_of_base(gaps: pd.DataFrame) -> str:
    """The gap between knowing and doing that base has, as judged."""
    base = gaps.set_index("arm").loc["base"]
    if not apart(base["gap_low"], base["gap_high"]):
        return "In base, knowing and doing are not told apart"
    size = f"{abs(hundred(base['gap']))} points as judged"
    if base["gap"] < 0:
        return f"Base does more than it knows (by {size})"
    return f"Base has a gap, too ({size}; guessing alone would know one in four)"


def draw_gap_over_base(gaps: pd.DataFrame, study, folder):
    """Left the gap of every arm, right by how much it is wider than that of base."""
    names = table_of_arms.in_order(gaps["arm"])
    own = gaps.set_index("arm").reindex(names)
    own["seeds"] = own["seeds"].fillna(own["seeds"].min())  # base is not held against itself
    fig, (left, right) = panels.grid(2, 2, 0.8 + 0.45 * len(names), sharex=True, sharey=True)
    panels.arm_dots(left, own, "gap", "gap_")
    corrected = own["corrected"].notna().any()
    panels.arm_dots(right, own, "beyond", up=0.12 * corrected)
    if corrected:
        panels.arm_dots(right, own, "corrected", "corrected_", down=0.18, hollow=True)
    left.axvline(own.loc["base", "gap"], color=COLOURS["base"], lw=1, ls=":")
    for ax, title in ((left, "knowing minus doing"), (right, "the same, minus that of base")):
        ax.axvline(0, color=DARK, lw=1)
        ax.set(title=title, xlabel="percentage points of scenarios")
        panels.signed_points(ax.xaxis)
    panels.arm_rows(left, names)
    fig.tight_layout()
    title = gap_over_base_title(gaps)
    save(fig, "gap_over_base", gaps, study, folder, title, which=which(study))
    return fig


def most_knowing(measured: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """The two arms with the highest share of scenarios whose true option wins: one row with a, b
    and `stats.difference`."""
    knows = {arm: triplets.side(measured, arm, "know") for arm in arms}
    a, b = sorted(knows, key=lambda arm: -knows[arm]["outcome"].mean())[:2]
    return pd.DataFrame([{"a": a, "b": b} | stats.difference(knows[a], knows[b])])


def most_knowing_title(top: pd.DataFrame) -> str:
    """Whether the two arms that know most (`most_knowing`) are told apart."""
    row = top.iloc[0]
    verdict = "" if apart(row["low"], row["high"]) else ", not told apart"
    return (
        f"The two arms that know most: {table_of_arms.label(row['a'])} minus "
        f"{table_of_arms.label(row['b'])} "
        f"{points(row['difference'], row['low'], row['high'])}{verdict}"
    )


# Trait by trait


def knowing_and_expressing(study: Results, measured: pd.DataFrame) -> pd.DataFrame:
    """Knowing beside doing per arm and trait (`triplets.knowing`), doing corrected too."""
    do = stats.rates(measured[measured["measure"] == "do"], ["arm", "trait"])
    corrected = calibration.correct_rates(do, quality(study, study.judge["judge"]))
    return triplets.knowing(measured, corrected)


def knowing_and_expressing_title(table: pd.DataFrame) -> str:
    traits = table["trait"].nunique()
    counts = table.assign(more=table["gap_low"] > 0).groupby("arm")["more"].sum()
    if not counts.any():
        return "No trait is seen to be known more often than shown, in any arm"
    parts = [
        f"{table_of_arms.label(arm)} {counts[arm]}" for arm in table_of_arms.in_order(counts.index)
    ]
    return f"Traits seen to be known more often than shown, of {traits}: {listed(parts)}"


def draw_knowing_and_expressing(table: pd.DataFrame, study, folder):
    """One panel per arm, a row per trait: a disc for knowing, a square for doing, and a bar between
    them, which is pale where the two are not told apart."""
    names = table_of_arms.in_order(table["arm"])
    fig, axes = panels.grid(len(names), 6, 3.6, sharex=True, sharey=True)
    for ax, arm in zip(axes, names, strict=True):
        own = table[table["arm"] == arm].set_index("trait").reindex(study.traits)
        for place, row in enumerate(own.itertuples()):
            told = row.gap_low > 0 or row.gap_high < 0
            style = {"color": COLOURS[arm], "alpha": 1 if told else panels.PALE}
            ax.plot([row.know, row.rate], [place, place], lw=3 if told else 2, **style)
            ax.plot(row.know, place, "o", ms=8, **style)
            ax.plot(row.rate, place, "s", ms=7, **style)
        ax.axvline(0.25, color=GREY, lw=1, ls=":", zorder=1)
        ax.set(title=table_of_arms.label(arm), xlim=(-0.05, 1), xticks=[0, 0.5, 1])
        ax.grid(axis="y", visible=False)
        panels.percents(ax.xaxis)
    axes[0].set_yticks(range(len(study.traits)), map(spaced, study.traits))
    axes[0].set_ylim(len(study.traits) - 0.4, -0.6)
    fig.supxlabel("share of scenarios, or of answers (dotted: chance of knowing)", fontsize=10)
    fig.tight_layout()
    handles = {"knows": panels.mark("o", DARK), "does": panels.mark("s", DARK)}
    panels.legend(fig, handles, loc="center left", bbox_to_anchor=(1, 0.5))
    judged = study.judged[(study.judged["kind"] == "do") & study.judged["arm"].isin(names)]
    sets = triplets.complete(study.choices)
    judged = judged[judged["item"].isin(sets.loc[sets["set"] == triplets.first_set(sets), "item"])]
    title, about = knowing_and_expressing_title(table), drawing.about_answers(judged)
    facts = {"about": about, "which": which(study)}
    save(fig, "knowing_and_expressing", table, study, folder, title, **facts)
    return fig
