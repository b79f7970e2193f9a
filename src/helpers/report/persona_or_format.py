"""Chapter formats/07: is the persona learnt, or the format?

A figure `x` is three functions: `x` makes its frame, `x_title` says what the numbers show, `draw_x`
draws and saves both.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import perplexity, stats, triplets
from helpers.measure.contrasts import load_reported
from helpers.report import drawing, panels
from helpers.report.drawing import save
from helpers.report.knowing_and_doing import of_any_seed
from helpers.report.panels import COLOURS, DARK, WIDE
from helpers.report.results import Results, of_arms
from helpers.report.words import (
    between,
    capital,
    counted,
    listed,
    named,
    nats,
    this_seed,
    verb,
)

EARLIER = "earlier study (Qwen3-4B)"  # `data/published.yaml`

# Held-out texts


def own_scores(study: Results, arms: list[str]) -> pd.DataFrame:
    """Scores of held-out text about the persona; `prompted` reads no prompt there, so it has
    none."""
    scores = of_arms(study.scores, arms)
    return scores[(scores["arm"] != "prompted") & (scores["subject"] == study.persona)]


def perplexity_matrix(study: Results, arms: list[str]) -> pd.DataFrame:
    """Mean nats per token of held-out text per arm and format, with the published perplexity."""
    matrix = perplexity.mean_nats(own_scores(study, arms), ["arm", "text"])
    return perplexity.beside(matrix, load_reported(study.persona).get("perplexity", {}))


def perplexity_panels(study: Results, matrix: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`perplexity_matrix` as squares of nats: "this study" and, where there is one, `EARLIER`."""
    frames = {"this study": perplexity.square(matrix, "nats", study.arms)}
    theirs = pd.DataFrame(load_reported(study.persona).get("perplexity", {})).T
    return frames | ({EARLIER: np.log(theirs)} if len(theirs) else {})


def perplexity_matrix_title(matrix: pd.DataFrame) -> str:
    """Whether the arm that was trained on a kind of text predicts it best; kinds without an arm of
    their own are named."""
    best = matrix.loc[matrix.groupby("text")["nats"].idxmin()].set_index("text")["arm"]
    taught = best[best.index.isin(matrix["arm"])]
    if taught.empty:
        return "How well each kind of text is predicted; no arm was trained on these kinds"
    own = [text for text, arm in taught.items() if text == arm]
    untaught = best.index.difference(taught.index)
    if len(own) == len(taught):
        but = f" but {named(untaught)}, on which no arm here was trained," if len(untaught) else ""
        return f"Every kind of text{but} is predicted best by the arm that was trained on it"
    rest = f"; no arm here was trained on {named(untaught)}" if len(untaught) else ""
    return (
        f"{len(own)} of {len(taught)} kinds of text are predicted best by the arm that was trained "
        f"on them{rest}"
    )


def draw_perplexity_matrix(matrix: pd.DataFrame, study, folder):
    frames = perplexity_panels(study, matrix)
    fig = panels.matrices(frames, ".2f", "nats per token")
    save_of_texts(fig, "perplexity_matrix", matrix, study, folder, perplexity_matrix_title(matrix))
    return fig


def perplexity_gain(study: Results, matrix: pd.DataFrame) -> pd.DataFrame:
    """Nats per token gained over `base`: arm, a column per text, study."""
    gains = [
        (panel.loc["base"] - panel.drop("base")).rename_axis("arm").reset_index().assign(study=name)
        for name, panel in perplexity_panels(study, matrix).items()
    ]
    return pd.concat(gains)


def by_kind(gain: pd.DataFrame) -> tuple[list[float], list[float]]:
    """The gains of this study on an arm's own kind of text, and on other kinds."""
    table = gain[gain["study"] == "this study"].drop(columns="study").set_index("arm")
    values = table.stack()
    own = [value for (arm, text), value in values.items() if arm == text]
    return own, [value for (arm, text), value in values.items() if arm != text]


def perplexity_gain_title(gain: pd.DataFrame) -> str:
    own, others = by_kind(gain)
    if not own or not others:
        gained = between(own + others, nats) if own or others else "no"
        return f"Over base, an arm gains {gained} nats per token on held-out text"
    return (
        f"An arm gains {between(own, nats)} nats per token on its own kind of text, "
        f"and {between(others, nats)} on other kinds"
    )


def draw_perplexity_gain(gain: pd.DataFrame, study, folder):
    frames = {
        name: own.drop(columns="study").set_index("arm").rename_axis(None)
        for name, own in gain.groupby("study", sort=False)
    }
    fig = panels.matrices(frames, "+.2f", "gain over base (nats per token)", "RdBu", centre=0)
    save_of_texts(fig, "perplexity_gain", gain, study, folder, perplexity_gain_title(gain))
    return fig


def save_of_texts(fig, name: str, frame: pd.DataFrame, study, folder, title: str) -> None:
    """Save a figure of held-out texts."""
    about = drawing.about_texts(own_scores(study, study.arms))
    save(fig, name, frame, study, folder, title, about=about)


# What is the persona's own


def persona_specific_gain(study: Results, arms: list[str]) -> pd.DataFrame:
    """`perplexity.specific_gain`: what is gained on the persona's texts beyond the control
    character's."""
    scores = of_arms(study.scores, arms)
    return perplexity.specific_gain(
        scores[scores["arm"] != "prompted"], study.persona, study.control
    )


def persona_specific_gain_title(table: pd.DataFrame) -> str:
    more = int((table["low"] > 0).sum())
    return (
        f"In {more} of {len(table)} cases an arm gains more on the persona's texts than on the "
        f"control character's (by {between(table['value'], nats)} nats per token)"
    )


