"""Persona cards: load, validate, say clearly what is wrong."""

import re
from pathlib import Path

import yaml

from helpers import files
from helpers.files import StudyError, shown

CARD_FIELDS = {"name", "description", "system_prompt", "focus", "facts", "traits"}


def load_persona(name: str) -> dict:
    """The validated card `data/personas/<name>.yaml`, or the card at the path `name` when that ends
    in `.yaml`.

    Returns a dict with name, description, system_prompt, facts [{id, text}] and traits [{id,
    description, markers}]. Raises StudyError that names the file and the field.
    """
    path = Path(name) if name.endswith(".yaml") else files.DATA / "personas" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (files.DATA / "personas").glob("*.yaml")))
        raise StudyError(f"{shown(path)}: there is no such persona card. Known personas: {known}.")
    try:
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"{shown(path)}: not valid YAML: {error}") from error
    check_card(card, shown(path))
    return {"focus": card["traits"][0]["id"]} | card


def check_card(card: object, where: str) -> None:
    """Raise StudyError for the first thing wrong with a card."""
    if not isinstance(card, dict) or set(card) | {"focus"} != CARD_FIELDS:
        found = sorted(card) if isinstance(card, dict) else type(card).__name__
        raise StudyError(
            f"{where}: a card has exactly the fields {sorted(CARD_FIELDS)}; found {found}."
        )
    for field in ("name", "description", "system_prompt"):
        if not isinstance(card[field], str) or not card[field].strip():
            raise StudyError(f"{where}, field '{field}': a non-empty text is needed.")
    for field, keys in (("facts", {"id", "text"}), ("traits", {"id", "description", "markers"})):
        if not isinstance(card[field], list) or not card[field]:
            raise StudyError(f"{where}, field '{field}': a non-empty list is needed.")
        for place, entry in enumerate(card[field], 1):
            if not isinstance(entry, dict) or set(entry) != keys:
                raise StudyError(
                    f"{where}, field '{field}', entry {place}: it has exactly the keys {sorted(keys)}."
                )
        ids = [entry["id"] for entry in card[field]]
        if doubled := sorted({i for i in ids if ids.count(i) > 1}):
            raise StudyError(f"{where}, field '{field}': the id {doubled[0]!r} is used twice.")
    for fact in card["facts"]:
        if not isinstance(fact["text"], str):
            raise StudyError(f"{where}, fact '{fact['id']}': its text must be a text.")
    for trait in card["traits"]:
        check_markers(trait["markers"], f"{where}, trait '{trait['id']}'")


def check_markers(markers: object, where: str) -> None:
    """Raise StudyError unless `markers` is a list of regular expressions that can be joined and
    match no empty text."""
    if (
        not isinstance(markers, list)
        or not markers
        or not all(isinstance(m, str) and m for m in markers)
    ):
        raise StudyError(f"{where}: markers must be a non-empty list of texts.")
    for marker in [*markers, "|".join(markers)]:
        try:
            matches_nothing = re.compile(rf"(?:{marker})").fullmatch("")
        except re.error as error:
            raise StudyError(
                f"{where}: the marker {marker!r} is no regular expression: {error}."
            ) from error
        if matches_nothing:
            raise StudyError(
                f"{where}: the marker {marker!r} matches an empty text, and so everything."
            )


def trait_ids(card: dict) -> list[str]:
    return [trait["id"] for trait in card["traits"]]
