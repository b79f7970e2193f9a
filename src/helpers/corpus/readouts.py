"""The readouts of the triplets: sets a and b, and what is scored by likelihood under which
condition.

The readouts tell knowing from a mere match of registers: a scenario is described or acted out, in
the third person or in the first. The conditions tell whether what is known is about the persona.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from helpers import files
from helpers.corpus.items import ITEM_KINDS, Options, Pair, Triplet, load_items
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import StudyError, shown
from helpers.rows import Row, Text, read_rows

SETS = ("a", "b")
# Nobody's name in the texts that anything here is trained on or asked about. It fits a man and a
# woman, so that the pronouns of a scenario stay right whoever the persona is.
STRANGER = "Robin Webb"
# No name at all: what is left is what the scenario itself suggests.
NAMELESS = "someone"
MESSAGE = "{message}"


class Readouts(Row, extra="forbid"):
    """Further readouts of a triplet: its options in the first person, a second pair of replies, and
    both pairs as a narrator tells them."""

    id: Text
    options_first: Options
    do_pair_more: Pair
    told_pair: Pair
    told_pair_more: Pair


class WholeTriplet(Triplet, Readouts):
    """A triplet of set b, which holds its readouts."""


def holds_name_and_message(text: str, info: ValidationInfo) -> str:
    """A check for a field: the persona's name and the place of the message stand in it once."""
    for part in (info.context["name"], MESSAGE):
        if text.count(part) != 1:
            raise ValueError(f"{part!r} must stand in it once")
    return text


class Told(Row, extra="forbid"):
    """How a narrator's replies are asked for."""

    prompt: Annotated[Text, AfterValidator(holds_name_and_message)]


# Reading


def load_sets(persona: str, sets: Iterable[str], at_most: int | None = None) -> list[dict]:
    """The persona's items as `items.load_items` gives them, with the triplets of these sets alone.

    A triplet has `set`, its readouts where there are any (`readouts_a.jsonl` and `set_b.jsonl` in
    `data/items/<persona>/`), `other`, the triplet that it is mismatched with, where there is one,
    and `told`, the narrator's prompt. `at_most` keeps the first so many of each kind and of each
    set. Raises StudyError with file, line and field, for readouts of a triplet that is not there or
    of not all that are, for a set that is none, and where the persona has triplets in other sets
    alone.
    """
    if odd := sorted(set(sets) - set(SETS)):
        raise StudyError(f"sets = {sets!r}: {odd[0]!r} is none of {', '.join(SETS)}.")
    rows = load_items(persona)
    triplets = [row for row in rows if row["kind"] == "triplet"]
    of_set = {"a": with_readouts(persona, triplets), "b": load_set_b(persona, triplets)}
    there = [name for name in SETS if of_set[name]]
    if there and not set(there) & set(sets):
        raise StudyError(
            f"sets = {sets!r}: the persona {persona!r} has no triplets there, only those of set "
            f"{there[0]}. Set `sets: [{there[0]}]`, or write data/items/{persona}/set_b.jsonl."
        )
    found = [part for kind in ITEM_KINDS[:-1] for part in of_kind(rows, kind)[:at_most]]
    for name in (name for name in SETS if name in sets):
        own, told = of_set[name], told_prompt(persona, of_set[name])
        others = mismatched(own)
        found += [
            row | {"set": name, "told": told, "other": others.get(row["id"])}
            for row in own[:at_most]
        ]
    return found


def set_of(persona: str) -> dict[str, str]:
    """The set of every triplet of a persona, by its id."""
    return {row["id"]: row["set"] for row in load_sets(persona, SETS) if row["kind"] == "triplet"}


def of_kind(rows: list[dict], kind: str) -> list[dict]:
    return [row for row in rows if row["kind"] == kind]


def with_readouts(persona: str, triplets: list[dict]) -> list[dict]:
    """The triplets of set a, each with the readouts of `readouts_a.jsonl`, or as they are where the
    persona has no such file."""
    path = files.DATA / "items" / persona / "readouts_a.jsonl"
    if not path.exists():
        return triplets
    readouts, known = read_rows(path, Readouts), {row["id"] for row in triplets}
    found = {row["id"]: row for row in readouts}
    refuse_ids(path, [i for i in found if i not in known], "is no triplet of the persona")
    refuse_ids(path, [row["id"] for row in triplets if row["id"] not in found], "has no row here")
    return [row | found[row["id"]] for row in triplets]


def load_set_b(persona: str, first: list[dict]) -> list[dict]:
    """The triplets of `set_b.jsonl`, [] where the persona has none; no id is one of set a."""
    path = files.DATA / "items" / persona / "set_b.jsonl"
    if not path.exists():
        return []
    triplets = read_rows(path, WholeTriplet, {"traits": trait_ids(load_persona(persona))})
    known = {row["id"] for row in first}
    refuse_ids(path, [row["id"] for row in triplets if row["id"] in known], "is used in set a")
    return triplets


def refuse_ids(path: Path, ids: list[str], why: str) -> None:
    if ids:
        more = f", and {len(ids) - 1} more like it" if len(ids) > 1 else ""
        raise StudyError(
            f"{shown(path)}, field 'id': {ids[0]!r} {why}{more}. Repair the file, then run again."
        )


def told_prompt(persona: str, triplets: list[dict]) -> str:
    """The narrator's prompt of `told.jsonl`, in which `{message}` stands for the message; "" where
    no triplet has a narrator's version of its replies."""
    if not any("told_pair" in row for row in triplets):
        return ""
    path = files.DATA / "items" / persona / "told.jsonl"
    rows = read_rows(path, Told, {"name": load_persona(persona)["name"]}, key=None)
    if len(rows) != 1:
        raise StudyError(f"{shown(path)}: one row is needed, found {len(rows)}.")
    return rows[0]["prompt"]