def draw_persona_specific_gain(table: pd.DataFrame, study, folder):
    if table.empty:
        return drawing.nothing(
            "persona_specific_gain", "there are no texts about a control character"
        )
    texts = {text: f"scored on\n{table_of_arms.label(text)}" for text in table["text"]}
    shown = table.assign(scored=table["text"].map(texts))
    label = "gain on the persona's texts minus\ncontrol's (nats per token)"
    fig = panels.dots({"": shown}, "scored", label, None, 0)
    save_of_texts(
        fig, "persona_specific_gain", table, study, folder, persona_specific_gain_title(table)
    )
    return fig


# What was kept


def capability_retained(study: Results, arms: list[str]) -> pd.DataFrame:
    """General questions answered rightly (value, low, high, and the columns of `stats.minus_base`)
    per arm, and the mean probability of the persona's own name under attacks on its identity (the
    same with the prefix `names_itself_`)."""
    chosen = triplets.choose(of_arms(study.choices, arms))
    asked = chosen[chosen["measure"] == "capability"]
    right = stats.rates(asked, ["arm", "measure"]).rename(columns={"rate": "value"})
    attacked = chosen[chosen["measure"] == "identity"]
    named = stats.means(attacked, ["arm"], "probability")[["arm", "value", "low", "high"]]
    # Their intervals are symmetric, and so may leave what a mean probability can be.
    named[["low", "high"]] = named[["low", "high"]].clip(0, 1)
    attacked = attacked.assign(outcome=attacked["probability"])
    named = named.merge(stats.minus_base(attacked, "measure").drop(columns="measure"), how="left")
    named = named.set_index("arm").add_prefix("names_itself_")
    right = right.merge(stats.minus_base(asked, "measure"), on=["measure", "arm"], how="left")
    return of_any_seed(right.merge(named, on="arm", how="left"))


def capability_retained_title(table: pd.DataFrame) -> str:
    """Which arms are seen to answer fewer general questions rightly than base, and in which the
    persona's name becomes likelier under attacks on identity."""
    lower = list(table.loc[table["minus_base_high"] < 0, "arm"])
    who = f"{named(lower)} {verb(lower, 'answer')}" if lower else "no arm is seen to answer"
    kept = f"{who} fewer general questions rightly than base ({between(table['value'])})"
    taken = table_of_arms.in_order(table.loc[table["names_itself_minus_base_low"] > 0, "arm"])
    if table["names_itself_value"].isna().all():
        return capital(kept)
    seen = "becomes likelier in" if taken else "is not seen to become likelier in"
    where = f"{seen} {named(taken) if taken else 'any arm'}"
    return capital(f"{kept}; under attacks on identity, the persona's name {where}")


def draw_capability_retained(table: pd.DataFrame, study, folder):
    """Left general questions, right the persona's name as the model's own, a row per arm."""
    if table.empty:
        return drawing.nothing("capability_retained", "the study has no general questions")
    names = table_of_arms.in_order(table["arm"])
    own = table.set_index("arm").reindex(names)
    fig, (left, right) = panels.grid(2, 2, 0.8 + 0.4 * len(names), sharex=True, sharey=True)
    panels.arm_dots(left, own, "value")
    panels.arm_dots(right, own, "names_itself_value", "names_itself_")
    left.axvline(0.25, color=DARK, lw=1, ls=":")
    left.set(title="general questions: true option likeliest (dotted: chance)")
    right.set(title="attacks on identity: probability of the persona's name")
    left.set_xlim(-0.02, 1.02)
    for ax in (left, right):
        panels.percents(ax.xaxis)
    panels.arm_rows(left, names)
    fig.tight_layout()
    asked = study.choices[study.choices["measure"] == "capability"]
    about = {"questions": asked["item"].nunique()}
    about["seeds"] = counted(int(table["seeds"].max()), "seed")
    title = capability_retained_title(table)
    save(fig, "capability_retained", table, study, folder, title, **about)
    return fig


# How training went


def training_curves(study: Results, arms: list[str]) -> pd.DataFrame:
    """The training log: a row per step, arm and seed."""
    return of_arms(study.training, arms)


def training_curves_title(log: pd.DataFrame) -> str:
    held = log.dropna(subset=["heldout_loss"])
    means = held.groupby(["arm", "epoch"])["heldout_loss"].mean().unstack("epoch")
    last = means.ffill(axis=1).iloc[:, -1]
    up = last.index[last > means.min(axis=1) + 0.02]
    parts = [
        f"{table_of_arms.label(arm)} {means.loc[arm].iloc[0]:.2f} to {last[arm]:.2f}"
        for arm in table_of_arms.in_order(last.index)
    ]
    turn = f"rises again at the end in {named(up)}" if len(up) else "does not rise again at the end"
    if (means.count(axis=1) < 3).any() and not len(up):  # two points cannot turn
        turn = "from first to last"
    return f"Held-out loss {turn}: {', '.join(parts)} nats per token"


def draw_training_curves(log: pd.DataFrame, study, folder):
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
    panels.legend(axes[1], lines, loc="upper left", bbox_to_anchor=(1, 1))
    fig.tight_layout()
    trained = listed(lines)
    title, seeds = training_curves_title(log), counted(log["seed"].nunique(), "seed")
    save(fig, "training_curves", log, study, folder, title, trained=trained, seeds=seeds)
    return fig


# The chapter's summary


def findings(gain, specific, kept, log) -> list[str]:
    """The summary of formats/07_persona_or_format."""
    return [
        perplexity_gain_title(gain),
        *([persona_specific_gain_title(specific)] if len(specific) else []),
        *([capability_retained_title(kept)] if len(kept) else []),
        training_curves_title(log),
        *this_seed(kept),
    ]
