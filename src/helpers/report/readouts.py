"""Chapter formats/06, what a gain hangs on: whether something is described or done and in which
person, the persona's name, the scenario, and a system prompt that says no more than the name.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both. Every frame starts from margins (`knowing_and_doing.margins`). Where there are
two sets of scenarios, they count together; the column `set` says so.
"""

import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import stats
from helpers.measure.margins import DO, KNOW, beyond, decomposed
from helpers.report import drawing, panels
from helpers.report.drawing import save
from helpers.report.knowing_and_doing import (
    ACTS,
    LEADER,
    SETS,
    leads_rows,
    of_any_seed,
    of_sets,
    others,
)
from helpers.report.panels import DARK
from helpers.report.results import widest
from helpers.report.words import listed, named, nats, side, verb

# Describe or do, third person or first.
READOUTS = {
    "know": "describing in the third person",
    "know_first": "describing in the first person",
    "told_pair": "doing in the third person",
    "do_pair": "doing in the first person",
}
PARTS = {
    "crossover": "the crossover",
    "describing": "describing, not doing",
    "person": "third person, not first",
}
# Panel -> the measure, and the condition whose gain is taken off.
CONTROLS = {
    "knowing; control: a stranger's name": (KNOW, "stranger"),
    "knowing; control: another scenario": (KNOW, "mismatched"),
    "doing; control: another scenario": (DO, "mismatched"),
}


# The 2 x 2 of readouts


def readouts(margins: pd.DataFrame) -> pd.DataFrame:
    """Gain over base in each of the four readouts: arm, measure, value (nats per token), low, high,
    n, items, seeds, set. Empty where a study has not all four."""
    own = margins[(margins["condition"] == "own") & (margins["arm"] != "base")]
    own = own[own["measure"].isin(list(READOUTS))]
    found = of_any_seed(stats.means(own, ["arm", "measure"], "gain")).assign(set=of_sets(own))
    return found if set(found["measure"]) == set(READOUTS) else found.iloc[:0]


def crossover_parts(margins: pd.DataFrame) -> pd.DataFrame:
    """`measure.margins.decomposed` of documents and each other format: arm (the other), set, part,
    value (nats per token), low, high, seeds, items, p_scenarios, share."""
    tables = [decomposed(margins, LEADER, arm).assign(arm=arm) for arm in others(margins)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["set", "arm"])


def about(frame: pd.DataFrame) -> dict[str, object]:
    """How many scenarios a frame rests on, and of which sets, for captions."""
    return {"scenarios": int(frame["items"].max()), "which": SETS[of_sets(frame)]}


def readouts_title(parts: pd.DataFrame) -> str:
    """In which readouts documents lead the other formats (`crossover_parts`), and in which they
    trail."""
    own, places, mixed = widest(parts), {1: [], -1: [], 0: []}, []
    for measure in READOUTS:
        rows = own[own["part"] == measure]
        signs = {row.arm: side(row.low, row.high) for row in rows.itertuples()}
        if len(set(signs.values())) == 1:
            places[signs.popitem()[1]].append(measure)
            continue
        for sign, verb_of in ((1, "lead"), (-1, "trail")):
            if some := [arm for arm in signs if signs[arm] == sign]:
                mixed.append(f"{verb_of} {named(some)} alone in {READOUTS[measure]}")
    verbs = {1: "lead in", -1: "trail in", 0: "are not seen to lead or trail in"}
    told = [f"{verbs[sign]} {in_words(found)}" for sign, found in places.items() if found]
    return f"Against {named(own['arm'])}, documents {listed([*told, *mixed])}"


def in_words(measures: list[str]) -> str:
    """Readouts in words; both persons of one act, or both acts of one person, in short."""
    short = {
        ("know", "know_first"): "describing (in either person)",
        ("told_pair", "do_pair"): "doing (in either person)",
        ("know", "told_pair"): "the third person (describing or doing)",
        ("know_first", "do_pair"): "the first person (describing or doing)",
    }
    return short.get(tuple(measures)) or listed(READOUTS[measure] for measure in measures)


def draw_readouts(found: pd.DataFrame, parts: pd.DataFrame, study, folder):
    """Four panels, describing above doing, third person beside first; a row per arm."""
    if found.empty:
        return drawing.nothing("readouts", "the results have not all four readouts")
    names = table_of_arms.in_order(found["arm"])
    fig, axes = panels.arm_panels(list(READOUTS.values()), names, 2, 0.3, sharex=True)
    for ax, measure in zip(axes, READOUTS, strict=True):
        own = found[found["measure"] == measure].set_index("arm").reindex(names)
        panels.arm_dots(ax, own, "value")
    fig.supxlabel("gain over base (nats per token)", fontsize=10)
    fig.tight_layout()
    title = readouts_title(parts) if len(parts) else "Gain over base in each readout"
    save(fig, "readouts", found, study, folder, title, **about(found))
    return fig


