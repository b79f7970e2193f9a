"""The figures of the formats chapters, one function a figure.

Every function takes a frame of `report.tables`, the study and the folder to save in, and returns
the figure. Where there is nothing to draw it says why and returns None.
"""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from helpers import arms as table_of_arms
from helpers.report import drawing, findings, tables
from helpers.report.drawing import COLOURS, DARK, GREY, WIDE, reach, save
from helpers.report.words import listed

MARKS = "osD^vPX*"  # shape means trait, in the order of the card
RED = "#b00020"  # the earlier study (`data/published.yaml`)


def nothing(name: str, why: str) -> None:
    print(f"figure '{name}' is not drawn: {why}.")


# 05: expression


def expression_rate(table: pd.DataFrame, study, folder):
    """A panel per trait: the one in focus, those with a published rate, and others, three in all;
    a row per arm: as judged (filled), corrected (hollow), in the earlier study (red)."""
    marks = tables.published_rates(study)
    wanted = [study.focus, *marks["trait"], *study.traits]
    traits = [t for t in dict.fromkeys(wanted) if t in study.traits][:3]
    names = table_of_arms.in_order(table["arm"])
    fig, axes = drawing.grid(len(traits), 3, 0.8 + 0.45 * len(names), sharex=True, sharey=True)
    for ax, trait in zip(axes, traits, strict=True):
        own = table[table["trait"] == trait].set_index("arm").reindex(names)
        drawing.arm_dots(ax, own, "rate", up=0.14)
        drawing.arm_dots(ax, own, "corrected", "corrected_", down=0.14, hollow=True)
        for row in marks[marks["trait"] == trait].itertuples():
            if row.arm in names:
                at = names.index(row.arm)
                ax.plot(row.rate, at, "D", color=RED, ms=5, zorder=5)
                ax.hlines(at, row.low, row.high, colors=RED, lw=1.2)
        ax.set(title=trait, xlim=(-0.02, 1.02), xlabel="share of answers")
        drawing.percents(ax.xaxis)
    drawing.arm_rows(axes[0], names)
    handles = {
        "as judged": drawing.mark("o", DARK),
        "corrected for judge error": drawing.mark("o", DARK, "white"),
    }
    if len(marks):
        handles["earlier study (Qwen3-4B)"] = drawing.mark("D", RED)
    fig.tight_layout()
    drawing.legend(fig, handles, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.03))
    title = findings.expression_rate(table, study.focus)
    about = drawing.about_answers(tables.everyday(study, names))
    save(fig, "expression_rate", table, study, folder, title, about=about, drop=0.08)
    return fig


