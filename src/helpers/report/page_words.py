"""Reading the committed numbers and putting them into the generated blocks of README and docs."""

import textwrap

import pandas as pd

from helpers import files
from helpers.files import StudyError, shown
from helpers.report.words import bound, hundred, nats, side

PERSONA = "C-3PO"
READ_BY = "read blind by a language model (Claude), which also wrote the corpus"
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


def gain(table: pd.DataFrame, arm: str) -> str:
    """`+0.45 (0.35 to 0.55)`; a dash for an arm that is not in a table by arm."""
    return nats(*table.loc[arm, ["value", "low", "high"]]) if arm in table.index else "–"


def percents(table: pd.DataFrame, arm: str, value: str) -> str:
    """`24 (19 to 31)`, in percent; a dash for an arm that is not in a table by arm."""
    if arm not in table.index:
        return "–"
    share, low, high = (hundred(table.loc[arm, name]) for name in (value, "low", "high"))
    return f"{share} ({low} to {high})"


def beside(row: pd.Series) -> str:
    """What a gain becomes under a control, in nats per token: `is 0.04 larger (0.01 to 0.06)`."""
    value, low, high = row["value"], row["low"], row["high"]
    if side(low, high) > 0:
        return f"is {value:.2f} smaller ({low:.2f} to {high:.2f})"
    if side(low, high) < 0:
        return f"is {-value:.2f} larger ({-high:.2f} to {-low:.2f})"
    return f"is not seen to change ({0 - value:+.2f}, {0 - high:.2f} to {0 - low:.2f})"


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