def crossover_parts_title(parts: pd.DataFrame) -> str:
    """How much of the crossover is describing rather than doing, format by format."""
    told = []
    for arm, own in widest(parts).groupby("arm", sort=False):
        value = own.set_index("part")["value"]
        made = f"{nats(value['describing'])} of the {nats(value['crossover'])}"
        told.append(f"{made} over {table_of_arms.label(arm)}")
    made = f"escribing rather than doing makes {listed(told)} (crossover, nats per token)"
    return f"Over both sets, d{made}" if "both" in set(parts["set"]) else f"D{made}"


def draw_crossover_parts(parts: pd.DataFrame, study, folder):
    """A row for the crossover and for each of its two parts, a dot for each other format."""
    if parts.empty:
        return drawing.nothing("crossover_parts", "the results have not all four readouts")
    own = widest(parts)
    fig, (ax,) = panels.grid(1, 1, 2.6, width=panels.WIDE * 0.75)
    handles = leads_rows(ax, own, "part", PARTS)
    ax.set(xlabel="difference of documents' leads (nats per token)")
    panels.legend(ax, handles, loc="upper left", bbox_to_anchor=(1, 1))
    fig.tight_layout()
    title = crossover_parts_title(parts)
    save(fig, "crossover_parts", parts, study, folder, title, **about(own))
    return fig


# The name, and the scenario


def name_and_scenario(margins: pd.DataFrame) -> pd.DataFrame:
    """What of a gain hangs on the persona's name, or on the scenario: arm, measure, condition (the
    one taken off), gain with gain_low and gain_high (as asked), value with low and high (what is
    left of it when the gain under the condition is taken off), n, items, seeds, set. Empty where
    nothing was asked under another condition."""
    by, own = ["arm", "measure"], margins[margins["arm"] != "base"]
    plain = stats.means(own[own["condition"] == "own"], by, "gain")[[*by, "value", "low", "high"]]
    plain = plain.set_axis([*by, "gain", "gain_low", "gain_high"], axis=1)
    frames = [
        stats.means(beyond(own, condition), by, "value").assign(condition=condition)
        for condition in ("stranger", "control", "nameless", "mismatched")
    ]
    found = pd.concat(frames, ignore_index=True).merge(plain, on=by)
    return of_any_seed(found).assign(set=of_sets(own))


def part(table: pd.DataFrame, measure: str, condition: str) -> pd.DataFrame:
    """The rows of `name_and_scenario` of one panel, by arm."""
    own = table[(table["measure"] == measure) & (table["condition"] == condition)]
    return own.set_index("arm")


def name_and_scenario_title(table: pd.DataFrame) -> str:
    """How much of the gain in knowing of the format that gains most hangs on the name and on the
    scenario."""
    controls = [("stranger", "name", "a stranger's"), ("mismatched", "scenario", "another one")]
    found = [(part(table, KNOW, condition), *told) for condition, *told in controls]
    found = [(own, *told) for own, *told in found if len(own)]  # not every study scored both
    formats = [arm for arm in table_of_arms.formats() if found and arm in found[0][0].index]
    if not formats:
        return "What of the gain hangs on the name, and what on the scenario"
    gains = found[0][0].loc[formats, "gain"]
    top = gains.idxmax()
    parts = [hanging(own.loc[top], what, other) for own, what, other in found]
    both = "both" in set(table["set"])
    return (
        f"{'Over both sets, of' if both else 'Of'} what {table_of_arms.label(top)} "
        f"{verb([top], 'gain')} in knowing ({nats(gains[top])} nats per token), {listed(parts)}"
    )


def under_other_names(table: pd.DataFrame) -> pd.DataFrame:
    """The gain in knowing, and what is left of it when the gain with another name, or without any,
    is taken off (`name_and_scenario`), in words: a row per arm, nats per token with 95 %
    intervals, and a column per name that the options were scored under."""
    columns = {
        "stranger": "minus that with a stranger's name",
        "control": "minus that with the control character's name",
        "nameless": "minus that without a name",
    }
    found = {condition: part(table, KNOW, condition) for condition in columns}
    found = {condition: own for condition, own in found.items() if len(own)}
    rows, first = [], next(iter(found.values()), table)
    for arm in table_of_arms.in_order(first.index) if found else ():
        of_arm = {"arm": table_of_arms.label(arm)}
        of_arm["gain in knowing"] = nats(*first.loc[arm, ["gain", "gain_low", "gain_high"]])
        for condition, own in found.items():
            of_arm[columns[condition]] = nats(*own.loc[arm, ["value", "low", "high"]])
        rows.append(of_arm)
    return pd.DataFrame(rows)


