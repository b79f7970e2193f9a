"""PersLLM's data construction: questions of three types, retrieval, reasoned answers, from any
OpenAI-compatible server.

    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=...
    python -m helpers.persllm.construct PERSONA --model NAME

Needs the persona's card, `stages.yaml`, `knowledge.jsonl` and `speech.jsonl`. An interrupted run is
resumed by the same command, and what has been answered is not asked again.
"""

import random
import threading
from pathlib import Path

import numpy as np
from tqdm import tqdm

from helpers.alphabets import length
from helpers.corpus.personas import load_persona
from helpers.files import (
    StudyError,
    append_jsonl,
    fingerprint,
    resume_jsonl,
    sha256,
    shown,
    write_jsonl,
)
from helpers.persllm.life_stages import load_stages, persllm_folder
from helpers.persllm.reasoned import (
    AIMS,
    QUESTION_TYPES,
    STANCES,
    load_passages,
    without_duplicates,
)
from helpers.pretrained import embed, load_tokenizer
from helpers.server import PROMPTS, connect, in_parallel, render
from helpers.writing import ask, command, tell_failures

# The share of each question type among the examples (as in the shipped ones), and what such a
# question is to be.
SHARES = (0.4, 0.3, 0.3)
QUESTION_BRIEFS = {
    "ordinary": "it asks for a fact, a memory, help or a view.",
    "opinion": "it holds a short paragraph with somebody's opinion, which {stance}, "
    "and invites a reaction.",
    "anti_induction": "it rests on a false premise or a planted contradiction about the "
    "character's life, people or principles.",
}
STANCES_ASKED = {
    "agrees": "agrees with the character's own",
    "differs": "differs from the character's own",
    "clashes": "clashes with the character's principles",
}
INSTRUCTIONS = {
    "anti_induction": "The message rests on an error (in fact: {premise}): find it, and let the "
    "response point it out and put it right."
}
BUDGET = {"knowledge": 300, "speech": 150}  # tokens of each source that an answer may draw on


# Retrieval


def knowable(passages: list[dict], stage: str, persona: str) -> list[dict]:
    """The passages that may be known at a stage: those of the stages that it `knows`, and those of
    none (speech)."""
    knows = next(s["knows"] for s in load_stages(persona)["stages"] if s["id"] == stage)
    return [passage for passage in passages if passage.get("stage", stage) in knows]


def retrieve(
    question: np.ndarray, passages: list[dict], vectors: np.ndarray, tokenizer, budget: int
) -> list[dict]:
    """The passages nearest to a question, nearest first, with their `cosine`: as many as stay
    within `budget` tokens, at least one.

    `question` (size,) and `vectors` (passages, size) are unit vectors of `pretrained.embed`.
    """
    near, left = [], budget
    for place in np.argsort(-(vectors @ question), kind="stable"):
        left -= len(tokenizer(passages[place]["text"])["input_ids"])
        if near and left < 0:
            break
        near.append(passages[place] | {"cosine": float(vectors[place] @ question)})
    return near


# Writing


