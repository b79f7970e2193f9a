"""Chapter formats/06, knowing and doing by likelihood: what each arm gains over base in telling the
persona's options from others, in nats per token.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both. Every frame starts from `scored`.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import stats
from helpers.measure.margins import DO, KNOW, crossover, lead, margins
from helpers.report import drawing, panels
from helpers.report.drawing import save
from helpers.report.panels import COLOURS, DARK, reach
from helpers.report.results import Results, of_arms
from helpers.report.words import between, capital, counted, listed, named, nats, verb

ACTS = {KNOW: "knowing", DO: "doing"}
SHAPES = {KNOW: ("o", -0.17), DO: ("s", 0.17)}
SETS = {"a": "set a", "b": "set b", "both": "both sets"}
# The arm whose lead in knowing over other formats is held against its lead in doing.
LEADER = "documents"
CROSSOVER = "Crossover: how much further documents lead another format in knowing than in doing."


def scored(study: Results, arms: list[str]) -> pd.DataFrame:
    """Margins and gains over base of some arms (`measure.margins`)."""
    return margins(of_arms(study.choices, arms))


def as_written(margins: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The margins of scenarios as they are written, for each set, and for both where there are
    two."""
    own = margins[margins["condition"] == "own"]
    sets = dict(list(own.groupby("set")))
    return sets | ({"both": own} if len(sets) > 1 else {})


def of_sets(rows: pd.DataFrame) -> str:
    """The set that rows of scenarios are of, or `both` (the keys of `SETS`)."""
    names = sorted(set(rows["set"]))
    return names[0] if len(names) == 1 else "both"


def confirming(frame: pd.DataFrame) -> str:
    """The set that a figure of one set shows: b, written to confirm, where it is there."""
    return max(set(frame["set"]) - {"both"})


def compared(table: pd.DataFrame) -> dict:
    """Value, low, high, seeds and items of a table of differences per seed and scenario."""
    found = stats.compare(table.to_numpy())
    return {"value": found["difference"]} | {n: found[n] for n in ("low", "high", "seeds", "items")}