def hanging(row: pd.Series, what: str, other: str) -> str:
    """How much of a gain hangs on something, where `other` stood in its place."""
    sign = side(row["low"], row["high"])
    if sign < 0:
        return f"none hangs on the {what} ({-row['value']:.2f} more is gained under {other})"
    if sign == 0:
        return f"none is seen to hang on the {what}"
    return f"{nats(row['value'])} hangs on the {what}"


def draw_name_and_scenario(table: pd.DataFrame, study, folder):
    """A panel per control, a row per arm: the gain (disc), and what of it is left when the gain
    under the control is taken off (diamond)."""
    found = {title: part(table, *control) for title, control in CONTROLS.items()}
    shown = {title: own for title, own in found.items() if len(own)}
    if len(shown) < len(CONTROLS):
        return drawing.nothing("name_and_scenario", "the results were scored without the controls")
    names = table_of_arms.in_order(table["arm"])
    fig, axes = panels.arm_panels(list(shown), names, 3, 0.45, sharex=True)
    for ax, own in zip(axes, shown.values(), strict=True):
        panels.arm_dots(ax, own.reindex(names), "gain", "gain_", up=0.14)
        panels.arm_dots(ax, own.reindex(names), "value", down=0.18, shape="D")
    fig.supxlabel("gain over base (nats per token)", fontsize=10)
    fig.tight_layout()
    handles = {
        "the gain": panels.mark("o", DARK),
        "minus the gain under the control": panels.mark("D", DARK),
    }
    panels.legend(fig, handles, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.02))
    title = name_and_scenario_title(table)
    save(fig, "name_and_scenario", table, study, folder, title, drop=0.1, **about(table))
    return fig


# The name alone as system prompt


def named_alone(margins: pd.DataFrame) -> pd.DataFrame:
    """What "You are <name>." as the system prompt, and nothing else, adds to the margin of each
    arm, base too: arm, measure, value (nats per token), low, high, n, items, seeds, set."""
    keys = ["arm", "seed", "set", "item", "measure"]
    told, plain = (
        margins[margins["condition"] == condition].set_index(keys)["margin"]
        for condition in ("named", "own")
    )
    added = (told - plain).dropna().rename("added").reset_index()
    added = added[added["measure"].isin(list(ACTS))]
    found = of_any_seed(stats.means(added, ["arm", "measure"], "added"))
    return found.assign(set=of_sets(added))


def named_alone_title(table: pd.DataFrame) -> str:
    """What the name alone changes; not in `prompted`, where it takes the place of a longer
    prompt, so that a fall need not be the name's."""
    others = table[table["arm"] != "prompted"]
    return f"With the name alone as system prompt, {named_changes(others, 'margin')}"


def named_changes(table: pd.DataFrame, what: str) -> str:
    """In which arms the margin or gain (`what`) is seen to rise under the name alone, and in which
    to fall, act by act. `table` has measure, arm, low, high."""
    parts = []
    for measure, act in ACTS.items():
        own = table[table["measure"] == measure]
        seen = {"rises": own.loc[own["low"] > 0, "arm"], "falls": own.loc[own["high"] < 0, "arm"]}
        told = [f"{way} in {named(arms)}" for way, arms in seen.items() if len(arms)]
        changes = ", and ".join(told) or "is not seen to change in any arm"
        parts.append(f"the {what} in {act} {changes}")
    return "; ".join(parts)


def draw_named_alone(table: pd.DataFrame, study, folder):
    """Knowing and doing, a row per arm."""
    if table.empty:
        return drawing.nothing("named_alone", "the results were scored without the name alone")
    names = table_of_arms.in_order(table["arm"])
    label = "added to the margin (nats per token)"
    fig, axes = panels.arm_panels(list(ACTS.values()), names, 2, 0.4, label, sharex=True)
    for ax, measure in zip(axes, ACTS, strict=True):
        own = table[table["measure"] == measure].set_index("arm").reindex(names)
        panels.arm_dots(ax, own, "value")
    fig.tight_layout()
    save(fig, "named_alone", table, study, folder, named_alone_title(table), **about(table))
    return fig
