"""README's answer, picture and table of arms: what each arm gains in knowing and doing on set b,
what of it hangs on the persona's name, and what the answers show as they were read.

The numbers choose the words, so that no sentence says more than the tables behind the figures bear.
"""

import textwrap

import pandas as pd

from helpers import arms
from helpers.report import contrasts, page_tables, readouts
from helpers.report.knowing_and_doing import ACTS, DO, KNOW, first_in
from helpers.report.page_words import (
    PERSONA,
    READ_BY,
    WIDTH,
    beside,
    gain,
    markdown_table,
    percents,
    points,
    read,
)
from helpers.report.words import (
    capital,
    counted,
    listed,
    named,
    nats,
    p_value,
    percent,
    side,
    this_seed,
    verb,
)

KINDS = {  # of the primary contrasts
    "crossover": "the crossover",
    "gap_beyond_base": "the gap of knowing and showing ([as counted](docs/limits.md))",
    "sensitivity": "showing the trait that fits",
}
PICTURE = "![What each arm gains in knowing and in doing](figures/reference/know_and_do.png)"


# The answer


def lead() -> str:
    """The study's question answered in few sentences."""
    gained = "; ".join(gained_most(measure) for measure in ACTS)
    told = [part for part in (f"**{capital(gained)}.**", but(), showing()) if part]
    return textwrap.fill(" ".join(told), WIDTH, break_on_hyphens=False)


def gained_most(measure: str) -> str:
    """`documents add most to *knowing* how C-3PO would react`."""
    about = {KNOW: f"how {PERSONA} would react", DO: "as he would"}[measure]
    first = first_in(of_formats(measure))
    if not first:
        return f"no format is seen to add to *{ACTS[measure]}* {about}"
    return f"{named(first)} {verb(first, 'add')} most to *{ACTS[measure]}* {about}"


def but() -> str:
    """Whether what is known is shown to be about the persona."""
    name = page_tables.controls()["name"]
    row = name.loc[knows_most()]
    if not row["gain_low"] > 0:
        return ""
    if page_tables.is_about_anybody(row):
        more = "even more" if row["high"] < 0 else "as much"
        return (
            f"Yet {arms.label(row.name)} {verb([row.name], 'add')} {more} to the same reactions "
            "when the question names a stranger. So that gain is not shown to be knowledge of "
            f"{PERSONA}."
        )
    if row["low"] > 0:
        return "Part of the knowing hangs on his name."
    return "Whether what is known is about him is not seen."


def knows_most() -> str:
    """The format that gains most in knowing."""
    return of_formats(KNOW).set_index("arm")["value"].idxmax()


def showing() -> str:
    """How many answers of the format that gains most in knowing show the trait, beside those of
    the format whose answers show it most often, and of `base`; and how many make sense."""
    rates = page_tables.shown()["rate"]
    most = rates[page_tables.formats(rates)].idxmax()
    each = [
        f"{percent(rates[arm])} with {arms.label(arm)}"
        for arm in dict.fromkeys([knows_most(), most])
    ]
    return (
        f"Answers, as read, show the scenario's trait in {listed(each)} (`base`: "
        f"{percent(rates['base'])}), and {how_many()}."
    )


def answer() -> str:
    """What was seen, point by point."""
    points = {
        "Do knowing and doing come apart?": crossover(),
        f"Is it about {PERSONA}?": control(),
        "What was fixed in advance?": [held()],
    }
    return "\n".join(
        textwrap.fill(
            f"**{name}** {' '.join(sentences)}",
            WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
        )
        for name, sentences in points.items()
        if sentences
    )


def of_formats(measure: str) -> pd.DataFrame:
    """The gains of the formats in knowing, or in doing."""
    table = page_tables.gains()
    return table[(table["measure"] == measure) & table["arm"].isin(arms.formats())]


def crossover() -> list[str]:
    """Whether documents lead the other formats by more in knowing than in doing."""
    own = page_tables.primary("crossover")
    held = contrasts.holds(own)
    turned = (own["difference"] < 0) & (own["p_holm"] < contrasts.LEVEL)
    among = counted(len(read("reference", "contrasts").query("role == 'primary'")), "contrast")
    told, note = [], f" over scenarios, corrected for {among}"
    for rows, opening in (
        (own[held], "It holds"),
        (own[turned], "It is reversed"),
        (own[~held & ~turned], "It is not shown"),
    ):
        parts = []
        for row in rows.itertuples():
            first = "95\u00a0% interval " if note else ""
            ends = f"{first}{row.low:.2f} to {row.high:.2f}, {p_value(row.p_holm)}{note}"
            parts.append(f"{nats(row.difference)} over {arms.label(row.b)} ({ends})")
            note = ""
        told += [f"{opening}: {listed(parts)}."] if parts else []
    return ["The *crossover* is documents' lead in knowing minus their lead in doing.", *told]


def control() -> list[str]:
    """At once after the crossover: what of the gain in knowing hangs on the persona's name and on
    the scenario, in the format that gains most."""
    left = page_tables.controls()
    own, known = (
        left["name"].loc[page_tables.formats(left["name"])],
        page_tables.gains().query("measure == @KNOW"),
    )
    known = known.set_index("arm")["value"]
    top = known[page_tables.formats(known)].idxmax()
    if not own.loc[top, "gain_low"] > 0:
        return []
    name, scenario = (left[word].loc[top] for word in ("name", "scenario"))
    other = [arm for arm in own.index if arm != top and own.loc[arm, "low"] > 0]
    exceptions = [f"{nats(own.loc[arm, 'value'])} in {arms.label(arm)}" for arm in other]
    label = arms.label(top)
    return [
        f"Over both sets, the gain of {label} {beside(name)} when a stranger is named instead of "
        f"{PERSONA}, and {beside(scenario)} under another scenario.",
        meaning(name, scenario),
        *(
            [f"Something hangs on the name in other formats: {listed(exceptions)}."]
            if other
            else []
        ),
    ]


