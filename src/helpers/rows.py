"""Rows and cards as typed models: one reader, and one line that says what is wrong with a row."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic import ValidationInfo as Info

from helpers.files import StudyError, scan_jsonl, shown
from helpers.yaml_files import read_yaml, yaml_line


class Row(BaseModel):
    """What a row must have. Types are taken as they are written: no text counts as a number and no
    `true` as a 1. Fields that a model does not name pass; `class X(Row, extra="forbid")` refuses
    them."""

    model_config = ConfigDict(strict=True, extra="ignore")


def has_words(text: str) -> str:
    """A check for a field: the text is not blank, and can be written to a file again."""
    if not text.strip():
        raise ValueError("a non-empty text is needed")
    if re.search("[\ud800-\udfff]", text):
        raise ValueError("it holds half a character (a lone surrogate), which no file can keep")
    if "\0" in text:
        raise ValueError("it holds a NUL character, which is no text")
    return text


NO_FIELD = "there is no such field here"
# What a model says of its fields as a JSON schema serves the tests, which spoil them one by one.
Text = Annotated[str, Field(json_schema_extra={"pattern": r"\S"}), AfterValidator(has_words)]


def known(name: str, message: str) -> Any:
    """The type of a text that is one of `context[name]`, else "'x' `message`"."""

    def check(text: str, info: Info) -> str:
        if text not in info.context[name]:
            raise ValueError(f"{text!r} {message}")
        return text

    hint = Field(json_schema_extra={"pattern": r"\S", "known": name})
    return Annotated[Text, hint, AfterValidator(check)]


# A trait and a fact of the persona's card; the context gives `traits` and `facts`.
TraitId = known("traits", "is not on the persona's card")
FactId = known("facts", "is not on the persona's card")


def different_ids(entries: list) -> list:
    """A check for a list of models: their ids differ."""
    ids = [entry.id for entry in entries]
    if doubled := [i for place, i in enumerate(ids) if i in ids[:place]]:
        raise ValueError(f"the id {doubled[0]!r} is used twice")
    return entries


# Reading

adapter = cache(TypeAdapter)  # to build one takes longer than to read a short file


def read_rows(
    path: Path, model: Any, context: dict | None = None, key: str | None = "id"
) -> list[dict]:
    """The rows of a JSONL file as they are written, each checked against `model` (a `Row`, or a
    union of them told apart by the field `kind`).

    `context` is what the checks of the model compare with, `key` the field whose value no two rows
    share (None: they may). Raises StudyError with file, line, field, what was expected and remedy.
    """
    validate, rows, lines = adapter(model).validate_python, [], {}
    for number, row in scan_jsonl(path):
        if isinstance(row, str):
            where = f"{shown(path)}, line {number}"
            raise StudyError(f"{where}: {row}. Repair or remove the line, then run again.")
        wrong = row_error(validate, row, context)
        if not wrong and key and lines.setdefault(row[key], number) != number:
            wrong = f"field '{key}': {row[key]!r} is used twice, first in line {lines[row[key]]}"
        if wrong:
            where = f"{shown(path)}, line {number}"
            raise StudyError(f"{where}, {wrong}. Repair the row, then run again.")
        rows.append(row)
    return rows


def read_mapping(path: Path, model: Any, context: dict | None = None) -> Any:
    """What a YAML file holds as it is written, checked against `model` (a `Row`, or a type made of
    some); raises StudyError with file, line, field, what was expected and remedy."""
    value = read_yaml(path)
    place, wrong = first_error(adapter(model).validate_python, value, context)
    if wrong == NO_FIELD and len(place) == 1:
        wrong += f"; there are {', '.join(model.model_fields)}"
    if wrong:
        raise spoilt(path, place, wrong)
    return value


def spoilt(path: Path, place: list[str | int], wrong: str) -> StudyError:
    """The error for what is wrong in a YAML file with the value that `place` leads to."""
    where = f"{shown(path)}, line {yaml_line(path, place)}"
    return StudyError(f"{where}, {named(place)}: {wrong}. Repair the file, then run again.")


def row_error(validate: Callable, row: object, context: dict | None = None) -> str | None:
    """The first thing wrong with a row, such as "field 'do': it is missing", or None. `validate` is
    pydantic's `model_validate` or `validate_python`."""
    place, wrong = first_error(validate, row, context)
    return f"{named(place)}: {wrong}" if wrong else None


def first_error(
    validate: Callable, row: object, context: dict | None = None
) -> tuple[list[str | int], str]:
    """The keys and places (from 0) that lead to the first thing wrong with a row, and what it is;
    "" where nothing is."""
    try:
        validate(row, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    else:
        return [], ""
    place = steps_to(row, [step for step in first["loc"] if step != "[key]"])
    if first["type"].startswith("union_tag"):
        place.append("kind")
    return place, in_words(first)


def steps_to(row: object, loc: list[str | int]) -> list[str | int]:
    """`loc` without the models that a `kind` chose, which pydantic names before the field."""
    place = []
    for step in loc:
        if not (isinstance(row, dict) and step == row.get("kind") and step not in row):
            place.append(str(step) if isinstance(row, dict) else step)
            inside = isinstance(row, list) or (isinstance(row, dict) and step in row)
            row = row[step] if inside else None
    return place


def named(place: list[str | int]) -> str:
    """Where a value stands, in words."""
    steps = [f"field '{p}'" if isinstance(p, str) else f"entry {p + 1}" for p in place]
    return ", ".join(steps) or "the whole"


def in_words(error: dict) -> str:
    """pydantic's error as this project says it."""
    found, more = f"found {cut(error['input'])}", error.get("ctx", {})
    match error["type"]:
        case "missing" | "union_tag_not_found":
            return "it is missing"
        case "extra_forbidden":
            return NO_FIELD
        case "invalid_key":
            return f"the name of a field is a text, {found}; write it in quotation marks"
        case "literal_error" | "enum":
            wanted = more["expected"].replace("'", "").replace(" or ", ", ")
            return f"{cut(error['input'])} is none of {wanted}"
        case "union_tag_invalid":
            return f"{more['tag']!r} is none of {more['expected_tags'].replace(chr(39), '')}"
        case "value_error":
            return str(more["error"])
        case "string_type":
            return f"a non-empty text is needed, {found}"
        case "list_type":
            return f"a list is needed, {found}"
        case "int_type":
            return f"a whole number is needed, {found}{unquoted(error['input'])}"
        case "float_type" | "finite_number":
            return f"a number is needed, {found}{unquoted(error['input'])}"
        case "bool_type":
            return f"true or false is needed, {found}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" as bound:
            words = {"greater_than": "above", "greater_than_equal": "of at least"}
            words |= {"less_than": "below", "less_than_equal": "of at most"}
            (limit,) = more.values()
            return f"a number {words[bound]} {limit} is needed, {found}"
        case "dict_type" | "model_type":
            return f"an object with named fields is needed, {found}"
        case "too_short":
            return f"at least {more['min_length']} are needed, found {more['actual_length']}"
        case "too_long":
            return f"at most {more['max_length']} are allowed, found {more['actual_length']}"
        case _:
            return f"{error['msg'].removeprefix('Input ')}, {found}"


def unquoted(value: object) -> str:
    """A hint where a text is a number."""
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    return " (write it without quotation marks)"


def cut(value: object, length: int = 60) -> str:
    """A value as it was written, shortened."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."