def plan(n: int, stages: list[dict], knowledge: list[dict], seed: int = 0) -> list[dict]:
    """n examples to write {id, split, question_type, stage, aim, passage, stance}: stages in turn,
    question types by SHARES, every fifth held out, passages of the stage in turn."""
    rng = random.Random(seed)
    types = [
        name
        for name, share in zip(QUESTION_TYPES, SHARES, strict=True)
        for _ in range(round(share * 10))
    ]
    rows = []
    for number in range(n):
        stage = stages[number % len(stages)]["id"]
        turn = number // len(stages)
        passages = [p["id"] for p in knowledge if p["stage"] == stage]
        if not passages:
            raise StudyError(
                f"data/persllm/<persona>/knowledge.jsonl has no passage of the stage '{stage}'. "
                "Every stage needs some: add one."
            )
        rows.append(
            {
                "id": f"p{number + 1:03d}",
                "split": "heldout" if (turn + turn // 10) % 5 == 4 else "train",
                "question_type": types[turn * 3 % 10],
                "stage": stage,
                "aim": AIMS[turn % 2],
                "passage": passages[turn % len(passages)],
                "stance": rng.choice(STANCES),
            }
        )
    return rows


def refuse_empty(sources: dict[str, list[dict]], stages: list[dict], persona: str) -> None:
    """Raise StudyError where a source has nothing that may be known at a stage: every answer draws
    on every source."""
    for name, passages in sources.items():
        for stage in stages:
            if not knowable(passages, stage["id"], persona):
                path = persllm_folder(persona) / f"{name}.jsonl"
                raise StudyError(
                    f"{shown(path)} has no passage that may be known at the stage "
                    f"'{stage['id']}'. Every answer needs some: add one."
                )


def question_prompt(
    row: dict, card: dict, stages: list[dict], knowledge: list[dict], taken: list[str]
) -> str:
    kind = QUESTION_BRIEFS[row["question_type"]].replace("{stance}", STANCES_ASKED[row["stance"]])
    aim = {"knowledge": "It turns on facts.", "attitude": "It turns on character and values."}[
        row["aim"]
    ]
    return render(
        "persllm_question",
        name=card["name"],
        description=card["description"],
        kind=f"{kind} {aim}",
        stage=next(s["description"] for s in stages if s["id"] == row["stage"]),
        passage=next(p["text"] for p in knowledge if p["id"] == row["passage"]),
        taken="\n".join(f"- {text}" for text in taken) or "- (none yet)",
    )


def answer_prompt(
    row: dict, card: dict, stages: list[dict], found: dict[str, list[dict]], words: tuple[int, int]
) -> str:
    listed = {
        name: "\n".join(f"- {p['text']}" for p in passages) for name, passages in found.items()
    }
    return render(
        "persllm_answer",
        name=card["name"],
        description=card["description"],
        question=row["question"],
        **listed,
        traits="\n".join(f"- {t['id']}: {t['description']}" for t in card["traits"]),
        words=f"{words[0]} to {words[1]}",
        stage=next(s["description"] for s in stages if s["id"] == row["stage"]),
        instruction=INSTRUCTIONS.get(row["question_type"], "").replace("{premise}", row["premise"]),
    )


def question_problem(row: dict, answer: dict) -> str | None:
    """What keeps a question out, or None."""
    if not 8 <= length(answer["question"]) <= 80:
        return f"the message has {length(answer['question'])} words, but must have 8 to 80"
    if row["question_type"] == "anti_induction" and length(answer["premise"]) < 3:
        return "the premise must be a sentence that says what is in fact so"
    return None


def answer_problem(answer: dict, words: tuple[int, int]) -> str | None:
    """What keeps an answer out, or None."""
    for field, (least, most) in (("analysis", (15, 90)), ("response", words)):
        if not least <= (found := length(answer[field])) <= most:
            return f"the {field} has {found} words, but must have {least} to {most}"
    return None


def write_examples(persona: str, n: int, settings: dict) -> dict[str, int]:
    """Write `examples.jsonl` of a persona beside its sources; returns {examples, duplicates,
    failed}.

    `settings` as for `corpus.writer.write_corpus`. Questions first; those that repeat an earlier
    one are dropped, then every question is answered from the passages retrieved for it. What was
    answered is kept in `written.jsonl`. Raises StudyError where the folder holds examples that were
    not made here, and before anything is asked where a source is empty.
    """
    card, persona = load_persona(persona), Path(persona).stem
    folder = persllm_folder(persona)
    stages, sources = load_stages(persona)["stages"], load_passages(persona)
    if (folder / "examples.jsonl").exists() and not (folder / "written.jsonl").exists():
        raise StudyError(
            f"{shown(folder)} holds examples that this writer did not make; move them away first."
        )
    rows = plan(n, stages, sources["knowledge"])
    refuse_empty(sources, stages, persona)
    prompts = [sha256(PROMPTS / f"{name}.txt") for name in ("persllm_question", "persllm_answer")]
    brief = fingerprint([card, stages, sources, settings["model"], settings["words"], prompts])
    kept = {
        row["id"]: row
        for row in resume_jsonl(folder / "written.jsonl")
        if row["brief"] == brief and row["answer"]
    }
    client, guard = connect(settings["timeout"], settings["tries"]), threading.Lock()
    print(f"{n} examples, {2 * n} calls at most ({len(kept)} are paid for already)")
    bar = tqdm(total=2 * n, initial=len(kept), desc="writing, texts", mininterval=2, ncols=90)

    def write(row_id: str, prompt: str, fields: tuple[str, ...], check) -> None:
        answer, provenance = ask(client, prompt, fields, check, settings)
        with guard:
            kept[row_id] = {
                "id": row_id,
                "brief": brief,
                "answer": answer,
                "provenance": provenance,
            }
            append_jsonl(folder / "written.jsonl", [kept[row_id]])
            bar.update()

    def write_question(row: dict) -> None:
        with guard:
            taken = [
                r["answer"]["question"]
                for i, r in kept.items()
                if i.endswith("/question") and r["answer"]
            ][-10:]
        prompt = question_prompt(row, card, stages, sources["knowledge"], taken)
        write(
            f"{row['id']}/question",
            prompt,
            ("question", "premise"),
            lambda answer: question_problem(row, answer),
        )

    def write_answer(row: dict) -> None:
        prompt = answer_prompt(row, card, stages, row["found"], settings["words"])
        write(
            f"{row['id']}/answer",
            prompt,
            ("analysis", "response"),
            lambda answer: answer_problem(answer, settings["words"]),
        )

    in_parallel(
        write_question,
        [r for r in rows if f"{r['id']}/question" not in kept],
        settings["concurrency"],
    )
    asked = [
        r | kept[f"{r['id']}/question"]["answer"]
        for r in rows
        if kept[f"{r['id']}/question"]["answer"]
    ]
    vectors = embed([row["question"] for row in asked])
    different = without_duplicates(asked, vectors)
    add_passages(
        different, sources, persona, dict(zip((r["id"] for r in asked), vectors, strict=True))
    )
    in_parallel(
        write_answer,
        [r for r in different if f"{r['id']}/answer" not in kept],
        settings["concurrency"],
    )
    bar.close()
    tell_failures(kept.values())
    done = [r for r in different if kept[f"{r['id']}/answer"]["answer"]]
    write_jsonl(
        folder / "examples.jsonl",
        [
            {
                name: row[name]
                for name in ("id", "split", "question_type", "stage", "aim", "question")
            }
            | ({"stance": row["stance"]} if row["question_type"] == "opinion" else {})
            | {"premise": row["premise"] if row["question_type"] == "anti_induction" else ""}
            | {name: [p["id"] for p in found] for name, found in row["found"].items()}
            | kept[f"{row['id']}/answer"]["answer"]
            | {"provenance": kept[f"{row['id']}/answer"]["provenance"]}
            for row in done
        ],
    )
    return {
        "examples": len(done),
        "duplicates": len(asked) - len(different),
        "failed": n - len(asked) + len(different) - len(done),
    }


def add_passages(
    rows: list[dict], sources: dict[str, list[dict]], persona: str, questions: dict[str, np.ndarray]
) -> None:
    """Give every row `found`: the passages retrieved for its question, per source. `questions` are
    unit vectors by id."""
    tokenizer = load_tokenizer("embedded")
    vectors = {}
    for name, passages in sources.items():
        ids, embedded = [p["id"] for p in passages], embed([p["text"] for p in passages])
        vectors[name] = dict(zip(ids, embedded, strict=True))
    for row in rows:
        row["found"] = {}
        for name, passages in sources.items():
            known = knowable(passages, row["stage"], persona)
            near = np.stack([vectors[name][p["id"]] for p in known])
            row["found"][name] = retrieve(
                questions[row["id"]], known, near, tokenizer, BUDGET[name]
            )


if __name__ == "__main__":
    command(write_examples, __doc__, "--examples", 500)
