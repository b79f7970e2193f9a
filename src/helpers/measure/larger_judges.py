"""Would a larger model judge better? An embedded model is asked of answers that were read whether
they show a trait, as it comes or after it has learnt from others that were read.

`python -m helpers.measure.larger_judges MODEL [--learn] [--pairs N]`
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import files, pretrained, repository
from helpers.corpus import encode, personas
from helpers.files import (
    StudyError,
    file_hash,
    fingerprint,
    read_json,
    shown,
    write_frame,
    write_json,
)
from helpers.measure import judges
from helpers.measure.labels import label_ids
from helpers.parameters import at_least_one
from helpers.server import render

STUDY, PERSONA = "reference", "c3po"
LEARN, ASK = "a", "b"  # no scenario is in both sets
AT_MOST = 40  # pairs that show their trait, and that do not, of an arm
THRESHOLD_FROM = 200  # pairs on which the threshold of a model as it comes is chosen
REPLIES = ("Yes", "No")
FORMS = {False: "as it comes", True: "after learning"}  # by whether it learnt
# The recipe of the study's arms, but for one epoch.
RECIPE = {"epochs": 1, "batch": 8, "learning_rate": 2e-4, "warmup": 0.05, "checkpoint_every": 10}
SHAPE = (16, 32, 0.05)  # rank, alpha, dropout
MAX_LENGTH = 640
HELD_OUT = 10  # every tenth pair to learn from is only scored
KEPT = ["judge", "arm", "label_id", "trait", "label", "probability"]


def path() -> Path:
    return files.DATA / "results" / "larger_judges.csv"


def facts_path() -> Path:
    """Of each judge: threshold, times and what it ran on."""
    return path().with_suffix(".json")


# What is asked


def pairs(results: Path) -> pd.DataFrame:
    """Every answer that was read by the rule, with each trait that it was read for: set, item, arm,
    label_id, trait, label, prompt, answer, and what the study's judges found (1 or 0, missing where
    unscored), a column per judge."""
    labelled = judges.by_the_rule(pd.read_csv(results / "labelled.csv"))
    tags = ["item", "arm", "label_id", "trait", "label"]
    found = labelled.pivot(index=tags, columns="judge", values="outcome").reset_index()
    answers = pd.read_parquet(results / "answers.parquet")
    answers["label_id"] = label_ids(answers)
    texts = answers.drop_duplicates(["arm", "label_id"])
    texts = texts[["set", "arm", "label_id", "prompt", "answer"]]
    return found.merge(texts, on=["arm", "label_id"], validate="many_to_one")


def to_learn(every: pd.DataFrame) -> pd.DataFrame:
    """The pairs of the set LEARN that show their trait, and as many of the same arm that do not, in
    random order: an arm's manner then tells nothing."""
    own = every[every["set"] == LEARN]
    shown_by = own[own["label"] == 1].groupby("arm").size()
    parts = [
        part.sample(shown_by.get(arm, 0), random_state=0)
        for (arm, _), part in own.groupby(["arm", "label"])
    ]
    return pd.concat(parts).sample(frac=1, random_state=0, ignore_index=True)


def to_ask(every: pd.DataFrame, at_most: int) -> pd.DataFrame:
    """Pairs of the set ASK: of every arm `at_most` that show their trait, and as many that do not;
    all where there are fewer."""
    mixed = every[every["set"] == ASK].sample(frac=1, random_state=0)
    return mixed.groupby(["arm", "label"]).head(at_most).sort_index(ignore_index=True)


def questions(asked: pd.DataFrame, card: dict) -> list[str]:
    """What a model is asked of every pair."""
    told = {trait["id"]: trait["description"] for trait in card["traits"]}
    return [
        render(
            "judge_yes_or_no",
            trait=row.trait,
            description=told[row.trait],
            prompt=row.prompt,
            answer=row.answer,
        )
        for row in asked.itertuples()
    ]


# Asking and learning


def probabilities(lm, tokenizer, texts: list[str]) -> np.ndarray:
    """The probability of "Yes" as the beginning of the reply, of "Yes" and "No" alone."""
    from helpers.model import score  # takes seconds

    rows = [{"prompt": text, "start": "", "options": list(REPLIES)} for text in texts]
    frame = pd.DataFrame(
        {"row": row} | loss
        for row, loss in zip(
            np.repeat(np.arange(len(rows)), len(REPLIES)),
            score.score_choices(lm, tokenizer, rows, None),
            strict=True,
        )
    )
    yes, no = frame.pivot(index="row", columns="option", values="nll").to_numpy().T
    return 1 / (1 + np.exp(yes - no))


