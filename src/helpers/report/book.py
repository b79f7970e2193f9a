"""The executed chapters of a study, published for readers: docs/<study>/<part>/<chapter>.ipynb."""

import re
from pathlib import Path

from helpers import files
from helpers.files import ROOT, write_text

WITH_SEED = re.compile(r"-(\d+)$")


def publish(study: str, first_seed: int) -> list[Path]:
    """Publish the executed chapters of a study's run, of its first seed where a chapter runs once
    per arm and seed; returns where they are now. The chapter that stands in for the training of a
    committed adapter was never executed, and is left out."""
    source = files.RUNS / study / "notebooks"
    published = []
    for path in sorted(source.rglob("*.ipynb")):
        seed = WITH_SEED.search(path.stem)
        wanted = seed is None or int(seed[1]) == first_seed
        if wanted and "papermill" in files.read_json(path)["metadata"]:
            published.append(publish_chapter(path, study, str(path.relative_to(source))))
    return published


def publish_chapter(executed: Path, study: str, name: str) -> Path:
    """Write one executed chapter to docs/<study>/<name>, without the paths of this machine, which
    warnings name as the files that they come from."""
    target = files.ROOT / "docs" / study / name
    text = executed.read_text(encoding="utf-8")
    for path, shown in ((f"{ROOT}/", ""), (f"{Path.home()}/", "~/")):
        text = text.replace(path, shown)
    write_text(target, text)
    return target
