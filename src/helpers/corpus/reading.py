"""Files of other people: from whatever they hold to raw rows, one by one, with their lines."""

import base64
import bz2
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from helpers.corpus.tables import read_csv
from helpers.files import NO_OBJECT, StudyError, located, scan_lines, shown, unique_fields
from helpers.rows import adapter, cut, row_error

# A file, a line of it (or the number of a row or entry), and the row or the reason why it is none.
Raw = tuple[str, int, dict | str]

OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
TEXT_FILES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
READABLE = (
    "Give a .jsonl, .json, .csv, .tsv, .txt or .parquet file (the first five also as .gz), a "
    "character card as .json or .png, a folder of such files, a folder made by `save_to_disk`, or "
    "the id of a hub dataset (which needs a connection)."
)
REMEDIES = dict.fromkeys((".xlsx", ".xls", ".ods"), " Save a spreadsheet as CSV.")
REMEDIES |= dict.fromkeys((".zip", ".tar", ".7z", ".rar"), " Unpack it, and give the folder.")
UNREADABLE = (OSError, EOFError, ValueError, SyntaxError, lzma.LZMAError, zlib.error)
MISSING = "there is no such file or folder."
SAVED = ("dataset_info.json", "dataset_dict.json", "state.json")  # what `save_to_disk` leaves


def files_of(path: str) -> list[Path]:
    """The files of a source on this machine; [] for a dataset of the hub and for what is not
    there."""
    own = located(path)
    return [own] if own.is_file() else sorted(p for p in own.rglob("*") if p.is_file())


