"""The block of an adapter's card that says what was measured of it, made anew with the blocks of
README."""

import textwrap

import pandas as pd

from helpers import arms, files
from helpers.corpus import personas
from helpers.files import read_json
from helpers.report import page_tables
from helpers.report.knowing_and_doing import ACTS, KNOW, SETS
from helpers.report.page_words import READ_BY, beside, gain, markdown_table, percents


def block(arm: str) -> str:
    """The block of an arm's card: what is `measured` of the adapter that is there."""
    return measured(arm, read_json(files.adapter_folder(arm) / "record.json"))


def measured(arm: str, record: dict) -> str:
    """What an adapter gains over `base` on set b and what its answers show, as Markdown, from the
    figures of the published study that measured it; `record` is the one beside the adapter."""
    found = measured_in(record["trained"])
    if not found:
        return "Not measured yet: no published study has this adapter in its figures on set b."
    study, seed = found
    gains = page_tables.gains(study).set_index(["measure", "arm"])
    shown, sense = page_tables.shown(study), page_tables.sense(study)
    sense, left = sense.query("coherence == 'sensible'"), page_tables.left_by_name(study)
    own = gains.loc[(KNOW, arm)]
    once = own["seeds"] == 1
    rows = [
        [
            arms.label(name),
            *(gain(gains.loc[measure], name) for measure in ACTS),
            percents(shown, name, "rate"),
            percents(sense, name, "share"),
        ]
        for name in ("base", arm)
    ]
    head = [f"arm{', this seed' if once else ''}", "knowing", "doing", "shows, %", "sensible, %"]
    among = "" if once else f" of {own['seeds']:.0f}, over all of which these numbers are"
    name = personas.load_persona(record["settings"]["persona"])["name"]
    asked = ""
    if len(left):
        asked = f" ({SETS[left['set'].iloc[0]]}, {left['items'].max():.0f} scenarios)"
    note = (
        f"From the study `{study}`, seed {seed}{among}, on the base in 4 bits. *Knowing*: gain "
        f"over `base` in telling {name}'s own reaction from three others; *doing*: a reply in "
        f"character from a neutral one (nats per token, {own['items']:.0f} scenarios of set b). "
        "*Shows*: answers that show the scenario's trait; *sensible*: that make sense as replies; "
        f"both {READ_BY}{asked}. 95 % "
        f"intervals{', which say nothing about other seeds' if once else ''}."
    )
    parts = [markdown_table(head, rows), filled(note)]
    parts += [filled(of_a_stranger(left.loc[arm], name))] if arm in left.index else []
    return "\n\n".join(part for part in parts if part)


def measured_in(trained: str) -> tuple[str, int] | None:
    """The published study, and the seed in it, whose results are of the adapter with this hash and
    whose figures show its gains on set b; None where there is none."""
    for path in sorted((files.DATA / "results").glob("*/record.json")):
        for name, own in read_json(path)["arms"].items():
            arm, _, seed = name.partition("/seed")
            if own["adapter"] == trained and page_tables.has_gains(path.parent.name, arm):
                return path.parent.name, int(seed)
    return None


def of_a_stranger(left: pd.Series, name: str) -> str:
    """What of the gain in knowing hangs on the persona's name (a row of `page_tables.controls`); ""
    where no gain is seen."""
    if not left["gain_low"] > 0:
        return ""
    anybody = page_tables.is_about_anybody(left)
    so = f" So it is not shown to be knowledge of {name}." if anybody else ""
    return (
        f"Over {SETS[left['set']]}, the gain in knowing {beside(left)} when a stranger is named "
        f"instead of {name}.{so}"
    )


def filled(text: str) -> str:
    """A paragraph in lines of the width of code."""
    text = " ".join(text.split())
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
