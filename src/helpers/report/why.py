"""The chapters of `why`: their results, which are likelihoods alone, and what all of them show.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

from pathlib import Path
from textwrap import fill

import pandas as pd

from helpers import arms as table_of_arms
from helpers import files, records
from helpers.corpus import personas
from helpers.files import StudyError, shown
from helpers.measure import experiments
from helpers.report import drawing, panels
from helpers.report.drawing import save
from helpers.report.panels import DARK, reach
from helpers.report.results import Results
from helpers.report.words import counted, listed, nats, quoted, side, spaced

SIGNS = {"holds": 1, "open": 0, "reversed": -1}  # of the verdicts on contrasts
READOUTS = {"know": "knowing", "do_pair": "doing", "crossover": "knowing minus doing"}


def load(results: str | Path, persona: str, sets: tuple[str, ...] = ("b",)) -> Results:
    """The results of an experiment in the folder `results` (from the repository's root): what was
    scored by likelihood on some sets of scenarios, and nothing that was judged. The contrasts of
    the experiments were fixed for set b.

    Raises StudyError where they are missing, or were made from other data than are there now.
    """
    folder = files.ROOT / results
    record = files.read_json(folder / "record.json")
    control = record["settings"]["control"]
    records.refuse_stale(record, persona, control, folder / "record.json")
    card, judge = personas.load_persona(persona), {"judge": "none", "judges": []}
    study = Results(folder, persona, control, record, judge, card)
    own = study.choices["set"].isin(sets)
    study.__dict__["choices"] = study.choices[own].reset_index(drop=True)
    if study.choices.empty:
        raise StudyError(
            f"{shown(folder)} has no scenario of set {' or '.join(sets)}, on which the experiment "
            f"is read. Run the study with `sets: [{', '.join(sets)}]` among its parameters."
        )
    return study


def about(frame: pd.DataFrame) -> dict[str, object]:
    """How many scenarios and seeds a frame rests on, for captions."""
    seeds = counted(int(frame["seeds"].max()), "seed")
    return {"scenarios": int(frame["items"].max()), "seeds": seeds}


# The contrasts fixed in advance


def contrasts(margins: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """`experiments.contrast_table`, with the verdict: `holds` where the mean is above zero, as the
    question says, and p_holm below .05; `reversed` where it is below zero; `open` otherwise."""
    table = experiments.contrast_table(margins, experiment)
    if table.empty:
        return table
    told = table["p_holm"] < 0.05
    verdict = pd.Series("open", table.index)
    verdict = verdict.mask(told & (table["value"] > 0), "holds")
    return table.assign(verdict=verdict.mask(told & (table["value"] < 0), "reversed"))


def draw_contrasts(table: pd.DataFrame, study: Results, folder: Path, name: str):
    """A row per contrast; pale where it is open."""
    if table.empty:
        return drawing.nothing(name, "the results have the arms of no contrast")
    fig, (ax,) = panels.grid(1, 1, 0.9 + 0.55 * len(table))
    rows = [fill(f"{spaced(row.contrast)}: {row.question}", 62) for row in table.itertuples()]
    own = table.set_index(pd.Index(rows))
    panels.told_dots(ax, own, "value", told=own["verdict"] != "open")
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("gain, or difference of gains (nats per token)")
    panels.signed(ax.xaxis)
    fig.tight_layout()
    save(fig, name, table, study, folder, contrasts_title(table), **about(table))
    return fig


def contrasts_title(table: pd.DataFrame) -> str:
    """Which contrasts hold, are reversed and are open, each by its id as a label."""
    words = {
        "holds": ("holds", "hold"),
        "reversed": ("is reversed", "are reversed"),
        "open": ("is open", "are open"),
    }
    parts = []
    for verdict, (one, several) in words.items():
        ids = list(table.loc[table["verdict"] == verdict, "contrast"])
        if ids:
            labels = quoted(map(spaced, ids))
            parts.append(f"{len(ids)} {one if len(ids) == 1 else several} ({labels})")
    return f"Of {counted(len(table), 'contrast')} fixed in advance, {listed(parts)}"


def answered(table: pd.DataFrame) -> list[str]:
    """Each contrast as its question and what was found."""
    yes = {"holds": "Yes", "reversed": "No, the reverse", "open": "Not told apart from zero"}
    return [
        f"{row.question} {yes[row.verdict]}: {nats(row.value, row.low, row.high)} nats per token, "
        f"p = {row.p_holm:.3g} over scenarios (Holm)"
        for row in table.itertuples()
    ]


def told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose interval leaves out zero."""
    return table[[side(row.low, row.high) != 0 for row in table.itertuples()]]


# Curves


def draw_curves(
    table: pd.DataFrame,
    study: Results,
    folder: Path,
    name: str,
    title: str,
    x_label: str,
    ticks: list[float],
):
    """A panel per value of the column `panel` and a line per arm in the column `line`, over `x` at
    equal distances, with intervals."""
    names = list(dict.fromkeys(table["panel"]))
    fig, axes = panels.grid(len(names), 3, 3.4, sharey=True)
    handles = {}
    for ax, panel in zip(axes, names, strict=True):
        for number, line in enumerate(table_of_arms.in_order(table["line"])):
            own = table[(table["panel"] == panel) & (table["line"] == line)]
            at = [ticks.index(x) + 0.06 * number for x in own["x"]]
            style = {"color": panels.COLOURS[line], "marker": "o", "ms": 5, "capsize": 2}
            drawn = ax.errorbar(at, own["value"], reach(own, "value"), **style)
            panels.dash(drawn, own)
            handles[table_of_arms.label(line)] = drawn
        ax.axhline(0, color=DARK, lw=1)
        ax.set(title=panel, xlabel=x_label)
        ax.set_xticks(range(len(ticks)), [f"{tick:g}" for tick in ticks])
        panels.signed(ax.yaxis)
    axes[0].set_ylabel("gain over base (nats per token)")
    if len(handles) > 1:
        panels.legend(axes[-1], handles, loc="upper left", bbox_to_anchor=(1, 1))
    fig.tight_layout()
    save(fig, name, table, study, folder, title, **about(table))
    return fig
