"""Third judge: a language model behind any OpenAI-compatible server, one question per answer and
trait."""

import math
import re
import string
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.files import StudyError, append_jsonl, fingerprint, resume_jsonl
from helpers.measure.markers import without_words
from helpers.server import (
    FilteredError,
    complete,
    connect,
    in_parallel,
    render,
    said,
    thought_only,
)

THRESHOLD = 50  # a score above this counts as a yes
MASS = 0.25  # probability that the numbers among the likeliest tokens must have together


def judge_questions(answers: pd.DataFrame, card: dict) -> list[dict]:
    """What is asked: rows {row, column, text}, one per answer and trait, and one per answer for
    `coherence`."""
    rows = []
    for place, answer in enumerate(answers.to_dict("records")):
        seen = {"prompt": answer["prompt"], "answer": answer["answer"]}
        for trait in card["traits"]:
            text = render("judge", trait=trait["id"], description=trait["description"], **seen)
            rows.append({"row": place, "column": trait["id"], "text": text})
        rows.append(
            {"row": place, "column": "coherence", "text": render("judge_coherence", **seen)}
        )
    return rows


def score(completion) -> float | None:
    """The 0-100 score of a completion, or None where there is none (unscored).

    Where the server gives the first token's alternatives, the mean of the numbers among them by
    their probability, as in Betley et al. (arXiv 2502.17424, appendix B), else the number that was
    written.
    """
    choice, reply = completion.choices[0], said(completion)
    told = getattr(getattr(choice, "logprobs", None), "content", None)
    if told:
        numbers = defaultdict(float)
        for alternative in told[0].top_logprobs or ():
            if re.fullmatch(r"\s*\d{1,3}\s*", alternative.token) and int(alternative.token) <= 100:
                numbers[int(alternative.token)] += math.exp(alternative.logprob)
        # A tokenizer that writes numbers digit by digit gives digits here, which are no scores.
        whole = told[0].token.strip() == reply.strip()
        if whole and sum(numbers.values()) >= MASS:
            return sum(number * p for number, p in numbers.items()) / sum(numbers.values())
    written = re.fullmatch(r"\s*(\d{1,3})\D*", reply)
    return float(written[1]) if written and int(written[1]) <= 100 else None


def replies(asked: list[dict], read: Callable, settings: dict, path: Path) -> list:
    """What `read` finds in the server's reply to every row's `text`, in order.

    Every finding is kept in `path`, by what was asked of which model, so that nothing is asked
    twice; None is found in a text that the server's filter refuses. `settings` has model,
    max_tokens, concurrency, timeout and tries. Raises StudyError when the server refuses or stays
    away, or its model only thinks.
    """
    ids = [fingerprint([row["text"], settings["model"]]) for row in asked]
    kept = {row["id"]: row["found"] for row in resume_jsonl(path)}
    waiting = list(
        {row_id: row for row_id, row in zip(ids, asked, strict=True) if row_id not in kept}.items()
    )
    if waiting:
        client, guard = connect(settings["timeout"], settings["tries"]), threading.Lock()
        bar = tqdm(total=len(waiting), desc="judging, questions", mininterval=5, ncols=90)

        def ask(pair: tuple[str, dict]) -> None:
            row_id, row = pair
            messages = [{"role": "user", "content": row["text"]}]
            greedy = settings | {"temperature": 0}
            try:
                done = complete(client, messages, greedy, logprobs=True, top_logprobs=20)
            except FilteredError:
                done = None
            if done and thought_only(done):
                raise StudyError(
                    f"The model '{settings['model']}' used all of its {settings['max_tokens']} "
                    "tokens to think before it answered. Switch its thinking off at the server, or "
                    "judge with another model."
                )
            found = read(done) if done else None
            with guard:
                append_jsonl(path, [{"id": row_id, "found": found}])
                kept[row_id] = found
                bar.update()

        in_parallel(ask, waiting, settings["concurrency"])
        bar.close()
    return [kept[row_id] for row_id in ids]