def meaning(name: pd.Series, scenario: pd.Series) -> str:
    """What the two controls say of the gain in knowing."""
    if side(name["low"], name["high"]) > 0:
        return (
            f"So {nats(name['value'])} of {nats(name['gain'])} hangs on his name; the rest would "
            "be gained about anybody."
        )
    if not page_tables.is_about_anybody(name):
        return f"That is too uncertain to say whether the gain is about {PERSONA}."
    if side(scenario["low"], scenario["high"]) > 0:
        return (
            "So the gain does not need his name, and in part it does need the scenario: it is not "
            f"shown to be knowledge of {PERSONA}."
        )
    if page_tables.is_bounded(scenario):
        return (
            "So the gain does not need his name, and is not seen to need the scenario: such "
            "reactions, or how they sound, became likelier of anybody."
        )
    return (
        f"So it is not shown to be knowledge of {PERSONA}; whether the gain is about the scenario "
        "is not seen."
    )


def how_many() -> str:
    """`few answers make sense (11 of 959)`."""
    made, read_ = page_tables.sensible()
    word = "few" if made < 0.1 * read_ else "some" if made < 0.5 * read_ else "most"
    own = page_tables.sense().query("arm == 'base' and coherence == 'sensible'")["answers"]
    return f"{word} answers make sense ({made} of {read_}, of these {int(own.sum())} of `base`)"


# The table of arms


def arms_table() -> tuple[list[str], str]:
    """What the columns are, and the table: gains over base, their control by name, and what answers
    show as read."""
    table, left = page_tables.gains().set_index(["measure", "arm"]), page_tables.controls()["name"]
    own, made = page_tables.shown(), page_tables.sense().query("coherence == 'sensible'")
    rows = [
        [
            arms.label(arm),
            *(gain(table.loc[measure], arm) for measure in ACTS),
            gain(left, arm),
            percents(own, arm, "rate"),
            percents(made, arm, "share"),
        ]
        for arm in arms.in_order({*table.loc[KNOW].index, *own.index})
    ]
    n, read_of = page_tables.seeds(), int(own["seeds"].max())
    head = [f"arm{', this seed' if n == 1 else ''}", "knowing", "doing", "name"]
    head += ["shows, %", "sensible, %"]
    fewer = f" of {counted(read_of, 'seed')}" if read_of < n else ""
    columns = [
        f"*knowing*: {PERSONA}'s own reaction against three others; *doing*: a reply in character "
        "against a neutral one. Both are gains over `base` in likelihood (nats per token, "
        f"{table['items'].max():.0f} scenarios of set b)",
        "*name*: the gain in knowing with his name minus that with a stranger's",
        f"*shows*, *sensible*: the share of answers{fewer} that show the scenario's trait, and "
        f"that make sense; both {READ_BY}. These and *name* are of both sets, "
        f"{left['items'].max():.0f} scenarios",
    ]
    return columns, markdown_table(head, rows)


def held() -> str:
    """How many of the primary contrasts hold, by what they are about."""
    table = read("reference", "contrasts").query("role == 'primary'")
    held = contrasts.holds(table)
    parts = [
        f"{held[own.index].sum()} of {len(own)} on {KINDS[kind]}"
        for kind, own in table.groupby("kind", sort=False)
    ]
    return f"Of {counted(len(table), 'primary contrast')}, {held.sum()} hold: {listed(parts)}."


def counted_otherwise() -> str:
    """How far the gap beyond base depends on what counts as knowing, and what of the gain in doing
    hangs on the scenario."""
    parts = []
    for _, row in (gap := page_tables.primary("gap_beyond_base"))[contrasts.holds(gap)].iterrows():
        other = page_tables.gaps(row["a"])
        right = [percent(other.right[arm]) for arm in (row["a"], "base")]
        parts.append(
            f"The gap beyond base holds for {arms.label(row['a'])}: on set b, their gap between "
            f"knowing and showing exceeds the gap of `base` by {points(row, 'difference')} points, "
            f"and under a stranger's name by {points(other.stranger, 'difference')}. There, "
            "knowing is counted by gain over `base`. Counted by the likeliest reaction, which is "
            f"the true one in {right[0]} of scenarios ({right[1]} in `base`), the excess is "
            f"{points(other.likeliest, 'difference')}."
        )
    doing = readouts.part(read("reference", "name_and_scenario"), DO, "mismatched")
    top = doing.loc[doing.loc[page_tables.formats(doing), "gain"].idxmax()]
    hangs = nats(*top[["value", "low", "high"]])
    seen = (
        f"{hangs} hangs on the scenario: the rest is gained under another scenario's message too."
        if side(top["low"], top["high"]) > 0
        else f"none ({hangs}) is seen to hang on the scenario."
    )
    name = f"{capital(arms.label(top.name))} {verb([top.name], 'gain')}"
    parts.append(f"{name} {nats(top['gain'])} in doing (both sets). Of this, {seen}")
    trained = page_tables.gains()[page_tables.gains()["arm"].isin(arms.formats())]
    parts += [f"{told}." for told in this_seed(trained) if page_tables.seeds() > 1]
    return textwrap.fill(" ".join(parts), WIDTH, break_on_hyphens=False)
