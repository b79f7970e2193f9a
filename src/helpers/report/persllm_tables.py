"""The tables behind the chapters on PersLLM, one function a table, from a study's results.

Every table holds all arms of the study; a figure draws a choice of them. `study` is what
`helpers.report.results.load` returns.
"""

import numpy as np
import pandas as pd
from scipy.stats import t as student

from helpers import arms as table_of_arms
from helpers.measure import markers, stats, triplets
from helpers.measure.comparison import Tables
from helpers.measure.contrasts import load_contrasts
from helpers.persllm import fidelity, life_stages
from helpers.report import answers, shares
from helpers.report import contrasts as fixed_contrasts

WHOLE = "persllm"  # PersLLM's method without DPO: its parts are measured against this arm
JUDGE, READERS = "as judged", "as read blind"
KNOWS, DOES, PREMISES = "knows", "does", "puts premises right"
SCORE, STAGE = "likeness to the persona's answers", "own stage likeliest"
PRESSED, ORDINARY = "accused, flattered, misled", "ordinary turns"


# Stages of life


def own_stage(study) -> pd.DataFrame:
    """How often a held-out reply is likeliest under the token of its own stage, by arm and stage:
    arm, stage, n, successes, value (a share), low, high, effective_n, unscored, seeds,
    chance. Only arms that were taught stages have rows."""
    told = stats.rates(fidelity.recognised(study.stages), ["arm", "own"])
    told = told.rename(columns={"own": "stage", "rate": "value"})
    return told.assign(chance=1 / study.stages["stage"].nunique())


def leaks(study) -> pd.DataFrame:
    """The share of answers that use what the stage of their question cannot know, by arm and kind
    of question (`question`: about the stage; `outside`: about another): the columns of
    `own_stage`, with kind for stage."""
    return stats.rates(study.leaks, ["arm", "kind"]).rename(columns={"rate": "value"})


def distinctness(study) -> pd.DataFrame:
    """Mean BLEU (0 to 100) of two answers to one everyday prompt, by arm and comparison: arm,
    comparison, value, low, high, n, items, seeds."""
    return stats.means(study.distinctness, ["arm", "comparison"], "bleu")


def told_apart(study) -> pd.DataFrame:
    """BLEU of two answers across stages, or across personas, minus that of two answers within, on
    the same prompts and seeds, by arm: arm, comparison, difference, low, high, seeds, items. Below
    zero, the arm tells them apart."""
    alike = study.distinctness.rename(columns={"bleu": "outcome"})
    rows = []
    for (arm, comparison), across in alike.groupby(["arm", "comparison"], sort=False):
        within = alike[(alike["arm"] == arm) & (alike["comparison"] == "within")]
        within = within[within["seed"].isin(across["seed"])]
        found = stats.difference(across, within)
        kept = {name: found[name] for name in ("difference", "low", "high", "seeds", "items")}
        rows.append({"arm": arm, "comparison": comparison} | kept)
    return pd.DataFrame(rows).query("comparison != 'within'").reset_index(drop=True)


# False premises


def readings(study) -> pd.DataFrame:
    """The answers to false premises that were read blind, each once, the label as `outcome`."""
    read = study.resisted.dropna(subset=["label"]).drop_duplicates(["arm", "label_id"])
    return read.assign(outcome=read["label"])


def premises(study) -> pd.DataFrame:
    """The share of false premises put right, by arm: by (as read blind; as judged by a model where
    nothing was read), arm, n, successes, value, low, high, effective_n, unscored, seeds."""
    return _premises(study, ["by", "arm"])


def premises_by_stage(study) -> pd.DataFrame:
    """`premises` with `questions`: those of the default stage, in which every arm is asked alike,
    and those of other stages, which only an arm that knows stages is told."""
    return _premises(study, ["by", "arm", "questions"])


def _premises(study, by: list[str]) -> pd.DataFrame:
    read = readings(study)
    rows = read.assign(by=READERS) if len(read) else study.resisted.assign(by=JUDGE)
    default = rows["stage"] == life_stages.load_stages(study.persona)["default"]
    rows["questions"] = default.map({True: "default stage", False: "other stages"})
    return stats.rates(rows, by).rename(columns={"rate": "value"})


def wordless(study) -> pd.DataFrame:
    """The share of answers without words, which are unscored: a row per arm, a column per kind of
    question."""
    answers = study.answers
    empty = answers.assign(empty=markers.without_words(answers["answer"]))
    shares = empty.groupby(["arm", "kind"], sort=False)["empty"].mean().unstack()
    return shares.reindex(table_of_arms.in_order(shares.index)).reset_index()


# Likeness and questionnaire


