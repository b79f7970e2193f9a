"""Chapter formats/05: how often each arm shows each trait.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import calibration, comparison, stats
from helpers.measure.comparison import ABOUT, READ
from helpers.measure.contrasts import load_reported
from helpers.report import drawing, panels
from helpers.report.answers import everyday, quality, readings
from helpers.report.drawing import save
from helpers.report.panels import COLOURS, DARK
from helpers.report.results import Results, of_arms, widest
from helpers.report.words import (
    between,
    capital,
    hundred,
    leaders,
    listed,
    named,
    percent,
    spaced,
    this_seed,
)

RED = "#b00020"  # the earlier study (`data/published.yaml`)
# Of hollow marks, and of what a title says of the judge; for captions of figures that have them.
HOLLOW = " and, hollow, corrected for the judge's errors (everyday prompts) or as read (scenarios)"
WITHOUT = (
    "Answers without a trait, in the title: answers of any kind in which a blind reader did not "
    "find it."
)


# Rates


def rates_by(study: Results, arms: list[str], judge: str) -> pd.DataFrame:
    """Expression rates per arm and trait in everyday answers, judged and corrected."""
    judged = stats.long(everyday(study, arms), judge)
    return calibration.correct_rates(stats.rates(judged, ["arm", "trait"]), quality(study, judge))


def expression_rates(study: Results, arms: list[str]) -> pd.DataFrame:
    """`rates_by` the primary judge, with n_coherent and rate_coherent, the same over coherent
    answers alone."""
    judge, judged = study.judge["judge"], everyday(study, arms)
    coherent = stats.long(judged[judged["incoherent"] == ""], judge)
    coherent = stats.rates(coherent, ["arm", "trait"])[["arm", "trait", "n", "rate"]]
    table = rates_by(study, arms, judge)
    return table.merge(coherent, on=["arm", "trait"], how="left", suffixes=("", "_coherent"))


def published_rates(study: Results) -> pd.DataFrame:
    """Expression rates of the earlier study: arm, trait, rate, successes, n, and a Wilson interval
    (low, high) where the counts are known, else nan."""
    rows = load_reported(study.persona).get("expression", [])
    frame = pd.DataFrame(rows, columns=["arm", "trait", "rate", "successes", "n"])
    counts = frame[["successes", "n"]].fillna(0).to_numpy(float)
    bounds = [stats.wilson(successes, n) for successes, n in counts]
    return frame.assign(low=[low for low, _ in bounds], high=[high for _, high in bounds])


def expression_by_judge(study: Results, arms: list[str]) -> pd.DataFrame:
    """`rates_by` every judge, with the column judge."""
    judges = study.judge["judges"]
    return pd.concat(rates_by(study, arms, judge).assign(judge=judge) for judge in judges)


def expression_rate_title(table: pd.DataFrame, marks: pd.DataFrame, trait: str) -> str:
    """How often the arm of the earlier study's claim (`published_rates`) shows a trait, and which
    arm shows it most."""
    own = table[table["trait"] == trait].dropna(subset=["rate"])
    first, shares = leaders(own), own.set_index("arm")["rate"]
    claimed = marks[(marks["trait"] == trait) & marks["arm"].isin(shares.index)]
    trait = spaced(trait)
    if not shares.any() and claimed.empty:
        return f"No answer is judged to show {trait}"
    parts = [
        f"{trait} is shown by {table_of_arms.label(row.arm)} in {percent(shares[row.arm])} of "
        f"answers as judged ({percent(row.rate)} in the earlier study)"
        for row in claimed.dropna(subset=["low"]).itertuples()
    ]
    if len(first) == len(own):
        what = "it" if parts else trait
        rate = f"{between(shares)} as judged"
        parts.append(f"which arm shows {what} most is not told apart ({rate})")
    else:
        tied = ", intervals overlap" if len(first) > 1 else ""
        also = "base" in shares.index.difference(first)
        base = f"; base {percent(shares['base'])}" if also else ""
        most = f"most by {named(first)} ({between(shares[first])} as judged{tied}{base})"
        parts.append(most if parts else f"{trait} is shown {most}")
    return capital("; ".join(parts))


def corrected_rates(table: pd.DataFrame, trait: str) -> str:
    own = table[table["trait"] == trait].dropna(subset=["corrected"])
    if own.empty:
        return f"The blind labels do not suffice to correct the rates of {spaced(trait)}"
    parts = [
        f"{table_of_arms.label(row.arm)} {percent(row.corrected)} "
        f"({percent(row.corrected_low)} to {percent(row.corrected_high)})"
        for row in own.itertuples()
    ]
    return f"Corrected for the judge's errors, {spaced(trait)} stands at: {listed(parts)}"


def draw_expression_rate(table: pd.DataFrame, fit: pd.DataFrame, study, folder):
    """The trait in focus large, with what an earlier study found; beside it the other traits, and
    sensitivity and lean (`sensitivity`). A row per arm: as judged (filled), corrected or as read
    (hollow)."""
    names = table_of_arms.in_order(table["arm"])
    size = (panels.WIDE, 1.3 + 0.5 * len(names))
    shape = {"width_ratios": [2.3, 1, 1, 1]}
    fig, axes = plt.subplots(1, 4, figsize=size, sharey=True, gridspec_kw=shape)
    read = (fit["by"] == READ).any()
    focus_panel(axes[0], table[table["trait"] == study.focus], study)
    others_panel(axes[1], table[table["trait"].isin(set(study.traits) - {study.focus})], names)
    for ax, value, prefix in ((axes[2], "value", ""), (axes[3], "lean", "lean_")):
        for by, own in widest(fit[fit["by"] != ABOUT]).groupby("by"):
            own, down = own.set_index("arm").reindex(names), (0.16 if by == READ else -0.12) * read
            panels.arm_dots(ax, own, value, prefix, down=down, hollow=by == READ)
        ax.axvline(0, color=DARK, lw=1)
        panels.limit(ax, widest(fit), value, prefix)
        panels.signed_points(ax.xaxis)
    axes[2].set(title="scenarios: own trait\nminus other traits", xlabel="points")
    axes[3].set(title="scenarios: other\ntraits minus base", xlabel="points")
    panels.arm_rows(axes[0], names)
    fig.tight_layout()
    hollow = read or table.loc[table["trait"] == study.focus, "corrected"].notna().any()
    handles = {"as judged": panels.mark("o", DARK)}
    if hollow:
        handles["corrected, or as read"] = panels.mark("o", DARK, "white")
    if len(published_rates(study)):
        handles["earlier study (Qwen3-4B)"] = panels.mark("D", RED)
    panels.legend(fig, handles, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.03))
    title = expression_rate_title(table, published_rates(study), study.focus)
    about = {"about": drawing.about_answers(everyday(study, names))}
    about["hollow"] = HOLLOW if hollow else ""
    save(fig, "expression_rate", table, study, folder, title, drop=0.08, **about)
    return fig


def focus_panel(ax, own: pd.DataFrame, study) -> None:
    """The trait in focus, judged and corrected, and the rates of the earlier study."""
    names = table_of_arms.in_order(own["arm"])
    rows, marks = own.set_index("arm").reindex(names), published_rates(study)
    panels.arm_dots(ax, rows, "rate", up=0.14)
    panels.arm_dots(ax, rows, "corrected", "corrected_", down=0.14, hollow=True)
    for row in marks[(marks["trait"] == study.focus) & marks["arm"].isin(names)].itertuples():
        at = names.index(row.arm)
        ax.plot(row.rate, at, "D", color=RED, ms=7, zorder=5)
        ax.hlines(at, row.low, row.high, colors=RED, lw=1.2)
        ax.annotate(percent(row.rate), (row.rate, at), (0, 7), color=RED, fontsize=9, ha="center",
                    textcoords="offset points")  # fmt: skip
    for place, (arm, row) in enumerate(rows.iterrows()):
        at = max(row["rate"], 0.04), place - 0.14  # clear of the axis
        ax.annotate(percent(row["rate"]), at, (0, 7), fontsize=9,
                    ha="center", textcoords="offset points", color=COLOURS[arm])  # fmt: skip
    ax.set(
        title=f"{spaced(study.focus)}, everyday prompts",
        xlim=(-0.02, 1.02),
        xlabel="share of answers",
    )
    panels.percents(ax.xaxis)


def others_panel(ax, others: pd.DataFrame, names: list[str]) -> None:
    """A small mark for every other trait, and the name of the one that an arm shows most."""
    for place, arm in enumerate(names):
        own = others[others["arm"] == arm].dropna(subset=["rate"])
        ax.plot(own["rate"], [place] * len(own), "|", color=COLOURS[arm], ms=11, mew=1.6)
        if len(own):
            top = own.loc[own["rate"].idxmax()]
            ax.annotate(spaced(top["trait"]), (max(top["rate"], 0.22), place), (0, 8), fontsize=7.5,
                        ha="center",
                        textcoords="offset points", color=COLOURS[arm])  # fmt: skip
    ax.set(title="other traits,\neveryday prompts", xlim=(-0.04, 1.04), xlabel="share of answers")
    ax.set_xticks([0, 0.5, 1])
    ax.grid(axis="y", visible=False)
    panels.percents(ax.xaxis)


# Scenarios: the trait that fits, and any other


def do_answers(study: Results, arms: list[str]) -> pd.DataFrame:
    """The answers to scenarios as live messages, trait by trait, as judged and as read
    (`comparison.answers_by_trait`)."""
    tables = (of_arms(frame, arms) for frame in (study.choices, study.judged, readings(study)))
    return comparison.answers_by_trait(*tables, study.judge["judge"])


def fit_title(fit: pd.DataFrame) -> str:
    """Which arms show the trait that fits more than any other, and which only lean (`by` the
    judge, and as read)."""
    told = []
    for by, own in widest(fit[fit["arm"] != "base"]).groupby("by", sort=False):
        if by == comparison.ABOUT:
            continue
        fits = table_of_arms.in_order(own.loc[own["low"] > 0, "arm"])
        who = named(fits) if fits else "no arm"
        told.append(f"{'as read' if by == READ else f'by the judge ({by})'}: {who}")
    return f"More of the trait that fits than of other traits, {'; '.join(told)}"


# All traits


def trait_heatmap_title(table: pd.DataFrame) -> str:
    """The largest rise over base, and how often the judge sees that trait in answers that were read
    as without it."""
    square = table.pivot(index="arm", columns="trait", values="rate")
    if "base" not in square.index or len(square) == 1:
        return "Expression rate by trait and arm"
    rise = (square - square.loc["base"]).drop("base").stack()
    if not rise.max() > 0:
        return "No arm shows any trait more often than base, as judged"
    arm, trait = rise.idxmax()
    tied = rise.index[rise >= rise.max() - 1e-9]
    names = table_of_arms.in_order(a for a, t in tied if t == trait)
    start, end = square.loc["base", trait], square.loc[arm, trait]
    wrong = 1 - table[table["trait"] == trait].set_index("arm").loc[names, "specificity"].dropna()
    also = (
        f"; the judge also sees it in {between(wrong)} of answers without it" if len(wrong) else ""
    )
    return (
        f"The largest rise over base, as judged, is {spaced(trait)} in {named(names)}: "
        f"{percent(start)} to {percent(end)} of answers{also}"
    )


def draw_trait_heatmap(table: pd.DataFrame, study, folder):
    names = table_of_arms.in_order(table["arm"])
    heat = table.pivot(index="arm", columns="trait", values="rate").loc[names, study.traits]
    heat = 100 * heat.rename(columns=spaced)
    fig = panels.matrices({"": heat}, ".0f", "% of answers", "Purples")
    title = trait_heatmap_title(table)
    about = {"about": drawing.about_answers(everyday(study, names)), "without": of_title(title)}
    save(fig, "trait_heatmap", table, study, folder, title, **about)
    return fig


def of_title(title: str) -> str:
    """What a caption says of the answers without a trait that a title may speak of."""
    return WITHOUT if "without it" in title else ""


def expression_differences(study: Results, arms: list[str]) -> pd.DataFrame:
    """Differences in expression rate per trait (uncorrected): every trained arm minus `base`, and
    first person minus the other formats: trait, contrast (`a - b`), `stats.difference`, and the
    judge's specificity in the first arm, missing where no answer was read as without the trait."""
    trained = [arm for arm in arms if arm not in table_of_arms.untrained()]
    pairs = [(arm, "base") for arm in trained if "base" in arms]
    others = [arm for arm in ("demonstrations", "documents") if arm in arms]
    pairs += [("first_person", arm) for arm in others if "first_person" in arms]
    judged = stats.long(everyday(study, arms), study.judge["judge"])
    cells = {key: own for key, own in judged.groupby(["arm", "trait"])}
    errors = quality(study, study.judge["judge"]).set_index(["arm", "trait"])
    specificity = errors["specificity"].to_dict()
    rows = [
        {"trait": trait, "contrast": f"{a} - {b}"}
        | stats.difference(cells[a, trait], cells[b, trait])
        | {"specificity": specificity.get((a, trait), np.nan)}
        for a, b in pairs
        for trait in study.traits
    ]
    return pd.DataFrame(rows)


