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

# Suffix -> how such a file begins, and what unpacks it.
OPENERS = {
    ".gz": (b"\x1f\x8b", gzip.decompress),
    ".bz2": (b"BZh", bz2.decompress),
    ".xz": (b"\xfd7zXZ\0", lzma.decompress),
}
TEXT_FILES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
READABLE = (
    "Give a .jsonl, .json, .csv, .tsv, .txt or .parquet file (the first five also as .gz), a "
    "character card as .json or .png, a folder of such files, a folder made by `save_to_disk`, or "
    "the id of a hub dataset (which needs a connection)."
)
REMEDIES = dict.fromkeys((".xlsx", ".xls", ".ods"), " Save a spreadsheet as CSV.")
REMEDIES |= dict.fromkeys((".zip", ".tar", ".7z", ".rar"), " Unpack it, and give the folder.")
REMEDIES |= dict.fromkeys((".md", ".html", ".docx", ".odt", ".pdf"), " Save a document as .txt.")
# How files begin that are something else than their names say: what they are, and what to do.
FOREIGN = {
    b"version https://git-lfs": ("a pointer of Git LFS", "Fetch the file itself (`git lfs pull`)"),
    b"pk\x03\x04": ("a zip archive or a spreadsheet", "Unpack it, or save it as CSV"),
    b"\xd0\xcf\x11\xe0": ("a file of an office program", "Save it as CSV or as .txt"),
    b"par1": ("Parquet", "Rename it to .parquet"),
    b"%pdf": ("a PDF", "Save it as .txt"),
    b"\x89png": ("a picture", "Rename it to .png if it holds a character card"),
    b"<!doctype html": ("a web page", "Download the file itself"),
    b"<html": ("a web page", "Download the file itself"),
}
TRUE_TO = {".parquet": (b"par1",), ".png": (b"\x89png",), ".txt": (b"<!doctype html", b"<html")}
UNREADABLE = (OSError, EOFError, ValueError, SyntaxError, lzma.LZMAError, zlib.error)
MISSING = "there is no such file or folder."
SAVED = ("dataset_info.json", "dataset_dict.json", "state.json")  # what `save_to_disk` leaves


def files_of(path: str) -> list[Path]:
    """The files of a source on this machine, of a folder without what is hidden in it: copies that
    editors keep, a Mac's notes; [] for a dataset of the hub and for what is not there."""
    own = located(path)
    if own.is_file():
        return [own]
    return sorted(p for p in own.rglob("*") if p.is_file() and not is_hidden(p.relative_to(own)))


def is_hidden(path: Path) -> bool:
    """Whether a file, or a folder that it lies in, is hidden."""
    return any(part.startswith(".") for part in path.parts)