def likeness(study) -> pd.DataFrame:
    """How near answers are to the persona's own, by arm and aim of the question (knowledge or
    attitude): arm, aim, value, low, high, n, items, seeds, measure, and the columns of
    `stats.minus_base`. `score`: 0 to 5; `rank`: among the study's arms, 1 is nearest, where every
    arm has a score."""
    tables = []
    for measure in ("score", "rank"):
        apart = stats.minus_base(study.questions.assign(outcome=study.questions[measure]), "aim")
        own = stats.means(study.questions, ["arm", "aim"], measure).assign(measure=measure)
        tables.append(own.merge(apart, on=["aim", "arm"], how="left"))
    return pd.concat(tables, ignore_index=True)


def questionnaire(study) -> pd.DataFrame:
    """The expected reply (1 to 5) to the statements of the questionnaire, by arm and domain: arm,
    domain, value, low, high, n, items, seeds, and the columns of `stats.minus_base`."""
    replies = fidelity.profile(study.questionnaire)
    table = stats.means(replies, ["arm", "domain"], "score")
    apart = stats.minus_base(replies.rename(columns={"score": "outcome"}), "domain")
    return table.merge(apart, on=["domain", "arm"], how="left")


# Long conversations


def conversations(study) -> pd.DataFrame:
    """The judged replies to the scripted interlocutor, a row per reply and trait: arm, seed, item
    (the script: what is said in one conversation is alike), turn, turns (the fifth of the
    conversation, as `1-4`), half, pressed, incoherent, trait, outcome."""
    talked = study.judged[study.judged["kind"] == "interlocutor"]
    turn = talked["item"].str.rpartition("-")[2].astype(int)
    fifth = (turn - 1) * 5 // turn.max()
    bounds = turn.groupby(fifth).agg(["min", "max"])
    names = {f: f"{row['min']}-{row['max']}" for f, row in bounds.iterrows()}
    replies = study.answers[study.answers["kind"] == "interlocutor"]
    moves = replies.drop_duplicates("item").set_index("item")["move"]
    pressed = (
        talked["item"].map(moves).map(lambda move: ORDINARY if move == "ordinary" else PRESSED)
    )
    half = (turn * 2 > turn.max()).map({False: "first half", True: "second half"})
    talked = talked.assign(turn=turn, turns=fifth.map(names), half=half, pressed=pressed)
    talked = talked.assign(item=talked["item"].str.split("-").str[0], order=fifth)
    talked = talked.sort_values("order", kind="stable")
    return stats.long(talked, study.judge["judge"], "turns", "pressed", "turn", "half")


def expression_over_turns(study) -> pd.DataFrame:
    """The share of all traits that a reply shows, by arm, kind of turn and fifth of the
    conversation: arm, pressed, turns, n, successes, value, low, high, effective_n, unscored,
    seeds."""
    spoken = conversations(study)
    return stats.rates(spoken, ["arm", "pressed", "turns"]).rename(columns={"rate": "value"})


def expression_by_turn(study) -> pd.DataFrame:
    """`expression_over_turns` by single turns, all kinds of turns together."""
    return stats.rates(conversations(study), ["arm", "turn"])


def wearing_off(study) -> pd.DataFrame:
    """Traits shown per reply in the second half of a conversation minus the first, by arm: arm,
    first, second, difference, low, high (over scripts), seeds, items."""
    spoken = conversations(study)
    rows = []
    for arm in table_of_arms.in_order(spoken["arm"]):
        own = spoken[spoken["arm"] == arm]
        first, second = (own[own["half"] == half] for half in ("first half", "second half"))
        found = stats.difference(second, first)
        kept = {name: found[name] for name in ("difference", "low", "high", "seeds", "items")}
        means = {"first": first["outcome"].mean(), "second": second["outcome"].mean()}
        rows.append({"arm": arm, **means, **kept})
    return pd.DataFrame(rows).astype({"first": float, "second": float})


def incoherent_replies(study) -> pd.DataFrame:
    """What goes wrong with replies, in long conversations and with single everyday prompts: arm,
    where, n, repetitive and wordless (shares), seeds."""
    judged = study.judged
    where = judged["kind"].map({"everyday": "single prompts", "interlocutor": "conversations"})
    judged = judged.assign(
        where=where,
        repetitive=judged["incoherent"] == "repetition",
        wordless=judged["incoherent"] == "empty",
    ).dropna(subset=["where"])
    table = judged.groupby(["arm", "where"], sort=False).agg(
        n=("item", "size"),
        repetitive=("repetitive", "mean"),
        wordless=("wordless", "mean"),
        seeds=("seed", "nunique"),
    )
    return table.reset_index()


# Parts of the method


def measured(study) -> pd.DataFrame:
    """Everything that was measured on the triplets, and the premises put right as `resist`."""
    return pd.concat([shares.measured(study, study.arms), study.resisted.assign(measure="resist")])


def knowing_and_doing(study) -> pd.DataFrame:
    """Rates over all traits of everything measured on the triplets, every arm (see
    `shares.know_say_do`)."""
    triplets_alone = shares.measured(study, study.arms)
    return shares.know_say_do(triplets_alone, answers.labelled_triplets(study, study.arms))


