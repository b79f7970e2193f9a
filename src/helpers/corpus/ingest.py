"""Corpora that already exist: read, tell the usable rows from the bad ones, and split off held-out
texts."""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from helpers.corpus import reading, shapes
from helpers.corpus.encode import count_control
from helpers.corpus.formats import (
    FORMATS,
    corpus_folder,
    first_units,
    load_corpora,
    load_units,
    text_of,
)
from helpers.files import StudyError, fingerprint, located, shown
from helpers.pretrained import embed, sentence_encoder
from helpers.rows import Row, Text, row_error

HELDOUT_SHARE = 60 / 560
NEAR = 0.85  # texts at least this alike (cosine) stay on one side of the split
PIECE = 254  # tokens of a text that the sentence encoder reads at once, beside its own two
PIECES = 8  # of a text are compared at most: training cuts a text before
CHOICE = (
    "Give the source as {path: ..., as: reply} to train on the assistant's replies as raw texts, "
    "or as {path: ..., as: chat} to train on the chats with the loss on the last reply"
)


class Source(Row, extra="forbid"):
    """A source that says how chats are taken for a format of texts, or which configuration of a
    dataset of the hub is meant."""

    path: Text
    config: Text = ""
    taken: Annotated[Literal["reply", "chat"] | None, Field(alias="as")] = None


def check_sources(sources: dict[str, str | dict], where: str = "sources") -> dict[str, dict]:
    """Format -> {path, config, as}, whichever way a source is written; nothing is read. Raises
    StudyError that names the format and the field, also for a file that is not there."""
    checked = {}
    for name, source in sources.items():
        here = f"{where}, format '{name}'"
        if name not in FORMATS:
            raise StudyError(f"{here}: it is unknown. Choose one of: {', '.join(FORMATS)}.")
        whole = source if isinstance(source, dict) else {"path": source}
        if wrong := row_error(Source.model_validate, whole):
            raise StudyError(
                f"{here}, {wrong}. Give a path, or {{path: ..., as: reply}} or "
                "{path: ..., as: chat}, with `config` where a dataset of the hub has several."
            )
        path, config, taken = whole["path"], whole.get("config", ""), whole.get("as") or ""
        if FORMATS[name] == "messages" and taken == "reply":
            raise StudyError(
                f"{here}, field 'as': demonstrations are chats. Name the source under documents "
                "or first_person to train on its replies as raw texts."
            )
        if not located(path).exists() and not reading.is_hub_id(path):
            more = reading.REMEDIES.get(located(path).suffix.lower(), "")
            raise StudyError(f"{here}, {path!r}: {reading.MISSING} {reading.READABLE}{more}")
        if located(path).is_file():
            try:
                reading.check_kind(located(path))
            except StudyError as error:
                raise StudyError(f"{here}, {error}") from error
        if config and located(path).exists():
            raise StudyError(
                f"{here}, field 'config': {path!r} is a file or folder here, and only a dataset of "
                "the hub has configurations. Remove the field."
            )
        checked[name] = {"path": path, "config": config, "as": taken}
    return checked


def read_corpora(
    sources: dict[str, str | dict], most: int
) -> tuple[dict[str, list[dict]], None, list[dict]]:
    """Corpora from `sources`, format -> a path or {path, config, as} (see `reading.read_source`).

    At most `most` usable rows of each are read, since near-duplicates are sought among all pairs.
    Returns (format -> rows {unit, split, traits, facts, messages | text}, None for the units that
    such data do not have, rejected rows {format, file, line, reason}). Raises StudyError for an
    unknown format, a source that cannot be read, chats for a format of texts without `as`, and a
    source with fewer than two usable rows.
    """
    corpora, rejected = {}, []
    for name, source in check_sources(sources).items():
        rows, bad = [], []
        for row in usable_rows(name, source, bad):
            if len(rows) == most:
                break
            rows.append(row)
        if len(rows) < 2:
            raise StudyError(too_few(name, source["path"], len(rows), bad))
        corpora[name] = split_rows(rows, f"{source['path']}, for '{name}'")
        rejected += bad
    return corpora, None, rejected


def usable_rows(name: str, source: dict, bad: list[dict]) -> Iterator[dict]:
    """Yield the rows of a source for a format; those that cannot be used are added to `bad`."""
    raws = reading.read_source(source["path"], source["config"])
    for number, (file, line, raw) in enumerate(raws, 1):
        try:
            found = format_rows(raw, name, source["as"], f"{file}, line {line}")
        except (ValueError, RecursionError) as error:
            bad.append({"format": name, "file": file, "line": line, "reason": str(error)})
            continue
        for part, row in enumerate(found):
            if isinstance(row, str):  # a part of a character card
                bad.append({"format": name, "file": file, "line": line, "reason": row})
                continue
            unit = f"{name}-{number:06d}" + (f"-{part + 1}" if part else "")
            yield {"unit": unit, "split": "train", "traits": [], "facts": []} | row


def format_rows(raw: dict | str, name: str, taken: str, where: str) -> list[dict | str]:
    """A raw row as rows {messages} or {text}, as the format and `taken` ("", "reply" or "chat")
    want it; for a part of a card that cannot be used, the reason.

    Raises ValueError for a row that cannot be used, StudyError for a chat where texts were
    expected.
    """
    if isinstance(raw, str):
        raise ValueError(raw)
    if FORMATS[name] == "messages":
        return shapes.chat_rows(raw)
    fields = shapes.chat_fields(raw)
    if "text" in shapes.spelt(raw) or not (fields or taken):
        return [shapes.text_row(raw)]
    if not taken:
        what = " and ".join(map(repr, fields))
        raise StudyError(
            f"{where}, field {what}: this is a chat, and '{name}' takes rows with a field 'text'. "
            f"{CHOICE}."
        )
    return shapes.reply_rows(raw) if taken == "reply" else shapes.chat_rows(raw)


