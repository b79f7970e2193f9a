"""Automated DPO (PersLLM, section 3.3): pairs of answers whose rejected side is mined, never
written."""

import numpy as np

from helpers.corpus.encode import BREAK, chat_prompt, plain_text
from helpers.persllm.life_stages import persllm_folder, stage_token
from helpers.persllm.reasoned import ANALYSIS, RESPONSE, load_examples, whole_sentences
from helpers.pretrained import embed

REJECTED_FROM = ("other", "stage", "base")  # where a rejected answer comes from, in turn
PASSED_OVER = 5  # the nearest answers are too good to be rejected; the authors pass over as many


def draw(examples: list[dict], stages: list[str], n: int, seed: int) -> list[dict]:
    """n training examples in an order drawn from the seed, each with the `kind` of its rejected
    answer and, for `stage`, with `other_stage`, the next stage of life."""
    train = [example for example in examples if example["split"] == "train"]
    order = np.random.default_rng(seed).permutation(len(train))[:n]
    rows = []
    for turn, example in enumerate(train[place] for place in order):
        other = stages[(stages.index(example["stage"]) + 1) % len(stages)]
        kind = REJECTED_FROM[turn % len(REJECTED_FROM)]
        rows.append(example | {"kind": kind, "other_stage": other})
    return rows


def pooled(persona: str) -> list[dict]:
    """The answers that a rejected one is looked for in: the training answers of every persona with
    examples, this one's too."""
    personas = sorted(
        path.parent.name for path in persllm_folder(persona).parent.glob("*/examples.jsonl")
    )
    return [
        {"id": f"{name}/{e['id']}", "response": e["response"]}
        for name in personas
        for e in load_examples(name)
        if e["split"] == "train"
    ]


def nearest_after(
    vector: np.ndarray, answer_id: str, pool: list[dict], pool_vectors: np.ndarray
) -> dict:
    """The answer of the pool that is nearest to an answer (its unit vector and id) after passing
    over the PASSED_OVER nearest and the answer itself."""
    nearest_first = np.argsort(-(pool_vectors @ vector), kind="stable")
    others = [pool[place] for place in nearest_first if pool[place]["id"] != answer_id]
    return others[PASSED_OVER]


def of_others(rows: list[dict], persona: str) -> dict[str, str]:
    """The rejected answers of kind `other`, by example: for each, an answer near to its own (see
    `nearest_after`) among those of all personas."""
    pool = pooled(persona)
    vectors = embed([answer["response"] for answer in pool])
    place = {answer["id"]: number for number, answer in enumerate(pool)}
    found = {}
    for row in (row for row in rows if row["kind"] == "other"):
        answer_id = f"{persona}/{row['id']}"
        near = nearest_after(vectors[place[answer_id]], answer_id, pool, vectors)
        found[row["id"]] = near["response"]
    return found


def whole(answers: list[dict]) -> dict[str, str]:
    """Answers by their item; one that was cut off is kept up to its last whole sentence, and left
    out where it has none."""
    texts = {
        row["item"]: row["answer"] if row["finished"] else whole_sentences(row["answer"])
        for row in answers
    }
    return {item: text for item, text in texts.items() if text}


def to_ask(rows: list[dict], kind: str) -> list[dict]:
    """The prompts (rows of `answer.answer_prompts`) that produce the rejected answers of a kind:
    the question at the other stage, or as the base model reads it."""
    common = {"kind": kind, "scenario_trait": "", "setting": ""}
    return [
        {"id": row["id"], **common, "prompt": row["question"]}
        | ({"asked": stage_token(row["other_stage"]) + row["question"]} if kind == "stage" else {})
        for row in rows
        if row["kind"] == kind
    ]


def pair(row: dict, rejected: str, tokenizer) -> dict:
    """A preference pair {unit, kind, prompt, chosen, rejected} as text. The reasoning belongs to
    the prompt, so that the two sides differ in the answer and not in whether they reason.

    TRL tokenizes these texts itself: what would break a control token within them (see
    `encode.plain_text`) is a space here."""
    prompt = chat_prompt(
        [{"role": "user", "content": stage_token(row["stage"]) + row["question"]}], tokenizer
    )
    analysis = plain_text(f"{ANALYSIS} {row['analysis']}\n{RESPONSE}", tokenizer)
    return {
        "unit": row["id"],
        "kind": row["kind"],
        "prompt": f"{prompt}{analysis}".replace(BREAK, " "),
        "chosen": plain_text(f" {row['response']}", tokenizer).replace(BREAK, " "),
        "rejected": plain_text(f" {rejected}", tokenizer).replace(BREAK, " "),
    }
