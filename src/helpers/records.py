"""What results were made from, and whether that is still what lies there."""

import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from helpers import files
from helpers.files import ROOT, StudyError, fingerprint, sha256, shown


def record(**facts: object) -> dict:
    """What a result must carry to be judged later: the given facts with commit, versions, machine
    and time."""
    commit = ""
    with suppress(OSError):  # git is not installed
        command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
        commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    packages = (
        "torch",
        "transformers",
        "peft",
        "trl",
        "bitsandbytes",
        "datasets",
        "numpy",
        "pandas",
        "scipy",
        "scikit-learn",
        "statsmodels",
    )
    return {
        "commit": commit or "unknown",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in packages},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
    }


def inputs(persona: str, control: str = "", use_reasoned: bool = False) -> dict[str, str]:
    """A fingerprint of each thing that results depend on: the persona's card, corpus, items and
    labels, the control character's corpus, and with `use_reasoned` what PersLLM's arms are taught
    and asked, and what its judge of premises learns and is checked with, which like the labels
    comes after the answers."""
    sources = {
        "card": [files.DATA / "personas" / f"{persona}.yaml"],
        "corpus": sorted((files.DATA / "corpora" / persona).glob("*.jsonl")),
        "items": [files.DATA / "items" / f"{persona}.jsonl"],
        "labels": sorted(
            p for p in (files.DATA / "labels" / persona).glob("*") if p.suffix in (".jsonl", ".csv")
        ),
        "control": sorted((files.DATA / "corpora" / control).glob("*.jsonl")) if control else [],
    }
    if use_reasoned:
        own, names = (
            files.DATA / "persllm" / persona,
            (
                "examples.jsonl",
                "knowledge.jsonl",
                "speech.jsonl",
                "stages.yaml",
                "interlocutor.jsonl",
            ),
        )
        sources["reasoned"] = [*(own / name for name in names), own.parent / "questionnaire.jsonl"]
        sources["premises"] = [
            *sorted(own.parent.glob("*/premises.jsonl")),
            own / "corrected.jsonl",
        ]
    return {
        name: fingerprint([(p.name, sha256(p)) for p in paths if p.is_file()])
        for name, paths in sources.items()
    }


def refuse_stale(record: dict, persona: str, control: str, what: Path) -> None:
    """Raise StudyError when what a record was made from is no longer what lies there, naming what
    has changed."""
    present = inputs(persona, control, "reasoned" in record.get("inputs", {}))
    changed = [
        name for name, value in record.get("inputs", {}).items() if present.get(name) != value
    ]
    if changed or not record.get("inputs"):
        raise StudyError(
            f"{shown(what)} is stale: the {', '.join(changed) or 'inputs'} of '{persona}' changed after it was made. Run the study "
            "again; what has not changed is kept."
        )


def refuse_mixed(
    answered: dict[str, dict], trained: dict[str, dict], adapters: dict[str, str | None]
) -> None:
    """Raise StudyError unless all arms and seeds were answered alike (model, data, settings), with
    the adapter that lies there now and the data it was trained on, and every adapter by DPO goes on
    from the `persllm` adapter of its seed. Only the turns of the long conversations may differ
    between seeds, since a study holds them with its first seed alone.

    All map `<arm>/seed<seed>`: to the records of answering and of training (only where there is an
    adapter), and to the adapter file's hash.
    """
    own = ("arm", "seed", "turns")
    alike = {
        n: [r["model"], r["data"], {k: v for k, v in r["settings"].items() if k not in own}]
        for n, r in answered.items()
    }
    turns = {n: r["settings"].get("turns") for n, r in answered.items()}
    first = next(iter(answered))
    first_of_seed = {n.partition("/")[2]: n for n in reversed(answered)}
    for name in answered:
        same_seed = first_of_seed[name.partition("/")[2]]
        unlike = [
            n for n, values in ((first, alike), (same_seed, turns)) if values[name] != values[n]
        ]
        if unlike:
            raise StudyError(
                f"{name} was answered with another model, data or settings than {unlike[0]}. Run notebook 04 for both alike."
            )
        if name in trained and any(
            trained[name][k] != answered[name][k] for k in ("data", "model")
        ):
            raise StudyError(
                f"{name} was trained on other data or another model than it was answered with. Run notebooks 02 and 04 for it again."
            )
        if adapters[name] != answered[name]["adapter"]:
            raise StudyError(
                f"{name} was trained again after it was answered. Run notebook 04 for it again."
            )
        start = adapters.get(f"persllm/{name.partition('/')[2]}")
        if "start" in trained.get(name, {}) and trained[name]["start"] != start:
            raise StudyError(
                f"{name} goes on from another adapter than persllm's. Run notebooks 03 and 04 for it again."
            )
