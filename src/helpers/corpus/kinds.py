"""Further kinds of text about the units of a persona, and the rows of composed arms made of them.

A kind is a format, or a text beside the formats in `data/corpora/<persona>/why/`: in the persona's
own voice about itself in the third person, or neutral prose in the first person. `replies` are the
demonstrations' replies as raw texts. Each kind but the chats has a question per unit, to which its
text is the reply. `taught_replies` are about no unit: they are the persona's replies to half the
scenarios that arms are asked about, for a positive control.
"""

from collections import Counter
from pathlib import Path

from helpers.arms import ARMS, CELLS, Part
from helpers.corpus.formats import (
    FORMATS,
    SPLITS,
    corpus_folder,
    load_corpus,
    prepared,
    text_of,
)
from helpers.corpus.personas import known_ids, load_persona
from helpers.corpus.readouts import SETS, load_sets, of_kind
from helpers.files import StudyError, shown
from helpers.rows import Row, Text, read_rows

BESIDE = ("voice_third", "neutral_first")
REPLIES = "replies"
TAUGHT = "taught_replies"
RAW_CELLS = tuple(name for name, cell in CELLS.items() if cell["wrapper"] == "raw")
SAME = ("unit", "split", "traits", "facts")


class Questions(Row, extra="forbid"):
    """A user's question per kind of text, to which the unit's text is a natural reply."""

    unit: Text
    first_person: Text
    documents: Text
    voice_third: Text
    neutral_first: Text


def further_folder(persona: str) -> Path:
    return corpus_folder(persona) / "why"


def load_kinds(persona: str, run: str) -> dict[str, list[dict]]:
    """Kind -> rows {unit, split, traits, facts, text | messages}, every kind on the units that the
    run has prepared, in their order; `taught_replies` on scenarios.

    Raises StudyError where a persona has no further kinds, a file is wrong, or a unit is missing or
    has another split, other traits or other facts than in the formats.
    """
    folder, known = further_folder(persona), known_ids(load_persona(persona))
    if not folder.is_dir():
        raise StudyError(
            f"{shown(folder)} is missing: '{persona}' has no texts beside the formats. Take the "
            "arms that are composed of them out of the study, or write them."
        )
    found = {name: prepared(run, name) for name in FORMATS}
    wanted = found["demonstrations"]
    for name in BESIDE:
        path = folder / f"{name}.jsonl"
        found[name] = on_units(load_corpus(path, "text", **known), wanted, path)
    found[REPLIES] = [
        {field: row[field] for field in SAME} | {"text": text_of(row)} for row in wanted
    ]
    return found | {TAUGHT: taught_replies(persona)}


def on_units(rows: list[dict], wanted: list[dict], path: Path) -> list[dict]:
    """The rows about the units of `wanted`, in its order; StudyError where one differs from it."""
    by_unit = {row["unit"]: row for row in rows}
    for row in wanted:
        own = by_unit.get(row["unit"], {})
        for field in SAME:
            if own.get(field) != row[field]:
                raise StudyError(
                    f"{shown(path)}, unit {row['unit']!r}, field '{field}': {own.get(field)!r}, "
                    f"but the formats have {row[field]!r}. Every kind of text is about the same "
                    "units."
                )
    return [by_unit[row["unit"]] for row in wanted]


def load_questions(persona: str) -> dict[str, dict]:
    """Unit -> {kind: question}; raises StudyError with file, line and field."""
    path = further_folder(persona) / "questions.jsonl"
    return {row["unit"]: row for row in read_rows(path, Questions, key="unit")}


# Replies to scenarios


def taught_half(persona: str) -> set[str]:
    """The ids of the scenarios whose replies are taught: of each set, trait and setting the first,
    the third, the fifth, ... in the order of the items' files.

    So both halves have as many scenarios of each. Nothing is drawn, and no result is looked at.
    """
    before, found = Counter(), set()
    for row in scenarios(persona):
        group = (row["set"], row["trait"], row["setting"])
        if before[group] % 2 == 0:
            found.add(row["id"])
        before[group] += 1
    return found


def taught_replies(persona: str) -> list[dict]:
    """The replies in the persona's character to the live messages of the taught half, every version
    of each, as chats for training whose unit is the scenario's id."""
    half, rows = taught_half(persona), []
    for item in (item for item in scenarios(persona) if item["id"] in half):
        about = {"unit": item["id"], "split": "train", "traits": [item["trait"]], "facts": []}
        # In a pair, the reply in character comes first.
        pairs = [item[field] for field in ("do_pair", "do_pair_more") if field in item]
        rows += [as_reply(about | {"text": reply}, item["do"]) for reply, _ in pairs]
    return rows


def scenarios(persona: str) -> list[dict]:
    """The triplets of all sets that a persona has."""
    return of_kind(load_sets(persona, SETS), "triplet")


# The rows of an arm


def compose(arm: str, kinds: dict[str, list[dict]], questions: dict[str, dict]) -> list[dict]:
    """The rows that a composed arm is trained on, and held-out ones of the same kinds.

    Raises StudyError where the run has fewer units than the arm needs, or a unit has no question.
    """
    return [row for part in ARMS[arm].parts for row in rows_of(arm, part, kinds, questions)]


def rows_of(
    arm: str, part: Part, kinds: dict[str, list[dict]], questions: dict[str, dict]
) -> list[dict]:
    """The rows of one part of an arm, asked or raw."""
    train, heldout = (
        shared([row for row in kinds[part.kind] if row["split"] == split], part.share)
        for split in SPLITS
    )
    if part.traits:
        train = [row for row in train if set(row["traits"]) <= set(part.traits)]
    if part.most is not None and len(train) < part.most:
        raise StudyError(
            f"arm '{arm}' is trained on {part.most} units, but the run has {len(train)} of its "
            "kind. Raise `train_units`, or leave out the arm."
        )
    rows = [*train[: part.most] * part.times, *heldout]
    if not part.asked:
        return rows
    if missing := [row["unit"] for row in rows if row["unit"] not in questions]:
        raise StudyError(
            f"data/corpora/<persona>/why/questions.jsonl has no row of the unit {missing[0]!r}, "
            f"which arm '{arm}' needs. Every unit has its questions: add the row, or leave out "
            "the arm."
        )
    return [as_reply(row, questions[row["unit"]][part.kind]) for row in rows]


def shared(rows: list[dict], share: tuple[float, float]) -> list[dict]:
    """The rows from one share of them to another."""
    first, last = (round(at * len(rows)) for at in share)
    return rows[first:last]


def as_reply(row: dict, question: str) -> dict:
    """A text as the assistant's reply to a user's question."""
    asked, told = {"role": "user", "content": question}, {"role": "assistant"}
    turns = [asked, told | {"content": row["text"]}]
    return {field: row[field] for field in SAME} | {"messages": turns}
