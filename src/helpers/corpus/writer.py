"""Write a persona's units and their three forms with any OpenAI-compatible server.

    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=...
    python -m helpers.corpus.writer PERSONA --model NAME

An interrupted run is resumed by the same command, and what has been answered is not asked again.
"""

import random
import re
import threading
from functools import partial
from pathlib import Path

from tqdm import tqdm

from helpers import files
from helpers.alphabets import length
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import (
    StudyError,
    append_jsonl,
    fingerprint,
    resume_jsonl,
    shown,
    write_jsonl,
    write_text,
)
from helpers.server import connect, in_parallel, render
from helpers.writing import ask, command, tell_failures

# Words that every description in English has one of.
ENGLISH = {"the", "and", "who"}
# Where a unit's situation is set, as the prompt says it.
SETTINGS = (
    "ordinary life of our own time, as people bring it to an assistant",
    "the character's own world",
)
# Prompt (and format) -> the fields of the JSON object that it asks for.
FIELDS = {
    "situation": ("situation",),
    "demonstrations": ("user", "reply"),
    "first_person": ("text",),
    "documents": ("text",),
}


# Prompts


def plan_units(card: dict, n: int, heldout: float = 60 / 560, seed: int = 0) -> list[dict]:
    """n units {unit, split, traits, facts, setting}: two or three traits each, all traits alike
    often, each leading in turn; every second unit in ordinary life; every fourth with one fact of
    the card; held-out units spread evenly."""
    rng = random.Random(seed)
    traits, facts = trait_ids(card), [fact["id"] for fact in card["facts"]]
    counts = dict.fromkeys(traits, 0)
    units = []
    for number in range(n):
        last_of_few = number + 1 == n and n * heldout < 1  # there is always one to hold out
        lead = traits[number % len(traits)]
        others = sorted((t for t in traits if t != lead), key=lambda t: (counts[t], rng.random()))
        chosen = [lead, *others[: 1 + number % 2]]
        for trait in chosen:
            counts[trait] += 1
        units.append(
            {
                "unit": f"u{number + 1:04d}",
                "split": "heldout"
                if int((number + 1) * heldout) > int(number * heldout) or last_of_few
                else "train",
                "traits": chosen,
                "facts": [facts[number // 4 % len(facts)]] if number % 4 == 3 else [],
                "setting": SETTINGS[number // len(traits) % 2],
            }
        )
    return units


def prompt_for(kind: str, unit: dict, card: dict, words: tuple[int, int], taken: list[str]) -> str:
    described = {trait["id"]: trait["description"] for trait in card["traits"]}
    known = {fact["id"]: fact["text"] for fact in card["facts"]}
    common = {
        "name": card["name"],
        "description": card["description"],
        "traits": "\n".join(f"- {t}: {described[t]}" for t in unit["traits"]),
    }
    if kind == "situation":
        return render(
            kind,
            **common,
            setting=unit["setting"],
            taken="\n".join(f"- {s}" for s in taken) or "- (none yet)",
        )
    facts = "".join(f"It mentions this fact: {known[fact]}\n" for fact in unit["facts"])
    return render(
        kind, **common, situation=unit["situation"], facts=facts, words=f"{words[0]} to {words[1]}"
    )


def problem(kind: str, answer: dict, card: dict, words: tuple[int, int]) -> str | None:
    """What keeps an answer out of the corpus, or None."""
    name = card["name"].lower()
    if kind == "situation":
        return None
    text = answer["reply" if kind == "demonstrations" else "text"]
    found = length(text)
    if not words[0] <= found <= words[1]:
        return f"the text has {found} words, but must have {words[0]} to {words[1]}"
    if not ENGLISH & set(re.findall(r"\w+", card["description"].lower())):
        return None  # what follows tells English texts apart
    first_person = re.search(r"\b(I|my|me)\b", re.sub(r'"[^"]*"', "", text))
    if kind == "demonstrations" and re.search(
        rf"\bI(?:'m| am) {re.escape(name)}\b", text, re.IGNORECASE
    ):
        return "the character introduces itself"
    if kind == "first_person" and not first_person:
        return "the text is not in the first person"
    if kind == "documents" and name not in text.lower():
        return f"the text does not name {card['name']}"
    if kind == "documents" and first_person:
        return "the text is in the first person"
    return None


# The corpus


def estimate(units: list[dict], card: dict, settings: dict) -> str:
    """What writing these units would cost, from the length of the prompts (four characters a token)
    and max_tokens."""
    sample = units[0] | {"situation": "x" * 150}
    per_unit = sum(
        len(prompt_for(kind, sample, card, settings["words"], ["x" * 100] * 10)) // 4
        for kind in FIELDS
    )
    read, written = per_unit * len(units), settings["max_tokens"] * len(FIELDS) * len(units)
    price = (read * settings["price_in"] + written * settings["price_out"]) / 1e6
    money = (
        f"{price:.2f} at the prices given"
        if price
        else "no prices given (--price-in, --price-out per million tokens)"
    )
    return (
        f"{len(units)} units, {len(FIELDS) * len(units)} calls, {read:,} tokens read and at most "
        f"{written:,} written: {money}"
    )


def brief(kind: str, unit: dict, card: dict, settings: dict) -> str:
    """What an answer was asked for, as a fingerprint: a kept answer to another card, prompt, plan,
    situation or model is not used."""
    prompt = prompt_for(kind, unit, card, settings["words"], [])
    return fingerprint([prompt, settings["model"]])


def usable(
    kind: str, rows: list[dict], units: list[dict], card: dict, settings: dict
) -> dict[str, dict]:
    """The kept rows of a kind by id whose answer is to what would be asked now of these units."""
    briefs = {unit["unit"]: brief(kind, unit, card, settings) for unit in units}
    return {
        row["id"]: row
        for row in rows
        if row["kind"] == kind and row["answer"] and row["brief"] == briefs.get(row["unit"])
    }


def situated(units: list[dict], kept: dict[str, dict]) -> list[dict]:
    """The units that have a situation among the answers kept, each with it."""
    found = {row["unit"]: row["answer"] for row in kept.values() if row["kind"] == "situation"}
    return [unit | found[unit["unit"]] for unit in units if found.get(unit["unit"])]


def write_corpus(
    persona: str, n_units: int, settings: dict, folder: Path | None = None
) -> dict[str, int]:
    """Write `units.jsonl` and the three formats of a persona into `folder` (default
    `data/corpora/<card's name>`).

    Raises StudyError where the folder holds a corpus that was not made here. `settings`: model,
    words (least, most), max_tokens, temperature, asks, tries, timeout (s), concurrency,
    price_in, price_out. Answers are kept one by one in `written.jsonl`, from which an interrupted
    run goes on. A unit one of whose four answers never passes is left out of every format. Returns
    {units, failed}.
    """
    card = load_persona(persona)
    folder = folder or files.DATA / "corpora" / Path(persona).stem
    units = plan_units(card, n_units)
    if (folder / "units.jsonl").exists() and not (folder / "written.jsonl").exists():
        raise StudyError(
            f"{shown(folder)} holds a corpus that this writer did not make; move it away first."
        )
    rows, kept = resume_jsonl(folder / "written.jsonl"), {}
    for kind in FIELDS:  # the situations first: what was written from another one is not used
        ready = units if kind == "situation" else situated(units, kept)
        kept |= usable(kind, rows, ready, card, settings)
    print(estimate(units, card, settings), f"({len(kept)} calls are paid for already)")
    client, guard = connect(settings["timeout"], settings["tries"]), threading.Lock()
    bar = tqdm(
        total=len(units) * len(FIELDS),
        initial=len(kept),
        desc="writing, texts",
        mininterval=2,
        ncols=90,
    )

    def write(unit: dict, kind: str) -> None:
        row_id = f"{unit['unit']}/{kind}"
        if row_id in kept:
            return
        with guard:
            taken = [
                r["answer"]["situation"]
                for r in kept.values()
                if r["kind"] == "situation" and r["answer"]
            ][-10:]
        prompt = prompt_for(kind, unit, card, settings["words"], taken)
        answer, provenance = ask(
            client,
            prompt,
            FIELDS[kind],
            lambda a: problem(kind, a, card, settings["words"]),
            settings,
        )
        row = {
            "id": row_id,
            "unit": unit["unit"],
            "kind": kind,
            "brief": brief(kind, unit, card, settings),
            "answer": answer,
            "provenance": provenance,
        }
        with guard:
            append_jsonl(folder / "written.jsonl", [row])
            kept[row_id] = row
            bar.update()

    for kind in FIELDS:  # all situations first: the three forms of a unit start from its situation
        ready = units if kind == "situation" else situated(units, kept)
        in_parallel(partial(write, kind=kind), ready, settings["concurrency"])
    bar.close()
    tell_failures(kept.values())
    whole = [
        u
        for u in situated(units, kept)
        if all((kept.get(f"{u['unit']}/{kind}") or {}).get("answer") for kind in FIELDS)
    ]
    assemble(whole, kept, card, folder, settings)
    return {"units": len(whole), "failed": len(units) - len(whole)}


def assemble(
    units: list[dict], kept: dict[str, dict], card: dict, folder: Path, settings: dict
) -> None:
    """The corpus files and the dataset card from the answers kept."""
    head = ("unit", "split", "traits", "facts")
    write_jsonl(
        folder / "units.jsonl",
        [{k: unit[k] for k in (*head, "situation", "setting")} for unit in units],
    )
    for kind in FIELDS:
        if kind == "situation":
            continue
        rows = []
        for unit in units:
            row = kept[f"{unit['unit']}/{kind}"]
            answer = row["answer"]
            chat = [
                {"role": "user", "content": answer.get("user")},
                {"role": "assistant", "content": answer.get("reply")},
            ]
            body = {"messages": chat} if kind == "demonstrations" else {"text": answer["text"]}
            rows.append({k: unit[k] for k in head} | body | {"provenance": row["provenance"]})
        write_jsonl(folder / f"{kind}.jsonl", rows)
    write_text(
        folder / "README.md",
        f"# {card['name']}: texts in three formats\n\n{len(units)} units, written by the model "
        f"`{settings['model']}` with the prompts in `data/prompts/`; `provenance` in every row "
        "says when and how often it was asked. Nobody has read these texts; read some before you "
        "trust them, and state a licence before you share them.\n",
    )


if __name__ == "__main__":
    command(write_corpus, __doc__, "--units", 560)