def is_hub_id(path: str) -> bool:
    """Whether a source can only be a dataset of the hub: `user/name` without a known suffix."""
    a_file = kind_of(Path(path)) or Path(path).suffix.lower() in REMEDIES
    return bool(re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", path)) and not a_file


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
    check_kind(path)
    name, kind = shown(path), kind_of(path)
    if kind == ".parquet":
        rows = enumerate(parquet(path), 1)
    elif kind == ".png":
        rows = [(1, png_card(path))]
    else:
        content = unpacked(path.read_bytes())
        if kind in (".jsonl", ".ndjson", ".json"):
            rows = read_json(name, as_utf8(content), kind != ".json")
        elif kind == ".txt":
            rows = documents(decoded(name, content), whole)
        else:
            rows = read_csv(name, decoded(name, content), kind)
    yield from ((name, line, row) for line, row in rows)


def check_kind(path: Path) -> None:
    """Raise StudyError for a file that is not read, by its suffix or by how it begins."""
    kind = kind_of(path)
    if not kind:
        what = (
            f"files of the kind {path.suffix!r} are" if path.suffix else "it has no suffix, and is"
        )
        more = REMEDIES.get(path.suffix.lower(), "")
        raise StudyError(f"{shown(path)}: {what} not read. {READABLE}{more}")
    with open(path, "rb") as file:
        head = file.read(64).lstrip().lower()
    for sign, (what, remedy) in FOREIGN.items():
        if head.startswith(sign) and sign not in TRUE_TO.get(kind, ()):
            raise StudyError(f"{shown(path)}: it begins as {what} does. {remedy}, then run again.")


def unpacked(content: bytes) -> bytes:
    """The content of a file, unpacked where it is packed, whatever its name says: what downloads a
    .gz file may have unpacked it."""
    for sign, unpack in OPENERS.values():
        if content.startswith(sign):
            return unpack(content)
    return content


def read_folder(path: Path) -> Iterator[Raw]:
    """The rows of a saved dataset, or of every file that can be read, in the order of their
    names."""
    if any((path / name).exists() for name in SAVED):
        yield from ((shown(path), n, row) for n, row in enumerate(saved_dataset(path), 1))
        return
    seen = files_of(str(path))
    found = [p for p in seen if kind_of(p)]
    if found and (other := [p for p in seen if not kind_of(p)]):
        print(f"{shown(path)}: {len(other)} files of other kinds are not read, as {other[0].name}")
    if not found:
        raise StudyError(f"{shown(path)}: the folder holds no file that can be read. {READABLE}")
    for one in found:
        yield from read_file(one, whole=True)


# Text files


def as_utf8(content: bytes) -> bytes:
    """The content of a file without a byte-order mark; UTF-16 (with or without one), as some
    programs of Windows write it, becomes UTF-8."""
    encoding, head = json.detect_encoding(content), content[:200]
    wide, marked = encoding.startswith(("utf-16", "utf-32")), encoding in ("utf-16", "utf-32")
    if wide and (marked or 4 * head.count(0) >= len(head)):  # a NUL by itself is no encoding
        return content.decode(encoding).encode("utf-8")
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


def read_table(path: Path, model: Any, context: dict | None = None) -> list[dict]:
    """The rows of a table as texts, each checked against `model` (a `rows.Row`), whose checks
    compare with `context`. Raises StudyError with file, line, field and remedy."""
    rows = []
    for line, row in read_csv(shown(path), decoded(shown(path), path.read_bytes()), ".csv"):
        validate = adapter(model).validate_python
        wrong = row if isinstance(row, str) else row_error(validate, row, context)
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


def read_json(name: str, content: bytes, in_lines: bool) -> Iterator[tuple[int, dict | str]]:
    """The rows of a JSON file: JSON lines, an array of rows, rows one after another however they
    are laid out, one object that holds such an array, a table written by columns, or a single row
    (a character card). Raises StudyError with the line where it is no JSON, unless its name says
    that it is `in_lines`: then a line that is wrong is one row that is."""
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    content = content.replace(b"\n\xef\xbb\xbf", b"\n")  # of files that were joined
    first, _, rest = content.strip().partition(b"\n")
    if rest and is_json(first):
        yield from read_lines(content)
        return
    try:
        text = content.decode("utf-8")
        found = list(values_of(text))
    except (ValueError, RecursionError) as error:
        if in_lines:
            yield from read_lines(content)
            return
        place = error.start if isinstance(error, UnicodeDecodeError) else getattr(error, "pos", 0)
        line = content.count(b"\n", 0, place) + 1
        raise StudyError(
            f"{name}, line {line}: it is not valid JSON ({error}). Repair the file, then run again."
        ) from error
    if len(found) != 1:
        yield from ((line, as_row(value)) for line, value in found)
        return
    ((line, value),) = found
    inner = None if in_lines else rows_within(value) or table_within(value)
    if isinstance(value, list) and not is_chat(value):
        yield from array_rows(text)
    elif inner:
        yield from enumerate(map(as_row, inner), 1)
    else:
        yield line, as_row(value)


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def array_rows(text: str) -> Iterator[tuple[int, dict | str]]:
    """The entries of a valid JSON array with the lines on which they begin."""
    for line, value in values_of(text[: text.rindex("]")], text.index("[") + 1):
        yield line, as_row(value)


def values_of(text: str, start: int = 0) -> Iterator[tuple[int, object]]:
    """The JSON values that stand one after another in a text, from `start` on, with the lines on
    which they begin. Raises ValueError where something else stands there."""
    decoder, gap = json.JSONDecoder(object_pairs_hook=unique_fields), re.compile(r"[\s,]*")
    line, before, place = 1, 0, gap.match(text, start).end()
    while place < len(text):
        line, before = line + text.count("\n", before, place), place
        value, end = decoder.raw_decode(text, place)
        yield line, value
        place = gap.match(text, end).end()


def rows_within(value: object) -> list | None:
    """The one list of objects that an object holds (`{"data": [...]}`), unless it is the turns of a
    chat."""
    lists = [v for v in value.values() if isinstance(v, list)] if isinstance(value, dict) else []
    if len(lists) != 1 or not lists[0] or not all(isinstance(v, dict) for v in lists[0]):
        return None
    return None if {"role", "from"} & set(lists[0][0]) else lists[0]


def table_within(value: object) -> list | None:
    """The rows of a table that was written by its columns (`{"text": ["a", "b"]}`, or with an index
    as pandas does, `{"text": {"0": "a", "1": "b"}}`), or under its index (`{"0": {...}}`)."""
    parts = list(value.values()) if isinstance(value, dict) else []
    if parts and all(isinstance(part, list) for part in parts):
        plain = any(part and not isinstance(part[0], dict) for part in parts)
        if not plain or len({len(part) for part in parts}) > 1:
            return None
        return [dict(zip(value, row, strict=True)) for row in zip(*parts, strict=True)]
    if not parts or not all(isinstance(part, dict) and part for part in parts):
        return None
    if any(list(part) != list(parts[0]) for part in parts):
        return None
    if all(name.isdigit() for name in parts[0]):
        return [{name: part[i] for name, part in value.items()} for i in parts[0]]
    return parts if all(name.isdigit() for name in value) else None


def is_chat(value: list) -> bool:
    """Whether a list holds the turns of a chat."""
    turns = [isinstance(turn, dict) and bool({"role", "from"} & set(turn)) for turn in value]
    return bool(turns) and all(turns)


def as_row(value: object) -> dict | str:
    """A JSON value as a row; a text and a list of messages become one."""
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, list) and is_chat(value):
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