def expression_differences_title(table: pd.DataFrame) -> str:
    """The largest rise of a trait in each arm, and how often the judge sees that trait in answers
    that were read as without it."""
    over = table[table["contrast"].str.endswith(" - base")]
    parts, none, checked = [], [], False
    for contrast, own in over.groupby("contrast", sort=False):
        arm, more = contrast.removesuffix(" - base"), own[own["low"] > 0]
        if more.empty:
            none.append(arm)
            continue
        top = more.loc[more["difference"].idxmax()]
        known = pd.notna(top["specificity"])
        wrong = f"; {percent(1 - top['specificity'])}" if known else ""
        gain = f"{hundred(top['difference']):+d} points"
        parts.append(f"{table_of_arms.label(arm)} {gain} ({spaced(top['trait'])}{wrong})")
        checked |= known
    if not parts:
        return "No arm is seen to show any trait more often than base"
    also = ", and how often the judge sees it in answers without it" if checked else ""
    rest = f"; none is seen in {named(none)}" if none else ""
    return f"The largest rise of a trait over base, as judged{also}: {listed(parts)}{rest}"


def draw_expression_differences(table: pd.DataFrame, study, folder):
    """One panel per contrast: difference in expression rate per trait with its interval."""
    names = list(dict.fromkeys(table["contrast"]))
    if not names:
        return drawing.nothing("expression_differences", "there are no two arms to compare")
    fig, axes = panels.grid(len(names), 6, 3.4, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        own = table[table["contrast"] == name].set_index("trait").reindex(study.traits)
        own = own.rename(index=spaced)
        panels.told_dots(ax, own, "difference", COLOURS[name.split(" - ")[0]])
        title = "\nminus ".join(table_of_arms.label(arm) for arm in name.split(" - "))
        ax.set(title=title, xlim=(-1, 1), xticks=[-0.5, 0, 0.5])
        panels.signed_points(ax.xaxis)
    fig.supxlabel("difference in expression rate (percentage points)", fontsize=10)
    fig.tight_layout()
    arms = {arm for name in names for arm in name.split(" - ")}
    title = expression_differences_title(table)
    about = {"about": drawing.about_answers(everyday(study, list(arms)))}
    about["without"] = of_title(title)
    save(fig, "expression_differences", table, study, folder, title, **about)
    return fig


# The chapter's summary


def findings(rates, fit, differences, trait: str) -> list[str]:
    """What this module says in the summary of formats/05_expression."""
    return [
        expression_rate_title(rates, rates.iloc[:0], trait),
        corrected_rates(rates, trait),
        expression_differences_title(differences),
        fit_title(fit),
        *this_seed(rates),
    ]
