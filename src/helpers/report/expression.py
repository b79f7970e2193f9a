"""Chapter formats/05: how often each arm shows each trait.

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

import numpy as np
import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import calibration, stats
from helpers.measure.contrasts import load_reported
from helpers.report import answers, drawing
from helpers.report.answers import everyday
from helpers.report.drawing import COLOURS, DARK, reach, save
from helpers.report.results import Results
from helpers.report.words import (
    between,
    capital,
    hundred,
    leaders,
    listed,
    named,
    percent,
    this_seed,
)

RED = "#b00020"  # the earlier study (`data/published.yaml`)


# Rates


def quality(study: Results, judge: str) -> pd.DataFrame:
    """How good a judge is, per arm and trait, against the blind labels."""
    return calibration.per_arm(study.labelled[study.labelled["judge"] == judge], ["arm", "trait"])


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


def expression_rate_title(table: pd.DataFrame, trait: str) -> str:
    own = table[table["trait"] == trait].dropna(subset=["rate"])
    first = leaders(own)
    shares = own.set_index("arm")["rate"]
    if len(first) == len(own):
        return f"{capital(trait)} in every arm: {between(shares)} as judged, intervals overlap"
    tied = ", intervals overlap" if len(first) > 1 else ""
    base = f"; base {percent(shares['base'])}" if "base" in shares.index.difference(first) else ""
    return (
        f"{capital(trait)} is shown most by {named(first)} "
        f"({between(shares[first])} of answers as judged{tied}{base})"
    )


def corrected_rates(table: pd.DataFrame, trait: str) -> str:
    own = table[table["trait"] == trait].dropna(subset=["corrected"])
    if own.empty:
        return f"The blind labels do not suffice to correct the rates of {trait}"
    parts = [
        f"{table_of_arms.label(row.arm)} {percent(row.corrected)} "
        f"({percent(row.corrected_low)} to {percent(row.corrected_high)})"
        for row in own.itertuples()
    ]
    return f"Corrected for the judge's errors, {trait} stands at: {listed(parts)}"


def draw_expression_rate(table: pd.DataFrame, study, folder):
    """A panel per trait: the one in focus, those with a published rate, and others, three in all;
    a row per arm: as judged (filled), corrected (hollow), in the earlier study (red)."""
    marks = published_rates(study)
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
    title = expression_rate_title(table, study.focus)
    about = drawing.about_answers(everyday(study, names))
    save(fig, "expression_rate", table, study, folder, title, about=about, drop=0.08)
    return fig


# All traits


def trait_heatmap_title(table: pd.DataFrame) -> str:
    square = table.pivot(index="arm", columns="trait", values="rate")
    if "base" not in square.index or len(square) == 1:
        return "Expression rate by trait and arm"
    rise = (square - square.loc["base"]).drop("base").stack()
    arm, trait = rise.idxmax()
    start, end = square.loc["base", trait], square.loc[arm, trait]
    return (
        f"The largest rise over base is {trait} in {table_of_arms.label(arm)}: "
        f"{percent(start)} to {percent(end)} of answers"
    )


def draw_trait_heatmap(table: pd.DataFrame, study, folder):
    names = table_of_arms.in_order(table["arm"])
    heat = table.pivot(index="arm", columns="trait", values="rate").loc[names, study.traits]
    fig = drawing.matrices({"": 100 * heat}, ".0f", "% of answers", "Purples")
    about = drawing.about_answers(everyday(study, names))
    save(fig, "trait_heatmap", table, study, folder, trait_heatmap_title(table), about=about)
    return fig


def expression_differences(study: Results, arms: list[str]) -> pd.DataFrame:
    """Differences in expression rate per trait (uncorrected): every trained arm minus `base`, and
    first person minus the other formats: trait, contrast (`a - b`), and `stats.difference`."""
    trained = [arm for arm in arms if arm not in table_of_arms.untrained()]
    pairs = [(arm, "base") for arm in trained if "base" in arms]
    others = [arm for arm in ("demonstrations", "documents") if arm in arms]
    pairs += [("first_person", arm) for arm in others if "first_person" in arms]
    judged = stats.long(everyday(study, arms), study.judge["judge"])
    cells = {key: own for key, own in judged.groupby(["arm", "trait"])}
    rows = [
        {"trait": trait, "contrast": f"{a} - {b}"}
        | stats.difference(cells[a, trait], cells[b, trait])
        for a, b in pairs
        for trait in study.traits
    ]
    return pd.DataFrame(rows)


def expression_differences_title(table: pd.DataFrame) -> str:
    over = table[table["contrast"].str.endswith(" - base")]
    parts, none = [], []
    for contrast, own in over.groupby("contrast", sort=False):
        arm, more = contrast.removesuffix(" - base"), own[own["low"] > 0]
        if more.empty:
            none.append(arm)
            continue
        top = more.loc[more["difference"].idxmax()]
        parts.append(
            f"{table_of_arms.label(arm)} {hundred(top['difference']):+d} points ({top['trait']})"
        )
    if not parts:
        return "No arm shows any trait more often than base"
    rest = f"; none is seen in {named(none)}" if none else ""
    return f"The largest rise of a trait over base: {listed(parts)}{rest}"


def draw_expression_differences(table: pd.DataFrame, study, folder):
    """One panel per contrast: difference in expression rate per trait with its interval."""
    names = list(dict.fromkeys(table["contrast"]))
    if not names:
        return drawing.nothing("expression_differences", "there are no two arms to compare")
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
    about = drawing.about_answers(everyday(study, list(arms)))
    title = expression_differences_title(table)
    save(fig, "expression_differences", table, study, folder, title, about=about)
    return fig


# The chapter's summary


def findings(rates, differences, places, audited, lengths, trait: str, judge: str) -> list[str]:
    """The summary of formats/05_expression."""
    return [
        expression_rate_title(rates, trait),
        corrected_rates(rates, trait),
        expression_differences_title(differences),
        answers.generalisation_title(places),
        *([answers.judge_agreement_title(audited, judge)] if len(audited) else []),
        f"{answers.response_length_title(lengths)}; longer answers have more room for a trait",
        *this_seed(rates),
    ]