def learn(model: str, learnt: pd.DataFrame, card: dict) -> Path:
    """The folder of an adapter that was trained to give the readings of `learnt`; one that is there
    is not trained again, and a stopped training goes on."""
    from helpers.model import adapters, base, train  # takes seconds

    tokenizer = pretrained.load_tokenizer(model)
    texts = questions(learnt, card)
    recipe = RECIPE | {"model": pretrained.model_hash(model), "shape": SHAPE}
    folder = files.RUNS / "judges" / f"{model}-{fingerprint([recipe, texts, [*learnt.label]])}"
    if (folder / "adapter_model.safetensors").exists():
        return folder
    rows = [
        {
            "unit": row.label_id,
            "messages": [
                {"role": "user", "content": text},
                {"role": "assistant", "content": REPLIES[1 - row.label]},
            ],
        }
        for text, row in zip(texts, learnt.itertuples(), strict=True)
    ]
    examples = encode.encode_all(rows, tokenizer, MAX_LENGTH)
    held_out = examples[::HELD_OUT]
    rest = [example for n, example in enumerate(examples) if n % HELD_OUT]
    with_adapter = adapters.add_adapter(base.load_base(model), *SHAPE, 0)
    folder.mkdir(parents=True, exist_ok=True)
    train.train_adapter(with_adapter, rest, held_out, recipe, 0, folder)
    adapters.save_adapter(with_adapter, folder, {})
    return folder


def threshold(probability: np.ndarray, label: np.ndarray) -> float:
    """The probability from which on "Yes" is taken so that Youden's index is highest."""
    cuts = np.unique(probability)
    index = [
        (probability[label == 1] >= cut).mean() - (probability[label == 0] >= cut).mean()
        for cut in cuts
    ]
    return float(cuts[int(np.argmax(index))])


def judge(model: str, learns: bool, at_most: int = AT_MOST) -> tuple[pd.DataFrame, dict]:
    """The judgements of a model (KEPT) and its facts. As it comes, a model takes its threshold from
    the pairs of `to_learn`; one that learnt from them has 0.5."""
    from helpers.model import base  # takes seconds

    card = personas.load_persona(PERSONA)
    results = files.DATA / "results" / STUDY
    every, read_from = pairs(results), file_hash(results / "labelled.csv")
    learnt, asked = to_learn(every), to_ask(every, at_most)
    learnt = learnt.head(len(learnt) if learns else THRESHOLD_FROM)
    if at_most < AT_MOST:  # a trial
        learnt = learnt.head(2 * at_most)
    print(f"{len(learnt)} pairs to learn from, {len(asked)} to ask")
    began = time.perf_counter()
    adapter = learn(model, learnt, card) if learns else None
    learning = time.perf_counter() - began
    lm, tokenizer = base.load_for_inference(model, adapter), pretrained.load_tokenizer(model)
    began = time.perf_counter()
    found = probabilities(lm, tokenizer, questions(asked, card))
    seconds = (time.perf_counter() - began) / len(asked)
    least = 0.5
    if not learns:
        seen = probabilities(lm, tokenizer, questions(learnt, card))
        least = threshold(seen, learnt["label"].to_numpy())
    name = f"{model} {FORMS[learns]}"
    facts = {"model": model, "learns": learns, "threshold": least, "learnt_from": len(learnt)}
    facts |= {"asked": len(asked), "seconds_a_pair": seconds}
    facts |= {"seconds_learning": learning} if learns else {}
    facts |= {"device": pretrained.device(), "dtype": str(pretrained.compute_dtype())}
    facts |= {"weights": pretrained.model_hash(model)}
    facts |= {"labelled": read_from, "commit": repository.commit()}
    return asked.assign(judge=name, probability=found)[KEPT], facts


def publish(found: pd.DataFrame, facts: dict) -> None:
    """Put a judge's rows and facts into data/results, in place of its older ones."""
    name = found["judge"].iloc[0]
    old = pd.read_csv(path()) if path().exists() else found.head(0)
    rows = pd.concat([old[old["judge"] != name], found], ignore_index=True)
    known = read_json(facts_path()) if facts_path().exists() else {}
    write_frame(path(), rows.sort_values("judge", kind="stable"))
    write_json(facts_path(), dict(sorted((known | {name: facts}).items())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="embedded-0.5b, embedded-1.5b or another base model")
    parser.add_argument(
        "--learn", action="store_true", help="fine-tune it first on answers that were read"
    )
    parser.add_argument(
        "--pairs",
        type=at_least_one,
        default=AT_MOST,
        help="at most so many of each kind an arm, to try it; nothing is published",
    )
    given = parser.parse_args()
    try:
        found, facts = judge(given.model, given.learn, given.pairs)
        if given.pairs < AT_MOST:
            print(found.to_string(index=False), facts, sep="\n")
        else:
            publish(found, facts)
            print(f"written: {shown(path())}; `make figures` puts it into the pages")
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
