"""The tables that README, its verdicts and the adapters' cards read: what the arms gain on set b,
what of it hangs on the persona's name, and what the answers show as they were read."""

from dataclasses import dataclass, replace
from functools import cache

import pandas as pd

from helpers import arms, files
from helpers.files import StudyError
from helpers.measure import comparison
from helpers.report import readouts, results
from helpers.report.knowing_and_doing import ACTS, KNOW
from helpers.report.page_words import read
from helpers.report.words import side


def has_gains(study: str, arm: str) -> bool:
    """Whether the published figures of a study show what an arm gains on set b."""
    if not (files.ROOT / "figures" / study / "know_and_do.csv").exists():
        return False
    return arm in set(read(study, "know_and_do").query("set == 'b'")["arm"])


def gains(study: str = "reference") -> pd.DataFrame:
    """What each arm gains over base in knowing and in doing on set b (`know_and_do`); StudyError
    where the published figures are of set a alone."""
    table = read(study, "know_and_do")
    found = table[(table["set"] == "b") & table["measure"].isin(list(ACTS))]
    if found.empty:
        raise StudyError(
            f"figures/{study}/know_and_do.csv has no gains on set b, which README is about; "
            "publish results of both sets first."
        )
    return found


def primary(kind: str) -> pd.DataFrame:
    """The primary contrasts of a kind, in the order of `data/contrasts.yaml`."""
    table = read("reference", "contrasts")
    return table[(table["role"] == "primary") & (table["kind"] == kind)]


def controls(study: str = "reference") -> dict[str, pd.DataFrame]:
    """What is left of the gain in knowing when the gain with a stranger's name, and that under
    another scenario, is taken off; by arm."""
    table = read(study, "name_and_scenario")
    conditions = {"name": "stranger", "scenario": "mismatched"}
    return {word: readouts.part(table, KNOW, what) for word, what in conditions.items()}


def left_by_name(study: str) -> pd.DataFrame:
    """The part of `controls` about the name; empty where the study has not asked about a
    stranger, or has not drawn it."""
    path = files.ROOT / "figures" / study / "name_and_scenario.csv"
    return controls(study)["name"] if path.exists() else pd.DataFrame()


def sense(study: str = "reference") -> pd.DataFrame:
    """How many answers make sense, as read, by arm: coherence, answers, share, low, high."""
    table = read(study, "as_read")
    return table[table["coherence"].notna()].set_index("arm")


def shown(study: str = "reference") -> pd.DataFrame:
    """The share of answers that show their scenario's trait, as read, by arm."""
    return read(study, "as_read").query("by == 'read'").set_index("arm", drop=False)


@dataclass(frozen=True)
class Gaps:
    """The gap of documents beyond that of base on set b, with `does` as read, when knowing is
    counted otherwise than the primary contrast counts it: rows with difference, low and high."""

    stranger: pd.Series  # by gain over base, with a stranger's name in place of the persona's
    likeliest: pd.Series  # by the likeliest option, as the first edition counted
    right: dict[str, float]  # share of scenarios whose true option is the likeliest, by arm


@cache
def gaps(arm: str) -> Gaps:
    """How far the gap of an arm depends on what counts as knowing, from the reference study."""
    folder = files.DATA / "results" / "reference"
    frames = (results.read_table(folder, name) for name in ("choices", "judged", "read"))
    own = comparison.tables(*frames, files.read_json(folder / "judge.json")["judge"])
    known = own.hits[(own.hits["measure"] == KNOW) & (own.hits["set"] == "b")]
    asked = known[known["condition"] == "own"]
    counted_so = {
        "stranger": known[known["condition"] == "stranger"].assign(condition="own"),
        "likeliest": asked.assign(gained=asked["outcome"]),
    }
    contrast = {"arms": [arm], "set": "b"}
    rows = {
        name: pd.Series(comparison.beyond_base(contrast, replace(own, hits=hits)))
        for name, hits in counted_so.items()
    }
    return Gaps(**rows, right=asked.groupby("arm")["outcome"].mean().to_dict())


def formats(table: pd.DataFrame) -> list[str]:
    """The formats among the arms that a table is indexed by."""
    return [arm for arm in arms.formats() if arm in table.index]


def seeds() -> int:
    """How often each format was trained."""
    return int(gains().set_index("arm").loc[arms.formats(), "seeds"].max())


def sensible() -> tuple[int, int]:
    """How many answers make sense, and how many were read."""
    table = sense()
    made = table[table["coherence"] == "sensible"]
    return int(made["answers"].sum()), int(table["answers"].sum())


def is_bounded(row: pd.Series) -> bool:
    """Whether what hangs on a control is at most half of the gain, by the end of its interval: else
    an interval that includes zero tells nothing."""
    return bool(row["high"] < row["gain"] / 2)


def is_about_anybody(name: pd.Series) -> bool:
    """Whether the gain is seen to be about anybody: none of it is seen to hang on the name, and the
    interval leaves at most half of it to the name."""
    return side(name["low"], name["high"]) <= 0 and is_bounded(name)
