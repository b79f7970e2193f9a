"""PersLLM's measures on tidy frames: leaks between stages, stages recognised, distinctness, the
questionnaire, ranks."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.alphabets import spaced, whole_word
from helpers.measure import markers
from helpers.measure.markers import straight

TIE = 0.5  # scores that round to the same multiple of this are tied


def leaks(answers: pd.DataFrame, stages: list[dict]) -> pd.DataFrame:
    """A row per answer (arm, seed, item, kind, stage, sample, outcome, words): `outcome` is 1 where
    the answer uses a `first_known` expression of a stage that its own does not know, and that its
    prompt did not use; missing for an answer without words."""
    known = {stage["id"]: stage["knows"] for stage in stages}
    words = {
        stage["id"]: [whole_word(straight(text)) for text in stage["first_known"]]
        for stage in stages
    }
    rows = []
    for row in answers.itertuples():
        foreign = [
            pattern
            for stage, own in words.items()
            if stage not in known[row.stage]
            for pattern in own
        ]
        found = [
            m[0]
            for pattern in foreign
            if (m := pattern.search(straight(row.answer)))
            and not pattern.search(straight(row.prompt))
        ]
        rows.append(
            {
                "arm": row.arm,
                "seed": row.seed,
                "item": row.item,
                "kind": row.kind,
                "stage": row.stage,
                "sample": row.sample,
                "outcome": pd.NA if markers.wordless(row.answer) else int(bool(found)),
                "words": ", ".join(found),
            }
        )
    return pd.DataFrame(rows).astype({"outcome": "Int64"})


def recognised(scored: pd.DataFrame) -> pd.DataFrame:
    """Held-out replies scored under every stage (arm, seed, unit, stage, own, nll) as a row per
    reply: `outcome` is 1 where its own stage makes it likeliest (chance: one over the number of
    stages)."""
    best = scored.loc[scored.groupby(["arm", "seed", "unit"])["nll"].idxmin()]
    return best.assign(item=best["unit"], outcome=(best["stage"] == best["own"]).astype(int))[
        ["arm", "seed", "item", "own", "outcome"]
    ]


def likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Answers against their target answers, from 0 to 5: five times the cosine of their unit
    vectors, at least 0."""
    return 5 * np.clip((a * b).sum(1), 0, 1)


def ranks(scores: pd.DataFrame) -> pd.Series:
    """The rank of every arm (1 is best) among the answers to the same question (seed, item, sample)
    by `score`; ties share the mean of their ranks. Missing where not every arm has a score: ranks
    among fewer are no match for ranks among all."""
    by = [scores["seed"], scores["item"], scores["sample"]]
    everybody = scores["score"].groupby(by).transform("count") == scores["arm"].nunique()
    rounded = (scores["score"] / TIE).round()
    return rounded.groupby(by).rank(method="average", ascending=False).where(everybody)


@cache
def sentence_bleu():
    """sacrebleu's sentence BLEU. Loaded when it is first asked for: chapters that only read tables
    need none of it."""
    from sacrebleu.metrics import BLEU

    return BLEU(effective_order=True)


def bleu(a: str, b: str) -> float:
    """Sentence BLEU (0 to 100) of one text against another, both ways and averaged, with
    sacrebleu's exponential smoothing (Post, WMT 2018)."""
    metric = sentence_bleu()
    a, b = spaced(a), spaced(b)
    return (metric.sentence_score(a, [b]).score + metric.sentence_score(b, [a]).score) / 2


def distinctness(answers: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """How alike answers to the same everyday prompt are: arm, seed, item, comparison, bleu (lower
    is more distinct).

    `within`: two samples at the default stage; `between stages`: a sample at the default stage and
    one at another; `between personas`: a sample and another of the same arm and seed for the other
    persona (`others`, empty for none; drawn with other random numbers, so that an arm without a
    persona is as alike there as within). Answers without words are left out.
    """
    spoken = answers[~markers.without_words(answers["answer"])]
    first = spoken[(spoken["kind"] == "everyday") & (spoken["sample"] == 0)]
    keys = ["arm", "seed", "item"]
    again = spoken[(spoken["kind"] == "everyday") & (spoken["sample"] == 1)]
    elsewhen = spoken[spoken["kind"] == "elsewhen"]
    elsewhen = elsewhen.assign(item=elsewhen["item"].str.split("@").str[0])
    theirs = first[:0]
    if len(others):
        again_theirs = others[(others["kind"] == "everyday") & (others["sample"] == 1)]
        theirs = again_theirs[~markers.without_words(again_theirs["answer"])]
    rows = []
    for comparison, second in (
        ("within", again),
        ("between stages", elsewhen),
        ("between personas", theirs),
    ):
        both = first.merge(
            second[[*keys, "prompt", "answer"]], on=[*keys, "prompt"], suffixes=("", "_other")
        )
        rows += [
            {
                "arm": r.arm,
                "seed": r.seed,
                "item": r.item,
                "comparison": comparison,
                "bleu": bleu(r.answer, r.answer_other),
            }
            for r in both.itertuples()
        ]
    return pd.DataFrame(rows, columns=[*keys, "comparison", "bleu"])


def profile(questionnaire: pd.DataFrame) -> pd.DataFrame:
    """Scored replies to a questionnaire as a row per statement: arm, seed, item, domain, score, the
    expected reply from 1 (very inaccurate) to 5 by the options' total likelihood, turned round
    where the statement is keyed `-`."""
    keys = ["arm", "seed", "item", "domain", "keyed"]
    weight = np.exp(questionnaire.groupby(keys)["nll"].transform("min") - questionnaire["nll"])
    sums = (
        questionnaire.assign(weight=weight, value=weight * (questionnaire["option"] + 1))
        .groupby(keys, sort=False)[["weight", "value"]]
        .sum()
    )
    table = (sums["value"] / sums["weight"]).rename("score").reset_index()
    table["score"] = table["score"].where(table["keyed"] == "+", 6 - table["score"])
    return table.drop(columns="keyed")
