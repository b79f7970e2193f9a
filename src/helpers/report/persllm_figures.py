"""The figures of the chapters on PersLLM, one function a figure.

Every function takes a table of `helpers.report.persllm_tables` (all arms, and all of it goes into
the CSV), the study, the folder to save in, and the arms to draw. It returns the figure.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers import arms as table_of_arms
from helpers.report import drawing, panels, persllm_findings
from helpers.report.drawing import save
from helpers.report.panels import COLOURS, DARK, WIDE, reach
from helpers.report.persllm_tables import ORDINARY, PRESSED, READERS, SCORE
from helpers.report.words import between, counted, listed, seeds_of


def drawn(frame: pd.DataFrame, study, arms: list[str]) -> pd.DataFrame:
    """The rows of the chosen arms (StudyError for an unknown one), the arms in their order."""
    order = {name: place for place, name in enumerate(study.among(arms))}
    rows = frame[frame["arm"].isin(list(order))]
    return rows.sort_values("arm", key=lambda names: names.map(order), kind="stable")


def about(rows: pd.DataFrame) -> str:
    """How many answers and seeds are behind a figure's dots."""
    seeds = seeds_of(rows.groupby("arm")["seeds"].max())
    return f"n = {between(rows['n'], str)} per dot; {seeds}."


# Stages of life


def own_stage(frame: pd.DataFrame, study, folder, arms: list[str]):
    rows = drawn(frame, study, arms)
    chance = rows["chance"].iloc[0]
    fig = panels.dots({"": rows}, "stage", "replies likeliest under\ntheir own stage", line=chance)
    panels.percents(fig.axes[0].yaxis)
    at = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
    fig.axes[0].annotate("chance", (1, chance), (3, 0), fontsize=8.5, **at)
    title = persllm_findings.own_stage(rows)
    save(fig, "own_stage", frame, study, folder, title, about=about(rows))
    return fig


def stage_leaks(frame: pd.DataFrame, study, folder, arms: list[str]):
    rows = drawn(frame, study, arms)
    asked = rows["kind"].map({k: f"asked about {v}" for k, v in persllm_findings.ASKED.items()})
    fig = panels.dots({"": rows.assign(asked=asked)}, "asked", "answers that leak", (0, None))
    panels.percents(fig.axes[0].yaxis)
    title = persllm_findings.leaks(rows)
    save(fig, "stage_leaks", frame, study, folder, title, about=about(rows))
    return fig


def distinctness(frame: pd.DataFrame, told: pd.DataFrame, study, folder, arms: list[str]):
    """`told` is `told_apart`, which the title speaks of; arms without it are not drawn."""
    rows = drawn(frame[frame["arm"].isin(told["arm"])], study, arms)
    order = ["within", "between stages", "between personas"]
    rows = rows.sort_values("comparison", key=lambda c: c.map(order.index), kind="stable")
    label = "BLEU of two answers\n(lower: more distinct)"
    fig = panels.dots({"": rows}, "comparison", label, (0, None))
    title = persllm_findings.distinctness(drawn(told, study, arms))
    seeds = rows.groupby("comparison", sort=False)["seeds"].max()
    seeds = listed(f"{counted(n, 'seed')} {comparison}" for comparison, n in seeds.items())
    save(fig, "distinctness", frame, study, folder, title, seeds=seeds)
    return fig


# False premises


def how_read(rows: pd.DataFrame) -> str:
    """How false premises were counted, and by which mark, in words."""
    by = rows["by"].iloc[0]
    return f"{by} ({'hollow' if by == READERS else 'filled'})"


def induction_resistance(frame: pd.DataFrame, study, folder, arms: list[str]):
    rows = drawn(frame, study, arms)
    names = table_of_arms.in_order(rows["arm"])
    fig, ax = plt.subplots(figsize=(WIDE * 0.85, 1 + 0.34 * len(names)))
    own, read = rows.set_index("arm").reindex(names), rows["by"].iloc[0] == READERS
    panels.arm_dots(ax, own, "value", hollow=read)
    panels.arm_rows(ax, names)
    found = f"false premises put right (share of answers, {rows['by'].iloc[0]})"
    ax.set_xlabel(found)
    panels.from_zero(ax, "x")
    panels.percents(ax.xaxis)
    fig.tight_layout()
    title = persllm_findings.premises(rows)
    facts = {"about": about(rows), "by": how_read(rows)}
    save(fig, "induction_resistance", frame, study, folder, title, **facts)
    return fig


def induction_by_stage(frame: pd.DataFrame, study, folder, arms: list[str]):
    rows = drawn(frame, study, arms)
    by = rows["by"].iloc[0]
    fig = panels.dots({"": rows}, "questions", f"put right,\n{by}", (0, None), hollow=by == READERS)
    panels.percents(fig.axes[0].yaxis)
    title = persllm_findings.premises_by_stage(rows)
    facts = {"about": about(rows), "by": how_read(rows)}
    save(fig, "induction_by_stage", frame, study, folder, title, **facts)
    return fig


