"""The three training-data formats: corpora on disk, and units turned into training examples."""

from pathlib import Path

import numpy as np
from datasets import Dataset

from helpers.personas import load_persona, trait_ids
from helpers.store import DATA, StudyError, atomic, read_json, read_jsonl, run_folder, scan_jsonl, shown

# Format (and arm) -> the field that holds its texts.
FORMATS = {"demonstrations": "messages", "first_person": "text", "documents": "text"}
SPLITS = ("train", "heldout")
ANCHORS = ("base", "prompted")  # arms without training
# The arms trained on PersLLM examples -> what their data leave out: the whole method, and its ablations.
REASONED = {"persllm": "", "persllm_no_analysis": "analysis", "persllm_no_anti_induction": "anti_induction",
            "persllm_no_stages": "stages", "persllm_no_mixing": "mixing"}  # fmt: skip
PREFERRED = "persllm_dpo"  # the arm that automated DPO makes of `persllm`
ARMS = (*ANCHORS, *FORMATS, *REASONED, PREFERRED)


def arms_and_seeds(arms: list[str], seeds: list[int]) -> list[tuple[str, int]]:
    """Every arm with every seed, but an ablation with the first alone, to spare time. In an anchor, where nothing is trained, a
    seed changes the sampling alone."""
    return [(arm, seed) for seed in seeds for arm in arms if seed == seeds[0] or not REASONED.get(arm)]


def corpus_folder(persona: str) -> Path:
    return DATA / "corpora" / persona


def load_corpus(path: Path, field: str, traits: list[str], facts: list[str]) -> list[dict]:
    """The rows {unit, split, traits, facts, messages | text} of one format's file, checked one by one.

    `field` is `messages` or `text`. Raises StudyError with file, line, field and remedy.
    """
    rows, seen = [], set()
    for number, row in scan_jsonl(path):
        where = f"{shown(path)}, line {number}"
        if isinstance(row, str):
            raise StudyError(f"{where}: {row}. Repair or remove the line, then run again.")
        if wrong := row_error(row, field, traits, facts):
            raise StudyError(f"{where}, {wrong}. Repair the row, then run again.")
        if row["unit"] in seen:
            raise StudyError(f"{where}, field 'unit': {row['unit']!r} stands twice in the file. Remove one of them.")
        seen.add(row["unit"])
        rows.append(row)
    return rows


def row_error(row: dict, field: str, traits: list[str], facts: list[str]) -> str | None:
    """What is wrong with a corpus row, or None."""
    missing = {"unit", "split", "traits", "facts", field} - set(row)
    if missing:
        return f"field '{sorted(missing)[0]}': it is missing"
    if row["split"] not in SPLITS:
        return f"field 'split': {row['split']!r} is neither 'train' nor 'heldout'"
    for name, known in (("traits", traits), ("facts", facts)):
        unknown = [i for i in row[name] if i not in known]
        if unknown:
            return f"field '{name}': {unknown[0]!r} is not on the persona's card"
    return messages_error(row["messages"]) if field == "messages" else text_error(row["text"], "text")


def text_error(text: object, field: str) -> str | None:
    return None if isinstance(text, str) and text.strip() else f"field '{field}': a non-empty text is needed"


def messages_error(messages: object) -> str | None:
    """None for a list of {role, content} that ends with the assistant's turn, else what is wrong."""
    if not isinstance(messages, list) or len(messages) < 2:
        return "field 'messages': a list of at least two messages is needed"
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant"):
            return "field 'messages': every message needs a role of system, user or assistant"
        if wrong := text_error(message.get("content"), "messages"):
            return wrong
    return None if messages[-1]["role"] == "assistant" else "field 'messages': the last turn must be the assistant's"


def load_corpora(persona: str) -> dict[str, list[dict]]:
    """Format -> rows of a persona's own corpus in `data/corpora/<persona>/`, all formats on the same units.

    Raises StudyError, also when the formats do not hold the same units, splits, traits and facts in the same order.
    """
    card = load_persona(persona)
    traits, facts = trait_ids(card), [fact["id"] for fact in card["facts"]]
    folder = corpus_folder(persona)
    corpora = {f: load_corpus(folder / f"{f}.jsonl", field, traits, facts) for f, field in FORMATS.items()}
    first, *others = corpora
    for other in others:
        for number, (a, b) in enumerate(zip(corpora[first], corpora[other], strict=False), 1):
            for name in ("unit", "split", "traits", "facts"):
                if a[name] != b[name]:
                    raise StudyError(
                        f"{shown(folder)}/{other}.jsonl, line {number}, field '{name}': {b[name]!r}, but {first} has "
                        f"{a[name]!r}. Every format holds the same units in the same order."
                    )
        if len(corpora[first]) != len(corpora[other]):
            raise StudyError(f"{shown(folder)}: {first} and {other} have different numbers of rows.")
    return corpora


def load_units(persona: str) -> list[dict] | None:
    """The rows {unit, split, situation, traits, facts, ...} of `units.jsonl`, or None where a corpus has none."""
    path = corpus_folder(persona) / "units.jsonl"
    return read_jsonl(path) if path.exists() else None


