"""Reading the committed numbers and putting them into the generated blocks of README and docs."""

import textwrap

import pandas as pd

from helpers import files
from helpers.files import StudyError, shown
from helpers.report.words import bound, hundred

WIDTH = 119  # of a line on a page
CORRECTED = ("corrected", "corrected_low", "corrected_high")


def read(study: str, figure: str) -> pd.DataFrame:
    """The numbers behind a published figure; StudyError where they are missing."""
    path = files.ROOT / "figures" / study / f"{figure}.csv"
    if not path.exists():
        raise StudyError(f"{shown(path)} is missing; run `make figures`, which writes it.")
    return pd.read_csv(path)


def share(row: pd.Series, value: str = "value", low: str = "low", high: str = "high") -> str:
    """`28% (22% to 35%)`."""
    if pd.isna(row[value]):
        return "–"
    return f"{row[value]:.0%} ({row[low]:.0%} to {row[high]:.0%})"


def points(row: pd.Series, value: str, low: str = "low", high: str = "high") -> str:
    """`+18 (7 to 30)`, in percentage points."""
    if pd.isna(row[value]):
        return "–"
    return f"{hundred(row[value]):+d} ({bound(row[low])} to {bound(row[high])})"


def need(holds: bool, sentence: str) -> str:
    """The sentence, if the tables bear it."""
    if not holds:
        raise StudyError(
            f"The blocks of README and docs: the tables no longer bear the sentence {sentence!r}. "
            "Read the tables and write the sentence anew."
        )
    return sentence


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(sentences: list[str]) -> str:
    return "\n".join(
        textwrap.fill(s, WIDTH, initial_indent="- ", subsequent_indent="  ") for s in sentences
    )
