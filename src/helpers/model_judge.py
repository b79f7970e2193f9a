"""The third judge: a language model behind any OpenAI-compatible server, one question per answer and trait."""

import math
import re
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from helpers.server import complete, connect, render
from helpers.store import append_jsonl, fingerprint, resume_jsonl

SHOWN = 50  # a score above this counts as shown
MASS = 0.25  # probability that the numbers among the likeliest tokens must have together


def questions(answers: pd.DataFrame, card: dict) -> list[dict]:
    """What is asked: rows {row, column, text}, one per answer and trait, and one per answer for `coherence`."""
    rows = []
    for place, answer in enumerate(answers.to_dict("records")):
        seen = {"prompt": answer["prompt"], "answer": answer["answer"]}
        for trait in card["traits"]:
            text = render("judge", trait=trait["id"], description=trait["description"], **seen)
            rows.append({"row": place, "column": trait["id"], "text": text})
        rows.append({"row": place, "column": "coherence", "text": render("judge_coherence", **seen)})
    return rows


def score(completion) -> float | None:
    """The 0-100 score of a completion, or None where there is none (unscored).

    Where the server gives the first token's alternatives, the mean of the numbers among them by their probability, as
    in Betley et al. (arXiv 2502.17424, appendix B), else the number that was written.
    """
    choice = completion.choices[0]
    if choice.logprobs and choice.logprobs.content:
        numbers = defaultdict(float)
        for alternative in choice.logprobs.content[0].top_logprobs:
            if re.fullmatch(r"\s*\d{1,3}\s*", alternative.token) and int(alternative.token) <= 100:
                numbers[int(alternative.token)] += math.exp(alternative.logprob)
        # A tokenizer that writes numbers digit by digit gives digits here, which are no scores.
        whole = choice.logprobs.content[0].token.strip() == (choice.message.content or "").strip()
        if whole and sum(numbers.values()) >= MASS:
            return sum(number * p for number, p in numbers.items()) / sum(numbers.values())
    written = re.fullmatch(r"\s*(\d{1,3})\D*", choice.message.content or "")
    return float(written[1]) if written and int(written[1]) <= 100 else None


def scores(answers: pd.DataFrame, card: dict, settings: dict, path: Path) -> pd.DataFrame:
    """Scores from 0 to 100 of every answer, a column per trait and `coherence`; missing where the reply was no number.

    Every reply is kept in `path`, by what was asked of which model, so that nothing is asked twice. `settings` has model,
    concurrency, timeout, tries and backoff. Raises StudyError when the server refuses or stays away.
    """
    settings = settings | {"max_tokens": 5, "temperature": 0}
    asked = questions(answers, card)
    for row in asked:
        row["id"] = fingerprint([row["text"], settings["model"]])
    kept = {row["id"]: row["score"] for row in resume_jsonl(path)}
    waiting = list({row["id"]: row for row in asked if row["id"] not in kept}.values())
    if waiting:
        client, guard = connect(settings["timeout"]), threading.Lock()
        bar = tqdm(total=len(waiting), desc="judging, questions", mininterval=5, ncols=90)

        def ask(row: dict) -> None:
            messages = [{"role": "user", "content": row["text"]}]
            found = score(complete(client, messages, settings, logprobs=True, top_logprobs=20))
            with guard:
                append_jsonl(path, [{"id": row["id"], "column": row["column"], "score": found}])
                kept[row["id"]] = found
                bar.update()

        with ThreadPoolExecutor(settings["concurrency"]) as pool:
            jobs = [pool.submit(ask, row) for row in waiting]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        bar.close()
    frame = pd.DataFrame({"row": row["row"], "column": row["column"], "score": kept[row["id"]]} for row in asked)
    return frame.pivot(index="row", columns="column", values="score").astype(float)


def add_judgements(judged: pd.DataFrame, answers: pd.DataFrame, card: dict, settings: dict, path: Path) -> pd.DataFrame:
    """`judged` with `model_<trait>` (0 or 1, missing where unscored) per trait and `model_coherence` (0 to 100)."""
    found = scores(answers, card, settings, path).set_axis(judged.index)
    found = found.mask(judged["incoherent"] == "empty")
    marks = (found > SHOWN).astype("Int64").mask(found.isna()).drop(columns="coherence")
    return judged.join(marks.add_prefix("model_")).assign(model_coherence=found["coherence"])
