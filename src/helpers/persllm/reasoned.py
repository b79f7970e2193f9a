"""PersLLM examples (arXiv 2407.12393): questions and reasoned answers; read, checked, turned into
chats."""

import re
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from helpers import files
from helpers.arms import ARMS
from helpers.corpus.formats import SPLITS
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import StudyError
from helpers.persllm.life_stages import persllm_folder, stage_ids, stage_token
from helpers.rows import Row, Text, TraitId, has_words, known, read_rows

QUESTION_TYPES = ("ordinary", "opinion", "anti_induction")
STANCES = ("agrees", "differs", "clashes")  # what an opinion does, seen from the persona's
AIMS = ("knowledge", "attitude")
ANALYSIS, RESPONSE = "[Analysis]", "[Response]"
SAME_QUESTION = 0.95  # cosine from which two questions count as one (PersLLM, section 3.2)

StageId = known("stages", "is no stage of stages.yaml")
KnowledgeId = known("knowledge", "is no passage of knowledge.jsonl")
SpeechId = known("speech", "is no passage of speech.jsonl")


class Knowledge(Row):
    """A passage of facts and experiences, of the stage that lived them."""

    id: Text
    stage: StageId
    text: Text


class Speech(Row):
    """A passage of the persona's talk, with the traits that it shows."""

    id: Text
    traits: list[TraitId]
    text: Text


class Example(Row, extra="forbid"):
    """A question and the reasoned answer to it. `knowledge` and `speech` are the passages that it
    rests on, `premise` is what is in fact so where the question has it wrong, `provenance` who
    wrote it and when."""

    id: Text
    split: Literal[*SPLITS]
    question_type: Literal[*QUESTION_TYPES]
    stage: StageId
    aim: Literal[*AIMS]
    stance: Literal[*STANCES] | None = Field(None, validate_default=True)
    question: Text
    premise: str = Field("", validate_default=True)
    knowledge: list[KnowledgeId] = Field(default_factory=list)
    speech: list[SpeechId] = Field(default_factory=list)
    analysis: Text
    response: Text
    provenance: dict[str, Any] = Field(default_factory=dict)

    @field_validator("stance")
    @classmethod
    def opinions_have_one(cls, stance: str | None, info) -> str | None:
        if stance is None and info.data.get("question_type") == "opinion":
            raise ValueError(f"an opinion needs one of {', '.join(STANCES)}")
        return stance

    @field_validator("premise")
    @classmethod
    def anti_induction_has_one(cls, premise: str, info) -> str:
        return has_words(premise) if info.data.get("question_type") == "anti_induction" else premise


class General(Row):
    """A general instruction, without an answer."""

    id: Text
    prompt: Text


# Reading


def load_passages(persona: str) -> dict[str, list[dict]]:
    """The two plain-text sources of a persona: `knowledge` rows {id, stage, text} and `speech` rows
    {id, traits, text}.

    Raises StudyError with file, line and field.
    """
    folder, context = persllm_folder(persona), {"stages": stage_ids(persona)}
    context["traits"] = trait_ids(load_persona(persona))
    return {
        "knowledge": read_rows(folder / "knowledge.jsonl", Knowledge, context),
        "speech": read_rows(folder / "speech.jsonl", Speech, context),
    }


def load_examples(persona: str) -> list[dict]:
    """The rows of `data/persllm/<persona>/examples.jsonl` (see `Example`), checked one by one.
    Raises StudyError with file, line and field."""
    context = {name: {p["id"] for p in own} for name, own in load_passages(persona).items()}
    context["stages"] = stage_ids(persona)
    return read_rows(persllm_folder(persona) / "examples.jsonl", Example, context)


def load_general(at_most: int) -> list[dict]:
    """The first general instructions of `data/persllm/general.jsonl` as prompts, rows {id, kind,
    scenario_trait, setting, prompt}."""
    common = {"kind": "general", "scenario_trait": "", "setting": ""}
    return [
        {"id": row["id"], **common, "prompt": row["prompt"]}
        for row in read_rows(files.DATA / "persllm" / "general.jsonl", General)[:at_most]
    ]


def general_rows(chats: list[dict]) -> list[dict]:
    """The chats of one exchange among the rows of a dataset (see `ingest.read_corpora`) as answered
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
            "general_source holds no chat of one user's and one assistant's turn; name another "
            "dataset."
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
    """At most so many examples of each split, taken evenly over question types and stages."""
    chosen = []
    for split, wanted in zip(SPLITS, (n_train, n_heldout), strict=True):
        candidates = sorted(
            (e for e in examples if e["split"] == split),
            key=lambda e: (QUESTION_TYPES.index(e["question_type"]), e["stage"]),
        )
        chosen += evenly(candidates, wanted)
    return chosen


def evenly(rows: list, n: int) -> list:
    """At most n of the rows, taken evenly from first to last."""
    places = np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int)
    return [rows[place] for place in places]


def reply(example: dict, analysis: bool) -> str:
    """The text that is learnt: the reasoning and then the answer, or the answer alone."""
    if not analysis:
        return example["response"]
    return f"{ANALYSIS} {example['analysis']}\n{RESPONSE} {example['response']}"


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
    found = re.search(r"^.*(?:(?<!\d)[.!?؟۔।॥](?=\s|$)|[。！？｡])", text, re.DOTALL)
    return found[0] if found else ""


def training_rows(examples: list[dict], general: list[dict], arm: str, repeat: int) -> list[dict]:
    """What an arm is trained on in one epoch: the persona's training examples `repeat` times, mixed
    with the general instructions and the base model's answers (rows {id, prompt, answer,
    finished}) once; the held-out examples once, at the end."""
    missing = ARMS[arm].leaves_out
    taught = [
        chat(e, arm)
        for e in examples
        if not (e["question_type"] == missing == "anti_induction" and e["split"] == "train")
    ]
    train = [
        row | {"unit": f"{row['unit']}/{n}"}
        for n in range(repeat)
        for row in taught
        if row["split"] == "train"
    ]
    mixed = [] if missing == "mixing" else [row for g in general if (row := general_chat(g))]
    return train + mixed + [row for row in taught if row["split"] == "heldout"]


def general_chat(row: dict) -> dict | None:
    """A general instruction and its answer as a row to train on; None where the answer was cut off
    and has no whole sentence."""
    text = row["answer"] if row["finished"] else whole_sentences(row["answer"])
    messages = [
        {"role": "user", "content": row["prompt"]},
        {"role": "assistant", "content": text},
    ]
    if not text:
        return None
    return {"unit": row["id"], "split": "train", "stage_token": "", "messages": messages}
