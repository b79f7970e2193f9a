"""Corpora that already exist: read, tell the usable rows from the bad ones, and split off held-out
texts."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from helpers.corpus.formats import (
    FORMATS,
    ChatRow,
    TextRow,
    first_units,
    load_corpora,
    load_units,
)
from helpers.files import StudyError, fingerprint, scan_jsonl
from helpers.pretrained import embed
from helpers.rows import row_error

HELDOUT_SHARE = 60 / 560
NEAR = 0.85  # texts at least this alike (cosine) stay on one side of the split


def read_corpora(
    sources: dict[str, str], most: int
) -> tuple[dict[str, list[dict]], None, list[dict]]:
    """Corpora from `sources`, format -> a JSONL, CSV or Parquet file, a `save_to_disk` folder or a
    hub id.

    At most `most` usable rows of each are read, since near-duplicates are sought among all pairs.
    Returns (format -> rows {unit, split, traits, facts, messages | text}, None for the units that
    such data do not have, rejected rows {file, line, reason}). Raises StudyError for an unknown
    format, a source that cannot be read, and one without a usable row.
    """
    corpora, rejected = {}, []
    for name, source in sources.items():
        if name not in FORMATS:
            raise StudyError(
                f"sources: the format {name!r} is unknown. Known: {', '.join(FORMATS)}."
            )
        rows = []
        for line, raw in read_source(source):
            row = raw if isinstance(raw, str) else normalise(raw, FORMATS[name])
            if len(rows) == most:
                break
            if isinstance(row, str):
                rejected.append({"file": source, "line": line, "reason": row})
            else:
                rows.append(
                    {"unit": f"{name}-{line:06d}", "split": "train", "traits": [], "facts": []}
                    | row
                )
        if len(rows) < 2:
            reason = f" The first bad row: {rejected[-1]['reason']}." if rejected else ""
            raise StudyError(
                f"{source}: it has {len(rows)} usable rows for '{name}'; at least two are "
                f"needed.{reason}"
            )
        corpora[name] = split_rows(rows)
    return corpora, None, rejected


def read_source(source: str) -> Iterator[tuple[int, dict | str]]:
    """Yield (line or row number, row or the reason why there is none) of any supported source."""
    path = Path(source).expanduser()
    try:
        if path.suffix in (".jsonl", ".ndjson", ".json"):
            yield from scan_jsonl(path)
        elif path.suffix == ".csv":
            yield from read_csv(path)
        else:
            yield from enumerate(open_dataset(source, path), 1)
    except (OSError, ValueError, csv.Error) as error:
        first = str(error).split("\n")[0]
        raise StudyError(
            f"{source}: it could not be read ({first}). Give a .jsonl, .csv or .parquet file, a "
            "folder made by `save_to_disk`, or a hub dataset's id (which needs a connection)."
        ) from error


def read_csv(path: Path) -> Iterator[tuple[int, dict | str]]:
    # Spreadsheets write a byte-order mark.
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        for row in reader:
            wrong = None in row or None in row.values()
            yield reader.line_num, "it has more or fewer fields than the header" if wrong else row


def open_dataset(source: str, path: Path) -> Iterable[dict]:
    """The rows of a Parquet file, a saved dataset or one of the hub; raises OSError or ValueError
    where there is none."""
    # Loading the library takes a second, and JSONL and CSV do without.
    from datasets import Dataset, DatasetDict, load_dataset, load_from_disk
    from datasets.exceptions import DatasetsError

    try:
        if path.suffix == ".parquet":
            return Dataset.from_parquet(str(path))
        data = load_from_disk(str(path)) if path.is_dir() else load_dataset(source)
    except DatasetsError as error:
        raise ValueError(str(error)) from error
    if isinstance(data, DatasetDict):
        data = data["train"] if "train" in data else next(iter(data.values()))
    return data


def normalise(raw: dict, field: str) -> dict | str:
    """The row as {messages} or {text}, whichever `field` says, or why it cannot be.

    Chats may come as messages, prompt and completion, or user and assistant; the first two also as
    message lists.
    """
    if field == "text":
        return row_error(TextRow.model_validate, raw) or {"text": raw["text"]}
    messages = raw.get("messages")
    if isinstance(messages, str):  # CSV holds lists as JSON
        try:
            messages = json.loads(messages)
        except json.JSONDecodeError:
            return "field 'messages': not a JSON list"
    for prompt, answer in (("prompt", "completion"), ("user", "assistant")):
        if messages is None and prompt in raw and answer in raw:
            messages = as_turn(raw[prompt], "user") + as_turn(raw[answer], "assistant")
    if messages is None:
        return "it has neither messages, nor prompt and completion, nor user and assistant"
    messages = list(messages) if isinstance(messages, tuple | np.ndarray) else messages
    chat = {"messages": messages}
    return row_error(ChatRow.model_validate, chat) or chat


def as_turn(value: object, role: str) -> list:
    return value if isinstance(value, list) else [{"role": role, "content": value}]


def split_rows(rows: list[dict]) -> list[dict]:
    """The rows with about 60 of 560 in `heldout`, near-duplicates all on one side.

    Texts at least NEAR alike, directly or through others, form a group; whole groups go to the
    held-out side in an order drawn from their content, so that the same data give the same split.
    Groups larger than what is still wanted stay in train.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    whole = [
        "\n".join(m["content"] for m in row["messages"]) if "messages" in row else row["text"]
        for row in rows
    ]
    vectors = embed(whole)
    near = coo_array(vectors @ vectors.T >= NEAR)
    _, group = connected_components(near, directed=False)
    members = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    members.sort(key=lambda places: fingerprint(sorted(whole[i] for i in places)))
    wanted, heldout = max(1, round(len(rows) * HELDOUT_SHARE)), set()
    for places in members:
        if len(heldout) + len(places) <= wanted:
            heldout |= set(places.tolist())
    if not heldout:
        raise StudyError(
            "The texts are all near-duplicates of each other: nothing can be held out."
        )
    return [row | {"split": "heldout" if i in heldout else "train"} for i, row in enumerate(rows)]


def run_corpora(
    persona: str, sources: dict[str, str], n_train: int, n_heldout: int
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
