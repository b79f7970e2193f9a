"""Chapter formats/05, the answers themselves: what arms say and how long, where the persona goes,
and how good the judge is.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from helpers import arms as table_of_arms
from helpers.files import StudyError
from helpers.measure import calibration, stats
from helpers.measure import planted as plant
from helpers.report import drawing, panels
from helpers.report.drawing import save
from helpers.report.panels import COLOURS, DARK, GREY, WIDE, reach
from helpers.report.results import Results, of_arms
from helpers.report.words import above_base, between, capital, does, listed, named, percent

PLACES = {
    "do, in-world": "the persona's world",
    "do, everyday": "everyday scenarios",
    "everyday": "everyday prompts",
    "neutral": "neutral prompts",
    "should_not_show": "should not show",
}


# What they say


def what_they_say(study: Results, arms: list[str], prompts: int = 3) -> pd.DataFrame:
    """The answers of every arm to the first everyday prompts (first sample of the first seed that
    all arms have): prompt, arm, answer. The first prompts, so that nobody picked them."""
    answers = of_arms(study.answers, arms)
    answers = answers[(answers["kind"] == "everyday") & (answers["sample"] == 0)]
    seeds = answers.groupby("arm")["seed"].unique()
    shared = set.intersection(*map(set, seeds))
    if not shared:
        raise StudyError("no seed was answered by all of these arms; show fewer arms.")
    answers = answers[answers["seed"] == min(shared)]
    items = sorted(answers["item"].unique())[:prompts]
    order = {arm: place for place, arm in enumerate(arms)}
    rows = answers[answers["item"].isin(items)].assign(order=answers["arm"].map(order))
    return rows.sort_values(["item", "order"])[["prompt", "arm", "answer"]].reset_index(drop=True)


def excerpts(said: pd.DataFrame, words: int = 45) -> str:
    """`what_they_say` as Markdown: a table of arms and the first `words` words per prompt."""
    blocks = []
    for prompt, own in said.groupby("prompt", sort=False):
        lines = [f"**{prompt}**", "", "| arm | answer |", "|---|---|"]
        for row in own.itertuples():
            told = row.answer.split()
            text = " ".join(told[:words]) + (" ..." if len(told) > words else "")
            plain = re.sub(r"([\\`*_\[\]<>#|~$])", r"\\\1", text)
            lines.append(f"| {table_of_arms.label(row.arm)} | {plain or '(no words)'} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def everyday(study: Results, arms: list[str]) -> pd.DataFrame:
    """The judged answers to everyday prompts."""
    judged = of_arms(study.judged, arms)
    return judged[judged["kind"] == "everyday"]


# Where the persona goes


def places(study: Results, arms: list[str]) -> pd.DataFrame:
    """The judged answers with the column `place`: where the question comes from (`PLACES`)."""
    judged = of_arms(study.judged, arms)
    place = judged["kind"].where(judged["kind"] != "do", "do, " + judged["setting"])
    return judged.assign(place=place)[place.isin(list(PLACES))]


def generalisation(study: Results, arms: list[str]) -> pd.DataFrame:
    """Share of all traits that an answer shows, by arm and where the question comes from: arm,
    place, and the columns of `stats.rates` and `stats.minus_base`."""
    answers = stats.long(places(study, arms), study.judge["judge"], "place")
    found, order = stats.rates(answers, ["arm", "place"]), list(PLACES)
    found = found.merge(stats.minus_base(answers, "place"), on=["place", "arm"], how="left")
    return found.sort_values("place", key=lambda names: names.map(order.index), kind="stable")


def generalisation_title(table: pd.DataFrame) -> str:
    """Which arms show the persona more than base outside its world; inside, where nothing was asked
    outside."""
    outside = {"neutral": "on neutral prompts", "should_not_show": "where it should not show"}
    inside = {
        "do, in-world": "in the persona's world",
        "do, everyday": "in everyday scenarios",
        "everyday": "on everyday prompts",
    }
    groups: dict[tuple, list[str]] = {}
    for place, words in (outside if set(outside) & set(table["place"]) else inside).items():
        own = table[table["place"] == place]
        if len(own):
            groups.setdefault(tuple(above_base(own)), []).append(words)
    parts = []
    for higher, spots in groups.items():
        if not higher:
            parts.append(f"no arm is seen to show the persona more than base {' or '.join(spots)}")
            continue
        who = does(higher[0], "show") if len(higher) == 1 else f"{named(higher)} show"
        if len(higher) == table["arm"].nunique() - 1 > 1:
            who = "every other arm shows"
        parts.append(f"{who} the persona more than base {listed(spots)}")
    return capital("; ".join(parts))


def draw_generalisation(table: pd.DataFrame, study, folder):
    shown = table.assign(value=table["rate"], where=table["place"].map(PLACES))
    fig = panels.dots({"": shown}, "where", "share of all traits\nthat an answer shows", (0, None))
    panels.percents(fig.axes[0].yaxis)
    about = drawing.about_answers(places(study, list(set(table["arm"]))))
    title, traits = generalisation_title(table), len(study.traits)
    save(fig, "generalisation", table, study, folder, title, about=about, traits=traits)
    return fig


# How long they talk


def response_length(study: Results, arms: list[str]) -> pd.DataFrame:
    """Tokens of every everyday answer: arm, seed, item, sample, n_tokens, finished."""
    answers = of_arms(study.answers, arms)
    keep = ["arm", "seed", "item", "sample", "n_tokens", "finished"]
    return answers.loc[answers["kind"] == "everyday", keep]


def response_length_title(frame: pd.DataFrame) -> str:
    medians = frame.groupby("arm")["n_tokens"].median()
    parts = [
        f"{named(medians.index[medians == tokens])} {tokens:.0f}"
        for tokens in sorted(medians.unique())
    ]
    return f"Median length of an answer in tokens: {', '.join(parts)}"


def draw_response_length(frame: pd.DataFrame, study, folder):
    """Boxes of answer lengths per arm, with every answer as a dot."""
    names = table_of_arms.in_order(frame["arm"])
    fig, ax = plt.subplots(figsize=(WIDE, 3.2))
    shared = {"data": frame, "x": "n_tokens", "y": "arm", "hue": "arm", "order": names, "ax": ax}
    shared |= {"palette": COLOURS, "legend": False}
    np.random.seed(0)  # seaborn draws the jitter from here; the same data give the same figure
    sns.stripplot(**shared, size=2, alpha=0.25, jitter=0.3)
    sns.boxplot(**shared, fill=False, fliersize=0, width=0.5)
    ax.set(xlabel="length of the answer (tokens)", ylabel="")
    ax.set_yticks(range(len(names)), [table_of_arms.label(arm) for arm in names])
    fig.tight_layout()
    about = drawing.about_answers(everyday(study, names))
    title, limit = response_length_title(frame), frame["n_tokens"].max()
    save(fig, "response_length", frame, study, folder, title, about=about, limit=limit)
    return fig


# How good the judge is


def quality(study: Results, judge: str) -> pd.DataFrame:
    """How good a judge is, per arm and trait, against the blind labels."""
    return calibration.per_arm(study.labelled[study.labelled["judge"] == judge], ["arm", "trait"])


def readings(study: Results) -> pd.DataFrame:
    """The answers that were read by the rule, trait by trait; where there are none, those with
    blind labels."""
    return study.read if study.has("read") and len(study.read) else study.labelled


def labelled_triplets(study: Results, arms: list[str]) -> pd.DataFrame:
    """The blind labels of answers to triplets, for the scenario's own trait: `outcome` is the
    primary judge's, `label` the reader's, `measure` say or do."""
    rows = of_arms(study.labelled, arms)
    rows = rows[rows["judge"] == study.judge["judge"]]
    rows = rows[(rows["trait"] == rows["scenario_trait"]) & rows["kind"].isin(["say", "do"])]
    return rows.assign(measure=rows["kind"]).dropna(subset=["outcome", "label"])


def judge_agreement(study: Results, arms: list[str]) -> pd.DataFrame:
    """Judges against the blind labels per arm, all traits together (`calibration.per_arm`)."""
    return calibration.per_arm(of_arms(study.labelled, arms), ["judge", "arm"])


def judge_agreement_title(table: pd.DataFrame, judge: str) -> str:
    own = table[table["judge"] == judge]
    found, right = (
        (own[name] * own[f"{name}_n"]).sum() / own[f"{name}_n"].sum()
        for name in ("sensitivity", "specificity")
    )
    return (
        f"The judge ({judge}) finds {percent(found)} of the traits that a blind reader found, "
        f"and wrongly sees them in {percent(1 - right)} of the other cases, over all arms and "
        "traits"
    )


def draw_judge_agreement(table: pd.DataFrame, study, folder):
    """Both sorts of errors, and the index of them by which the judge that counts is chosen
    (`judges.primary`)."""
    if table.empty:
        return drawing.nothing("judge_agreement", "none of these answers has a blind label")
    frames = {}
    for name, title in {
        "sensitivity": "sensitivity: traits found",
        "specificity": "specificity: absent traits left alone",
        "youden": "Youden's index of the two",
    }.items():
        bounds = {"low": table[f"{name}_low"], "high": table[f"{name}_high"]}
        frames[title] = table[["judge", "arm"]].assign(value=table[name], **bounds)
    low = min(0, table["youden_low"].min()) - 0.03  # no mark is cut at the edge
    fig = panels.dots(frames, "judge", "over all traits", (low, 1.02))
    scored = study.labelled[study.labelled["arm"].isin(table["arm"])].dropna(subset=["outcome"])
    n = scored.groupby(["judge", "arm"])["label_id"].nunique().min()
    title = judge_agreement_title(table, study.judge["judge"])
    save(fig, "judge_agreement", table, study, folder, title, labels=n)
    return fig


def planted(study: Results) -> pd.DataFrame:
    """What comes back of a share of answers that show their trait, planted among those of base that
    do not (`measure.planted`): judge, planted, method, n, value, low, high, covered."""
    return plant.planted(study.labelled, study.judge["judges"])


def planted_title(table: pd.DataFrame, judge: str) -> str:
    """What the judge that counts finds of the middle share that was planted, by each method."""
    own = table[table["judge"] == (judge if judge in set(table["judge"]) else table["judge"][0])]
    share = sorted(own["planted"].unique())[own["planted"].nunique() // 2]
    rows = own[own["planted"] == share]
    parts = [f"{percent(row.value)} {row.method}" for row in rows.itertuples()]
    found = f"the judge ({rows['judge'].iloc[0]}) finds {listed(parts)}"
    return f"Where {percent(share)} of answers show a trait, {found}"


def draw_planted(table: pd.DataFrame, study, folder):
    """A panel per method: what was planted (line), and what each judge gives back, hollow where it
    is corrected."""
    if table.empty:
        return drawing.nothing("planted", "too few answers were read as showing their trait")
    shares, judges = sorted(table["planted"].unique()), list(dict.fromkeys(table["judge"]))
    methods = list(dict.fromkeys(table["method"]))
    fig, axes = panels.grid(len(methods), 3, 3.3, sharey=True)
    for ax, method in zip(axes, methods, strict=True):
        ax.hlines(shares, [n - 0.4 for n in range(len(shares))],
                  [n + 0.4 for n in range(len(shares))], colors=GREY, lw=6, alpha=0.6)  # fmt: skip
        for number, judge in enumerate(judges):
            own = table[(table["method"] == method) & (table["judge"] == judge)]
            own = own.set_index("planted").reindex(shares)
            at = np.arange(len(shares)) + (number - (len(judges) - 1) / 2) * 0.22
            style = {"fmt": "os^D"[number], "ms": 6, "capsize": 2, "lw": 1.2, "color": DARK}
            style |= {"mfc": DARK if method == plant.JUDGED else "white"}
            ax.errorbar(at, own["value"], reach(own, "value"), **style)
        ax.set(title=method, xlabel="planted")
        ax.set_xticks(range(len(shares)), [percent(share) for share in shares])
        ax.grid(axis="x", visible=False)
    axes[0].set(ylabel="found", ylim=(-0.02, 1.04 * table["high"].max()))
    panels.percents(axes[0].yaxis)
    fig.tight_layout()
    handles = {judge: panels.mark("os^D"[number], DARK) for number, judge in enumerate(judges)}
    panels.legend(axes[-1], handles, loc="upper left", bbox_to_anchor=(1, 1))
    n = between(table["n"], str)
    title = planted_title(table, study.judge["judge"])
    save(fig, "planted", table, study, folder, title, mixed=n)
    return fig


# The chapter's summary


def findings(places, lengths, audited, back, judge: str) -> list[str]:
    """What this module says in the summary of formats/05_expression."""
    return [
        generalisation_title(places),
        f"{response_length_title(lengths)}; longer answers have more room for a trait",
        *([judge_agreement_title(audited, judge)] if len(audited) else []),
        *([planted_title(back, judge)] if len(back) else []),
    ]
