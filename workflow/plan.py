"""What a run is going to do, and about how long it takes: printed before it begins."""

from collections import Counter
from functools import cache
from pathlib import Path

from chain import all_values, arm_parameters, jobs, lender
from counts import used_instead
from study import COMMITTED, Study

from helpers import arms
from helpers.corpus import items, kinds, readouts
from helpers.corpus.personas import load_persona
from helpers.files import RUNS, scan_jsonl
from helpers.persllm import asking, interlocutor

# Tokens a second, trained or generated, by model on two cores with AMX (about half of it
# without): the estimate for a step of a run that has not measured one like it yet.
TOKENS_PER_SECOND = {"embedded": 220}
TYPICAL = "two cores with AMX; about twice as long without"
START_UP = 12  # seconds that every step takes before its work begins
TOKENS_PER_TEXT = 103  # trained tokens of a text of the shipped corpus, on average
TOKENS_PER_EXAMPLE = 150  # of a reasoned example
EXAMPLES = 420  # that a shipped persona has at most
TOKENS_PER_PAIR = 800  # of DPO: two sides, with the adapter and with its reference
TOKENS_PER_OPTION = 28  # of an option that is scored, on average
SCORING = 0.5  # the cost of a token that is scored, beside that of one that is trained on


def describe(study: Study) -> str:
    """The plan in lines of text."""
    values, every = all_values(study), jobs(study)
    formats = [arm for step, arm, _ in every if step == "formats/02_train"]
    reasoned = [arm for arm in formats if arm in arms.trained_on("reasoned")]
    preferred = [arm for step, arm, _ in every if step == "persllm/02_prefer"]
    taken = [a for step, a, s in every if step == "formats/02_train" and lender(study, a, s)]
    n_formats = len(formats) - len(reasoned) - len(taken)
    lines = [
        f"Study '{study.name}': {study.title}",
        f"  arms      {', '.join(study.arms)}; seeds {', '.join(map(str, study.seeds))}",
        *[f"  kept      seeds {', '.join(map(str, study.kept_seeds))}, from {study.results}"]
        * bool(study.kept_seeds),
        f"  model     {values['model']}",
        f"  training  {n_formats} adapters on {values['train_units']} units, "
        f"{values['epochs']} epoch(s)",
    ]
    if taken:
        source = f"study '{study.adapters_from}'"
        source = "data/adapters" if study.adapters_from == COMMITTED else source
        lines += [f"            {len(taken)} adapters taken from {source}"]
    if reasoned:
        lines += [f"            {len(reasoned)} adapters on {examples(values)} reasoned examples"]
    if preferred:
        lines += [f"            {len(preferred)} adapters by DPO on {values['pairs']} pairs"]
    answers = sum(answers_of(study, arm, seed) for arm, seed in study.run_pairs)
    lines += [f"  answers   {answers}; held-out texts {heldout_texts(values)} per format"]
    lines += [f"            {name} = {value!r}" for name, value in study.parameters.items()]
    lines += [f"  note      {note}" for note in used_instead(study)]
    lines += [f"  results   {study.results}, {study.figures}", f"  expected  {expected(study)}"]
    return "\n".join(lines)


def expected(study: Study) -> str:
    """The minutes that all steps take together, from measured seconds where the run has any."""
    measured, seconds, known = measured_steps(RUNS / study.name / "seconds.jsonl"), 0.0, 0
    steps = jobs(study)
    for step, arm, seed in steps:
        if step == "formats/02_train" and lender(study, arm, seed):
            continue
        alike = [row for row in measured if row["step"] == step]
        alike = [row for row in alike if row["arm"] == arm] or alike
        if alike:
            known += 1
            seconds += max(row["seconds"] for row in alike)  # one that went on took less
        elif not (needed := tokens(study, step, arm, seed)):
            seconds += START_UP
        elif speed := TOKENS_PER_SECOND.get(all_values(study)["model"]):
            seconds += START_UP + needed / speed
        else:
            return "unknown for this model until a run has measured its steps"
    source = f"{known} of {len(steps)} steps as measured in this run" if known else TYPICAL
    return f"about {seconds / 60:.0f} minutes ({source}), less what is done already"


def measured_steps(path: Path) -> list[dict]:
    """The rows {step, arm, seconds} of a run's seconds.jsonl, without a line that a kill cut."""
    rows = scan_jsonl(path) if path.exists() else ()
    return [row for _, row in rows if isinstance(row, dict)]


def texts_of(arm: str, units: int, persona: str) -> int:
    """The rows that an arm on texts is trained on."""
    return sum(
        part.times * texts_in(part, units, persona)
        for part in arms.ARMS[arm].parts or (arms.Part(arm),)
    )


