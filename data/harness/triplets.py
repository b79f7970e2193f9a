"""The triplets for other evaluation harnesses, read from the files of this repository with the
standard library alone."""

import json
from pathlib import Path

DATA = Path(__file__).resolve().parents[1]


def read(path: Path) -> list[dict]:
    """The rows of a JSONL file, [] where there is none: not every persona has set b."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.strip()]


def load(persona: str = "c3po") -> list[dict]:
    """The triplets of both sets, those of set a with their second pair of replies where it is
    there."""
    own = DATA / "items" / persona
    more = {row["id"]: row for row in read(own / "readouts_a.jsonl")}
    first = [row for row in read(own.with_suffix(".jsonl")) if row["kind"] == "triplet"]
    if not first:
        there = sorted(path.stem for path in (DATA / "items").glob("*.jsonl"))
        raise SystemExit(f"persona '{persona}' has no triplets. Choose: {', '.join(there)}.")
    sets = {"a": [row | more.get(row["id"], {}) for row in first], "b": read(own / "set_b.jsonl")}
    return [row | {"set": name} for name, rows in sets.items() for row in rows]


def know(persona: str = "c3po", **_) -> list[dict]:
    """How would the persona react? Rows {id, trait, set, prompt, options}, the true one first."""
    return [row_of(row, row["know"], row["options"]) for row in load(persona)]


def do(persona: str = "c3po", **_) -> list[dict]:
    """Pairs of replies to a live message, the in-persona one first; rows as those of `know`."""
    pairs = ("do_pair", "do_pair_more")
    return [row_of(row, row["do"], row[p]) for row in load(persona) for p in pairs if p in row]


def row_of(row: dict, prompt: str, options: list[str]) -> dict:
    tags = {name: row[name] for name in ("id", "trait", "set")}
    return tags | {"prompt": prompt, "options": options}


# lm-evaluation-harness


def know_documents(**metadata) -> dict:
    return documents(know(**metadata))


def do_documents(**metadata) -> dict:
    return documents(do(**metadata))


def documents(rows: list[dict]) -> dict:
    from datasets import Dataset

    return {"test": Dataset.from_list(rows)}


def measured(row: dict, results: list[tuple[float, bool]]) -> dict:
    """From the log-likelihoods of the options: whether the true one is the likeliest, in all and
    per character, and its margin, by how much it is likelier per character than the others are on
    average (nats)."""
    whole = [likelihood for likelihood, _ in results]
    fit = [value / len(text) for value, text in zip(whole, row["options"], strict=True)]
    return {
        "acc": float(whole[0] > max(whole[1:])),
        "acc_norm": float(fit[0] > max(fit[1:])),
        "margin": fit[0] - sum(fit[1:]) / len(fit[1:]),
    }
