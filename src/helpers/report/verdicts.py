"""What became of the first edition's claims (docs/limits.md), and what the results leave open
(README).

As in `headline`, the numbers choose the words.
"""

import pandas as pd

from helpers import arms, files
from helpers.report import contrasts, page_tables
from helpers.report.page_words import CORRECTED, PERSONA, bullets, points, read
from helpers.report.words import apart, between, counted, hundred, listed, nats, side
from helpers.rows import Row, read_mapping

FELL, STANDS, OPEN = "**Fell.**", "**Stands.**", "**Open.**"


class Reported(Row, extra="forbid"):
    """A difference of shares with its interval."""

    value: float
    low: float
    high: float


def reported() -> dict[str, str]:
    """What the first edition reported (`data/first_edition.yaml`), in percentage points."""
    found = read_mapping(files.DATA / "first_edition.yaml", dict[str, Reported])
    return {name: points(pd.Series(row), "value") for name, row in found.items()}


def claims() -> str:
    """The claims of the first edition, those that fell first."""
    then = reported()
    made = [claim(then) for claim in (knowing, gap, beyond_base, reverse, everyday)]
    order = [FELL, STANDS, OPEN]
    made.sort(key=lambda told: next(n for n, word in enumerate(order) if told.startswith(word)))
    return bullets(made)


def open_questions() -> str:
    """What the results leave open."""
    return bullets([*of_seeds(), *of_fit()])


# The first edition


def knowing(then: dict[str, str]) -> str:
    """Whether what documents gain in knowing is about the persona."""
    name = page_tables.controls()["name"].loc["documents"]
    claim = f'"Documents know what {PERSONA} would do": {then["knowing"]} over `base`'
    if side(name["low"], name["high"]) > 0:
        hangs = nats(*name[["value", "low", "high"]])
        return f"{STANDS} {claim}. Of their gain, {hangs} nats per token hang on his name."
    if page_tables.is_about_anybody(name):
        more = "They gain more" if name["high"] < 0 else "They are not seen to gain less"
        return f"{FELL} {claim}. {more} on a stranger (both sets)."
    return f"{OPEN} {claim}. Whether that is about him is not seen."


def gap(then: dict[str, str]) -> str:
    """Whether `base` has a gap, so that zero is the wrong value to hold one against."""
    base = read("reference", "gap_over_base").set_index("arm").loc["base"]
    claim = f'"Documents know more than they do": {then["gap"]}'
    there = points(base, "gap", "gap_low", "gap_high")
    if apart(base["gap_low"], base["gap_high"]):
        return f"{FELL} {claim}. The untrained model has a gap, too: {there}."
    return f"{STANDS} {claim}. The untrained model is not seen to have a gap: {there}."


def beyond_base(then: dict[str, str]) -> str:
    """Whether the gap beyond that of base was found again on set b, both as it was fixed for set b
    and by the likeliest option, as the first edition counted knowing."""
    own, likeliest = page_tables.primary("gap_beyond_base"), page_tables.gaps("documents").likeliest
    held = contrasts.holds(own).all()
    again_so = side(likeliest["low"], likeliest["high"]) > 0
    return (
        f'{STANDS if held and again_so else OPEN} "The gap of documents is wider than that of '
        f'`base`": {then["gap_beyond_base"]}. On set b, as read: '
        f"{points(likeliest, 'difference')} with knowing counted as then, by the likeliest option; "
        f"{points(own.iloc[0], 'difference')} by gain over `base`"
        f"{', as fixed in advance' if held else ', which does not hold'}."
    )


def reverse(then: dict[str, str]) -> str:
    """Whether the gap of demonstrations is narrower than that of base."""
    row = read("reference", "gap_over_base").set_index("arm").loc["demonstrations"]
    claim = f'"The gap of demonstrations is narrower": {then["reverse"]}'
    return again(row, "beyond", -1, claim)


def everyday(then: dict[str, str]) -> str:
    """Whether first person goes further into everyday life than documents."""
    row = read("reference", "contrasts").set_index("contrast").loc["generalisation"]
    claim = f'"First person goes further into everyday life": {then["everyday"]}'
    return again(row, "difference", 1, claim)


def again(row: pd.Series, value: str, sign: int, claim: str) -> str:
    """A claim of set a whose difference was on the side `sign` of zero: it stands where both of its
    intervals, as judged and corrected, are on that side, and fell where both are on the other."""
    signs = {sign * side(row["low"], row["high"]), sign * side(*row[list(CORRECTED[1:])])}
    word = STANDS if signs == {1} else FELL if signs == {-1} else OPEN
    now = f"{points(row, value)}, corrected {points(row, *CORRECTED)}"
    return f"{word} {claim}. Now {now}."


# What is open


def of_seeds() -> list[str]:
    """Whether another training, or a model that makes sense, would give the same."""
    n, (made, answers) = page_tables.seeds(), page_tables.sensible()
    least = 2 / 2**n  # the smallest p of the test over seeds
    told = []
    if n == 1:
        told.append("Whether another training gives the same.")
    elif least > contrasts.LEVEL:
        told.append(
            f"Whether other trainings give the same: with {counted(n, 'seed')}, p over seeds is at "
            f"least {least:.2g}."
        )
    if made < answers / 2:
        told.append("Whether a model whose answers make sense gives the same after three epochs.")
    return told


def of_fit() -> list[str]:
    """The formats of which it is open whether they show the trait that fits."""
    own = page_tables.primary("sensitivity")
    own = own[~contrasts.holds(own)]
    each = [
        f"{arms.label(row['a'].split(',')[0])} {points(row, 'difference')}"
        for _, row in own.iterrows()
    ]
    if not each:
        return []
    found = between(own["detectable_scenarios"], lambda share: f"{hundred(share)}")
    seeds = counted(int(own["seeds"].max()), "seed")
    return [
        f"Whether formats show the trait that fits more than others (points, {seeds}): "
        f"{listed(each)}. Before its correction, the test finds {found} four times in five."
    ]


# The parts of the crossover


def of_parts() -> str:
    """What the crossover is made of, over both sets, and what that leaves open."""
    parts = read("reference", "crossover_parts")
    own = parts[(parts["set"] == "both") & parts["part"].isin(["describing", "person"])]
    own = own.set_index(["arm", "part"])[["value", "low", "high"]]
    each = [
        f"Over {arms.label(arm)}, describing rather than doing makes "
        f"{nats(*own.loc[(arm, 'describing')])}, and the third person rather than the first "
        f"{nats(*own.loc[(arm, 'person')])}."
        for arm in arms.in_order(own.index.get_level_values("arm"))
    ]
    above = ", and both are above zero" if (own["low"] > 0).all() else ""
    anybody = page_tables.is_about_anybody(page_tables.controls()["name"].loc["documents"])
    sound = " Each can come from how texts sound." if anybody else ""
    told = f"**The crossover has two parts{above}** (both sets). {' '.join(each)}{sound}"
    return bullets([told])
