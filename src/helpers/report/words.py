"""Numbers in words, for titles, captions and summaries."""

import math


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
    if math.isnan(low):
        return f"{100 * value:+.0f} points (no interval)"
    return f"{100 * value:+.0f} points ({100 * low:.0f} to {100 * high:.0f})"


def apart(low: float, high: float) -> bool:
    """Whether an interval of a difference leaves out zero; an interval that is missing does not."""
    return low > 0 or high < 0


def sentence(text: str) -> str:
    """The text with a capital first letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
