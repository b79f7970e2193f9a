"""One style, and `save`: every figure leaves with its title, numbers and caption."""

import textwrap
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from helpers.files import StudyError, atomic, shown
from helpers.report.panels import DARK, DASHES, legend
from helpers.report.words import between, counted, seeds_of
from helpers.yaml_files import read_yaml

THIS_SEED = "Dashed: one seed; the interval is about this seed and says nothing about others."


def style() -> None:
    """Set the style of all figures; the same numbers give the same file."""
    sns.set_theme(context="notebook", style="whitegrid", font_scale=0.85)
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "svg.hashsalt": "persona-injection",
        }
    )


# What stands above and below a figure


@cache
def templates() -> dict[str, str]:
    """Figure name -> caption template, from captions.yaml beside this module."""
    return read_yaml(Path(__file__).with_name("captions.yaml"))


def caption(name: str, results, **facts: object) -> str:
    """The caption of a figure: its template filled with `facts` and with what every caption may
    name: judge (the primary one), persona, base_model, units (of training text, at most) and over
    (what intervals are over).

    Raises StudyError where the template or one of its fields is missing.
    """
    seeds = results.record["settings"]["seeds"]
    shared = {
        "judge": results.judge["judge"],
        "persona": results.card["name"],
        "base_model": base_model(results.record),
        "units": results.record["prepared"]["corpus"]["settings"]["train_units"],
        "over": over(pd.Series([len(seeds)])),
    }
    if name not in templates():
        raise StudyError(f"captions.yaml has no template for the figure '{name}'; add one.")
    try:
        return " ".join(templates()[name].format(**shared | facts).split())
    except KeyError as error:
        raise StudyError(
            f"captions.yaml, '{name}': nothing is known of the field {error}. Give it to `save`."
        ) from error


def save(
    fig,
    name: str,
    frame: pd.DataFrame,
    results,
    folder: Path,
    title: str,
    drop: float = 0.02,
    **facts,
) -> None:
    """Write `folder/name.png` and `.svg` with the title above and the caption below, and
    `name.csv`, the numbers behind the figure.

    `drop` is how far below the figure the caption starts, in figure heights; `facts` fill the
    caption's template (see `caption`). Where intervals of one seed are dashed (`dash`) the caption
    says so. Raises StudyError where there is nothing to draw, no title
    or no template.
    """
    if frame.empty or not title.strip():
        raise StudyError(f"figure '{name}': it needs numbers and a title.")
    if "seeds" in frame and frame["seeds"].notna().any():
        facts = {"over": over(frame["seeds"])} | facts
    told, top = caption(name, results, **facts), 1.02
    if fig.findobj(lambda artist: artist.get_gid() == "this seed"):
        told, top = f"{told} {THIS_SEED}", 1.02 + 0.22 / fig.get_figheight()
        dashed = plt.Line2D([], [], color=DARK, lw=1.2, ls=DASHES)
        where = {"loc": "lower right", "bbox_to_anchor": (1, 1), "fontsize": 9}
        legend(fig, {"this seed": dashed}, **where)
    below, above = (
        textwrap.fill(text.replace(" %", "\N{NO-BREAK SPACE}%"), int(fig.get_figwidth() * per_inch))
        for text, per_inch in ((told, 14.5), (title, 10.5))
    )
    fig.text(0.01, top, above, ha="left", va="bottom", fontsize=11.5, weight="bold")
    fig.text(0.01, -drop, below, ha="left", va="top", fontsize=8.5)
    for ending in ("png", "svg"):
        metadata = {"Date": None} if ending == "svg" else {"Software": None}
        with atomic(folder / f"{name}.{ending}") as temporary:
            fig.savefig(temporary, bbox_inches="tight", metadata=metadata)
    save_table(frame, name, folder)
    print(f"{shown(folder / name)}.png, .svg, .csv")


def save_table(frame: pd.DataFrame, name: str, folder: Path) -> None:
    """Write `folder/name.csv`, six significant digits."""
    with atomic(folder / f"{name}.csv") as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def nothing(name: str, why: str) -> None:
    """Say why a figure is not drawn."""
    print(f"figure '{name}' is not drawn: {why}.")


# Facts for captions


def over(seeds: pd.Series) -> str:
    """What intervals are over; `seeds` says how many each rests on, 0 for an untrained arm whose
    likelihoods are the same under every seed."""
    if seeds.max() <= 1:
        return "scenarios"
    return f"scenarios and{', where there are several,' * bool((seeds <= 1).any())} seeds"


def base_model(record: dict) -> str:
    """The base model of a study, its machine's kind and number format."""
    one = next(iter(record["arms"].values()))
    origin = one["model"][:19] if one["model"].startswith("sha256") else "hub or folder"
    return (
        f"Base model: {one['settings']['model']} ({origin}), {one['device']}, "
        f"{one['dtype'].removeprefix('torch.')}."
    )


def about_answers(judged: pd.DataFrame) -> str:
    """How many answers a figure shows: prompts, samples, seeds. `judged` has a row per answer."""
    n = between(judged["arm"].value_counts(), str)
    prompts = judged.groupby("kind")["item"].nunique().sum()
    samples = judged.groupby("kind")["sample"].nunique().max()
    sampled = f"{'up to ' if samples > 1 else ''}{counted(samples, 'sample')} of each"
    seeds = seeds_of(judged.groupby("arm")["seed"].nunique())
    return f"n = {n} answers per arm: {counted(prompts, 'prompt')}, {sampled}, {seeds}."


def about_texts(scores: pd.DataFrame) -> str:
    """How many held-out texts a figure shows, and seeds. `scores` has a row per text."""
    texts = between(scores.groupby("text")["unit"].nunique(), str)
    seeds = scores["seed"].nunique()
    return f"{texts} held-out texts per format, {counted(seeds, 'seed')}."