def texts_in(part: arms.Part, units: int, persona: str) -> int:
    """The texts for training in one part of an arm."""
    if part.kind == kinds.TAUGHT:
        return len(kinds.taught_replies(persona))
    whole = round(units * (part.share[1] - part.share[0]))
    return whole if part.most is None else part.most


def examples(values: dict) -> int:
    """The rows that a reasoned arm is trained on."""
    return values["repeat"] * min(EXAMPLES, values["train_units"]) + values["general_prompts"]


def tokens(study: Study, step: str, arm: str, seed: int) -> float:
    """The tokens that one step trains on, generates or scores, about; a scored one counts less."""
    values = all_values(study) | arm_parameters(study, step, arm, seed)
    length = values["max_new_tokens"]
    thought = values["analysis_tokens"] if arm and arms.reasons(arm) else 0
    if step == "formats/02_train" and arm in arms.trained_on("reasoned"):
        return examples(values) * TOKENS_PER_EXAMPLE
    if step == "formats/02_train":
        texts = texts_of(arm, values["train_units"], study.persona)
        return values["epochs"] * texts * TOKENS_PER_TEXT
    if step == "persllm/01_examples":
        return values["general_prompts"] * values["general_tokens"]
    if step == "persllm/02_prefer":
        return values["pairs"] * TOKENS_PER_PAIR
    if step == "why/00_weights":
        changes = len(values["changed_arms"]) * (len(values["strengths"]) + 2) + 3
        asked = (study.persona, values["n_items"], tuple(values["changed_sets"]), False)
        options = n_options(*asked, ("know", "do_pair"), ("own",))
        return SCORING * changes * options * TOKENS_PER_OPTION
    if step == "formats/03_answer":
        generated = answers_of(study, arm, seed, asked=False) * (length + thought)
        return generated + SCORING * scored(study, values)
    if step == "persllm/03_ask":
        talked = n_scripts(study.persona, values["turns"]) * values["turns"]
        asked = answers_of(study, arm, seed) - answers_of(study, arm, seed, asked=False) - talked
        return asked * (length + thought) + talked * (values["turn_tokens"] + thought)
    return 0


def answers_of(study: Study, arm: str, seed: int, asked: bool = True) -> int:
    """How many free answers an arm gives with one seed; without `asked`, those to the formats'
    prompts alone."""
    values, asked = all_values(study), asked and study.has_persllm
    counts = prompts_by_kind(study.persona, values["n_items"], asked, tuple(values["sets"]))
    if not arms.knows_stages(arm):
        counts = counts | {"elsewhen": 0}
    talked = 0
    if asked and seed == study.seeds[0]:
        talked = n_scripts(study.persona, values["turns"]) * values["turns"]
    return talked + sum(n * values["samples"].get(kind, 0) for kind, n in counts.items())


def scored(study: Study, values: dict) -> int:
    """The tokens of the options and held-out texts of which an arm's likelihoods are taken, about;
    options share their prompt, which is read once."""
    control = values["control"]
    options = values["score_options"] and n_options(
        study.persona,
        values["n_items"],
        tuple(values["sets"]),
        bool(control),
        tuple(values["measures"]),
        tuple(values["conditions"]),
    )
    texts = heldout_texts(values) * len(arms.formats()) * (2 if control else 1)
    return options * TOKENS_PER_OPTION + texts * TOKENS_PER_TEXT


def heldout_texts(values: dict) -> int:
    """The held-out texts of each format that are scored."""
    return values["heldout_units"] * readouts.is_scored("heldout", values["measures"])


@cache
def n_options(
    persona: str,
    n_items: int,
    sets: tuple[str, ...],
    control: bool,
    measures: tuple[str, ...],
    conditions: tuple[str, ...],
) -> int:
    """How many options are scored, of these measures and under these conditions (all where none is
    named)."""
    asked = readouts.load_sets(persona, sets, n_items)
    rows = readouts.choices(asked, load_persona(persona)["name"], "Nobody" if control else "")
    return sum(len(row["options"]) for row in readouts.only(rows, measures, conditions))


@cache
def n_scripts(persona: str, turns: int) -> int:
    """How many scripts a persona's scripted interlocutor has."""
    return len(interlocutor.load_scripts(persona, turns))


@cache
def prompts_by_kind(
    persona: str, n_items: int, asked: bool, sets: tuple[str, ...]
) -> dict[str, int]:
    """How many prompts there are of each kind, with triplets of these sets, and with PersLLM's
    where they are `asked`."""
    prompts = items.prompts(readouts.load_sets(persona, sets, n_items))
    if asked:
        everyday = [prompt for prompt in prompts if prompt["kind"] == "everyday"]
        prompts += asking.held_out_prompts(persona, everyday, n_items)
    return dict(Counter(prompt["kind"] for prompt in prompts))
