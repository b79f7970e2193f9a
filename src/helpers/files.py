"""Paths, reading, atomic writes, resume by row, locks and hashes."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
RUNS = DATA / "runs"
NO_OBJECT = "a JSON object was expected"


class StudyError(Exception):
    """A mistake that its reader can mend: the message names file, line, field and remedy."""


def run_folder(run: str, *parts: str) -> Path:
    """`data/runs/<run>/...`, made if it is missing."""
    folder = RUNS.joinpath(run, *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def arm_folder(run: str, arm: str, seed: int) -> Path:
    """`data/runs/<run>/<arm>/seed<seed>`, where one training or one set of answers lives."""
    return RUNS / run / arm / f"seed{seed}"


def adapter_folder(arm: str) -> Path:
    """`data/adapters/<arm>`, where an arm's adapter is that anybody can use without training."""
    return DATA / "adapters" / arm


def shown(path: Path) -> str:
    """The path as a reader should see it: relative to the repository where it lies inside."""
    path = Path(path).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def located(path: str) -> Path:
    """The file or folder that a reader names: `~` is expanded, and what is not found from here is
    sought from the repository's root."""
    own = Path(os.path.expanduser(path))
    return ROOT / own if not own.exists() and (ROOT / own).exists() else own


# Writing. Everything goes to a temporary neighbour first: a kill or a full disk leaves the old file
# whole.


@contextmanager
def told_if_unwritable(path: Path, kept: str = "") -> Iterator[None]:
    """Raise StudyError, which names `path` and says what is `kept`, where the block cannot write:
    the disk is full, or the folder is closed."""
    try:
        yield
    except StudyError:
        raise
    except Exception as error:
        # safetensors and tokenizers raise exceptions of their own, with the system's error in words
        if not isinstance(error, (OSError, SafetensorError)) and "(os error " not in str(error):
            raise
        reason = getattr(error, "strerror", None) or error
        raise StudyError(
            f"{shown(path)}: could not be written ({reason}){kept}. Free some space or fix the "
            "permissions, then run the same command again."
        ) from error


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it at the end, and vanishes if the block
    fails.

    Raises StudyError when the disk is full or the folder cannot be written.
    """
    path, beside = Path(path), None
    try:
        with told_if_unwritable(path, "; what was there before is untouched"):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
            temporary = beside / path.name
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        if beside:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` that becomes it at the end, and vanishes if the
    block fails; what killed processes left of it, which may be gigabytes, is cleared away first.

    Raises StudyError when the disk is full, or the folder cannot be written or is there already.
    """
    folder, beside = Path(folder), None
    begun = f".{folder.name}-unfinished-"
    try:
        with told_if_unwritable(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            for left in folder.parent.iterdir():
                if left.name.startswith(begun):
                    clear_away(left)
            beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=begun))
            with lock(beside):
                temporary = beside / folder.name
                temporary.mkdir()
                yield temporary
                os.replace(temporary, folder)
    finally:
        if beside:
            shutil.rmtree(beside, ignore_errors=True)


def clear_away(left: Path) -> None:
    """Delete an unfinished folder, unless a process that is alive still writes it."""
    with suppress(StudyError, OSError), lock(left):
        shutil.rmtree(left, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: dict) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_frame(path: Path, frame) -> None:
    """Write a pandas frame without its index: as Parquet if the path says so, else as CSV with a
    header."""
    with atomic(path) as temporary:
        if path.suffix == ".parquet":
            frame.to_parquet(temporary, index=False, compression="zstd")
        else:
            frame.to_csv(temporary, index=False, lineterminator="\n")


# Reading


def read_json(path: Path) -> dict:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StudyError(f"{shown(path)} is missing; run the step that makes it first.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{shown(path)}: not readable as JSON ({error}); delete it and run the step again."
        ) from error


def unique_fields(pairs: list[tuple[str, object]]) -> dict:
    """A JSON object, as `object_pairs_hook`; a field that stands twice is refused, since the first
    would vanish."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"the field {twice!r} stands twice")
    return found


def scan_jsonl(path: Path) -> Iterator[tuple[int, dict | str]]:
    """Yield (line number, row), or (line number, reason) for a line that is no JSON object. Blank
    lines pass."""
    try:
        yield from scan_lines(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise StudyError(f"{shown(path)} is missing; run the step that makes it first.") from error


def scan_lines(content: bytes) -> Iterator[tuple[int, dict | str]]:
    """What `scan_jsonl` yields, of the content of a file; a byte-order mark before it passes."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"), object_pairs_hook=unique_fields)
        except UnicodeDecodeError as error:
            row = f"not UTF-8 text, from byte {error.start + 1} on; save the file as UTF-8"
        except json.JSONDecodeError as error:
            row = f"not a JSON object: {error.msg}, at character {error.colno}"
        except (ValueError, RecursionError) as error:
            row = f"not a JSON object: {error}"
        else:
            if not isinstance(row, dict):
                row = f"{NO_OBJECT}, found {type(row).__name__}"
        yield number, row


def read_jsonl(path: Path) -> list[dict]:
    """All rows, unchecked (see `rows.read_rows`); raises StudyError with file and line at the first
    line that is no JSON object."""
    rows = []
    for number, row in scan_jsonl(path):
        if isinstance(row, str):
            raise StudyError(
                f"{shown(path)}, line {number}: {row}. Repair or remove the line, then run again."
            )
        rows.append(row)
    return rows


# Resume: rows are appended one batch at a time; a kill costs the batch in progress.


def append_jsonl(path: Path, rows: Iterable[dict]) -> None:
    """Append whole lines and flush them to the disk; raises StudyError when that fails."""
    block = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path = Path(path)
    before = path.stat().st_size if path.exists() else 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            os.truncate(path, before)
        raise StudyError(
            f"{shown(path)}: could not be extended ({error.strerror or error}); the rows before "
            "are kept. Free some space, then run the same command again."
        ) from error


def resume_jsonl(path: Path) -> list[dict]:
    """The rows a killed step left, after cutting off a last line that it did not finish; [] where
    there is no file. A last line that is whole and only lacks its end, as some editors leave it, is
    kept."""
    path = Path(path)
    if not path.exists():
        return []
    content = path.read_bytes()
    start = content.rfind(b"\n") + 1
    try:
        whole = isinstance(json.loads(content[start:]), dict)
    except ValueError:
        whole = False
    if whole:
        with open(path, "ab") as file:
            file.write(b"\n")
    else:
        os.truncate(path, start)
    return read_jsonl(path)


# One run at a time in one folder


@contextmanager
def lock(folder: Path, shared: bool = False) -> Iterator[None]:
    """Hold an operating-system lock on `folder`, alone or `shared` with others that share it; it
    ends with this process, however that ends. Processes that it has started do not hold it.

    Raises StudyError, naming one holder, when another process has it in a way that does not go
    together with this.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise StudyError(
                f"{shown(folder)}: another run (process {file.read().strip() or 'unknown'}) is "
                "using this folder. Wait until it ends, or stop it."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


# Hashes


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(value: object) -> str:
    """16 hex digits that change when a JSON-like value changes."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()[:16]


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file, None where there is none (an arm without an adapter)."""
    return sha256(path) if Path(path).exists() else None