def of_any_seed(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with 0 for the seeds of untrained arms, whose likelihoods are the same under every
    seed: their intervals are about scenarios, and no seed is missing in them."""
    trained = ~frame["arm"].isin(table_of_arms.untrained())
    return frame.assign(seeds=frame["seeds"].where(trained, 0))


# Gains over base


def know_and_do(margins: pd.DataFrame) -> pd.DataFrame:
    """What each arm gains over base in knowing and in doing, per set and over both: set, measure
    (`know`, `do_pair`), arm, value (nats per token), low, high, n, items, seeds; and behind,
    behind_low, behind_high, by how much it is behind the format that gains most."""
    frames = [pd.DataFrame(columns=["set", "measure", "arm", "value", "low", "high", "seeds"])]
    for name, rows in as_written(margins).items():
        for measure in ACTS:
            own = rows[(rows["measure"] == measure) & (rows["arm"] != "base")]
            table = stats.means(own, ["arm"], "gain")
            if len(table):
                told = {"set": name, "measure": measure} | behind(rows, measure, table)
                frames.append(table.assign(**told))
    return of_any_seed(pd.concat(frames[1:] or frames, ignore_index=True))


def behind(rows: pd.DataFrame, measure: str, table: pd.DataFrame) -> dict[str, list[float]]:
    """By how much each arm of `table` (arm, value) is behind the format that gains most in a
    measure, scenario by scenario; nan for that format itself."""
    formats = table[table["arm"].isin(table_of_arms.formats())]
    top = formats.loc[formats["value"].idxmax(), "arm"] if len(formats) else ""
    found = [
        compared(lead(rows, top, arm, measure)) if top not in ("", arm) else {}
        for arm in table["arm"]
    ]
    names = {"behind": "value", "behind_low": "low", "behind_high": "high"}
    return {name: [one.get(own, np.nan) for one in found] for name, own in names.items()}


def crossovers(margins: pd.DataFrame, traits: list[str]) -> pd.DataFrame:
    """The lead of documents over each other format in knowing, minus their lead in doing: set,
    arm (the other format), trait (`all`, then each), value (nats per token), low, high, seeds,
    items. Above zero, documents lead more in knowing."""
    rows = []
    for name, own in as_written(margins).items():
        for arm in others(own):
            cells = crossover(own, LEADER, arm).rename(columns={"value": "outcome"})
            for trait in ("all", *traits):
                part = cells if trait == "all" else cells[cells["trait"] == trait]
                if len(part):
                    about = {"set": name, "arm": arm, "trait": trait}
                    rows.append(about | compared(stats.cells(part)))
    columns = ["set", "arm", "trait", "value", "low", "high", "seeds", "items"]
    return pd.DataFrame(rows, columns=columns)


def others(margins: pd.DataFrame) -> list[str]:
    """The formats that documents are held against; none where documents were not scored."""
    present = set(margins["arm"])
    formats = [arm for arm in table_of_arms.formats() if arm in present - {LEADER}]
    return formats if LEADER in present else []


def first_in(own: pd.DataFrame) -> list[str]:
    """The format that gains most, and the formats that are not told apart from it; none where no
    format is seen to gain."""
    formats = own[own["arm"].isin(table_of_arms.formats())]
    if not (formats["low"] > 0).any():
        return []
    return list(formats.loc[~(formats["behind_low"] > 0), "arm"])


def know_and_do_title(gains: pd.DataFrame) -> str:
    """Which formats gain most in knowing, and which in doing; `gains` of one set."""
    parts, formats = [], set(gains["arm"]) & set(table_of_arms.formats())
    for measure, act in ACTS.items():
        own = gains[gains["measure"] == measure]
        first, values = first_in(own), own.set_index("arm")["value"]
        if len(formats) == 1:  # most of what?
            parts.append(f"{between(values[list(formats)], nats)} in {act}")
        elif first:
            gained = between(values[first], nats)
            parts.append(f"{named(first)} {verb(first, 'gain')} most in {act} ({gained})")
        elif formats:
            parts.append(f"no format is seen to gain in {act}")
    if len(formats) == 1:
        parts = [f"{named(formats)} {verb(list(formats), 'gain')} {listed(parts)}"]
    told = capital(", ".join(parts) or listed(gains_seen(gains)))
    return f"{told}, in nats per token over base"


def gains_seen(gains: pd.DataFrame) -> list[str]:
    """Which arms are seen to gain in knowing, and which in doing."""
    acts: dict[str, list[str]] = {}
    for measure, act in ACTS.items():
        own = gains[(gains["measure"] == measure) & (gains["low"] > 0)]
        arms, gained = list(own["arm"]), f" ({between(own['value'], nats)})" if len(own) else ""
        who = f"{named(arms)} {verb(arms, 'gain')}" if arms else "no arm is seen to gain"
        acts.setdefault(who, []).append(f"in {act}{gained}")
    return [f"{who} {listed(told)}" for who, told in acts.items()]


def draw_know_and_do(gains: pd.DataFrame, crossings: pd.DataFrame, study, folder):
    """Left two dots per arm, right the crossover by trait; of one set (see `confirming`)."""
    if gains.empty:
        return drawing.nothing("know_and_do", "the study has no triplets")
    which = confirming(gains)
    gains, crossings = (frame[frame["set"] == which] for frame in (gains, crossings))
    if crossings.empty:
        fig, left = plt.subplots(figsize=(panels.NARROW, 3.6))
    else:
        fig, (left, right) = plt.subplots(1, 2, figsize=(panels.WIDE, 4.4))
        crossovers_panel(right, crossings)
    pairs_panel(left, gains)
    fig.tight_layout(w_pad=3)
    table = pd.concat([gains, crossings.assign(measure="crossover")], ignore_index=True)
    about = {"scenarios": gains["items"].max(), "seeds": counted(gains["seeds"].max(), "seed")}
    about["crossover"] = CROSSOVER if len(crossings) else ""
    title = know_and_do_title(gains)
    save(fig, "know_and_do", table, study, folder, title, which=SETS[which], **about)
    return fig


def pairs_panel(ax, gains: pd.DataFrame) -> None:
    """A row per arm: a disc for the gain in knowing, a square for the gain in doing."""
    names = table_of_arms.in_order(gains["arm"])
    for measure, (shape, down) in SHAPES.items():
        own = gains[gains["measure"] == measure].set_index("arm").reindex(names)
        panels.arm_dots(ax, own, "value", down=down, shape=shape)
        for place, (arm, row) in enumerate(own.iterrows()):
            ax.annotate(
                ACTS[measure],
                (row["high"], place + down),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                color=COLOURS[arm],
            )
    ax.axvline(0, color=DARK, lw=1)
    ax.set(title="what each arm gains", xlabel="gain over base (nats per token)")
    ax.margins(x=0.16)
    panels.signed(ax.xaxis)
    panels.arm_rows(ax, names)


def crossovers_panel(ax, crossings: pd.DataFrame) -> None:
    """A row per trait, all of them first: a dot for each format that documents are held against."""
    rows = {trait: trait for trait in crossings["trait"]} | {"all": "all traits"}
    handles = leads_rows(ax, crossings, "trait", rows)
    ax.axhspan(-0.5, 0.5, color=DARK, alpha=0.06, lw=0)
    title = "documents' lead in knowing minus their lead in doing"
    ax.set(title=title, xlabel="crossover (nats per token)")
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncols": 2, "fontsize": 9}
    panels.legend(ax, handles, **below)


def leads_rows(ax, table: pd.DataFrame, column: str, rows: dict[str, str]) -> dict[str, object]:
    """A row per value of `column` (value -> its name), the first on top: a dot for each format that
    documents are held against (arm), in nats. Returns the marks of a legend."""
    against = table_of_arms.in_order(table["arm"])
    for number, arm in enumerate(against):
        own = table[table["arm"] == arm].set_index(column).reindex(list(rows))
        at = np.arange(len(rows)) + (number - (len(against) - 1) / 2) * 0.3
        style = {"fmt": "o", "ms": 6, "capsize": 2, "lw": 1.4, "color": COLOURS[arm]}
        panels.dash(ax.errorbar(own["value"], at, xerr=reach(own, "value"), **style), own)
    ax.axvline(0, color=DARK, lw=1)
    ax.set_yticks(range(len(rows)), list(rows.values()))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    panels.signed(ax.xaxis)
    return {f"over {table_of_arms.label(arm)}": panels.mark("o", COLOURS[arm]) for arm in against}


# Set by set


def draw_gains_by_set(gains: pd.DataFrame, study, folder):
    """Knowing and doing, a row per arm: set a, set b, and both."""
    names, sets = table_of_arms.in_order(gains["arm"]), list(dict.fromkeys(gains["set"]))
    if len(sets) < 2:
        return drawing.nothing("gains_by_set", "the results have no second set of scenarios")
    label = "gain over base (nats per token)"
    fig, axes = panels.arm_panels(list(ACTS.values()), names, 2, 0.6, label, sharex=True)
    styles = {"a": ("^", -0.22), "b": ("o", 0), "both": ("D", 0.22)}
    for ax, measure in zip(axes, ACTS, strict=True):
        for name in sets:
            shape, down = styles[name]
            own = gains[(gains["measure"] == measure) & (gains["set"] == name)]
            own = own.set_index("arm").reindex(names)
            panels.arm_dots(ax, own, "value", down=down, shape=shape)
    fig.tight_layout()
    handles = {SETS[name]: panels.mark(styles[name][0], DARK) for name in sets}
    panels.legend(fig, handles, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.03))
    title, seeds = gains_by_set_title(gains), counted(gains["seeds"].max(), "seed")
    save(fig, "gains_by_set", gains, study, folder, title, drop=0.08, seeds=seeds)
    return fig


def gains_by_set_title(gains: pd.DataFrame) -> str:
    """Whether the same formats gain most on both sets."""
    parts = []
    for measure, act in ACTS.items():
        own = gains[gains["measure"] == measure]
        first = {name: tuple(first_in(own[own["set"] == name])) for name in ("a", "b")}
        if not all(first.values()):
            where = listed([SETS[name] for name, arms in first.items() if not arms])
            parts.append(f"in {act}, no format is seen to gain on {where}")
        elif first["a"] == first["b"]:
            more = f"{named(first['a'])} {verb(first['a'], 'gain')} most"
            parts.append(f"in {act}, {more} on both sets")
        else:
            parts.append(
                f"in {act}, {named(first['a'])} on set a and {named(first['b'])} on set b gain most"
            )
    return capital("; ".join(parts))
