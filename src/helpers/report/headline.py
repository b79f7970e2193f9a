"""README's picture, answer and table of arms by margins on set b, where the reference study has
been asked about it; else README has shares of scenarios on set a (`readme`)."""

import textwrap

import pandas as pd

from helpers import arms, files
from helpers.report import contrasts, knowing_and_doing, readouts
from helpers.report.knowing_and_doing import DO, KNOW
from helpers.report.page_words import WIDTH, markdown_table, points, read, share
from helpers.report.words import listed, nats, percent

FIGURES = files.ROOT / "figures" / "reference"


def on_set_b() -> bool:
    """Whether the published figures hold gains on set b."""
    path = FIGURES / "know_and_do.csv"
    return path.exists() and "b" in set(pd.read_csv(path)["set"])


def picture() -> str:
    """The headline figure."""
    if on_set_b():
        return "![What training adds to knowing and to doing](figures/reference/know_and_do.png)"
    return "![What each arm knows and does, relative to base](figures/reference/knows_and_does.png)"


def answer() -> str:
    """The sentences that answer the study's question, from the numbers behind the figures."""
    table = read("reference", "know_and_do")
    gains = table[table["measure"].isin([KNOW, DO])]
    crossings = table[table["measure"] == "crossover"]
    title = knowing_and_doing.know_and_do_title(gains)
    sentences = [
        f"On {gains['items'].max():.0f} scenarios that were written to test it: {title}.",
        *(crossover(row) for row in crossings[crossings["trait"] == "all"].itertuples()),
        f"{contrasts.contrasts_title(read('reference', 'contrasts'))}.",
        *sense(),
    ]
    return textwrap.fill(" ".join(sentences), WIDTH)


def crossover(row) -> str:
    """By how much further documents lead another format in knowing than in doing."""
    wider = "wider" if row.value > 0 else "narrower"
    told = "" if row.low > 0 or row.high < 0 else ", which does not exclude zero"
    return (
        f"The lead of documents over {arms.label(row.arm)} is {nats(row.value)} {wider} in knowing "
        f"than in doing (95\u00a0% interval {row.low:.2f} to {row.high:.2f}{told})."
    )


def sense() -> list[str]:
    """How many answers make sense, where they were read."""
    if "coherence" not in (table := read("reference", "as_read")):
        return []
    made = table[table["coherence"] == "sensible"].set_index("arm")["share"]
    ends = listed(f"{percent(made[arm])} of {arms.label(arm)}" for arm in arms.in_order(made.index))
    return [f"Few answers make sense, which *does* is not about: {ends}."]


def what_carries() -> str:
    """What is open about what carries the gain in knowing: what hangs on name and scenario, where
    that was asked."""
    if not (FIGURES / "name_and_scenario.csv").exists():
        return (
            "What carries the gap: knowing is a likelihood, doing a judged answer, and nothing "
            "ties the knowledge to C-3PO's name."
        )
    told = readouts.name_and_scenario_title(read("reference", "name_and_scenario"))
    return f"What carries the rest of a gain. {told}."


def arms_table() -> tuple[str, str, str]:
    """What each arm gains over `base` on set b, and what its answers show as read; before it what
    the columns are, after it which contrasts hold."""
    table = read("reference", "know_and_do").set_index(["measure", "arm"])
    shown = read("reference", "as_read").query("by == 'read'").set_index("arm")
    fit = read("reference", "sensitivity").query("by == 'read'")
    fit = fit[fit["set"] == knowing_and_doing.confirming(fit)].set_index("arm")
    rows = []
    for arm in arms.in_order(table.loc[KNOW].index):
        known, done = (table.loc[measure, arm] for measure in (KNOW, DO))
        rows.append(
            [
                arms.label(arm),
                *(nats(*row[["value", "low", "high"]]) for row in (known, done)),
                share(shown.loc[arm], "rate") if arm in shown.index else "–",
                points(fit.loc[arm], "value") if arm in fit.index else "–",
                points(fit.loc[arm], "lean", "lean_low", "lean_high") if arm in fit.index else "–",
            ]
        )
    head = ["arm", "knows", "does", "shows, as read", "sensitivity", "lean"]
    text = (
        f"{table['items'].max():.0f} scenarios of set b, written to test what set a suggested. "
        "*Knows* and *does*: gains over `base`, in nats per token, in telling the persona's own "
        "reaction from others, and its reply from a neutral one. *Shows, as read*: answers that "
        "show the scenario's trait, read blind by a language model (Claude), which also wrote the "
        "corpus. *Sensitivity*: that trait minus the mean of the others; *lean*: the others minus "
        "those of `base`; in percentage points. With 95 % intervals"
    )
    note = f"{contrasts.contrasts_title(read('reference', 'contrasts'))}."
    return text, markdown_table(head, rows), note
