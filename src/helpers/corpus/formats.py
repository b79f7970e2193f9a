"""The three training-data formats: corpora on disk, and the rows that a run uses."""

from pathlib import Path

from helpers import arms, files
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import StudyError, atomic, read_json, read_jsonl, run_folder, scan_jsonl, shown

# Format (and arm) -> the field that holds its texts.
FORMATS = {
    name: "messages" if name in arms.trained_on("chats") else "text" for name in arms.formats()
}


SPLITS = ("train", "heldout")


def corpus_folder(persona: str) -> Path:
    return files.DATA / "corpora" / persona


def load_corpus(path: Path, field: str, traits: list[str], facts: list[str]) -> list[dict]:
    """The rows {unit, split, traits, facts, messages | text} of one format's file, checked one by
    one.

    `field` is `messages` or `text`. Raises StudyError with file, line, field and remedy.
    """
    rows, seen = [], set()
    for number, row in scan_jsonl(path):
        where = f"{shown(path)}, line {number}"
        if isinstance(row, str):
            raise StudyError(f"{where}: {row}. Repair or remove the line, then run again.")
        if wrong := row_error(row, field, traits, facts):
            raise StudyError(f"{where}, {wrong}. Repair the row, then run again.")
        if row["unit"] in seen:
            raise StudyError(
                f"{where}, field 'unit': {row['unit']!r} stands twice in the file. Remove one of them."
            )
        seen.add(row["unit"])
        rows.append(row)
    return rows


def row_error(row: dict, field: str, traits: list[str], facts: list[str]) -> str | None:
    """What is wrong with a corpus row, or None."""
    missing = {"unit", "split", "traits", "facts", field} - set(row)
    if missing:
        return f"field '{sorted(missing)[0]}': it is missing"
    if row["split"] not in SPLITS:
        return f"field 'split': {row['split']!r} is neither 'train' nor 'heldout'"
    for name, known in (("traits", traits), ("facts", facts)):
        unknown = [i for i in row[name] if i not in known]
        if unknown:
            return f"field '{name}': {unknown[0]!r} is not on the persona's card"
    return (
        messages_error(row["messages"]) if field == "messages" else text_error(row["text"], "text")
    )


def text_error(text: object, field: str) -> str | None:
    return (
        None
        if isinstance(text, str) and text.strip()
        else f"field '{field}': a non-empty text is needed"
    )


def messages_error(messages: object) -> str | None:
    """None for a list of {role, content} that ends with the assistant's turn, else what is
    wrong."""
    if not isinstance(messages, list) or len(messages) < 2:
        return "field 'messages': a list of at least two messages is needed"
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in (
            "system",
            "user",
            "assistant",
        ):
            return "field 'messages': every message needs a role of system, user or assistant"
        if wrong := text_error(message.get("content"), "messages"):
            return wrong
    return (
        None
        if messages[-1]["role"] == "assistant"
        else "field 'messages': the last turn must be the assistant's"
    )


def load_corpora(persona: str) -> dict[str, list[dict]]:
    """Format -> rows of a persona's own corpus in `data/corpora/<persona>/`, all formats on the
    same units.

    Raises StudyError, also when the formats do not hold the same units, splits, traits and facts in
    the same order.
    """
    card = load_persona(persona)
    traits, facts = trait_ids(card), [fact["id"] for fact in card["facts"]]
    folder = corpus_folder(persona)
    corpora = {
        f: load_corpus(folder / f"{f}.jsonl", field, traits, facts) for f, field in FORMATS.items()
    }
    first, *others = corpora
    for other in others:
        for number, (a, b) in enumerate(zip(corpora[first], corpora[other], strict=False), 1):
            for name in ("unit", "split", "traits", "facts"):
                if a[name] != b[name]:
                    raise StudyError(
                        f"{shown(folder)}/{other}.jsonl, line {number}, field '{name}': {b[name]!r}, but {first} has "
                        f"{a[name]!r}. Every format holds the same units in the same order."
                    )
        if len(corpora[first]) != len(corpora[other]):
            raise StudyError(
                f"{shown(folder)}: {first} and {other} have different numbers of rows."
            )
    return corpora


def load_units(persona: str) -> list[dict] | None:
    """The rows {unit, split, situation, traits, facts, ...} of `units.jsonl`, or None where a
    corpus has none."""
    path = corpus_folder(persona) / "units.jsonl"
    return read_jsonl(path) if path.exists() else None


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
            f"the control character's texts cover {len(found)} of {len(wanted)} held-out units. Set `control` to a corpus that was "
            'written for this persona\'s units, or to "" for none.'
        )
    return found


def text_of(row: dict) -> str:
    """The text that is trained on: the reply of a demonstration, the whole text otherwise."""
    return row["messages"][-1]["content"] if "messages" in row else row["text"]


def prepared(run: str, name: str) -> list[dict]:
    """The rows of one format as notebook 01 prepared them for this run."""
    path = run_folder(run, "data") / f"{name}.jsonl"
    if not path.exists():
        raise StudyError(
            f"{shown(path)} is missing; run notebooks/01_data.ipynb with run='{run}' first."
        )
    return read_jsonl(path)


def prepared_formats(run: str) -> list[str]:
    """The formats that notebook 01 prepared for this run: all, or those that data of one's own were
    given for."""
    return [name for name in FORMATS if (run_folder(run, "data") / f"{name}.jsonl").exists()]


def data_hash(run: str) -> str:
    """The hash of the prepared data that notebook 01 wrote with them."""
    return read_json(run_folder(run, "data") / "record.json")["data"]


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