def first_units(rows: list[dict], n_train: int, n_heldout: int) -> list[dict]:
    """The first rows of each split, in corpus order; the same units in every format."""
    wanted = dict(zip(SPLITS, (n_train, n_heldout), strict=True))
    chosen = {id(row) for split, n in wanted.items() for row in [r for r in rows if r["split"] == split][:n]}
    return [row for row in rows if id(row) in chosen]


def same_units(others: list[dict], rows: list[dict]) -> list[dict]:
    """The rows of `others` (a control character's) that stand for the units of `rows`; [] where there are no others.

    Raises StudyError where some units have none: a gain on other situations could not be compared.
    """
    wanted = {row["unit"] for row in rows}
    found = [row for row in others if row["unit"] in wanted]
    if others and len(found) < len(wanted):
        raise StudyError(
            f"the control character's texts cover {len(found)} of {len(wanted)} held-out units. Set `control` to a corpus that was "
            'written for this persona\'s units, or to "" for none.'
        )
    return found


def text_of(row: dict) -> str:
    """The text that is trained on: the reply of a demonstration, the whole text otherwise."""
    return row["messages"][-1]["content"] if "messages" in row else row["text"]


def prepared(run: str, name: str) -> list[dict]:
    """The rows of one format as notebook 01 prepared them for this run."""
    path = run_folder(run, "data") / f"{name}.jsonl"
    if not path.exists():
        raise StudyError(f"{shown(path)} is missing; run notebooks/01_data.ipynb with run='{run}' first.")
    return read_jsonl(path)


def prepared_formats(run: str) -> list[str]:
    """The formats that notebook 01 prepared for this run: all, or those that data of one's own were given for."""
    return [name for name in FORMATS if (run_folder(run, "data") / f"{name}.jsonl").exists()]


def data_hash(run: str) -> str:
    """The hash of the prepared data that notebook 01 wrote with them."""
    return read_json(run_folder(run, "data") / "record.json")["data"]


def publish(persona: str) -> None:
    """Write the corpus as Parquet, `published/<format>/<split>.parquet`, which the dataset card's configurations name."""
    for name, rows in load_corpora(persona).items():
        for split in SPLITS:
            part = Dataset.from_list([row for row in rows if row["split"] == split])
            with atomic(corpus_folder(persona) / "published" / name / f"{split}.parquet") as temporary:
                part.to_parquet(str(temporary))


def stage_tokens(rows: list[dict]) -> list[str]:
    """The special tokens that rows name life stages with, in the order in which they join the tokenizer."""
    return sorted({row["stage_token"] for row in rows if row.get("stage_token")})


# Examples


def encode(row: dict, tokenizer, max_length: int) -> dict:
    """One row as {unit, input_ids, labels}: lists of equal length, label -100 where no loss is taken.

    Chats use the tokenizer's own template and take the loss on the last reply and its end-of-turn token only; texts
    are raw, closed by the end token, and take it on every token. Both are cut to `max_length` tokens.
    """
    if "messages" in row:
        ids, start = chat_ids(row["messages"], tokenizer)
    else:
        ids, start = [*tokenizer(row["text"], add_special_tokens=False)["input_ids"], tokenizer.eos_token_id], 0
    labels = [-100] * start + ids[start:]
    return {"unit": row["unit"], "input_ids": ids[:max_length], "labels": labels[:max_length]}


def encode_all(rows: list[dict], tokenizer, max_length: int) -> list[dict]:
    """The examples of all rows; rows cut at `max_length` are counted in print, and those left without a token to learn
    (a prompt longer than that) are dropped. Raises StudyError when none is left."""
    examples = [encode(row, tokenizer, max_length) for row in rows]
    useful = [example for example in examples if trained_tokens(example)]
    cut = sum(len(example["input_ids"]) == max_length for example in examples)
    if cut:
        print(
            f"{cut} of {len(rows)} texts reach max_length = {max_length} and are cut; {len(rows) - len(useful)} are dropped"
        )
    if not useful:
        raise StudyError(f"No text has a token to learn within max_length = {max_length}; raise it.")
    return useful


def chat_prompt(messages: list[dict], tokenizer) -> str:
    """A chat in the tokenizer's template, up to where the reply begins."""
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def chat_ids(messages: list[dict], tokenizer) -> tuple[list[int], int]:
    """Token ids of a templated chat, and where the last reply begins. What a template adds after the turn's end
    token (a newline, say) is dropped. Raises StudyError when the template does not end the prompt with the reply's start.
    """
    prompt = chat_prompt(messages[:-1], tokenizer)
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    if not whole.startswith(prompt):
        raise StudyError(
            "The tokenizer's chat template writes a conversation differently once it is answered, so the reply cannot "
            "be told from the prompt. Use a template whose generation prompt is a prefix of the whole chat."
        )
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    reply_ids = tokenizer(whole[len(prompt) :].rstrip("\n"), add_special_tokens=False)["input_ids"]
    return prompt_ids + reply_ids, len(prompt_ids)


def trained_tokens(example: dict) -> int:
    """How many tokens of an example the loss is taken on; the first token of a row is never predicted."""
    return sum(label != -100 for label in example["labels"][1:])


def unit_order(n_units: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the units in an epoch: the same for every arm of a seed."""
    return np.random.default_rng([seed, epoch]).permutation(n_units)
