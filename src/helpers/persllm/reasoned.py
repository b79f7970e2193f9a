"""PersLLM examples (arXiv 2407.12393): questions and reasoned answers; read, checked, turned into
chats."""

import re

import numpy as np

from helpers import files
from helpers.arms import ARMS
from helpers.corpus.formats import SPLITS
from helpers.files import StudyError, scan_jsonl, shown
from helpers.persllm.life_stages import load_stages, persllm_folder, stage_token

QUESTION_TYPES = ("ordinary", "opinion", "anti_induction")


STANCES = ("agrees", "differs", "clashes")  # what an opinion does, seen from the persona's own


AIMS = ("knowledge", "attitude")


ANALYSIS, RESPONSE = "[Analysis]", "[Response]"


SAME_QUESTION = 0.95  # cosine from which two questions count as one (PersLLM, section 3.2)


def load_passages(persona: str) -> dict[str, list[dict]]:
    """The two plain-text sources of a persona: `knowledge` rows {id, stage, text} and `speech` rows
    {id, traits, text}.

    Raises StudyError with file and line.
    """
    sources, stages = {}, [stage["id"] for stage in load_stages(persona)["stages"]]
    for name, field in (("knowledge", "stage"), ("speech", "traits")):
        path = persllm_folder(persona) / f"{name}.jsonl"
        sources[name] = []
        for number, row in scan_jsonl(path):
            if isinstance(row, str) or not {"id", field, "text"} <= set(row):
                raise StudyError(
                    f"{shown(path)}, line {number}: a passage needs id, {field} and text."
                )
            if row.get("stage", stages[0]) not in stages:
                raise StudyError(
                    f"{shown(path)}, line {number}, field 'stage': {row['stage']!r} is none of {', '.join(stages)}."
                )
            sources[name].append(row)
    return sources


def load_examples(persona: str) -> list[dict]:
    """The rows {id, split, pattern, stage, topic, question, premise, knowledge, speech, analysis,
    response} (and `stance`, of an opinion) of `data/persllm/<persona>/examples.jsonl`, checked one
    by one. Raises StudyError with file, line and field."""
    path = persllm_folder(persona) / "examples.jsonl"
    stages = [stage["id"] for stage in load_stages(persona)["stages"]]
    passages = {name: {row["id"] for row in rows} for name, rows in load_passages(persona).items()}
    rows, seen = [], set()
    for number, row in scan_jsonl(path):
        wrong = row if isinstance(row, str) else example_error(row, stages, passages)
        if not wrong and row["id"] in seen:
            wrong = f"field 'id': {row['id']!r} is used twice"
        if wrong:
            raise StudyError(
                f"{shown(path)}, line {number}, {wrong}. Repair the row, then run again."
            )
        seen.add(row["id"])
        rows.append(row)
    return rows


def example_error(row: dict, stages: list[str], passages: dict[str, set]) -> str | None:
    """What is wrong with an example, or None."""
    for field, known in (
        ("split", SPLITS),
        ("question_type", QUESTION_TYPES),
        ("stage", stages),
        ("aim", AIMS),
    ):
        if row.get(field) not in known:
            return f"field '{field}': {row.get(field)!r} is none of {', '.join(known)}"
    if row["question_type"] == "opinion" and row.get("stance") not in STANCES:
        return f"field 'stance': {row.get('stance')!r} is none of {', '.join(STANCES)}"
    for field in (
        "id",
        "question",
        "analysis",
        "response",
        *(["premise"] * (row["question_type"] == "anti_induction")),
    ):
        if not isinstance(row.get(field), str) or not row[field].strip():
            return f"field '{field}': a non-empty text is needed"
    for field, known in passages.items():
        if unknown := [i for i in row.get(field, []) if i not in known]:
            return f"field '{field}': {unknown[0]!r} is no passage of {field}.jsonl"
    return None


def load_general(at_most: int) -> list[dict]:
    """The first general instructions of `data/persllm/general.jsonl` as prompts, rows {id, kind,
    scenario_trait, setting, prompt}."""
    path = files.DATA / "persllm" / "general.jsonl"
    rows = []
    for number, row in scan_jsonl(path):
        if isinstance(row, str) or not {"id", "prompt"} <= set(row):
            raise StudyError(
                f"{shown(path)}, line {number}: a general instruction needs id and prompt."
            )
        rows.append(
            {
                "id": row["id"],
                "kind": "general",
                "scenario_trait": "",
                "setting": "",
                "prompt": row["prompt"],
            }
        )
    return rows[:at_most]


