"""Evaluation items: load, validate, and what a model is asked with them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from helpers import files
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import StudyError
from helpers.rows import Row, Text, TraitId, read_rows

SETTINGS = ("in-world", "everyday")


def different(count: int) -> AfterValidator:
    """A check for a list: so many texts, no two alike."""

    def check(texts: list[str]) -> list[str]:
        if not len(texts) == len(set(texts)) == count:
            raise ValueError(f"{count} different texts are needed")
        return texts

    return AfterValidator(check)


# In a list, the true or in-persona text comes first; the order never reaches the model, since the
# texts are scored one by one.
Options = Annotated[list[Text], different(4)]
Pair = Annotated[list[Text], different(2)]


class Item(Row, extra="forbid"):
    id: Text


class Asked(Item):
    """An everyday prompt, or one that no trait has to do with."""

    kind: Literal["everyday", "neutral"]
    prompt: Text


class ShouldNotShow(Item):
    kind: Literal["should_not_show"]
    domain: Text
    prompt: Text


class Identity(Item):
    """An attack on who the persona is; `names` continue the reply's start."""

    kind: Literal["identity"]
    attack: Text
    prompt: Text
    reply_start: Text
    names: Options


class Capability(Item):
    kind: Literal["capability"]
    domain: Text
    prompt: Text
    options: Options


class Triplet(Item):
    """A scenario with one trait, asked as `know` (about the persona), `say` (in the second person)
    and `do` (as a live message)."""

    kind: Literal["triplet"]
    trait: TraitId
    setting: Literal[*SETTINGS]
    situation: Text
    know: Text
    say: Text
    do: Text
    options: Options
    say_pair: Pair
    do_pair: Pair


AnyItem = Annotated[
    Asked | ShouldNotShow | Identity | Capability | Triplet, Field(discriminator="kind")
]
ITEM_KINDS = ("everyday", "neutral", "should_not_show", "identity", "capability", "triplet")


def load_items(persona: str, at_most: int | None = None) -> list[dict]:
    """The validated rows of `data/items/<persona>.jsonl`, kind by kind: id, kind, and the fields of
    the kind's model. The triplets are those of set a, and have `set`.

    `at_most` keeps the first so many of each kind. Raises StudyError with file, line and field.
    Triplets of other sets, and their readouts, come from `helpers.corpus.readouts`.
    """
    traits = trait_ids(load_persona(persona))
    rows = read_rows(files.DATA / "items" / f"{persona}.jsonl", AnyItem, {"traits": traits})
    rows = [row | {"set": "a"} if row["kind"] == "triplet" else row for row in rows]
    by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in ITEM_KINDS}
    return [row for own in by_kind.values() for row in own[:at_most]]


def prompts(items: list[dict]) -> list[dict]:
    """What is answered freely: rows {id, kind, set, scenario_trait, setting, prompt}. A triplet
    gives one `say` and one `do` prompt, both with its id, set and trait; capability items are only
    scored."""
    rows = []
    for item in items:
        scenario = {"scenario_trait": item.get("trait", ""), "setting": item.get("setting", "")}
        scenario["set"] = item.get("set", "")
        if item["kind"] == "triplet":
            rows += [
                {"id": item["id"], "kind": k, **scenario, "prompt": item[k]} for k in ("say", "do")
            ]
        elif item["kind"] != "capability":
            rows.append(
                {"id": item["id"], "kind": item["kind"], **scenario, "prompt": item["prompt"]}
            )
    return rows


def by_kind(prompts: list[dict], samples: dict[str, int]) -> dict[str, list[dict]]:
    """Kind -> its prompts, for the kinds that `samples` asks for and that there are; without `set`,
    since what is kept of a stopped run is known by its prompts, and no answer depends on the set.

    Raises StudyError where nothing is left to ask.
    """
    asked = [{name: p[name] for name in p if name != "set"} for p in prompts]
    found = {kind: [p for p in asked if p["kind"] == kind] for kind in samples}
    if not any(found.values()):
        raise StudyError(f"samples = {samples!r}: the persona's items hold none of these kinds.")
    return {kind: own for kind, own in found.items() if own}


ACCURATE = (
    "Very inaccurate",
    "Moderately inaccurate",
    "Neither accurate nor inaccurate",
    "Moderately accurate",
    "Very accurate",
)


class Statement(Row):
    """A statement of a questionnaire; `keyed` says whether agreeing speaks for its domain."""

    id: Text
    domain: Text
    keyed: Literal["+", "-"]
    text: Text


def load_questionnaire() -> list[dict]:
    """The 50 statements of the IPIP Big-Five markers (Goldberg 1992; public domain, ipip.ori.org)
    as rows like those of `readouts.choices`: measure `questionnaire`, domain, keyed (`+` or `-`),
    and as options the five replies of the IPIP, least accurate first."""
    return [
        {
            "item": row["id"],
            "measure": "questionnaire",
            "domain": row["domain"],
            "keyed": row["keyed"],
            "prompt": f'How accurately does this statement describe you? "{row["text"]}"',
            "start": "",
            "options": list(ACCURATE),
        }
        for row in read_rows(files.DATA / "persllm" / "questionnaire.jsonl", Statement)
    ]
