"""Numbers in words, for titles, captions and summaries."""

import math

import pandas as pd

from helpers import arms


def listed(names) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = [str(name) for name in names]
    return f"{', '.join(first)} and {last}" if first else last


def counted(n: int, what: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """`37 %`; `unknown` for nan."""
    return "unknown" if math.isnan(share) else f"{100 * share:.0f} %"


def points(value: float, low: float, high: float) -> str:
    """A difference of shares with its interval, in percentage points: `+18 points (7 to 30)`."""
    ends = "no interval" if math.isnan(low) else f"{bound(low)} to {bound(high)}"
    return f"{hundred(value):+d} points ({ends})"


def nats(value: float, low: float | None = None, high: float | None = None) -> str:
    """A difference of nats per token, with its interval if given: `+0.31 (0.24 to 0.38)`."""
    return f"{value:+.2f}" + ("" if low is None else f" ({low:.2f} to {high:.2f})")


def hundred(share: float) -> int:
    """A share in whole percentage points."""
    return round(100 * share)


def bound(share: float) -> str:
    """An end of an interval in percentage points. One that rounds to 0 keeps its first digit, so
    that its side of zero is seen: `7`, `-0.05`."""
    whole, exact = hundred(share), 100 * share
    return f"{exact:.1g}" if whole == 0 and abs(exact) > 0.0005 else str(whole)


def side(low: float, high: float) -> int:
    """1 for an interval above zero, -1 for one below, 0 for one that includes zero or is
    missing."""
    return int(low > 0) - int(high < 0)


def apart(low: float, high: float) -> bool:
    """Whether an interval of a difference leaves out zero; an interval that is missing does not."""
    return side(low, high) != 0


def interval(row) -> str:
    """`+0.14 (0.10 to 0.17)`, of a row with value, low and high, in nats per token."""
    return nats(row.value, row.low, row.high)


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def spaced(name: str) -> str:
    """An id as a label: `first names` of `first_names`."""
    return name.replace("_", " ")


def quoted(names) -> str:
    """Names that may have commas or verbs in them, in a sentence: `"he, neutral" and "name"`."""
    return listed(f'"{name}"' for name in names)


def between(values, form=percent) -> str:
    """`35 % to 41 %`, or one number where both ends read alike."""
    ends = [form(min(values)), form(max(values))]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


# Arms


def named(names) -> str:
    """Labels of arms, in the order of the table of arms: `base, prompted and documents`."""
    return listed(arms.label(name) for name in arms.in_order(names))


def does(arm: str, plain: str) -> str:
    """`documents gain`, `first person gains`."""
    return f"{arms.label(arm)} {verb([arm], plain)}"


def verb(names, plain: str) -> str:
    """The verb for some arms: `gain` for several, and for one whose label is a plural."""
    one = len(names) == 1 and not arms.label(names[0]).endswith("s")
    return f"{plain}s" if one else plain


def seeds_of(seeds: pd.Series) -> str:
    """The number of seeds by arm in words: `3 seeds`, or `3 seeds (1 of base)`."""
    fewer = arms.in_order(seeds.index[seeds < seeds.max()])
    own = f" ({int(seeds.min())} of {listed(map(arms.label, fewer))})" if fewer else ""
    return f"{counted(int(seeds.max()), 'seed')}{own}"


def this_seed(table) -> list[str]:
    """A sentence that names the arms with one seed (columns arm and seeds), if there are any."""
    seeds = table.groupby("arm")["seeds"].max() if len(table) else table
    single = list(seeds.index[seeds == 1]) if len(seeds) else []
    about = "so that intervals are about this seed and no other"
    return [f"Of one seed, {about}: {named(single)}"] if single else []


def leaders(table: pd.DataFrame, value: str = "rate") -> list[str]:
    """The arm with the highest `value`, and those whose intervals (low, high) reach its own."""
    top = table.loc[table[value].idxmax()]
    return arms.in_order(
        table.loc[(table["high"] >= top["low"]) | (table.index == top.name), "arm"]
    )


def above_base(table: pd.DataFrame) -> list[str]:
    """The arms of `stats.minus_base` whose difference to `base` is above zero."""
    return arms.in_order(table.loc[table["minus_base_low"] > 0, "arm"])


# Lists


def bullets(sentences: list[str]) -> str:
    """Sentences as a Markdown list."""
    return "\n".join(f"- {capital(text)}{'' if text.endswith('.') else '.'}" for text in sentences)


def p_value(p: float) -> str:
    """`p = 0.02`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.1g}"
