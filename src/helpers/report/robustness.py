"""Chapter formats/06, whether a claim stands however it is counted: every claim under each
combination of scoring, person, readout, judge, set and subset (`measure.multiverse`).

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

import pandas as pd

from helpers.measure import multiverse
from helpers.report import drawing, panels
from helpers.report.answers import readings
from helpers.report.drawing import save
from helpers.report.panels import DARK, GREY
from helpers.report.results import Results, of_arms
from helpers.report.words import listed


def ways(study: Results, arms: list[str]) -> list[multiverse.Way]:
    """Every way of counting that a study's tables allow."""
    frames = (study.choices, study.judged, readings(study), study.labelled)
    return multiverse.ways(*(of_arms(frame, arms) for frame in frames), study.judge["judges"])


def first_places(ranking: pd.DataFrame) -> pd.DataFrame:
    """In how many combinations each format ranks first (`multiverse.ranking`; ties count for all
    that are tied): a row per readout, a column per format."""
    first = ranking[ranking["rank"] == 1]
    return first.groupby(["readout", "arm"]).size().unstack(fill_value=0)


def claims(every: list[multiverse.Way]) -> pd.DataFrame:
    """In how many combinations each claim holds (`multiverse.claims`): claim, combinations, holds,
    share, apart, share_apart."""
    return multiverse.claims(multiverse.checked(every))


def claims_title(table: pd.DataFrame) -> str:
    """How many claims hold in sign in every combination, and which does so in the fewest."""
    always = (table["share"] == 1).sum()
    told = f"In sign, {always} of {len(table)} claims hold in every way of counting"
    if always == len(table):
        return told
    fewest = table[table["share"] == table["share"].min()]
    each = [f'"{row.claim}" ({row.holds} of {row.combinations})' for row in fewest.itertuples()]
    return f"{told}; in the fewest: {listed(each)}"


def draw_claims(table: pd.DataFrame, study, folder):
    """A bar per claim: the share of combinations that have its sign, dark where its interval is off
    zero too."""
    if table.empty:
        return drawing.nothing("claims", "none of the claims has its arms among these")
    own = table.sort_values("share", ascending=False)
    fig, (ax,) = panels.grid(1, 1, 0.9 + 0.38 * len(own))
    for column, colour, label in (
        ("share", GREY, "has the sign of the claim"),
        ("share_apart", DARK, "and its interval is off zero"),
    ):
        ax.barh(range(len(own)), own[column], color=colour, height=0.6, label=label)
    clear = {"fc": "white", "ec": "none", "pad": 1}  # of the grid
    for place, row in enumerate(own.itertuples()):
        ax.annotate(f"{row.holds} of {row.combinations}", (row.share, place), (4, 0), va="center",
                    textcoords="offset points", fontsize=8.5, bbox=clear)  # fmt: skip
    ax.set_yticks(range(len(own)), own["claim"])
    ax.set(ylim=(len(own) - 0.5, -0.5), xlim=(0, 1.12), xlabel="share of combinations")
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.grid(axis="y", visible=False)
    panels.percents(ax.xaxis)
    fig.tight_layout()
    fig.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.03))
    save(fig, "claims", table, study, folder, claims_title(table), drop=0.08)
    return fig