def is_hub_id(path: str) -> bool:
    """Whether a source can only be a dataset of the hub: `user/name` without a known suffix."""
    return bool(re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", path)) and not kind_of(Path(path))


def kind_of(path: Path) -> str:
    """The suffix that says how a file is read, in lower case and without a compression's; "" where
    it is not read."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        suffixes.pop()
        return suffixes[-1] if suffixes and suffixes[-1] in TEXT_FILES else ""
    return suffixes[-1] if suffixes and suffixes[-1] in (*TEXT_FILES, ".parquet", ".png") else ""


def read_source(source: str, config: str = "") -> Iterator[Raw]:
    """Yield the raw rows of a file, a folder or a dataset of the hub, there of the configuration
    `config`.

    Raises StudyError, which names the file and where it can the line, for what cannot be read at
    all.
    """
    path = located(source)
    try:
        if path.is_dir():
            yield from read_folder(path)
        elif path.is_file():
            yield from read_file(path)
        elif is_hub_id(source):
            yield from ((source, n, row) for n, row in enumerate(hub_dataset(source, config), 1))
        else:
            raise StudyError(f"{source}: {MISSING} {READABLE}")
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        what = "it" if path.exists() else f"{MISSING[:-1]}, and as a dataset of the hub it"
        raise StudyError(f"{source}: {what} could not be read ({reason}). {READABLE}") from error


def read_file(path: Path, whole: bool = False) -> Iterator[Raw]:
    """The raw rows of one file; `whole` takes a .txt file as one document."""
    name, kind = shown(path), kind_of(path)
    if kind == ".parquet":
        rows = enumerate(parquet(path), 1)
    elif kind == ".png":
        rows = [(1, png_card(path))]
    elif kind in TEXT_FILES:
        opener = OPENERS.get(path.suffix.lower(), open)
        with opener(path, "rb") as file:
            content = file.read()
        if kind in (".jsonl", ".ndjson"):
            rows = read_lines(as_utf8(content))
        elif kind == ".json":
            rows = read_json(name, as_utf8(content))
        elif kind == ".txt":
            rows = documents(decoded(name, content), whole)
        else:
            rows = read_csv(name, decoded(name, content), kind)
    else:
        what = (
            f"files of the kind {path.suffix!r} are" if path.suffix else "it has no suffix, and is"
        )
        more = REMEDIES.get(path.suffix.lower(), "")
        raise StudyError(f"{name}: {what} not read. {READABLE}{more}")
    yield from ((name, line, row) for line, row in rows)


def read_folder(path: Path) -> Iterator[Raw]:
    """The rows of a saved dataset, or of every file that can be read, in the order of their
    names."""
    if any((path / name).exists() for name in SAVED):
        yield from ((shown(path), n, row) for n, row in enumerate(saved_dataset(path), 1))
        return
    found = [p for p in files_of(str(path)) if kind_of(p) and not p.name.startswith(".")]
    if not found:
        raise StudyError(f"{shown(path)}: the folder holds no file that can be read. {READABLE}")
    for one in found:
        yield from read_file(one, whole=True)


# Text files


def as_utf8(content: bytes) -> bytes:
    """The content of a file without a byte-order mark; UTF-16, as some programs of Windows write
    it, becomes UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16").encode("utf-8")
    return content.removeprefix(b"\xef\xbb\xbf")


def decoded(name: str, content: bytes) -> str:
    """The text of a file: UTF-8, else Windows-1252 as older spreadsheets save it, which is said.

    Raises StudyError with the line of the first byte that is neither.
    """
    content = as_utf8(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            raise StudyError(
                f"{name}, line {line}: it is neither UTF-8 nor Windows-1252 text. Save the file as "
                "UTF-8, then run again."
            ) from error
        print(f"{name}: read as Windows-1252, since line {line} is not UTF-8. Check its accents.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def documents(text: str, whole: bool) -> Iterator[tuple[int, dict]]:
    """The documents of a .txt file: all of it, or what blank lines separate."""
    line, after = 1, 0
    for found in re.finditer(r"(?s).+" if whole else r"(?:.*\S.*\n?)+", text):
        line, after = line + text.count("\n", after, found.start()), found.start()
        yield line, {"text": found[0].strip()}


def read_table(path: Path, model: Any) -> list[dict]:
    """The rows of a table as texts, each checked against `model` (a `rows.Row`). Raises StudyError
    with file, line, field and remedy."""
    rows = []
    for line, row in read_csv(shown(path), decoded(shown(path), path.read_bytes()), ".csv"):
        wrong = row if isinstance(row, str) else row_error(adapter(model).validate_python, row)
        if wrong:
            raise StudyError(
                f"{shown(path)}, line {line}, {wrong}. Repair the row, then run again."
            )
        rows.append(row)
    return rows


# JSON


def read_lines(content: bytes) -> Iterator[tuple[int, dict | str]]:
    """The rows of JSON lines."""
    lines = content.split(b"\n")
    for line, row in scan_lines(content):
        other = isinstance(row, str) and row.startswith(NO_OBJECT)
        yield line, as_row(json.loads(lines[line - 1])) if other else row


def read_json(name: str, content: bytes) -> Iterator[tuple[int, dict | str]]:
    """The rows of a JSON file: an array of them, one object that holds such an array, a single row
    (a character card), or JSON lines. Raises StudyError with the line where it is no JSON."""
    first, _, rest = content.strip().partition(b"\n")
    if rest and is_json(first):
        yield from read_lines(content)
        return
    if not first:
        return
    try:
        text = content.decode("utf-8")
        value = json.loads(text, object_pairs_hook=unique_fields)
    except (ValueError, RecursionError) as error:
        place = error.start if isinstance(error, UnicodeDecodeError) else getattr(error, "pos", 0)
        line = content.count(b"\n", 0, place) + 1
        raise StudyError(
            f"{name}, line {line}: it is not valid JSON ({error}). Repair the file, then run again."
        ) from error
    inner = rows_within(value)
    if isinstance(value, list):
        yield from array_rows(text)
    elif inner:
        yield from enumerate(map(as_row, inner), 1)
    else:
        yield 1, as_row(value)


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def array_rows(text: str) -> Iterator[tuple[int, dict | str]]:
    """The entries of a valid JSON array with the lines on which they begin."""
    decoder, gap = json.JSONDecoder(), re.compile(r"[\s,]*")
    line, before, place = 1, 0, gap.match(text, text.index("[") + 1).end()
    while text[place] != "]":
        line, before = line + text.count("\n", before, place), place
        value, end = decoder.raw_decode(text, place)
        yield line, as_row(value)
        place = gap.match(text, end).end()


def rows_within(value: object) -> list | None:
    """The one list of objects that an object holds (`{"data": [...]}`), unless it is the turns of a
    chat."""
    lists = [v for v in value.values() if isinstance(v, list)] if isinstance(value, dict) else []
    if len(lists) != 1 or not lists[0] or not all(isinstance(v, dict) for v in lists[0]):
        return None
    return None if {"role", "from"} & set(lists[0][0]) else lists[0]


def as_row(value: object) -> dict | str:
    """A JSON value as a row; a text and a list of messages become one."""
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        return {"messages": value}
    return value if isinstance(value, dict) else f"{NO_OBJECT}, found {cut(value)}"


# Datasets and cards. Loading the library takes a second, and text files do without.


def parquet(path: Path) -> Iterable[dict]:
    from datasets import Dataset

    return from_datasets(Dataset.from_parquet, str(path))


def saved_dataset(path: Path) -> Iterable[dict]:
    from datasets import load_from_disk

    return from_datasets(load_from_disk, str(path))


def hub_dataset(name: str, config: str) -> Iterable[dict]:
    from datasets import load_dataset

    return from_datasets(load_dataset, name, *([config] if config else []))


def from_datasets(load: Callable, *what: str) -> Iterable[dict]:
    """The rows of a dataset, of its split `train` where it has several; raises ValueError where it
    cannot be loaded."""
    from datasets import DatasetDict

    try:
        data = load(*what)
    except Exception as error:  # of the library, of Arrow, of the network: all are the source's
        raise ValueError(str(error)) from error
    if isinstance(data, DatasetDict):
        data = data["train"] if "train" in data else next(iter(data.values()))
    return data


def png_card(path: Path) -> dict | str:
    """The character card in a picture's text chunk `ccv3` or `chara` (base64 of JSON), or why there
    is none."""
    from PIL import Image

    with Image.open(path) as image:
        chunks = {name.lower(): text for name, text in getattr(image, "text", {}).items()}
    card = chunks.get("ccv3") or chunks.get("chara")
    if not card:
        return "the picture holds no character card (no text chunk 'chara' or 'ccv3')"
    try:
        return as_row(json.loads(base64.b64decode(card)))
    except (ValueError, RecursionError) as error:
        return f"its character card is no base64 of JSON ({error})"