def scores(answers: pd.DataFrame, card: dict, settings: dict, path: Path) -> pd.DataFrame:
    """Scores from 0 to 100 of every answer, a column per trait and `coherence`; missing where the
    reply was no number."""
    asked = judge_questions(answers, card)
    found = replies(asked, score, settings | {"max_tokens": 5}, path)
    frame = pd.DataFrame(
        {"row": row["row"], "column": row["column"], "score": s}
        for row, s in zip(asked, found, strict=True)
    )
    return frame.pivot(index="row", columns="column", values="score").astype(float)


def add_judgements(
    judged: pd.DataFrame, answers: pd.DataFrame, card: dict, settings: dict, path: Path
) -> pd.DataFrame:
    """`judged` with `model_<trait>` (0 or 1, missing where unscored) per trait and
    `model_coherence` (0 to 100)."""
    found = scores(answers, card, settings, path).set_axis(judged.index)
    found = found.mask(without_words(answers["answer"]).set_axis(judged.index))
    marks = (found > THRESHOLD).astype("Int64").mask(found.isna()).drop(columns="coherence")
    return judged.join(marks.add_prefix("model_")).assign(model_coherence=found["coherence"])


# PersLLM's measures


def against_target(answers: pd.DataFrame, settings: dict, path: Path) -> list[float | None]:
    """0 to 5 for every answer (question, target, answer), or None where the reply was no such
    number or the answer has no words."""
    fields = answers[["question", "target", "answer"]].to_dict("records")
    asked = [{"text": render("judge_target", **row)} for row in fields]
    found = replies(asked, score, settings | {"max_tokens": 5}, path)
    return [
        value if value is not None and value <= 5 and not empty else None
        for value, empty in zip(found, without_words(answers["answer"]), strict=True)
    ]


def corrections(answers: pd.DataFrame, settings: dict, path: Path) -> pd.Series:
    """1 where an answer (question, premise, answer) puts the premise right, 0 where it does not,
    missing where unscored."""
    fields = answers[["question", "premise", "answer"]].to_dict("records")
    asked = [{"text": render("judge_premise", **row)} for row in fields]
    found = replies(asked, score, settings | {"max_tokens": 5}, path)
    found = pd.Series(found, index=answers.index, dtype=float)
    unscored = found.isna() | without_words(answers["answer"])
    return (found > THRESHOLD).astype("Int64").mask(unscored)


def ranking(reply: str, count: int) -> list[float] | None:
    """The ranks of answers A, B, ... (1 is best, ties share the mean of theirs) in a reply like "B
    > A = C"; None where it is not one line with every letter once."""
    letters = string.ascii_uppercase[:count]
    groups = [[name.strip() for name in group.split("=")] for group in reply.strip().split(">")]
    if sorted(name for group in groups for name in group) != list(letters):
        return None
    ranks, before = {}, 0
    for group in groups:
        ranks |= dict.fromkeys(group, before + (len(group) + 1) / 2)
        before += len(group)
    return [ranks[letter] for letter in letters]


def rankings(answers: pd.DataFrame, settings: dict, path: Path) -> pd.Series:
    """The rank of every answer (question, target, answer, seed, item, sample, arm) among the arms'
    answers to its question; missing where the reply could not be read. The order in which they are
    listed is drawn from the question's text."""
    asked, places = [], []
    for _, group in answers.groupby(["seed", "item", "sample"], sort=False):
        if len(group) < answers["arm"].nunique():
            continue  # ranks among fewer are no match for ranks among all
        seed = int(fingerprint(group["question"].iloc[0])[:8], 16)
        mixed = group.sample(frac=1, random_state=seed)
        lettered = zip(string.ascii_uppercase, mixed["answer"], strict=False)
        answer_list = "\n\n".join(f"{letter}: {text}" for letter, text in lettered)
        given = mixed.iloc[0][["question", "target"]].to_dict()
        asked.append({"text": render("judge_ranking", **given, answers=answer_list)})
        places.append(mixed.index)
    found = pd.Series(np.nan, index=answers.index)
    texts = replies(
        asked,
        said,
        settings | {"max_tokens": 60},
        path,
    )
    for where, text in zip(places, texts, strict=True):
        if text and (order := ranking(text, len(where))):  # None: the server refused it
            found[where] = order
    return found