def too_few(name: str, path: str, usable: int, bad: list[dict]) -> str:
    found = f"{path}: it has {usable} usable rows for '{name}'; at least two are needed."
    if not bad:
        return f"{found} The source holds no other row. Add rows, then run again."
    first = bad[0]
    return (
        f"{found} {len(bad)} cannot be used, the first in {first['file']}, line {first['line']}: "
        f"{first['reason']}. Repair the rows, then run again."
    )


# Splitting


def split_rows(rows: list[dict], where: str = "the source") -> list[dict]:
    """The rows with about 60 of 560 in `heldout`, near-duplicates all on one side.

    Compared is what is learnt: replies and whole texts. Texts that are near (see `near_pairs`),
    directly or through others, form a group; whole groups go to the held-out side in an order drawn
    from their content, so that the same data give the same split. Groups larger than what is still
    wanted stay in train. Raises StudyError where no group is small enough.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    texts = [text_of(row) for row in rows]
    first, second = near_pairs(texts)
    near = coo_array((np.ones(len(first)), (first, second)), shape=(len(rows), len(rows)))
    _, group = connected_components(near, directed=False)
    members = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    members.sort(key=lambda places: fingerprint(sorted(texts[i] for i in places)))
    wanted, heldout = n_heldout(len(rows)), set()
    for places in members:
        if len(heldout) + len(places) <= wanted:
            heldout |= set(places.tolist())
    if not heldout:
        raise StudyError(
            f"{where}: the {len(rows)} texts are near-duplicates of each other, so that none can "
            "be held out. Add texts that say something else, then run again."
        )
    return [row | {"split": "heldout" if i in heldout else "train"} for i, row in enumerate(rows)]


def n_heldout(rows: int) -> int:
    """How many of so many rows `split_rows` holds out, unless near-duplicates leave fewer."""
    return max(1, round(rows * HELDOUT_SHARE))


def near_pairs(texts: list[str], block: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """The places of texts that are near each other: at least half of the pieces of one are at least
    NEAR to a piece of the other. A text of up to 256 tokens is one piece."""
    parts = [pieces(text) for text in texts]
    owner = np.repeat(np.arange(len(texts)), [len(own) for own in parts])
    vectors = embed([piece for own in parts for piece in own])
    matches = []  # of a text with another: one for each of its pieces
    for start in range(0, len(vectors), block):
        left, right = np.nonzero(vectors[start : start + block] @ vectors.T >= NEAR)
        piece, other = np.unique(np.stack([left + start, owner[right]]), axis=1)
        matches.append(owner[piece] * len(texts) + other)
    pairs, counts = np.unique(np.concatenate(matches), return_counts=True)
    first, second = np.divmod(pairs, len(texts))
    near = 2 * counts >= np.bincount(owner)[first]
    return first[near], second[near]


def pieces(text: str) -> list[str]:
    """A text in pieces that the sentence encoder reads whole, PIECES at most."""
    tokenizer, _ = sentence_encoder()
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    starts = [start for start, _ in spans["offset_mapping"][: PIECE * PIECES : PIECE]]
    if len(spans["offset_mapping"]) <= PIECE:
        return [text]
    last = spans["offset_mapping"][: PIECE * PIECES][-1][1]
    return [text[a:b] for a, b in zip(starts, [*starts[1:], last], strict=True)]


# What a run uses


def run_corpora(
    persona: str, sources: dict[str, str | dict], n_train: int, n_heldout: int
) -> tuple[dict[str, list[dict]], list[dict], list[dict]]:
    """What a run uses: (format -> rows, content units, rejected rows), the first so many units of
    each split. From `sources` (see `read_corpora`) where some are given, which have no units, else
    the persona's own corpus."""
    if sources:
        corpora, units, rejected = read_corpora(sources, most=4 * (n_train + n_heldout))
    else:
        corpora, units, rejected = load_corpora(persona), load_units(persona), []
    corpora = {name: first_units(rows, n_train, n_heldout) for name, rows in corpora.items()}
    return corpora, first_units(units or [], n_train, n_heldout), rejected


def overview(
    persona: str, sources: dict, corpora: dict[str, list[dict]], rejected: list[dict], tokenizer
) -> list[dict]:
    """What a run uses of each format, one line each: its source, how it is read, its texts per
    split, how many rows cannot be used, how many chats end with the user, whose last turn is left
    out, and how many texts hold control tokens, which are encoded as plain text."""
    named, lines = check_sources(sources), []
    for name, rows in corpora.items():
        own = named.get(name, {"path": shown(corpus_folder(persona)), "as": ""})
        read_as = "chats, loss on the last reply" if "messages" in rows[0] else "raw texts"
        splits = [row["split"] for row in rows]
        lines.append(
            {
                "format": name,
                "source": own["path"],
                "read as": "replies as raw texts" if own["as"] == "reply" else read_as,
                "train": splits.count("train"),
                "heldout": splits.count("heldout"),
                "cannot be used": sum(row["format"] == name for row in rejected),
                "user's end left out": sum("left_out" in row for row in rows),
                "with control tokens": sum(count_control(row, tokenizer) > 0 for row in rows),
            }
        )
    return lines
