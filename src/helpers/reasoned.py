"""PersLLM examples (arXiv 2407.12393): questions, reasoned answers and life stages; read, checked, turned into chats."""

import re
from pathlib import Path

import numpy as np
import yaml

from helpers.formats import PREFERRED, REASONED, SPLITS
from helpers.store import DATA, StudyError, check_choice, scan_jsonl, shown

PATTERNS = ("ordinary", "opinion", "anti_induction")
STANCES = ("agrees", "differs", "clashes")  # what an opinion does, seen from the persona's own
TOPICS = ("knowledge", "attitude")
ANALYSIS, RESPONSE = "[Analysis]", "[Response]"
SAME_QUESTION = 0.95  # cosine from which two questions count as one (PersLLM, section 3.2)


def reasoned_folder(persona: str) -> Path:
    return DATA / "persllm" / persona


# Reading


def load_stages(persona: str) -> dict:
    """`data/persllm/<persona>/stages.yaml`: {default, stages: [{id, knows, description, first_known, cannot}]}, in order of life.

    `knows` are the stages remembered there, `first_known` regular expressions for what nobody could mention before that stage, `cannot` questions about other
    stages; `default` is the stage in which questions that belong to none are answered. Raises StudyError.
    """
    path = reasoned_folder(persona) / "stages.yaml"
    if not path.is_file():
        raise StudyError(f"{shown(path)} is missing: PersLLM arms need a persona's life stages (README, 'PersLLM').")
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        ids = [stage["id"] for stage in table["stages"]]
        for stage in table["stages"]:
            if not {stage["id"]} <= set(stage["knows"]) <= set(ids) or not stage["description"]:
                raise ValueError(f"stage '{stage['id']}' must know itself, and only stages that are listed")
            if not all(isinstance(text, str) for name in ("first_known", "cannot") for text in stage[name]):
                raise ValueError(f"stage '{stage['id']}': first_known and cannot are lists of texts")
            [re.compile(text) for text in stage["first_known"]]
        if len(ids) != len(set(ids)) or table["default"] not in ids:
            raise ValueError("the ids must differ, and default be one of them")
    except (yaml.YAMLError, KeyError, TypeError, ValueError, re.error) as error:
        raise StudyError(
            f"{shown(path)}: not a list of stages with id, knows, description, first_known and cannot, and a default stage ({error})."
        ) from error
    return table


def load_sources(persona: str) -> dict[str, list[dict]]:
    """The two plain-text sources of a persona: `knowledge` rows {id, stage, text} and `speech` rows {id, traits, text}.

    Raises StudyError with file and line.
    """
    sources, stages = {}, [stage["id"] for stage in load_stages(persona)["stages"]]
    for name, field in (("knowledge", "stage"), ("speech", "traits")):
        path = reasoned_folder(persona) / f"{name}.jsonl"
        sources[name] = []
        for number, row in scan_jsonl(path):
            if isinstance(row, str) or not {"id", field, "text"} <= set(row):
                raise StudyError(f"{shown(path)}, line {number}: a passage needs id, {field} and text.")
            if row.get("stage", stages[0]) not in stages:
                raise StudyError(
                    f"{shown(path)}, line {number}, field 'stage': {row['stage']!r} is none of {', '.join(stages)}."
                )
            sources[name].append(row)
    return sources


def load_examples(persona: str) -> list[dict]:
    """The rows {id, split, pattern, stage, topic, question, premise, knowledge, speech, analysis, response} (and `stance`, of an
    opinion) of `data/persllm/<persona>/examples.jsonl`, checked one by one. Raises StudyError with file, line and field."""
    path = reasoned_folder(persona) / "examples.jsonl"
    stages = [stage["id"] for stage in load_stages(persona)["stages"]]
    passages = {name: {row["id"] for row in rows} for name, rows in load_sources(persona).items()}
    rows, seen = [], set()
    for number, row in scan_jsonl(path):
        wrong = row if isinstance(row, str) else example_error(row, stages, passages)
        if not wrong and row["id"] in seen:
            wrong = f"field 'id': {row['id']!r} is used twice"
        if wrong:
            raise StudyError(f"{shown(path)}, line {number}, {wrong}. Repair the row, then run again.")
        seen.add(row["id"])
        rows.append(row)
    return rows


