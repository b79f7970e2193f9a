"""What results were made from, and whether that is still what lies there."""

from pathlib import Path

from helpers.store import DATA, StudyError, fingerprint, sha256, shown


def inputs(persona: str) -> dict[str, str]:
    """A fingerprint of each thing that a persona's results depend on: card, corpus, items, labels."""
    files = {
        "card": [DATA / "personas" / f"{persona}.yaml"],
        "corpus": sorted((DATA / "corpora" / persona).glob("*.jsonl")),
        "items": [DATA / "items" / f"{persona}.jsonl"],
        "labels": sorted(p for p in (DATA / "labels" / persona).glob("*") if p.suffix in (".jsonl", ".csv")),
    }
    return {name: fingerprint([sha256(p) for p in paths if p.is_file()]) for name, paths in files.items()}


def refuse_stale(record: dict, persona: str, what: Path) -> None:
    """Raise StudyError when what a record was made from is no longer what lies there, naming what has changed."""
    present = inputs(persona)
    changed = [name for name, value in record.get("inputs", {}).items() if present.get(name) != value]
    if changed or not record.get("inputs"):
        raise StudyError(
            f"{shown(what)} is stale: the {', '.join(changed) or 'inputs'} of '{persona}' changed after it was made. Run the study "
            "again; what has not changed is kept."
        )