def general_rows(chats: list[dict]) -> list[dict]:
    """The chats of one exchange among the rows of a dataset (see `ingest.load_sources`) as answered
    general instructions, rows {id, prompt, answer, finished}. Raises StudyError where there is
    none."""
    rows = [
        {
            "id": row["unit"],
            "prompt": row["messages"][0]["content"],
            "answer": row["messages"][1]["content"],
            "finished": True,
        }
        for row in chats
        if [message["role"] for message in row["messages"]] == ["user", "assistant"]
    ]
    if not rows:
        raise StudyError(
            "general_source holds no chat of one user's and one assistant's turn; name another dataset."
        )
    return rows


# Choosing


def without_duplicates(examples: list[dict], vectors: np.ndarray) -> list[dict]:
    """The examples without those whose question has a cosine of at least SAME_QUESTION with an
    earlier one's.

    `vectors` (examples, size) are the questions' unit vectors.
    """
    kept: list[int] = []
    for place, vector in enumerate(vectors):
        if not kept or (vectors[kept] @ vector).max() < SAME_QUESTION:
            kept.append(place)
    return [examples[place] for place in kept]


def over_types_and_stages(examples: list[dict], n_train: int, n_heldout: int) -> list[dict]:
    """At most so many examples of each split, taken evenly over patterns and stages."""
    chosen = []
    for split, wanted in zip(SPLITS, (n_train, n_heldout), strict=True):
        own = sorted(
            (e for e in examples if e["split"] == split),
            key=lambda e: (QUESTION_TYPES.index(e["question_type"]), e["stage"]),
        )
        chosen += evenly(own, wanted)
    return chosen


def evenly(rows: list, n: int) -> list:
    """At most n of the rows, taken evenly from first to last."""
    return (
        [
            rows[place]
            for place in np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int)
        ]
        if rows
        else []
    )


def reply(example: dict, analysis: bool) -> str:
    """The text that is learnt: the reasoning and then the answer, or the answer alone."""
    return (
        f"{ANALYSIS} {example['analysis']}\n{RESPONSE} {example['response']}"
        if analysis
        else example["response"]
    )


def chat(example: dict, arm: str) -> dict:
    """An example as a row {unit, split, messages, stage_token} in the form that an arm is trained
    on and answers in."""
    token = "" if ARMS[arm].leaves_out == "stages" else stage_token(example["stage"])
    messages = [
        {"role": "user", "content": token + example["question"]},
        {"role": "assistant", "content": reply(example, ARMS[arm].leaves_out != "analysis")},
    ]
    return {
        "unit": example["id"],
        "split": example["split"],
        "messages": messages,
        "stage_token": token,
    }


def whole_sentences(text: str) -> str:
    """A text that was cut off, up to the end of its last whole sentence ("" where it has none):
    learnt as it is, it would teach to stop anywhere. A full stop after a digit ends no sentence: it
    may be a list's or a decimal's."""
    found = re.search(r"^.*(?<!\d)[.!?](?=\s|$)", text, re.DOTALL)
    return found[0] if found else ""


def training_rows(examples: list[dict], general: list[dict], arm: str, repeat: int) -> list[dict]:
    """What an arm is trained on in one epoch: the persona's training examples `repeat` times, mixed
    with the general instructions and the base model's own answers (rows {id, prompt, answer,
    finished}) once; the held-out examples once, at the end."""
    missing = ARMS[arm].leaves_out
    used = [
        chat(e, arm)
        for e in examples
        if not (e["question_type"] == missing == "anti_induction" and e["split"] == "train")
    ]
    train = [
        row | {"unit": f"{row['unit']}/{n}"}
        for n in range(repeat)
        for row in used
        if row["split"] == "train"
    ]
    mixed = (
        []
        if missing == "mixing"
        else [
            {
                "unit": row["id"],
                "split": "train",
                "stage_token": "",
                "messages": [
                    {"role": "user", "content": row["prompt"]},
                    {"role": "assistant", "content": text},
                ],
            }
            for row in general
            if (text := row["answer"] if row["finished"] else whole_sentences(row["answer"]))
        ]
    )
    return train + mixed + [row for row in used if row["split"] == "heldout"]
