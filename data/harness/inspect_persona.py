"""The triplets as tasks of Inspect: `inspect eval data/harness/inspect_persona.py --model ...`"""

import re

import triplets
import yaml
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import Score, accuracy, choice, grouped, scorer, stderr
from inspect_ai.solver import generate, multiple_choice


@task
def persona_know(persona: str = "c3po", seed: int = 0) -> Task:
    """Which of four reactions is the persona's? The model names a letter; the options are
    shuffled."""
    samples = [
        Sample(input=r["prompt"], choices=r["options"], target="A", id=r["id"], metadata=tags(r))
        for r in triplets.know(persona)
    ]
    dataset = MemoryDataset(samples)
    dataset.shuffle_choices(seed)
    return Task(dataset=dataset, solver=multiple_choice(), scorer=choice())


@task
def persona_do(persona: str = "c3po") -> Task:
    """Does the answer to a live message show the scenario's trait, by the markers of the persona's
    card?"""
    samples = [
        Sample(input=row["do"], id=row["id"], metadata=tags(row)) for row in triplets.load(persona)
    ]
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=shows_trait(persona))


def tags(row: dict) -> dict:
    return {"trait": row["trait"], "set": row["set"]}


def markers(persona: str) -> dict[str, re.Pattern]:
    """Trait -> a pattern that finds one of its markers as a whole word."""
    card = triplets.DATA / "personas" / f"{persona}.yaml"
    traits = yaml.safe_load(card.read_text(encoding="utf-8"))["traits"]
    return {
        trait["id"]: re.compile(rf"(?<!\w)(?:{'|'.join(trait['markers'])})(?!\w)", re.IGNORECASE)
        for trait in traits
    }


@scorer(metrics=[accuracy(), stderr(), grouped(accuracy(), "trait")])
def shows_trait(persona: str):
    patterns = markers(persona)

    async def score(state, target) -> Score:
        answer = state.output.completion
        hit = patterns[state.metadata["trait"]].search(answer.replace("’", "'"))
        return Score(value=int(hit is not None), answer=answer, explanation=hit and hit.group(0))

    return score
