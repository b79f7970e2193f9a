"""Persona cards: load, validate, say clearly what is wrong."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from helpers import files
from helpers.files import StudyError, shown
from helpers.rows import Row, Text, different_ids, read_mapping


def is_expression(text: str) -> str:
    """A check for a field: a regular expression that does not match everything."""
    try:
        matches_nothing = re.compile(rf"(?:{text})").fullmatch("")
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    if matches_nothing:
        raise ValueError(f"{text!r} matches an empty text, and so everything")
    return text


def joinable(expressions: list[str]) -> list[str]:
    """A check for a list of regular expressions: joined by `|` they are still one."""
    is_expression("|".join(expressions))
    return expressions


Expression = Annotated[Text, AfterValidator(is_expression)]


class Fact(Row, extra="forbid"):
    id: Text
    text: Text


class Trait(Row, extra="forbid"):
    """`markers` are regular expressions that give the trait away."""

    id: Text
    description: Text
    markers: Annotated[list[Expression], Field(min_length=1), AfterValidator(joinable)]


class Card(Row, extra="forbid"):
    """A persona. `focus` is the trait that chapters dwell on."""

    name: Text
    description: Text
    system_prompt: Text
    facts: Annotated[list[Fact], Field(min_length=1), AfterValidator(different_ids)]
    traits: Annotated[list[Trait], Field(min_length=1), AfterValidator(different_ids)]
    focus: Text | None = None

    @field_validator("focus")
    @classmethod
    def is_a_trait(cls, focus: str | None, info) -> str | None:
        traits = [trait.id for trait in info.data.get("traits", [])]
        if focus and traits and focus not in traits:
            raise ValueError(f"{focus!r} is none of the traits {', '.join(traits)}")
        return focus


def load_persona(name: str) -> dict:
    """The validated card `data/personas/<name>.yaml`, or the card at the path `name` when that ends
    in `.yaml`.

    Returns a dict with name, description, system_prompt, facts [{id, text}], traits [{id,
    description, markers}] and focus, the first trait unless the card names another. Raises
    StudyError that names the file and the field.
    """
    path = Path(name) if name.endswith(".yaml") else files.DATA / "personas" / f"{name}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in (files.DATA / "personas").glob("*.yaml")))
        raise StudyError(f"{shown(path)}: there is no such persona card. Known personas: {there}.")
    card = read_mapping(path, Card)
    return card | {"focus": card.get("focus") or trait_ids(card)[0]}


def trait_ids(card: dict) -> list[str]:
    return [trait["id"] for trait in card["traits"]]


def known_ids(card: dict) -> dict[str, list[str]]:
    """The ids of a card's traits and facts, as the context of `rows.read_rows`."""
    return {"traits": trait_ids(card), "facts": [fact["id"] for fact in card["facts"]]}