# Likeness and questionnaire


def likeness(frame: pd.DataFrame, study, folder, arms: list[str]):
    rows = drawn(frame, study, arms)
    scores, ranks = rows[rows["measure"] == "score"], rows[rows["measure"] == "rank"]
    frames = {
        "score (0 to 5, higher is nearer)": scores,
        f"rank among all {frame['arm'].nunique()} arms (1 is nearest, on top)": ranks,
    }
    fig = panels.dots(frames, "aim", "mean (the scale is cut)", None)
    fig.axes[1].invert_yaxis()
    title = persllm_findings.likeness(rows)
    behind = f"Score: {about(scores)} Rank: {about(ranks)}"
    save(fig, "likeness", frame, study, folder, title, about=behind)
    return fig


def questionnaire(frame: pd.DataFrame, study, folder, arms: list[str]):
    """The difference to base, so that `base` itself is not drawn."""
    rows = drawn(frame[frame["arm"] != "base"], study, arms)
    apart = ["minus_base", "minus_base_low", "minus_base_high"]
    rows = rows.drop(columns=["value", "low", "high"])
    rows = rows.rename(columns=dict(zip(apart, ("value", "low", "high"), strict=True)))
    rows["pale"] = (rows["low"] <= 0) & (rows["high"] >= 0)
    label = "expected reply minus base's\n(points from 1 to 5)"
    fig = panels.dots({"": rows}, "domain", label, None, 0)
    title = persllm_findings.questionnaire(drawn(frame, study, arms))
    save(fig, "questionnaire", frame, study, folder, title, about=about(rows))
    return fig


# Long conversations


def expression_over_turns(frame, halves, study, folder, arms: list[str], name: str):
    """A panel per arm, over fifths of the conversation: ordinary turns (discs) and those that press
    (triangles). `halves` is `wearing_off`, which the title speaks of, and `name` the figure's."""
    rows = drawn(frame, study, arms)
    names = list(dict.fromkeys(rows["arm"]))
    turns = sorted(rows["turns"].unique(), key=lambda turns: int(turns.split("-")[0]))
    fig, axes = panels.grid(len(names), 3, 2.6, sharex=True, sharey=True)
    shapes = {ORDINARY: "o", PRESSED: "^"}
    for ax, arm in zip(axes, names, strict=True):
        for number, (pressed, shape) in enumerate(shapes.items()):
            own = rows[(rows["arm"] == arm) & (rows["pressed"] == pressed)]
            places = [turns.index(fifth) for fifth in own["turns"]]  # a fifth may lack a kind
            at = np.array(places) + 0.2 * (number - 0.5)
            style = {"color": COLOURS[arm], "marker": shape, "ms": 5, "lw": 1, "capsize": 2}
            panels.dash(ax.errorbar(at, own["value"], reach(own, "value"), **style), own)
        ax.set(title=table_of_arms.label(arm), xticks=range(len(turns)), xticklabels=turns)
        ax.grid(axis="x", visible=False)
        panels.percents(ax.yaxis)
    panels.from_zero(axes[0], "y")
    fig.supxlabel("turns of the conversation", fontsize=10)
    fig.supylabel("traits shown per reply", fontsize=10)
    fig.tight_layout()
    handles = {pressed: panels.mark(shape, DARK) for pressed, shape in shapes.items()}
    panels.legend(fig, handles, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.02))
    title = persllm_findings.wearing_off(drawn(halves, study, arms))
    scripts = counted(int(halves["items"].max()), "script")
    facts = {"about": about(rows).replace("per dot", "per dot (replies times traits)")}
    save(fig, name, frame, study, folder, title, drop=0.08, scripts=scripts, **facts)
    return fig


def repetitive_replies(frame: pd.DataFrame, study, folder, arms: list[str]):
    rows = drawn(frame, study, arms)
    names = table_of_arms.in_order(rows["arm"])
    fig, ax = plt.subplots(figsize=(WIDE * 0.85, 1 + 0.34 * len(names)))
    handles = {}
    for where, shape, down in (("conversations", "o", -0.14), ("single prompts", "x", 0.14)):
        own = rows[rows["where"] == where].set_index("arm").loc[names, "repetitive"]
        for place, name in enumerate(names):
            ax.plot(own[name], place + down, shape, color=COLOURS[name], ms=7)
        handles[where] = panels.mark(shape, DARK)
    panels.arm_rows(ax, names)
    ax.set_xlabel("replies that repeat themselves")
    panels.from_zero(ax, "x")
    panels.percents(ax.xaxis)
    panels.legend(ax, handles, loc="upper left", bbox_to_anchor=(1, 1))
    fig.tight_layout()
    talk = rows[rows["where"] == "conversations"]
    title = persllm_findings.repetitive(rows)
    save(fig, "repetitive_replies", frame, study, folder, title, about=about(talk))
    return fig


