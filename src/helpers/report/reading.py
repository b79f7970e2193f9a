"""Chapter formats/05, doing as read: how often an answer shows its scenario's trait by every way of
judging, and how many answers make sense at all.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import calibration, stats
from helpers.measure.comparison import ABOUT, READ
from helpers.report import panels
from helpers.report.answers import labelled_triplets
from helpers.report.drawing import save
from helpers.report.panels import DARK
from helpers.report.results import Results, of_arms
from helpers.report.words import between, counted, leaders, named, percent

CORRECTED = "corrected"
# Way of judging -> in a legend, mark, hollow.
WAYS = {
    "judge": ("as judged", "o", False),
    CORRECTED: ("corrected for judge error", "o", True),
    READ: ("as read", "s", True),
    ABOUT: ("as read, telling of the persona counts", "D", True),
}
COHERENCE = {"sensible": "#4d4d4d", "off": "#a6a6a6", "salad": "#e0e0e0"}
MEANS = {
    "sensible": "makes sense and responds",
    "off": "understood, but off the message",
    "salad": "no sense, loop or no words",
}


def as_read(study: Results, answers: pd.DataFrame) -> pd.DataFrame:
    """The share of answers to scenarios that show their own trait: by (a judge, `corrected`,
    `read`; see `comparison.answers_by_trait`, which makes `answers`), arm, rate, low, high, n,
    seeds. As read, intervals are over scenarios: too few seeds were read to say more."""
    judge, own = study.judge["judge"], answers[answers["trait"] == answers["scenario_trait"]]
    judged, names = own[own["by"] == judge].assign(measure="do"), list(set(own["arm"]))
    read = own[own["by"] != judge]
    told = pd.concat(
        [stats.rates(judged, ["by", "arm"]), stats.rates(read.assign(seed=0), ["by", "arm"])]
    )
    found = calibration.over_traits(judged, labelled_triplets(study, names))
    found.columns = found.columns.str.removeprefix("corrected_")
    found = found.rename(columns={CORRECTED: "rate", "labels": "n"}).assign(by=CORRECTED)
    table = pd.concat([told, found], ignore_index=True)
    seeds = own.groupby(["by", "arm"])["seed"].nunique()
    where = zip(table["by"].replace(CORRECTED, judge), table["arm"], strict=True)
    table["seeds"] = [seeds[pair] for pair in where]
    return table[["by", "arm", "rate", "low", "high", "n", "seeds"]]


def coherence(study: Results, arms: list[str]) -> pd.DataFrame:
    """How many answers make sense, as read: arm, coherence (`MEANS`), answers, share, low, high;
    intervals are over scenarios. Empty where nobody has read them by the rule."""
    columns = ["arm", "coherence", "answers", "share", "low", "high"]
    if not study.has("read") or study.read.empty:
        return pd.DataFrame(columns=columns)
    read = of_arms(study.read[study.read["kind"] == "do"], arms)
    read = read.drop_duplicates(["arm", "seed", "item", "sample"]).assign(seed=0)
    found = [
        own.assign(coherence=value, outcome=(own["coherence"] == value).astype(int))
        for own in (read[read["arm"] == arm] for arm in table_of_arms.in_order(read["arm"]))
        for value in COHERENCE
    ]
    table = stats.rates(pd.concat(found), ["arm", "coherence"])
    return table.rename(columns={"successes": "answers", "rate": "share"})[columns]


def as_read_title(table: pd.DataFrame, sense: pd.DataFrame) -> str:
    """Which arms show the trait most as read, where they are not most of the arms, and how many
    answers make sense."""
    own = table[table["by"] == READ]
    parts = []
    if len(own):
        first, shares = leaders(own), own.set_index("arm")["rate"]
        also = "base" in shares.index.difference(first)
        rates = between(shares[first]) + (f"; base {percent(shares['base'])}" if also else "")
        most = f"the trait is shown most by {named(first)}"
        if 2 * len(first) > len(own):
            most = "which arm shows the trait most is not told apart"
        parts.append(f"As read, {most} ({rates})")
    if len(sense):
        made = sense[sense["coherence"] == "sensible"].set_index("arm")["share"]
        parts.append(f"at most {percent(made.max())} of an arm's answers make sense")
    if not parts:
        shown = between(table.loc[table["by"] != CORRECTED, "rate"])
        return f"As judged, {shown} of an arm's answers show the trait; no answer was read"
    return "; ".join(parts)


def draw_as_read(table: pd.DataFrame, sense: pd.DataFrame, study, folder):
    """Left the share that shows the trait by every way of judging, right, where answers were read
    by the rule, how many make sense; a row per arm."""
    names = table_of_arms.in_order(table["arm"])
    panes = 1 + (len(sense) > 0)
    width = panels.WIDE if panes > 1 else panels.NARROW
    fig, axes = panels.grid(panes, 2, 1.2 + 0.55 * len(names), width=width, sharey=True)
    handles = {}
    by = table["by"].replace(study.judge["judge"], "judge")
    ways = [way for way in WAYS if way in set(by)]
    for place, way in enumerate(ways):
        label, shape, hollow = WAYS[way]
        rows = table[by == way].set_index("arm").reindex(names)
        down = 0.17 * place - 0.085 * (len(ways) - 1)
        panels.arm_dots(axes[0], rows, "rate", down=down, hollow=hollow, shape=shape)
        handles[label] = panels.mark(shape, DARK, "white" if hollow else "")
    axes[0].set_title("answers that show the scenario's trait")
    panels.from_zero(axes[0], "x")
    panels.percents(axes[0].xaxis)
    panels.arm_rows(axes[0], names)
    if len(sense):
        sense_panel(axes[1], sense, names)
    fig.tight_layout()
    panels.legend(fig, handles, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.03))
    about = {"read": of_readings(table, sense), "seeds": counted(int(table["seeds"].max()), "seed")}
    hollow = any(WAYS[way][2] for way in ways)
    about["alone"] = "; hollow, over scenarios alone, for these seeds" if hollow else ""
    title, both = as_read_title(table, sense), pd.concat([table, sense], ignore_index=True)
    save(fig, "as_read", both, study, folder, title, drop=0.14, **about)
    return fig


def of_readings(table: pd.DataFrame, sense: pd.DataFrame) -> str:
    """What the caption says of answers that were read, as far as they are drawn."""
    read, told = table.loc[table["by"] == READ, "n"], []
    if len(read):
        told.append(f"{between(read, str)} answers of each arm were read blind.")
    if ABOUT in set(table["by"]):
        told.append("Diamonds count an answer too that tells of the trait in the third person.")
    if len(sense):
        told.append("Right: whether the answers that were read make sense.")
    return " ".join(told)


def sense_panel(ax, sense: pd.DataFrame, names: list[str]) -> None:
    """A bar per arm, cut into answers that make sense, are off, and make none."""
    shares = sense.pivot(index="arm", columns="coherence", values="share")
    shares = shares.reindex(names).fillna(0)  # not every arm has been read
    left = pd.Series(0.0, index=names)
    for value, colour in COHERENCE.items():
        bars = ax.barh(range(len(names)), shares[value], left=left, color=colour, height=0.55)
        shown = [percent(share) if share > 0.06 else "" for share in shares[value]]
        dark = value == "sensible"
        ax.bar_label(bars, shown, label_type="center", fontsize=8.5,
                     color="white" if dark else "black")  # fmt: skip
        bars.set_label(MEANS[value])
        left += shares[value]
    ax.set(title="do answers make sense?", xlim=(0, 1))
    panels.percents(ax.xaxis)
    ax.grid(visible=False)
    ax.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(0, -0.08), ncols=1)


def findings(table: pd.DataFrame, sense: pd.DataFrame) -> list[str]:
    """What this module says in the summary of formats/05_expression."""
    return [as_read_title(table, sense)]
