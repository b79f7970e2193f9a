"""Chapter why/05, what the adapters did to the weights: what is left of knowing and doing at other
strengths, in a merge, after rounding and in a constant, and how far the formats' subspaces
overlap."""

from pathlib import Path

import pandas as pd

from helpers import arms as table_of_arms
from helpers.files import StudyError, shown
from helpers.measure import experiments, margins
from helpers.report import panels
from helpers.report.drawing import save
from helpers.report.panels import DARK
from helpers.report.results import Results
from helpers.report.why import READOUTS, about
from helpers.report.words import between, listed, named, nats, percent

CHANGES = {
    "shift": "mean shift of each layer",
    "merged": "with the other, half of each",
    "added": "with the other, each whole",
    "requantised": "rounded to 4 bits",
    "merged_requantised": "half of each, rounded to 4 bits",
}
MEASURES = ("know", "do_pair")


def read(folder: Path, name: str) -> pd.DataFrame:
    """A table that why/00_weights wrote; raises StudyError where it is missing."""
    path = folder / f"{name}.csv"
    if not path.exists():
        raise StudyError(f"{shown(path)} is missing; run why/00_weights, which writes it.")
    return pd.read_csv(path)


def with_changes(study: Results) -> pd.DataFrame:
    """The margins of a study's arms and of their changed adapters, which are called
    `<arm>/<change>`, of the seeds whose adapters were changed."""
    changed = read(study.folder, "changed")
    found = margins.margins(pd.concat([study.choices, changed], ignore_index=True))
    return found[found["seed"].isin(changed["seed"].unique())]


def left(gained: pd.DataFrame) -> pd.DataFrame:
    """What each change leaves: arm, change ("1" for the adapter as it is), on, value (gain over
    base, nats per token), low, high, seeds, items, and kept, the value over that of the adapter as
    it is. Where strength 1 was scored among the changes, it is the
    adapter as it is: the file that was changed may be rounded."""
    changed = [name for name in dict.fromkeys(gained["arm"]) if "/" in name]
    arms = table_of_arms.in_order({name.split("/")[0] for name in changed})
    table = experiments.by_arm(gained, [*(a for a in arms if f"{a}/1" not in changed), *changed])
    table = table[table["on"].isin(MEASURES)].reset_index(drop=True)
    names = table["arm"].str.partition("/")
    table = table.assign(arm=names[0], change=names[2].where(names[2] != "", "1"))
    whole = table[table["change"] == "1"].set_index(["arm", "on"])["value"]
    kept = [row.value / whole[row.arm, row.on] for row in table.itertuples()]
    return table.assign(kept=kept)