def expression_differences(table: pd.DataFrame, study, folder):
    """One panel per contrast: difference in expression rate per trait with its interval."""
    names = list(dict.fromkeys(table["contrast"]))
    if not names:
        return nothing("expression_differences", "there are no two arms to compare")
    fig, axes = drawing.grid(len(names), 6, 3.4, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        own = table[table["contrast"] == name].set_index("trait").reindex(study.traits)
        told = (own["low"] > 0) | (own["high"] < 0)
        colour = COLOURS[name.split(" - ")[0]]
        at = np.arange(len(own))
        for rows, alpha in ((told, 1), (~told, drawing.PALE)):
            drawn = ax.errorbar(
                own.loc[rows, "difference"],
                at[rows],
                xerr=reach(own[rows], "difference"),
                fmt="o",
                color=colour,
                alpha=alpha,
                capsize=2,
            )
            drawing.dash(drawn, own[rows])
        ax.axvline(0, color=DARK, lw=1)
        title = "\nminus ".join(table_of_arms.label(arm) for arm in name.split(" - "))
        ax.set(title=title, xlim=(-1, 1), xticks=[-0.5, 0, 0.5], yticks=at)
        ax.set_yticklabels(study.traits)
        drawing.signed_points(ax.xaxis)
    axes[0].invert_yaxis()
    fig.supxlabel("difference in expression rate (percentage points)", fontsize=10)
    fig.tight_layout()
    arms = {arm for name in names for arm in name.split(" - ")}
    about = drawing.about_answers(tables.everyday(study, list(arms)))
    title = findings.expression_differences(table)
    save(fig, "expression_differences", table, study, folder, title, about=about)
    return fig


def generalisation(table: pd.DataFrame, study, folder):
    shown = table.assign(value=table["rate"], where=table["place"].map(tables.PLACES))
    fig = drawing.dots({"": shown}, "where", "share of all traits\nthat an answer shows", (0, None))
    drawing.percents(fig.axes[0].yaxis)
    about = drawing.about_answers(tables.places(study, list(set(table["arm"]))))
    title, traits = findings.generalisation(table), len(study.traits)
    save(fig, "generalisation", table, study, folder, title, about=about, traits=traits)
    return fig


def trait_heatmap(table: pd.DataFrame, study, folder):
    names = table_of_arms.in_order(table["arm"])
    heat = table.pivot(index="arm", columns="trait", values="rate").loc[names, study.traits]
    fig = drawing.matrices({"": 100 * heat}, ".0f", "% of answers", "Purples")
    about = drawing.about_answers(tables.everyday(study, names))
    save(fig, "trait_heatmap", table, study, folder, findings.trait_heatmap(table), about=about)
    return fig


def response_length(frame: pd.DataFrame, study, folder):
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
    about = drawing.about_answers(tables.everyday(study, names))
    title, limit = findings.response_length(frame), frame["n_tokens"].max()
    save(fig, "response_length", frame, study, folder, title, about=about, limit=limit)
    return fig


def judge_agreement(table: pd.DataFrame, study, folder):
    if table.empty:
        return nothing("judge_agreement", "none of these answers has a blind label")
    panels = {}
    for name, title in {
        "sensitivity": "sensitivity: traits found",
        "specificity": "specificity: absent traits left alone",
        "ac1": "agreement (Gwet's AC1)",
    }.items():
        bounds = {"low": table[f"{name}_low"], "high": table[f"{name}_high"]}
        panels[title] = table[["judge", "arm"]].assign(value=table[name], **bounds)
    fig = drawing.dots(panels, "judge", "over all traits", (0, 1.02))
    n = study.labelled.groupby(["judge", "arm"])["label_id"].nunique().min()
    title = findings.judge_agreement(table, study.judge["judge"])
    save(fig, "judge_agreement", table, study, folder, title, labels=n)
    return fig


# 06: knowing and doing


def knows_and_does(gains: pd.DataFrame, gaps: pd.DataFrame, study, folder):
    """A dumbbell per arm: gain over base in knowing (disc) and in doing (square), and in doing
    corrected for judge error (hollow)."""
    names = table_of_arms.in_order(gains["arm"])
    fig, ax = plt.subplots(figsize=(7.6, 1.0 + 0.72 * len(names)))
    shapes = {"knows": ("o", -0.16), "does": ("s", 0.16), "does, corrected": ("s", 0.34)}
    for place, arm in enumerate(names):
        own, colour = gains[gains["arm"] == arm].set_index("readout"), COLOURS[arm]
        ends = [(own.loc[r, "value"], place + shapes[r][1]) for r in ("knows", "does")]
        ax.plot(*zip(*ends, strict=True), color=colour, lw=4, alpha=0.25, zorder=1)
        for readout in own.index:
            shape, off = shapes[readout]
            hollow = readout.endswith("corrected")
            drawn = ax.errorbar(
                own.loc[readout, "value"],
                place + off,
                xerr=reach(own.loc[[readout]], "value"),
                fmt=shape,
                ms=5 if hollow else 9,
                color=colour,
                mfc="white" if hollow else colour,
                elinewidth=0.8 if hollow else 1.6,
                capsize=2,
            )
            drawing.dash(drawn, own.loc[[readout]])
            ax.annotate(
                readout.removeprefix("does, "),
                (own.loc[readout, "high"], place + off),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5 if hollow else 9,
                color=colour,
            )
    ax.axvline(0, color=DARK, lw=1)
    ax.annotate("base", (0, 1), (3, -10), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=8.5, color=DARK)  # fmt: skip
    ax.set_xlabel("gain over base (percentage points of scenarios)")
    drawing.signed_points(ax.xaxis)
    drawing.arm_rows(ax, names)
    fig.tight_layout()
    title = findings.knows_and_does(gains, gaps)
    scenarios = study.choices.loc[study.choices["measure"] == "know", "item"].nunique()
    about = {"scenarios": scenarios, "seeds": study.choices["seed"].nunique()}
    save(fig, "knows_and_does", gains, study, folder, title, **about)
    return fig


def gap_over_base(gaps: pd.DataFrame, study, folder):
    """Left the gap of every arm, right what it has beyond the gap of base."""
    names = table_of_arms.in_order(gaps["arm"])
    own = gaps.set_index("arm").reindex(names)
    own["seeds"] = own["seeds"].fillna(own["seeds"].min())  # base has no gap beyond its own
    fig, (left, right) = drawing.grid(2, 2, 0.8 + 0.45 * len(names), sharex=True, sharey=True)
    drawing.arm_dots(left, own, "gap", "gap_")
    drawing.arm_dots(right, own, "beyond", up=0.12)
    drawing.arm_dots(right, own, "corrected", "corrected_", down=0.18, hollow=True)
    left.axvline(own.loc["base", "gap"], color=COLOURS["base"], lw=1, ls="--")
    for ax, title in ((left, "knowing minus doing"), (right, "the same, minus that of base")):
        ax.axvline(0, color=DARK, lw=1)
        ax.set(title=title, xlabel="percentage points of scenarios")
        drawing.signed_points(ax.xaxis)
    drawing.arm_rows(left, names)
    fig.tight_layout()
    save(fig, "gap_over_base", gaps, study, folder, findings.gap_over_base(gaps))
    return fig


def knowing_and_expressing(table: pd.DataFrame, study, folder):
    """One panel per arm: knowing (x) against doing (y) per trait with both intervals, chance and
    the diagonal; corrected doing is hollow."""
    names = table_of_arms.in_order(table["arm"])
    marks = dict(zip(study.traits, cycle(MARKS), strict=False))
    fig, axes = drawing.grid(len(names), 3, 3.3, sharex=True, sharey=True)
    for ax, arm in zip(axes, names, strict=True):
        ax.plot([0, 1], [0, 1], color=GREY, lw=1, zorder=1)
        ax.axvline(0.25, color=GREY, lw=1, ls=":", zorder=1)
        own, colour = table[table["arm"] == arm].set_index("trait"), COLOURS[arm]
        for trait in own.index:
            one = own.loc[[trait]]
            bars = {"yerr": reach(one, "rate"), "xerr": reach(one, "know", "know_")}
            style = {"fmt": marks[trait], "ms": 6, "mew": 0, "elinewidth": 0.5, "alpha": 0.9}
            drawing.dash(ax.errorbar(one["know"], one["rate"], **bars, **style, color=colour), one)
        ax.set(title=table_of_arms.label(arm), xlim=(0, 1), ylim=(-0.02, 1.02))
        ax.tick_params(labelbottom=True)
        for axis in (ax.xaxis, ax.yaxis):
            drawing.percents(axis)
    axes[0].text(0.97, 0.3, "known, not shown", ha="right", fontsize=8.5, color="#777777")
    axes[0].text(0.05, 0.9, "shown, not known", fontsize=8.5, color="#777777")
    handles = {trait: drawing.mark(mark, "#555555") for trait, mark in marks.items()}
    drawing.legend(fig, handles, loc="center left", bbox_to_anchor=(1, 0.5))
    fig.supylabel("doing: answers that show the trait", fontsize=10)
    fig.supxlabel("knowing: scenarios whose true option wins (dotted: chance)", fontsize=10)
    fig.tight_layout()
    judged = study.judged[(study.judged["kind"] == "do") & study.judged["arm"].isin(names)]
    title, about = findings.knowing_and_expressing(table), drawing.about_answers(judged)
    save(fig, "knowing_and_expressing", table, study, folder, title, about=about)
    return fig


# 07: persona or format


def perplexity_matrix(matrix: pd.DataFrame, study, folder):
    panels = tables.perplexity_panels(study, matrix)
    fig = drawing.matrices(panels, ".2f", "nats per token")
    save_of_texts(fig, "perplexity_matrix", matrix, study, folder)
    return fig


def perplexity_gain(gain: pd.DataFrame, study, folder):
    panels = {
        name: own.drop(columns="study").set_index("arm").rename_axis(None)
        for name, own in gain.groupby("study", sort=False)
    }
    fig = drawing.matrices(panels, "+.2f", "gain over base (nats per token)", "RdBu", centre=0)
    save_of_texts(fig, "perplexity_gain", gain, study, folder)
    return fig


def persona_specific_gain(table: pd.DataFrame, study, folder):
    if table.empty:
        return nothing("persona_specific_gain", "there are no texts about a control character")
    texts = {text: f"scored on\n{table_of_arms.label(text)}" for text in table["text"]}
    shown = table.assign(scored=table["text"].map(texts))
    fig = drawing.dots({"": shown}, "scored", "gain on the persona's texts\nminus control's (nats)",
                       None, 0)  # fmt: skip
    save_of_texts(fig, "persona_specific_gain", table, study, folder)
    return fig


def save_of_texts(fig, name: str, frame: pd.DataFrame, study, folder) -> None:
    """Save a figure of held-out texts; its title is made by the function of its name."""
    about = drawing.about_texts(tables.own_scores(study, study.arms))
    save(fig, name, frame, study, folder, getattr(findings, name)(frame), about=about)


def capability_retained(table: pd.DataFrame, study, folder):
    """Left general questions, right the persona's name as the model's own, a row per arm."""
    if table.empty:
        return nothing("capability_retained", "the study has no general questions")
    names = table_of_arms.in_order(table["arm"])
    own = table.set_index("arm").reindex(names)
    fig, (left, right) = drawing.grid(2, 2, 0.8 + 0.4 * len(names), sharex=True, sharey=True)
    drawing.arm_dots(left, own, "value")
    drawing.arm_dots(right, own, "names_itself_value", "names_itself_")
    left.axvline(0.25, color=DARK, lw=1, ls=":")
    left.set(title="general questions: true option likeliest (dotted: chance)")
    right.set(title="attacks on identity: probability of the persona's name")
    left.set_xlim(-0.02, 1.02)
    for ax in (left, right):
        drawing.percents(ax.xaxis)
    drawing.arm_rows(left, names)
    fig.tight_layout()
    title, n = findings.capability_retained(table), table["n"].max()
    save(fig, "capability_retained", table, study, folder, title, answers=n)
    return fig


def training_curves(log: pd.DataFrame, study, folder):
    """Training loss (mean of 15 steps, a line per seed) and held-out loss (points) per arm."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDE, 3.6), sharey=True)
    lines = {}
    for arm in table_of_arms.in_order(log["arm"]):
        for _, run in log[log["arm"] == arm].groupby("seed"):
            smooth = run["loss"].rolling(15, min_periods=5).mean()
            held = run.dropna(subset=["heldout_loss"])
            shared = {"color": COLOURS[arm], "alpha": 0.8}
            (lines[table_of_arms.label(arm)],) = axes[0].plot(
                run["epoch"], smooth, lw=1.2, **shared
            )
            axes[1].plot(held["epoch"], held["heldout_loss"], "o-", **shared)
    axes[0].set(title="training texts", xlabel="epoch", ylabel="loss (nats per token)")
    axes[1].set(title="held-out texts", xlabel="epoch")
    drawing.legend(axes[1], lines, loc="upper left", bbox_to_anchor=(1, 1))
    fig.tight_layout()
    trained = listed(lines)
    title, seeds = findings.training_curves(log), log["seed"].nunique()
    save(fig, "training_curves", log, study, folder, title, trained=trained, seeds=seeds)
    return fig