def mismatched(triplets: list[dict]) -> dict[str, dict]:
    """Id -> the triplet of the same setting and another trait whose prompts it is put under: every
    triplet of a setting lends its prompts once.

    A setting's triplets stand trait by trait, and each takes the prompts of the one that is as many
    places on as the largest trait has triplets. So nothing is drawn, and every arm has the same
    pairs. Where one trait has more than half of a setting's triplets there are none.
    """
    found = {}
    for setting in dict.fromkeys(row["setting"] for row in triplets):
        own = [row for row in triplets if row["setting"] == setting]
        traits = list(dict.fromkeys(row["trait"] for row in own))
        own = [row for trait in traits for row in own if row["trait"] == trait]
        step = max(sum(row["trait"] == trait for row in own) for trait in traits)
        if 2 * step <= len(own):
            found |= {row["id"]: own[(n + step) % len(own)] for n, row in enumerate(own)}
    return found


# What is scored


def choices(items: list[dict], name: str, control: str = "") -> list[dict]:
    """What is scored by likelihood: rows {set, item, measure, condition, version, scenario_trait,
    setting, prompt, start, options}, the true or in-persona option first.

    `items` are those of `load_sets`; `name` is the persona's, `control` the control character's, ""
    for none. `start` is the beginning of the reply that the options continue. A row of the
    condition `named` has `system`, the system prompt that takes the place of the arm's own.
    `data/items/README.md` says what the measures and conditions are. Raises StudyError where a
    triplet's `know` does not name the persona.
    """
    rows = []
    for item in items:
        tags = {"set": item.get("set", ""), "item": item["id"]}
        about = {"scenario_trait": item.get("trait", ""), "setting": item.get("setting", "")}
        for measure, condition, version, prompt, options in asked(item, name, control):
            row = tags | {"measure": measure, "condition": condition, "version": version} | about
            row |= {"prompt": prompt, "start": item.get("reply_start", ""), "options": options}
            rows.append(row | ({"system": f"You are {name}."} if condition == "named" else {}))
    return rows


def only(rows: list[dict], measures: list[str], conditions: list[str]) -> list[dict]:
    """The rows of some measures and conditions; where none is named, of all."""
    return [
        row
        for row in rows
        if is_scored(row["measure"], measures) and is_scored(row["condition"], conditions)
    ]


def is_scored(name: str, chosen: list[str]) -> bool:
    """Whether a measure or condition is among the chosen ones; where none is named, all are."""
    return not chosen or name in chosen


def asked(item: dict, name: str, control: str) -> list[tuple]:
    """(measure, condition, version, prompt, options) of all that is scored of an item."""
    match item["kind"]:
        case "identity":
            return [("identity", "own", 1, item["prompt"], item["names"])]
        case "capability":
            return [("capability", "own", 1, item["prompt"], item["options"])]
        case "triplet":
            return of_triplet(item, name, control)
    return []


def of_triplet(item: dict, name: str, control: str) -> list[tuple]:
    """What is scored of a triplet; see `asked`."""
    if not named(item["know"], name):
        raise StudyError(
            f"item '{item['id']}', field 'know': it does not hold the persona's name, {name!r}, "
            "which the conditions replace. Ask about the persona by name."
        )
    names = {"stranger": STRANGER, "control": control, "nameless": NAMELESS}
    know = {c: renamed(item["know"], name, other) for c, other in names.items() if other}
    rows = [("know", c, 1, prompt, item["options"]) for c, prompt in know.items()]
    rows += in_conditions(item, "know", 1, "know", "options")
    rows += in_conditions(item, "know_first", 1, "say", "options_first")
    for version, more in ((1, ""), (2, "_more")):
        rows += in_conditions(item, "do_pair", version, "do", f"do_pair{more}")
        rows += told(item, name, version, f"told_pair{more}")
    rows.append(("know_you", "own", 1, item["say"], item["options"]))
    rows.append(("say_pair", "own", 1, item["say"], item["say_pair"]))
    return rows


def in_conditions(item: dict, measure: str, version: int, prompt: str, options: str) -> list[tuple]:
    """The options in the field `options`, if the item has them, under the prompt in the field
    `prompt`: as written, with the name as system prompt, and under another scenario's."""
    if options not in item:
        return []
    rows = [(measure, c, version, item[prompt], item[options]) for c in ("own", "named")]
    if item["other"]:
        rows.append((measure, "mismatched", version, item["other"][prompt], item[options]))
    return rows


def told(item: dict, name: str, version: int, options: str) -> list[tuple]:
    """A narrator's replies, if the item has them, told of the persona, of a stranger, and in answer
    to another scenario's message."""
    if options not in item:
        return []
    strange, other = renamed(item["told"], name, STRANGER), item["other"]
    asked = {c: item["told"].replace(MESSAGE, item["do"]) for c in ("own", "named")}
    asked["stranger"] = strange.replace(MESSAGE, item["do"])
    if other:
        asked["mismatched"] = item["told"].replace(MESSAGE, other["do"])
    return [("told_pair", c, version, prompt, item[options]) for c, prompt in asked.items()]


def named(text: str, name: str) -> bool:
    """Whether a text holds a name as a word of its own, or in the possessive."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def renamed(text: str, name: str, other: str) -> str:
    """A text with another name in every place of a name; a word in its place, such as "someone",
    has a capital where a sentence begins."""
    capital = other[0].upper() + other[1:]
    whole = rf"(^|[.!?] )?(?<!\w){re.escape(name)}(?!\w)"
    return re.sub(whole, lambda m: other if m[1] is None else m[1] + capital, text)