def strengths(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `left` at strengths, with 0, which is base: line (the arm), panel, x, value, low,
    high, seeds, items."""
    x = pd.to_numeric(table["change"], errors="coerce")
    own = table.assign(x=x)[x.notna()]
    zero = own[own["x"] == 1].assign(x=0.0, value=0.0, low=0.0, high=0.0)
    own = pd.concat([own, zero]).sort_values(["on", "arm", "x"], ascending=[False, True, True])
    own = own.assign(panel=own["on"].map(READOUTS)).rename(columns={"arm": "line"})
    return own[["panel", "line", "x", "value", "low", "high", "seeds", "items"]]


def strengths_title(table: pd.DataFrame) -> str:
    """Whether knowing and doing rise with strength all the way, and what they are at its ends."""
    ends, falls = [table["x"].min(), table["x"].max()], []
    for (panel, line), own in table.groupby(["panel", "line"], sort=False):
        if not own.sort_values("x")["value"].is_monotonic_increasing:
            falls.append(f"{panel} in {table_of_arms.label(line)}")
    rest = f", but for {listed(falls)}" if falls else ""
    at = [
        f"{between(table.loc[table['x'] == end, 'value'], nats)} at {end:g} times its strength"
        for end in ends
    ]
    return (
        f"The stronger an adapter, the more it adds to knowing and doing{rest}: "
        f"{listed(at)} (nats per token)"
    )


def others(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `left` that are no strengths, and the adapter as it is, with `change` in
    words."""
    words = {"1": "as it is"} | CHANGES
    own = table[table["change"].isin(words)]
    order = own["change"].map(list(words).index)
    own = own.assign(change=own["change"].map(words), order=order)
    return own.sort_values(["on", "arm", "order"]).drop(columns="order").reset_index(drop=True)


def draw_changes(table: pd.DataFrame, study: Results, folder: Path):
    """Knowing and doing, a row per arm and change (`others`): a disc for the adapter as it is, a
    diamond for what it became."""
    rows = list(dict.fromkeys(zip(table["arm"], table["change"], strict=True)))
    fig, axes = panels.grid(2, 2, 0.9 + 0.4 * len(rows), sharex=True, sharey=True)
    for ax, on in zip(axes, MEASURES, strict=True):
        own = table[table["on"] == on]
        for place, (arm, change) in enumerate(rows):
            one = own[(own["arm"] == arm) & (own["change"] == change)]
            shape = "o" if change == "as it is" else "D"
            style = {"fmt": shape, "ms": 7, "capsize": 2, "color": panels.COLOURS[arm]}
            bars = panels.reach(one, "value")
            panels.dash(ax.errorbar(one["value"], [place], xerr=bars, **style), one)
        ax.axvline(0, color=DARK, lw=1)
        ax.set(title=READOUTS[on], xlabel="gain over base (nats per token)")
        ax.grid(axis="y", visible=False)
        panels.signed(ax.xaxis)
    labels = [f"{table_of_arms.label(arm)}: {change}" for arm, change in rows]
    axes[0].set_yticks(range(len(rows)), labels)
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    fig.tight_layout()
    save(fig, "changes", table, study, folder, changes_title(table), **about(table))
    return fig


def changes_title(table: pd.DataFrame) -> str:
    """What share the constant shift keeps, and what share is left after rounding."""
    own = table[table["change"] == CHANGES["shift"]]
    parts = [
        f"{percent(row.kept)} of {READOUTS[row.on]} in {table_of_arms.label(row.arm)}"
        for row in own.itertuples()
    ]
    rounded = table.loc[table["change"] == CHANGES["requantised"], "kept"]
    return (
        f"A constant shift of each layer keeps {listed(parts)}; rounding to 4 bits leaves "
        f"{between(rounded)}"
    )


def overlaps(study: Results) -> pd.DataFrame:
    """The overlap of two adapters by layer, mean over the projections: arm, other (the same format
    for two seeds of it, where there are two), layer, norm, other_norm, cosine, reads, writes,
    reads_chance, writes_chance."""
    table = read(study.folder, "overlap")
    return (
        table.groupby(["arm", "other", "layer"], sort=False)
        .mean(numeric_only=True)
        .reset_index()
        .sort_values("layer", kind="stable", ignore_index=True)
    )


def draw_overlap(table: pd.DataFrame, study: Results, folder: Path):
    """By layer: left the norms, right cosine and shared subspaces, pale those of one format's two
    seeds, dotted chance."""
    fig, (norms, right) = panels.grid(2, 2, 3.4)
    alike, other = of_one_format(table)
    for rows, name in ((other, "norm"), (other, "other_norm")):
        arm = rows["arm" if name == "norm" else "other"].iloc[0]
        label = table_of_arms.label(arm)
        norms.plot(rows["layer"], rows[name], "o-", color=panels.COLOURS[arm], label=label)
    for name, style in (("cosine", "o-"), ("reads", "s--"), ("writes", "^--")):
        right.plot(other["layer"], other[name], style, color=DARK, ms=4, label=name)
        right.plot(alike["layer"], alike[name], style, color=DARK, ms=4, alpha=panels.PALE)
    for name, label in (("reads_chance", "chance of either"), ("writes_chance", None)):
        right.plot(other["layer"], other[name], ":", color=panels.GREY, label=label)
    norms.set(title="norm of what is added", xlabel="layer", ylabel="mean over matrices")
    right.set(title="overlap of the two", xlabel="layer")
    for ax in (norms, right):
        ax.legend(frameon=False)
    fig.tight_layout()
    save(fig, "overlap", table, study, folder, overlap_title(table))
    return fig


def of_one_format(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of two seeds of one format, and those of two formats."""
    same = table["arm"] == table["other"]
    return table[same], table[~same]


def overlap_title(table: pd.DataFrame) -> str:
    alike, other = of_one_format(table)
    names, mean = [other[c].iloc[0] for c in ("arm", "other")], other.mean(numeric_only=True)
    seeds, share = "", ""
    if len(alike):
        both = alike.mean(numeric_only=True)
        seeds = f" (two seeds of {table_of_arms.label(names[0])}: {both['cosine']:.2f})"
        share = f"{percent(both['writes'])}; "
    return (
        f"What {named(names)} add to the weights has a cosine of {mean['cosine']:.2f}{seeds}; they "
        f"write to subspaces that overlap by {percent(mean['writes'])} ({share}chance "
        f"{percent(mean['writes_chance'])})"
    )


def found(table: pd.DataFrame) -> list[str]:
    """What each change leaves, in sentences."""
    return [
        f"{table_of_arms.label(row.arm)}, {row.change}: {nats(row.value, row.low, row.high)} nats "
        f"per token in {READOUTS[row.on]}, {percent(row.kept)} of the gain with the adapter as it "
        "is"
        for row in table.itertuples()
        if row.change != "as it is"
    ]