# Parts of the method


def persllm_ablation(frame: pd.DataFrame, study, folder):
    """A row per part of the method, a panel per measure; right of zero, the part helps."""
    measures = list(dict.fromkeys(frame["measure"]))
    names = table_of_arms.in_order(frame["arm"])
    height = 1.5 + 0.32 * len(names)
    fig, axes = panels.grid(len(measures), len(measures), height, sharey=True)
    for ax, measure in zip(axes, measures, strict=True):
        own = frame[frame["measure"] == measure].set_index("arm").reindex(names)
        panels.arm_dots(ax, own, "value")
        ax.axvline(0, color=DARK, lw=1)
        far = 1.1 * np.nanmax([*own[["value", "low", "high"]].abs().to_numpy().flat, 0.01])
        by = "".join(f"\n({by})" for by in set(own["by"].dropna()) if by)
        ax.set(title=measure.replace("the persona's ", "the\npersona's ") + by, xlim=(-far, far))
        ax.title.set_fontsize(9)
        (panels.signed if measure == SCORE else panels.signed_points)(ax.xaxis)
        ax.set_xlabel("points of 0 to 5" if measure == SCORE else "percentage points", fontsize=9)
        panels.arm_rows(ax, names)
    parts = frame.drop_duplicates("arm").set_index("arm")["part"]
    axes[0].set_yticks(range(len(names)), parts[names])
    fig.tight_layout()
    save(fig, "persllm_ablation", frame, study, folder, persllm_findings.parts(frame))
    return fig


def persllm_contrasts(frame: pd.DataFrame, study, folder):
    """The contrasts about PersLLM; the CSV holds all that the study's arms allow. What was all read
    has no mark as judged, and what one seed alone answers has none over seeds."""
    rows = frame[frame["persllm"].astype(bool)].reset_index(drop=True)
    if rows.empty:
        return drawing.nothing("persllm_contrasts", "no contrast about PersLLM has its arms here")
    fig, ax = plt.subplots(figsize=(WIDE * 0.85, 1 + 0.65 * len(rows)))
    handles = {}
    read = rows["corrected"].where(persllm_findings.judged(rows))
    found = rows["difference"].mask(persllm_findings.all_read(rows))
    seeds = rows["seeds_mean"].where(rows["seeds_low"].notna())
    for by, value, prefix, shift, style in (
        ("as judged, or scored", found, "", -0.2, {"fmt": "o", "lw": 1.6}),
        (
            "as read blind, or corrected",
            read,
            "corrected_",
            0,
            {"fmt": "o", "mfc": "white", "lw": 1},
        ),
        ("the seeds as units", seeds, "seeds_", 0.2, {"fmt": "|", "lw": 0.7}),
    ):
        own = rows.assign(value=value)
        if own["value"].isna().all():
            continue
        bars, marks = reach(own, "value", prefix), {"ms": 6, "color": DARK, "capsize": 2} | style
        handles[by] = ax.errorbar(own["value"], own.index + shift, xerr=bars, **marks)
        panels.dash(handles[by], own)
    ax.axvline(0, color=DARK, lw=1)
    ax.set_yticks(range(len(rows)), [persllm_findings.contrast(row) for row in rows.itertuples()])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    panels.signed_points(ax.xaxis)
    ax.set_xlabel("difference in percentage points")
    panels.legend(ax, handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    fig.tight_layout()
    title = persllm_findings.contrasts(rows)
    seeds = counted(int(rows["seeds"].max()), "seed")
    save(fig, "persllm_contrasts", frame, study, folder, title, seeds=seeds)
    return fig


def preference_curves(log: pd.DataFrame, study, folder):
    if log.empty:
        return print("figure 'preference_curves' is not drawn: no arm was trained by DPO.")
    labels = {
        "accuracy": "pairs preferred",
        "margin": "reward margin (nats)",
        "loss": "loss (nats per pair)",
    }
    fig, axes = panels.grid(3, 3, 2.8)
    for ax, (name, label) in zip(axes, labels.items(), strict=True):
        for (arm, _), run in log.groupby(["arm", "seed"]):
            smooth = run[name].rolling(3, min_periods=1).mean()
            ax.plot(run["step"], smooth, color=COLOURS[arm], alpha=0.8)
        ax.set(xlabel="step", ylabel=label)
    panels.percents(axes[0].yaxis)
    fig.tight_layout()
    title = persllm_findings.preferences(log)
    facts = {"seeds": counted(log["seed"].nunique(), "seed"), "last": persllm_findings.LAST}
    save(fig, "preference_curves", log, study, folder, title, **facts)
    return fig
