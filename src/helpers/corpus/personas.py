"""Persona cards: load, validate, say clearly what is wrong."""

import unicodedata
from pathlib import Path
from typing import Annotated

import regex
from pydantic import AfterValidator, Field, field_validator

from helpers import files
from helpers.alphabets import alphabets
from helpers.files import StudyError, shown
from helpers.rows import Row, Text, different_ids, read_mapping

ANY = "qxzj vwkq"  # no text that an expression is meant to find
JOINERS = "\u200c\u200d"  # invisible, and part of words in some scripts
NOT_TRAITS = ("coherence",)  # what the third judge scores beside the traits


def is_expression(text: str) -> str:
    """A check for a field: a regular expression that does not match everything, and can match an
    answer."""
    try:
        expression = regex.compile(rf"(?:{text})")
    except regex.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    if expression.fullmatch(""):
        raise ValueError(f"{text!r} matches an empty text, and so everything")
    if why := why_never(text):
        raise ValueError(f"{text!r} can never match: {why}")
    if expression.search(ANY):
        raise ValueError(f"{text!r} matches any text, such as {ANY!r}")
    return text


def why_never(expression: str) -> str:
    """Why a regular expression finds nothing in an answer, where that can be seen; else ""."""
    if "’" in regex.sub(r"\[[^\]]*\]", "", expression):  # a set such as ['’] has the other too
        return "answers are read with straight apostrophes ('), and it has a curly one"
    if expression != expression.strip():
        return "it begins or ends with a space, which is no part of a word"
    if any(unicodedata.category(c) == "Cc" for c in expression):
        return (
            'it holds a control character, as "\\b" in double quotation marks is in YAML; put it '
            "into single ones"
        )
    if any(unicodedata.category(c) in ("Cf", "Zl", "Zp") and c not in JOINERS for c in expression):
        return "it holds an invisible character"
    if regex.search(r"\\[1-9]", expression):
        return "it means a group by its number, which other markers shift; name the group"
    return "it holds two spaces in a row" if "  " in expression else ""


def is_no_column(trait: str) -> str:
    """A check for a trait's id: no other column of judgements has it."""
    if trait in NOT_TRAITS:
        raise ValueError(f"{trait!r} names something else in the tables; give the trait another id")
    return trait


Expression = Annotated[Text, AfterValidator(is_expression)]


class Fact(Row, extra="forbid"):
    id: Text
    text: Text


class Trait(Row, extra="forbid"):
    """`markers` are regular expressions that give the trait away."""

    id: Annotated[Text, AfterValidator(is_no_column)]
    description: Text
    markers: Annotated[list[Expression], Field(min_length=1)]


class Card(Row, extra="forbid"):
    """A persona. `focus` is the trait that chapters dwell on."""

    name: Text
    description: Text
    system_prompt: Text
    facts: Annotated[list[Fact], Field(min_length=1), AfterValidator(different_ids)]
    traits: Annotated[list[Trait], Field(min_length=2), AfterValidator(different_ids)]
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


def card_alphabets(card: dict) -> frozenset[str]:
    """The alphabets that a persona's texts are written in, as its card shows."""
    texts = [card["name"], card["description"], card["system_prompt"]]
    texts += [fact["text"] for fact in card["facts"]]
    for trait in card["traits"]:
        escapes = (regex.sub(r"\\\w", " ", marker) for marker in trait["markers"])
        texts += [trait["description"], *escapes]
    return alphabets(texts)


def known_ids(card: dict) -> dict[str, list[str]]:
    """The ids of a card's traits and facts, as the context of `rows.read_rows`."""
    return {"traits": trait_ids(card), "facts": [fact["id"] for fact in card["facts"]]}