def example_error(row: dict, stages: list[str], passages: dict[str, set]) -> str | None:
    """What is wrong with an example, or None."""
    for field, known in (("split", SPLITS), ("pattern", PATTERNS), ("stage", stages), ("topic", TOPICS)):
        if row.get(field) not in known:
            return f"field '{field}': {row.get(field)!r} is none of {', '.join(known)}"
    if row["pattern"] == "opinion" and row.get("stance") not in STANCES:
        return f"field 'stance': {row.get('stance')!r} is none of {', '.join(STANCES)}"
    for field in ("id", "question", "analysis", "response", *(["premise"] * (row["pattern"] == "anti_induction"))):
        if not isinstance(row.get(field), str) or not row[field].strip():
            return f"field '{field}': a non-empty text is needed"
    for field, known in passages.items():
        if unknown := [i for i in row.get(field, []) if i not in known]:
            return f"field '{field}': {unknown[0]!r} is no passage of {field}.jsonl"
    return None


def load_general(at_most: int) -> list[dict]:
    """The first general instructions of `data/persllm/general.jsonl` as prompts, rows {id, kind, about, world, prompt}."""
    path = DATA / "persllm" / "general.jsonl"
    rows = []
    for number, row in scan_jsonl(path):
        if isinstance(row, str) or not {"id", "prompt"} <= set(row):
            raise StudyError(f"{shown(path)}, line {number}: a general instruction needs id and prompt.")
        rows.append({"id": row["id"], "kind": "general", "about": "", "world": "", "prompt": row["prompt"]})
    return rows[:at_most]


def general_rows(chats: list[dict]) -> list[dict]:
    """The chats of one exchange among the rows of a dataset (see `ingest.load_sources`) as answered general instructions, rows
    {id, prompt, answer, finished}. Raises StudyError where there is none."""
    rows = [{"id": row["unit"], "prompt": row["messages"][0]["content"], "answer": row["messages"][1]["content"], "finished": True}
            for row in chats if [message["role"] for message in row["messages"]] == ["user", "assistant"]]  # fmt: skip
    if not rows:
        raise StudyError("general_source holds no chat of one user's and one assistant's turn; name another dataset.")
    return rows


# Choosing


def without_duplicates(examples: list[dict], vectors: np.ndarray) -> list[dict]:
    """The examples without those whose question has a cosine of at least SAME_QUESTION with an earlier one's.

    `vectors` (examples, size) are the questions' unit vectors.
    """
    kept: list[int] = []
    for place, vector in enumerate(vectors):
        if not kept or (vectors[kept] @ vector).max() < SAME_QUESTION:
            kept.append(place)
    return [examples[place] for place in kept]


def spread(examples: list[dict], n_train: int, n_heldout: int) -> list[dict]:
    """At most so many examples of each split, taken evenly over patterns and stages."""
    chosen = []
    for split, wanted in zip(SPLITS, (n_train, n_heldout), strict=True):
        own = sorted(
            (e for e in examples if e["split"] == split), key=lambda e: (PATTERNS.index(e["pattern"]), e["stage"])
        )
        chosen += evenly(own, wanted)
    return chosen


def evenly(rows: list, n: int) -> list:
    """At most n of the rows, taken evenly from first to last."""
    return (
        [rows[place] for place in np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int)] if rows else []
    )


# Examples as chats


def left_out(arm: str) -> str | None:
    """What an arm's training data left out ("" for nothing); None for an arm that was not trained on these examples."""
    return "" if arm == PREFERRED else REASONED.get(arm)


def stage_token(stage: str) -> str:
    """The special token that stands before a user's message and names the stage of life that is spoken to."""
    return f"<|{stage}|>"


def reply(example: dict, analysis: bool) -> str:
    """The text that is learnt: the reasoning and then the answer, or the answer alone."""
    return f"{ANALYSIS} {example['analysis']}\n{RESPONSE} {example['response']}" if analysis else example["response"]


def chat(example: dict, arm: str) -> dict:
    """An example as a row {unit, split, messages, stage_token} in the form that an arm is trained on and answers in."""
    token = "" if left_out(arm) == "stages" else stage_token(example["stage"])
    messages = [{"role": "user", "content": token + example["question"]},
                {"role": "assistant", "content": reply(example, left_out(arm) != "analysis")}]  # fmt: skip
    return {"unit": example["id"], "split": example["split"], "messages": messages, "stage_token": token}


def whole_sentences(text: str) -> str:
    """A text that was cut off, up to the end of its last whole sentence ("" where it has none): learnt as it is, it would teach to
    stop anywhere. A full stop after a digit ends no sentence: it may be a list's or a decimal's."""
    found = re.search(r"^.*(?<!\d)[.!?](?=\s|$)", text, re.DOTALL)
    return found[0] if found else ""


