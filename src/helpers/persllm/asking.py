"""How an arm is asked: with the token of a life stage, with its analysis hidden or skipped.

Every function takes any arm: what an arm was taught comes from `helpers.arms`, and one that was
taught nothing of this is asked plainly.
"""

from helpers import arms
from helpers.parameters import check_choice
from helpers.persllm.life_stages import load_stages, stage_token
from helpers.persllm.reasoned import (
    ANALYSIS,
    RESPONSE,
    evenly,
    load_examples,
    over_types_and_stages,
)


def form(arm: str, analysis: str, analysis_tokens: int) -> dict:
    """How the replies of an arm are made and read (settings of `answer.answer_prompts`): with the
    analysis `hidden`, produced and kept apart, or `skipped`; {} for arms that were not taught to
    reason. Raises StudyError for another word."""
    check_choice("analysis", analysis, ("hidden", "skipped"))
    if not arms.reasons(arm):
        return {}
    if analysis == "skipped":
        return {"start": RESPONSE}
    return {"start": ANALYSIS, "reveal": RESPONSE, "analysis_tokens": analysis_tokens}


def default_token(arm: str, persona: str) -> str:
    """The token of the persona's default stage, for an arm that knows stages; "" for others."""
    return stage_token(load_stages(persona)["default"]) if arms.knows_stages(arm) else ""


def at_stage(prompts: list[dict], arm: str, persona: str) -> list[dict]:
    """The prompts with `asked`, what an arm that knows stages reads: the token of the prompt's
    `stage` (or the persona's default stage) and then the prompt. Other arms read the prompt as it
    is, and no prompt `elsewhen`."""
    if not arms.knows_stages(arm):
        return [prompt for prompt in prompts if prompt.get("kind") != "elsewhen"]
    default = load_stages(persona)["default"]
    return [
        prompt | {"asked": stage_token(prompt.get("stage", default)) + prompt["prompt"]}
        for prompt in prompts
    ]


def at_once(choices: list[dict], arm: str) -> list[dict]:
    """The rows of `readouts.choices` with the options as the beginning of the answer, without an
    analysis before it, for arms that would begin with one."""
    if not arms.reasons(arm):
        return choices
    return [choice | {"start": f"{RESPONSE} {choice['start']}".strip()} for choice in choices]


def stage_variants(persona: str, arm: str, at_most: int) -> list[dict]:
    """The held-out examples as chats of an arm that knows stages, each once under every stage: rows
    {unit, stage, own, messages}; [] for other arms. The reply has no analysis, like all that is
    scored by likelihood (`at_once`): the same text in every arm."""
    if not arms.knows_stages(arm):
        return []
    begin = "" if not arms.reasons(arm) else f"{RESPONSE} "
    stages = [stage["id"] for stage in load_stages(persona)["stages"]]
    return [
        {
            "unit": example["id"],
            "stage": stage,
            "own": example["stage"],
            "messages": [
                {"role": "user", "content": stage_token(stage) + example["question"]},
                {"role": "assistant", "content": begin + example["response"]},
            ],
        }
        for example in over_types_and_stages(load_examples(persona), 0, at_most)
        for stage in stages
    ]


def held_out_prompts(persona: str, everyday: list[dict], at_most: int) -> list[dict]:
    """What PersLLM's measures ask, as prompts {id, kind, scenario_trait, setting, stage, prompt}:
    the held-out questions (`question`), those about what lies outside a stage (`outside`), and the
    prompts `everyday` at the stages that are not the default (`elsewhen`); at most so many of
    each."""
    common = {"scenario_trait": "", "setting": ""}
    held_out = [
        {"id": e["id"], "kind": "question", **common, "stage": e["stage"], "prompt": e["question"]}
        for e in over_types_and_stages(load_examples(persona), 0, at_most)
    ]
    table = load_stages(persona)
    outside = [
        {
            "id": f"{stage['id']}-{number}",
            "kind": "outside",
            **common,
            "stage": stage["id"],
            "prompt": text,
        }
        for stage in table["stages"]
        for number, text in enumerate(stage["cannot"], 1)
    ]
    elsewhen = [
        {
            "id": f"{row['id']}@{stage['id']}",
            "kind": "elsewhen",
            **common,
            "stage": stage["id"],
            "prompt": row["prompt"],
        }
        for row in everyday
        for stage in table["stages"]
        if stage["id"] != table["default"]
    ]
    return [*held_out, *evenly(outside, at_most), *elsewhen[:at_most]]
