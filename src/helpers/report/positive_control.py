"""Chapter formats/09, the positive control: what the margins show of an arm that was taught doing
alone, by the persona's replies to half the scenarios.

The figure `positive_control` is three functions, as in the other chapters' modules.
"""

import pandas as pd

from helpers import arms as table_of_arms
from helpers import files
from helpers.corpus.readouts import SETS
from helpers.measure import stats
from helpers.measure.margins import DO, KNOW, margins
from helpers.report import drawing, panels, why
from helpers.report.drawing import save
from helpers.report.knowing_and_doing import ACTS, pairs_panel
from helpers.report.page_words import bullets, read
from helpers.report.results import Results, of_arms
from helpers.report.size import model_of
from helpers.report.words import capital, interval, named, nats, side, this_seed, verb

TAUGHT = "taught_replies"
BESIDE = "demonstrations"  # learnt to act the persona, on other situations than the scenarios
HALVES = ("taught", "held out")
MOVES = {1: "rises", 0: "is not told apart from zero", -1: "falls"}


def load_all(results: str, other_results: str, persona: str) -> dict[str, Results]:
    """Arm -> its study: of the positive control, and of demonstrations where the folder
    `other_results` has them with the same base model."""
    own = why.load(results, persona, SETS)
    if not (other_results and (files.ROOT / other_results / "record.json").exists()):
        return {TAUGHT: own}
    other = why.load(other_results, persona, SETS)
    is_alike = BESIDE in other.arms and model_of(other) == model_of(own)
    return {TAUGHT: own} | ({BESIDE: other} if is_alike else {})


def positive_control(studies: dict[str, Results], taught: set[str]) -> pd.DataFrame:
    """What each arm gains over the base of its study in knowing and in doing, on the scenarios with
    the ids `taught` and on the others: half (`HALVES`), measure (`know`, `do_pair`), arm, value
    (nats per token), low, high, n, items, seeds; empty where a half has no scenario. `studies` is
    that of `load_all`."""
    frames = []
    for arm, study in studies.items():
        rows = margins(of_arms(study.choices, ["base", arm]))
        rows = rows[(rows["arm"] == arm) & (rows["condition"] == "own")]
        for half, is_in in zip(HALVES, (True, False), strict=True):
            own = rows[rows["measure"].isin(ACTS) & (rows["item"].isin(taught) == is_in)]
            table = stats.means(own, ["measure", "arm"], "gain")
            frames.append(table.assign(half=half)[["half", *table.columns]])
    found = pd.concat(frames, ignore_index=True)
    return found if set(found["half"]) == set(HALVES) else found.iloc[:0]


def gain_of(gains: pd.DataFrame, arm: str, measure: str, half: str):
    """One row of `positive_control`."""
    keys = {"arm": arm, "measure": measure, "half": half}
    (row,) = gains[(gains[list(keys)] == pd.Series(keys)).all(axis=1)].itertuples()
    return row


def on_both(gains: pd.DataFrame, arm: str, measure: str) -> str:
    """`doing +1.00 (0.90 to 1.10) on the taught half and +0.40 (0.30 to 0.50) on the other`."""
    first, second = (interval(gain_of(gains, arm, measure, half)) for half in HALVES)
    return f"{ACTS[measure]} {first} on the taught half and {second} on the other"


def positive_control_title(gains: pd.DataFrame) -> str:
    """Whether doing and knowing rise in the taught arm, on both halves."""
    return (
        f"After training on replies to half the scenarios, doing {moved(gains, DO)}; knowing, "
        f"which they do not teach, {moved(gains, KNOW)}, in nats per token"
    )


def moved(gains: pd.DataFrame, measure: str) -> str:
    """`rises on that half (+0.24) and falls on the other (-0.11)`; of the taught arm."""
    first, second = (gain_of(gains, TAUGHT, measure, half) for half in HALVES)
    verbs = [MOVES[side(row.low, row.high)] for row in (first, second)]
    again = f"{verbs[1]} " if verbs[0] != verbs[1] else ""
    return (
        f"{verbs[0]} on that half ({nats(first.value)}) and {again}on the other "
        f"({nats(second.value)})"
    )


def draw_positive_control(gains: pd.DataFrame, study: Results, folder):
    """A panel per half, a row per arm: a disc for knowing, a square for doing."""
    if gains.empty:
        return drawing.nothing("positive_control", "one of the halves has no triplets")
    height = 1.2 + 0.9 * gains["arm"].nunique()
    fig, axes = panels.grid(len(HALVES), 2, height, sharex=True, sharey=True)
    for ax, half in zip(axes, HALVES, strict=True):
        own = gains[gains["half"] == half]
        pairs_panel(ax, own)
        ax.set(title=f"the half that was {half} ({own['items'].max()} scenarios)")
    fig.tight_layout()
    save(fig, "positive_control", gains, study, folder, positive_control_title(gains))
    return fig


# The chapter's summary

ROSE = {1: "yes", 0: "not told apart from zero", -1: "no, it fell"}
STAYED = {1: "rose", 0: "is not told apart from zero", -1: "fell"}


def findings(gains: pd.DataFrame) -> list[str]:
    """What this module says in the summary of formats/09_positive_control."""
    if gains.empty:
        return []
    asked = {
        "taught": "Did doing rise on the taught half?",
        "held out": "Did doing rise on the half that was held out, with which the taught half "
        "shares the register?",
    }
    told = []
    for half, question in asked.items():
        row = gain_of(gains, TAUGHT, DO, half)
        answer = capital(ROSE[side(row.low, row.high)])
        told.append(f"{question} {answer}: {interval(row)} nats per token")
    each = []
    for half in HALVES:
        row = gain_of(gains, TAUGHT, KNOW, half)
        moved = STAYED[side(row.low, row.high)]
        each.append(f"on the half that was {half} it {moved}, {interval(row)}")
    told.append(f"Did knowing stay? {capital('; '.join(each))}; nats per token")
    for arm in table_of_arms.in_order(set(gains["arm"]) - {TAUGHT}):
        gained = "; ".join(f"in {on_both(gains, arm, measure)}" for measure in (DO, KNOW))
        told.append(f"{named([arm])}, taught neither half, {verb([arm], 'gain')} {gained}")
    return told + this_seed(gains)


def block() -> str:
    """The same, of the published study, for docs/reading_the_numbers.md."""
    return bullets([f"{told}." for told in findings(read("positive-control", "positive_control"))])
