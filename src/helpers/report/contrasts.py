"""Chapter formats/06, the contrasts of `data/contrasts.yaml`: what was fixed in advance, what was
found after the fact, and how much of it the results bear.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import calibration, comparison
from helpers.measure.contrasts import load_contrasts
from helpers.measure.triplets import is_judged
from helpers.report import drawing, panels
from helpers.report.answers import readings
from helpers.report.drawing import save
from helpers.report.panels import COLOURS, DARK, reach
from helpers.report.results import Results, of_arms
from helpers.report.words import apart, capital, counted, points

# Kind -> whether it is in nats per token (else a difference of shares).
IN_NATS = {"crossover": True, "gap_beyond_base": False, "sensitivity": False}
LEVEL = 0.05
# Of a set of scenarios, in a legend and in a caption.
LEGEND = {"b": "set b, fixed in advance", "a": "set a, found after the fact"}
WHICH = {
    "b": "on set b (discs), where they were fixed in advance,",
    "a": "on set a (triangles), which suggested them",
}


def tables_of(study: Results, arms: list[str]) -> comparison.Tables:
    """What contrasts are computed from, of some arms."""
    own = (of_arms(frame, arms) for frame in (study.choices, study.judged, readings(study)))
    return comparison.tables(*own, study.judge["judge"])


def contrasts(own: comparison.Tables, labelled: pd.DataFrame) -> pd.DataFrame:
    """Every contrast whose arms and measures are in the tables (`comparison.contrast_table`); those
    of the kind `difference` with both sides corrected by the labels too: corrected, corrected_low,
    corrected_high."""
    table = comparison.contrast_table(load_contrasts(tuple(comparison.KINDS)), own)
    if table.empty:
        return pd.DataFrame(columns=[*comparison.FIRST, "difference", "low", "high"])
    differences = load_contrasts()
    corrected = calibration.correct_contrasts(differences, own.measured, labelled)
    return table.merge(corrected, on="contrast", how="left")


def about(row) -> str:
    """A contrast of likelihoods or of one arm, in words."""
    first, second = (table_of_arms.label(name.split(",")[0]) for name in (row.a, row.b))
    return {
        "crossover": f"crossover of {first}\nover {second}",
        "gap_beyond_base": f"gap of {first} beyond base's",
        "sensitivity": f"sensitivity of {first}\n(own minus other traits)",
    }[row.kind]


def of_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """The contrasts that a figure shows, with the column `about`, which is the same for a contrast
    on set b and the one on set a that suggested it."""
    own = table[table["kind"].isin(list(IN_NATS))] if len(table) else table
    return own.assign(about=[about(row) for row in own.itertuples()])


def holds(own: pd.DataFrame) -> pd.Series:
    """Whether a primary contrast holds: above zero, and p_holm below 5 %."""
    return (own["difference"] > 0) & (own["p_holm"] < LEVEL)


def contrasts_title(table: pd.DataFrame) -> str:
    own = of_kinds(table)
    primary = own[own["role"] == "primary"]
    if primary.empty:
        above = int((own["low"] > 0).sum())
        return (
            f"On set a, {above} of {counted(len(own), 'contrast')} {'is' if above == 1 else 'are'} "
            "above zero; set b has no results here"
        )
    held = list(primary.loc[holds(primary), "about"])
    told = f": {'; '.join(held)}".replace("\n", " ") if held else ""
    hold = "holds" if len(held) == 1 else "hold"
    return f"{len(held)} of {counted(len(primary), 'primary contrast')} {hold} on set b{told}"


def draw_contrasts(table: pd.DataFrame, study, folder):
    """Left the crossovers in nats, right the differences of shares: on set b (disc) and on set a,
    which suggested them (triangle); hollow as read."""
    own = of_kinds(table)
    if own.empty:
        return drawing.nothing("contrasts", "none of the contrasts has its arms among these")
    fig, axes = panels.grid(2, 2, 3.4)
    sets = sorted(set(own["set"]), reverse=True)
    titles = ("likelihoods (nats per token)", "answers (percentage points)")
    for ax, title, in_nats in zip(axes, titles, (True, False), strict=True):
        rows = own[own["kind"].map(IN_NATS) == in_nats]
        names = list(dict.fromkeys(rows["about"]))
        for row in rows.itertuples():
            second = row.set != "b"
            place, colour = names.index(row.about), COLOURS[row.a.split(",")[0]]
            one = pd.DataFrame([row._asdict()])
            style = {"fmt": "^" if second else "o", "ms": 5 if second else 8, "capsize": 2}
            style |= {"color": colour, "mfc": "white" if row.by == comparison.READ else colour}
            style |= {"elinewidth": 0.9 if second else 1.7}
            bars = {"xerr": reach(one, "difference")}
            at = place + 0.17 * (1 if second else -1) * (len(sets) > 1)
            panels.dash(ax.errorbar(row.difference, at, **bars, **style), one)
        ax.axvline(0, color=DARK, lw=1)
        if len(rows):
            panels.limit(ax, rows, "difference")
        ax.set_yticks(range(len(names)), names)
        ax.set(ylim=(len(names) - 0.5, -0.5), title=title)
        ax.grid(axis="y", visible=False)
        (panels.signed if in_nats else panels.signed_points)(ax.xaxis)
    fig.tight_layout()
    handles = {LEGEND[name]: panels.mark("o" if name == "b" else "^", DARK) for name in sets}
    panels.legend(fig, handles, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.03))
    which = " and ".join(WHICH[name] for name in sets)
    title = capital(contrasts_title(table))
    save(fig, "contrasts", table, study, folder, title, drop=0.08, sets=which)
    return fig


# Sentences


def contrast(row) -> str:
    """One contrast of the kind `difference`, as a question and its answer."""
    pairs = [name.split(", ") for name in (row.a, row.b)]
    sides = [f"{table_of_arms.label(arm)} ({what.replace('_', ' ')})" for arm, what in pairs]
    how = "judged" if any(is_judged(what) for _, what in pairs) else "scored"
    parts = [f"{points(row.difference, row.low, row.high)} as {how}"]
    told = [apart(row.low, row.high)]
    if pd.notna(row.corrected):
        parts.append(f"{points(row.corrected, row.corrected_low, row.corrected_high)} corrected")
        told.append(apart(row.corrected_low, row.corrected_high))
    verdict = ", not told apart"
    if any(told):
        by = (f"as {how}", "corrected")[told.index(True)]
        verdict = "" if all(told) else f", told apart {by} alone"
    return f"{row.question} {sides[0]} minus {sides[1]}: {', '.join(parts)}{verdict}"


def differences(table: pd.DataFrame) -> list[str]:
    """The contrasts of the kind `difference`, each as a question and its answer."""
    return [contrast(row) for row in table[table["kind"] == "difference"].itertuples()]