def training_rows(examples: list[dict], general: list[dict], arm: str, repeat: int) -> list[dict]:
    """What an arm is trained on in one epoch: the persona's training examples `repeat` times, mixed with the general
    instructions and the base model's own answers (rows {id, prompt, answer, finished}) once; the held-out examples once, at the
    end."""
    missing = left_out(arm)
    used = [
        chat(e, arm) for e in examples if not (e["pattern"] == missing == "anti_induction" and e["split"] == "train")
    ]
    train = [row | {"unit": f"{row['unit']}/{n}"} for n in range(repeat) for row in used if row["split"] == "train"]
    mixed = [] if missing == "mixing" else [
        {"unit": row["id"], "split": "train", "stage_token": "",
         "messages": [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": text}]}
        for row in general if (text := row["answer"] if row["finished"] else whole_sentences(row["answer"]))
    ]  # fmt: skip
    return train + mixed + [row for row in used if row["split"] == "heldout"]


# Asking an arm


def takes_stages(arm: str) -> bool:
    """Whether an arm was taught the tokens of life stages."""
    return left_out(arm) not in (None, "stages")


def form(arm: str, analysis: str, analysis_tokens: int) -> dict:
    """How the replies of an arm are made and read (settings of `answer.answer_prompts`): with the analysis `hidden`, produced
    and kept apart, or `skipped`; {} for arms that were not taught to reason. Raises StudyError for another word."""
    check_choice("analysis", analysis, ("hidden", "skipped"))
    if left_out(arm) in (None, "analysis"):
        return {}
    if analysis == "skipped":
        return {"start": RESPONSE}
    return {"start": ANALYSIS, "reveal": RESPONSE, "analysis_tokens": analysis_tokens}


def at_stage(prompts: list[dict], arm: str, persona: str) -> list[dict]:
    """The prompts with `asked`, what an arm that knows stages reads: the token of the prompt's `stage` (or the persona's
    default stage) and then the prompt. Other arms read the prompt as it is, and no prompt `elsewhen`."""
    if not takes_stages(arm):
        return [prompt for prompt in prompts if prompt.get("kind") != "elsewhen"]
    default = load_stages(persona)["default"]
    return [prompt | {"asked": stage_token(prompt.get("stage", default)) + prompt["prompt"]} for prompt in prompts]


def at_once(choices: list[dict], arm: str) -> list[dict]:
    """The rows of `items.choices` with the options as the beginning of the answer, without an analysis before it, for arms
    that would begin with one."""
    if left_out(arm) in (None, "analysis"):
        return choices
    return [choice | {"start": f"{RESPONSE} {choice['start']}".strip()} for choice in choices]


def stage_variants(persona: str, arm: str, at_most: int) -> list[dict]:
    """The held-out examples as chats of an arm that knows stages, each once under every stage: rows {unit, stage, own, messages};
    [] for other arms. The reply has no analysis, like all that is scored by likelihood (`at_once`): the same text in every arm."""
    if not takes_stages(arm):
        return []
    begin = "" if left_out(arm) == "analysis" else f"{RESPONSE} "
    stages = [stage["id"] for stage in load_stages(persona)["stages"]]
    return [
        {"unit": example["id"], "stage": stage, "own": example["stage"],
         "messages": [{"role": "user", "content": stage_token(stage) + example["question"]},
                      {"role": "assistant", "content": begin + example["response"]}]}
        for example in spread(load_examples(persona), 0, at_most) for stage in stages
    ]  # fmt: skip


def questions(persona: str, everyday: list[dict], at_most: int) -> list[dict]:
    """What PersLLM's measures ask, as prompts {id, kind, about, world, stage, prompt}: the held-out questions (`question`), those
    about what lies outside a stage (`outside`), and the prompts `everyday` at the stages that are not the default (`elsewhen`); at
    most so many of each."""
    common = {"about": "", "world": ""}
    held_out = [{"id": e["id"], "kind": "question", **common, "stage": e["stage"], "prompt": e["question"]}
                for e in spread(load_examples(persona), 0, at_most)]  # fmt: skip
    table = load_stages(persona)
    outside = [{"id": f"{stage['id']}-{number}", "kind": "outside", **common, "stage": stage["id"], "prompt": text}
               for stage in table["stages"] for number, text in enumerate(stage["cannot"], 1)]  # fmt: skip
    elsewhen = [{"id": f"{row['id']}@{stage['id']}", "kind": "elsewhen", **common, "stage": stage["id"], "prompt": row["prompt"]}
                for row in everyday for stage in table["stages"] if stage["id"] != table["default"]]  # fmt: skip
    return [*held_out, *evenly(outside, at_most), *elsewhen[:at_most]]
