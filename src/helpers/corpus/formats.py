"""The three training-data formats: corpora on disk, and the rows that a run uses."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from helpers import arms, files
from helpers.corpus.personas import known_ids, load_persona
from helpers.files import StudyError, atomic, read_json, read_jsonl, shown
from helpers.rows import FactId, Row, Text, TraitId, read_rows

# Format (and arm) -> the field that holds its texts.
FORMATS = {
    name: "messages" if name in arms.trained_on("chats") else "text" for name in arms.formats()
}
SPLITS = ("train", "heldout")


class Message(Row):
    role: Literal["system", "user", "assistant"]
    content: Text


def ends_with_reply(messages: list[Message]) -> list[Message]:
    """A check for a chat: something is said and the assistant has the last word."""
    if len(messages) < 2:
        raise ValueError("a list of at least two messages is needed")
    if messages[-1].role != "assistant":
        raise ValueError("the last turn must be the assistant's")
    return messages


class ChatRow(Row):
    messages: Annotated[list[Message], AfterValidator(ends_with_reply)]


class TextRow(Row):
    text: Text


class Unit(Row):
    """What a unit says of itself in every format: its split, and its traits and facts, ids of the
    card."""

    unit: Text
    split: Literal[*SPLITS]
    traits: list[TraitId]
    facts: list[FactId]


class UnitChat(Unit, ChatRow):
    """A demonstration of the corpus."""


class UnitText(Unit, TextRow):
    """A first-person text or a document of the corpus."""


class Situation(Unit):
    """A row of `units.jsonl`: the situation that a unit's texts share."""

    situation: Text


def corpus_folder(persona: str) -> Path:
    return files.DATA / "corpora" / persona


def load_corpus(path: Path, field: str, traits: list[str], facts: list[str]) -> list[dict]:
    """The rows {unit, split, traits, facts, messages | text} of one format's file, checked one by
    one.

    `field` is `messages` or `text`. Raises StudyError with file, line, field and remedy.
    """
    model = UnitChat if field == "messages" else UnitText
    return read_rows(path, model, {"traits": traits, "facts": facts}, key="unit")


def load_corpora(persona: str) -> dict[str, list[dict]]:
    """Format -> rows of a persona's corpus in `data/corpora/<persona>/`, all formats on the
    same units.

    Raises StudyError, also when the formats do not hold the same units, splits, traits and facts in
    the same order.
    """
    known, folder = known_ids(load_persona(persona)), corpus_folder(persona)
    corpora = {
        name: load_corpus(folder / f"{name}.jsonl", field, **known)
        for name, field in FORMATS.items()
    }
    first, *others = corpora
    for other in others:
        for number, (a, b) in enumerate(zip(corpora[first], corpora[other], strict=False), 1):
            for name in ("unit", "split", "traits", "facts"):
                if a[name] != b[name]:
                    raise StudyError(
                        f"{shown(folder)}/{other}.jsonl, line {number}, field '{name}': "
                        f"{b[name]!r}, but {first} has {a[name]!r}. Every format holds the same "
                        "units in the same order."
                    )
        if len(corpora[first]) != len(corpora[other]):
            raise StudyError(
                f"{shown(folder)}: {first} and {other} have different numbers of rows."
            )
    return corpora


def load_units(persona: str) -> list[dict] | None:
    """The rows {unit, split, situation, traits, facts, ...} of `units.jsonl`, or None where a
    corpus has none. Raises StudyError with file, line and field."""
    path = corpus_folder(persona) / "units.jsonl"
    if not path.exists():
        return None
    return read_rows(path, Situation, known_ids(load_persona(persona)), key="unit")


def first_units(rows: list[dict], n_train: int, n_heldout: int) -> list[dict]:
    """The first rows of each split, in corpus order; the same units in every format."""
    wanted = dict(zip(SPLITS, (n_train, n_heldout), strict=True))
    chosen = {
        id(row)
        for split, n in wanted.items()
        for row in [r for r in rows if r["split"] == split][:n]
    }
    return [row for row in rows if id(row) in chosen]


def same_units(others: list[dict], rows: list[dict]) -> list[dict]:
    """The rows of `others` (a control character's) that stand for the units of `rows`; [] where
    there are no others.

    Raises StudyError where some units have none: a gain on other situations could not be compared.
    """
    wanted = {row["unit"] for row in rows}
    found = [row for row in others if row["unit"] in wanted]
    if others and len(found) < len(wanted):
        raise StudyError(
            f"the control character's texts cover {len(found)} of {len(wanted)} held-out units. "
            "Set `control` to a corpus that was written for this persona's units, or to none (an "
            "empty text)."
        )
    return found


def text_of(row: dict) -> str:
    """The text that is trained on: the reply of a demonstration, the whole text otherwise."""
    return row["messages"][-1]["content"] if "messages" in row else row["text"]


def prepared(run: str, name: str) -> list[dict]:
    """The rows of one format as formats/01_corpus prepared them for this run."""
    path = files.RUNS / run / "data" / f"{name}.jsonl"
    if not path.exists():
        raise StudyError(
            f"{shown(path)} is missing; run notebooks/formats/01_corpus.ipynb with run='{run}' "
            "first (notebooks/persllm/01_examples.ipynb for an arm of PersLLM)."
        )
    return read_jsonl(path)


def prepared_formats(run: str) -> list[str]:
    """The formats prepared for this run: all, or those that data of one's own were given for."""
    return [name for name in FORMATS if (files.RUNS / run / "data" / f"{name}.jsonl").exists()]


def data_hash(run: str) -> str:
    """The hash of the prepared data that formats/01_corpus wrote with them."""
    return read_json(files.RUNS / run / "data" / "record.json")["data"]


def publish(persona: str) -> None:
    """Write the corpus as Parquet, `published/<format>/<split>.parquet`, which the dataset card's
    configurations name."""
    from datasets import Dataset  # takes a second, and only this needs it

    for name, rows in load_corpora(persona).items():
        for split in SPLITS:
            part = Dataset.from_list([row for row in rows if row["split"] == split])
            with atomic(
                corpus_folder(persona) / "published" / name / f"{split}.parquet"
            ) as temporary:
                part.to_parquet(str(temporary))