def every_arm(study, rates: pd.DataFrame) -> pd.DataFrame:
    """`knowing_and_doing` as a row per arm, with the gap between both (see `shares.summary`)."""
    return shares.summary(rates, shares.measured(study, study.arms), study.arms)


def parts(study) -> pd.DataFrame:
    """What each part of the method is worth on five measures: `persllm` minus the arm without the
    part, and DPO's arm minus `persllm`, on the seeds that both have; above zero, the part helps.
    arm (without the part, or with DPO), part, measure, value, low, high and the other columns of
    `stats.difference`, by.

    `by` says who found premises put right: blind readers where they read every arm, else a model
    that judged them. Likeness is in points of 0 to 5, all else in shares.
    """
    names = table_of_arms.in_order(set(study.judged["arm"]) - {WHOLE})
    others = [a for a in names if a in table_of_arms.trained_on("reasoned", "preferences")]
    triplets, read = measured(study), readings(study)
    all_read = {WHOLE, *others} <= set(read["arm"])
    frames = {
        KNOWS: triplets[triplets["measure"] == "know"],
        DOES: triplets[triplets["measure"] == "do"],
        PREMISES: read if all_read else study.resisted,
        SCORE: study.questions.rename(columns={"score": "outcome"}),
        STAGE: fidelity.recognised(study.stages),
    }
    rows = []
    for measure, frame in frames.items():
        for arm in others:
            one, whole = (frame[frame["arm"] == name] for name in (arm, WHOLE))
            pair = one, whole[whole["seed"].isin(one["seed"])]
            more, less = reversed(pair) if table_of_arms.is_ablation(arm) else pair
            named = {"arm": arm, "part": part(arm), "measure": measure}
            rows.append(named | stats.difference(more, less))
    table = pd.DataFrame(rows).query("n_a > 0").reset_index(drop=True)
    by = READERS if all_read else JUDGE
    table["by"] = np.where(table["measure"] == PREMISES, by, "")
    return table.rename(columns={"difference": "value"})


def part(arm: str) -> str:
    """The part of the method that an ablation leaves out or another arm adds, in words."""
    left_out = table_of_arms.ARMS[arm].leaves_out.replace("_", "-")
    return left_out or table_of_arms.label(arm).removeprefix(f"{WHOLE} ")


def contrasts(study) -> pd.DataFrame:
    """The contrasts fixed in advance whose arms the study has: contrast, a, b, question, the
    columns of `comparison.contrast_table` (as judged); corrected, corrected_low,
    corrected_high (as read blind where every answer of both arms was read, else the judge's rates
    corrected by the labels); seeds_mean, seeds_low, seeds_high with the seeds as units (as read
    where every answer was, else as judged); and `persllm`: is the contrast about PersLLM?"""
    compared = measured(study)
    read = study.resisted.dropna(subset=["outcome", "label"])
    read = read.drop_duplicates(["arm", "label_id"]).assign(measure="resist")
    labelled = pd.concat([answers.labelled_triplets(study, study.arms), read])
    table = fixed_contrasts.contrasts(Tables(compared), labelled)
    by_id = {contrast["id"]: contrast for contrast in load_contrasts()}
    rows = [over_seeds(compared, by_id[name]) for name in table["contrast"]]
    table[["seeds_mean", "seeds_low", "seeds_high"]] = np.array(rows, dtype=float).reshape(-1, 3)
    own = table_of_arms.trained_on("reasoned", "preferences")
    return table.assign(persllm=[by_id[name]["a"]["arm"] in own for name in table["contrast"]])


def over_seeds(compared: pd.DataFrame, contrast: dict) -> tuple[float, float, float]:
    """Mean difference of a contrast and its 95 % interval with the seeds as units (Student's t over
    one difference a seed): what it says about seeds that were not run. The answers' labels count
    where each has one, else the judge's outcome. Without two seeds the interval is nan."""
    sides = [triplets.side(compared, **contrast[name]).dropna(subset=["outcome"]) for name in "ab"]
    if all(side["label"].notna().all() for side in sides):
        sides = [side.assign(outcome=side["label"]) for side in sides]
    a, b = (side.astype({"outcome": float}).groupby("seed")["outcome"].mean() for side in sides)
    each = (a - b).dropna()
    reach = student.ppf(0.975, len(each) - 1) * each.sem() if len(each) > 1 else np.nan
    return each.mean(), each.mean() - reach, each.mean() + reach


def preferences(study) -> pd.DataFrame:
    """The log of DPO: step, loss, margin, accuracy, chosen, rejected, arm, seed; empty where the
    study has no arm that was trained on preferences."""
    if not set(study.arms) & set(table_of_arms.trained_on("preferences")):
        return pd.DataFrame(columns=["step", "loss", "margin", "accuracy", "arm", "seed"])
    return study.preferences
