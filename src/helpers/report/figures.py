"""One palette, one style, and `save`: every figure leaves with its numbers and its caption."""

import textwrap
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from helpers.files import StudyError, atomic, shown

# Colour means arm, everywhere the same (Okabe and Ito's palette, safe for colour-blind readers).
ARM_COLOURS = {
    "base": "#8c8c8c",
    "prompted": "#000000",
    "demonstrations": "#0072b2",
    "first_person": "#d55e00",
    "documents": "#009e73",
    "persllm": "#cc79a7",
    "persllm_dpo": "#7b3294",
    "persllm_no_analysis": "#e69f00",
    "persllm_no_anti_induction": "#b8860b",
    "persllm_no_stages": "#56b4e9",
    "persllm_no_mixing": "#8c510a",
}


ARM_LABELS = {
    arm: arm.replace("_", " ")
    .replace("persllm no", "no")
    .replace("anti ", "anti-")
    .replace("dpo", "DPO")
    for arm in ARM_COLOURS
}


TRAIT_MARKS = "osD^vPX*"  # shape means trait, in the order of the card


NARROW, WIDE = 6.3, 10.5  # inches


def style() -> None:
    sns.set_theme(context="notebook", style="whitegrid", font_scale=0.85)
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "persona-injection",
        }
    )


def save(fig, name: str, data: pd.DataFrame, caption: str, folder: Path) -> None:
    """Write `folder/name.png`, `.svg` and `.csv` (the numbers behind it), the caption printed below
    the figure.

    Raises StudyError when there is nothing to draw or no caption.
    """
    if data.empty or not caption.strip():
        raise StudyError(f"figure '{name}': it needs numbers and a caption.")
    lines = textwrap.fill(caption, int(fig.get_figwidth() * 14.5))
    fig.text(0.01, -0.02, lines, ha="left", va="top", fontsize=8.5)
    for ending in ("png", "svg"):
        metadata = {"Date": None} if ending == "svg" else {"Software": None}
        with atomic(folder / f"{name}.{ending}") as temporary:
            fig.savefig(temporary, bbox_inches="tight", metadata=metadata)
    with atomic(folder / f"{name}.csv") as temporary:
        data.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    print(f"{shown(folder / name)}.png, .svg, .csv")


def base_model(record: dict) -> str:
    """The base model of a study, for a caption."""
    one = next(iter(record["arms"].values()))
    return f"Base model: {one['settings']['model']} ({one['model'][:19] if one['model'].startswith('sha256') else 'hub or folder'}), {one['device']}, {one['dtype'][6:]}."


def counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def about_answers(judged: pd.DataFrame, record: dict) -> str:
    """The part of a caption that the figures of answers share: prompts, samples, seeds, base model.
    `judged` has a row per answer."""
    n = " to ".join(str(x) for x in sorted(set(judged["arm"].value_counts())))
    prompts, samples = judged.groupby("kind")["item"].nunique().sum(), judged["sample"].nunique()
    seeds = judged.groupby("arm")["seed"].nunique()
    fewer = ", ".join(ARM_LABELS[arm] for arm in in_order(seeds.index[seeds < seeds.max()]))
    own = f" ({seeds.min()} of {fewer})" if fewer else ""
    size = f"{prompts} prompts, {'up to ' if samples > 1 else ''}{counted(samples, 'sample')}, {counted(seeds.max(), 'seed')}{own}"
    return f"n = {n} answers per arm: {size}. {base_model(record)}"


def about_texts(scores: pd.DataFrame, record: dict) -> str:
    """The part of a caption that the figures of held-out text share: texts, seeds, base model."""
    texts, seeds = scores.groupby("text")["unit"].nunique().max(), scores["seed"].nunique()
    return f"{texts} held-out texts per format, {counted(seeds, 'seed')}. {base_model(record)}"


def in_order(arms) -> list[str]:
    """The arms present, in the order of the palette."""
    return [arm for arm in ARM_COLOURS if arm in set(arms)]


def reach(table: pd.DataFrame, value: str, prefix: str = "") -> np.ndarray:
    """Lengths of the error bars below and above `value`: (2, rows); nothing where there is no
    interval."""
    below, above = table[value] - table[f"{prefix}low"], table[f"{prefix}high"] - table[value]
    return np.clip([below.astype(float), above.astype(float)], 0, None)


def expression_rate(table: pd.DataFrame, traits: list[str], published: pd.DataFrame):
    """Bars of expression rate per trait and arm with intervals, the corrected rates as dots beside
    them, the published rates as open diamonds.

    `table` has arm, trait, rate, low, high, corrected, corrected_low, corrected_high (missing where
    unknown); `published` has arm, trait, rate, low, high (low missing where unknown).
    """
    fig, ax = plt.subplots(figsize=(WIDE, 4.6))
    arms = in_order(table["arm"])
    width = 0.8 / len(arms)
    for place, arm in enumerate(arms):
        own = table[table["arm"] == arm].set_index("trait").reindex(traits)
        x = np.arange(len(traits)) + (place - (len(arms) - 1) / 2) * width
        ax.bar(x, own["rate"], width * 0.92, color=ARM_COLOURS[arm], label=ARM_LABELS[arm])
        left, right = x - width * 0.2, x + width * 0.2
        ax.errorbar(
            left,
            own["rate"],
            reach(own, "rate"),
            fmt="none",
            ecolor="#333333",
            elinewidth=1,
            capsize=1.5,
        )
        ax.errorbar(
            right,
            own["corrected"],
            reach(own, "corrected", "corrected_"),
            fmt="o",
            ms=3,
            mfc="white",
            mec="#333333",
            ecolor="#888888",
            elinewidth=1,
        )
        marks = published[(published["arm"] == arm) & published["trait"].isin(traits)]
        for row in marks.itertuples():
            at = x[traits.index(row.trait)]
            if not np.isnan(row.low):
                ax.vlines(at, row.low, row.high, colors="#b00020", linewidth=1.4, zorder=4)
            ax.plot(at, row.rate, "D", mfc="white", mec="#b00020", ms=6, zorder=5)
            ax.annotate(
                f"{row.rate:.0%}",
                (at, row.rate),
                (5, 3),
                textcoords="offset points",
                color="#b00020",
                fontsize=8,
            )
    ax.plot([], [], "o", mfc="white", mec="#333333", ms=3, ls="none", label="corrected")
    ax.plot([], [], "D", mfc="white", mec="#b00020", ms=6, ls="none", label="published (Qwen3-4B)")
    ax.set(
        xticks=range(len(traits)),
        xticklabels=traits,
        ylim=(0, 1),
        ylabel="expression rate (share of answers)",
    )
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    ax.grid(axis="x", visible=False)
    columns = min(7, len(arms) + 2)
    ax.legend(
        ncols=columns, columnspacing=1, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False
    )
    return fig


def matrices(
    panels: dict[str, pd.DataFrame],
    fmt: str,
    label: str,
    cmap: str = "viridis_r",
    centre: float | None = None,
):
    """Heat maps side by side on one colour scale; panel title -> frame of rows (arms) by columns
    (texts)."""
    low = min(frame.min().min() for frame in panels.values())
    high = max(frame.max().max() for frame in panels.values())
    if centre is not None:
        low, high = centre - max(abs(low), abs(high)), centre + max(abs(low), abs(high))
    rows, columns = (
        max(len(frame) for frame in panels.values()),
        sum(len(frame.columns) for frame in panels.values()),
    )
    size = (WIDE if columns > 4 else NARROW, 1.2 + 0.55 * rows)
    fig, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False)
    for ax, (title, frame) in zip(axes[0], panels.items(), strict=True):
        last = ax is axes[0][-1]
        sns.heatmap(
            frame.rename(index=ARM_LABELS, columns=ARM_LABELS),
            annot=True,
            fmt=fmt,
            cmap=cmap,
            vmin=low,
            vmax=high,
            ax=ax,
            cbar=last,
            linewidths=1,
            cbar_kws={"label": label} if last else None,
        )
        ax.set(title=title, xlabel="", ylabel="")
        ax.tick_params(rotation=0)
    fig.tight_layout()
    return fig


def curves(log: pd.DataFrame):
    """Training loss (smoothed over 15 steps, one line per seed) and held-out loss (points) per arm,
    in nats."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDE, 3.6))
    for arm in in_order(log["arm"]):
        for seed, run in log[log["arm"] == arm].groupby("seed"):
            label = ARM_LABELS[arm] if seed == log["seed"].min() else None
            smooth = run["loss"].rolling(15, min_periods=5).mean()
            axes[0].plot(
                run["epoch"], smooth, color=ARM_COLOURS[arm], alpha=0.8, lw=1.2, label=label
            )
            held = run.dropna(subset=["heldout_loss"])
            axes[1].plot(
                held["epoch"],
                held["heldout_loss"],
                "o-",
                color=ARM_COLOURS[arm],
                alpha=0.8,
                label=label,
            )
    axes[0].set(xlabel="epoch", ylabel="training loss (nats per token)")
    axes[1].set(xlabel="epoch", ylabel="held-out loss (nats per token)")
    axes[1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    fig.tight_layout()
    return fig


def preference_curves(log: pd.DataFrame):
    """Loss, reward margin and accuracy of DPO per step, one line per seed."""
    fig, axes = plt.subplots(1, 3, figsize=(WIDE, 2.8))
    for ax, (name, label) in zip(
        axes,
        {"loss": "loss", "margin": "reward margin (nats)", "accuracy": "pairs preferred"}.items(),
        strict=True,
    ):
        for (arm, _), run in log.groupby(["arm", "seed"]):
            ax.plot(
                run["step"],
                run[name].rolling(3, min_periods=1).mean(),
                color=ARM_COLOURS[arm],
                alpha=0.8,
            )
        ax.set(xlabel="step", ylabel=label)
    fig.tight_layout()
    return fig


def lengths(frame: pd.DataFrame):
    """Distribution of answer lengths (tokens) per arm: boxes with every answer as a dot."""
    arms = in_order(frame["arm"])
    fig, ax = plt.subplots(figsize=(NARROW, 3.2))
    shared = {
        "data": frame,
        "x": "n_tokens",
        "y": "arm",
        "hue": "arm",
        "order": arms,
        "palette": ARM_COLOURS,
    }
    np.random.seed(0)  # seaborn draws the jitter from here; the same data give the same figure
    sns.stripplot(**shared, ax=ax, size=2, alpha=0.25, jitter=0.3, legend=False)
    sns.boxplot(**shared, ax=ax, fill=False, fliersize=0, width=0.5, legend=False)
    ax.set(xlabel="length of the answer (tokens)", ylabel="")
    ax.set_yticks(range(len(arms)), [ARM_LABELS[arm] for arm in arms])
    fig.tight_layout()
    return fig


def corpus_lengths(frame: pd.DataFrame):
    """Histograms of trained tokens per text, one line per format."""
    fig, ax = plt.subplots(figsize=(NARROW, 2.8))
    sns.histplot(
        frame,
        x="tokens",
        hue="format",
        palette=ARM_COLOURS,
        element="step",
        fill=False,
        binwidth=5,
        ax=ax,
    )
    ax.set(xlabel="trained tokens of a text", ylabel="texts")
    return fig


def grid(n: int, most: int, height: float, **shared):
    """A figure of n panels, at most `most` in a row, and their axes in a flat list."""
    rows = -(-n // most)
    columns = -(-n // rows)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDE, height * rows), squeeze=False, **shared)
    for ax in axes.flat[n:]:
        ax.remove()
    return fig, list(axes.flat[:n])


def differences(table: pd.DataFrame, traits: list[str]):
    """One panel per contrast: difference in expression rate per trait with its interval, zero
    marked."""
    names = list(dict.fromkeys(table["contrast"]))
    fig, axes = grid(len(names), 6, 3.4, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        own = table[table["contrast"] == name].set_index("trait").reindex(traits)
        ax.errorbar(
            own["difference"],
            range(len(traits)),
            fmt="o",
            color=ARM_COLOURS.get(name.split(" - ")[0], "#333333"),
            xerr=np.clip(
                [own["difference"] - own["low"], own["high"] - own["difference"]], 0, None
            ),
            capsize=2,
        )
        ax.axvline(0, color="#333333", lw=1)
        title = "\n- ".join(ARM_LABELS.get(arm, arm) for arm in name.split(" - "))
        ax.set(
            title=title,
            xlim=(-1, 1),
            xticks=[-0.5, 0, 0.5],
            yticks=range(len(traits)),
            yticklabels=traits,
        )
        ax.title.set_fontsize(9)
    axes[0].invert_yaxis()
    fig.supxlabel("difference in expression rate", fontsize=10)
    fig.tight_layout()
    return fig


def knowing_and_expressing(table: pd.DataFrame):
    """One panel per arm: knowledge (x) against expression (y) per trait with both intervals, chance
    and the diagonal.

    `table` has arm, trait, know, know_low, know_high, rate, low, high, corrected (hollow, without
    its interval) and unexpressed: the share of scenarios known and not expressed.
    """
    arms, marks = (
        in_order(table["arm"]),
        dict(zip(dict.fromkeys(table["trait"]), cycle(TRAIT_MARKS), strict=False)),
    )
    fig, axes = grid(len(arms), 3, 3.3, sharex=True, sharey=True)
    for ax, arm in zip(axes, arms, strict=True):
        ax.plot([0, 1], [0, 1], color="#bbbbbb", lw=1, zorder=1)
        ax.axvline(0.25, color="#bbbbbb", lw=1, ls=":", zorder=1)
        own = table[table["arm"] == arm].set_index("trait").reindex(marks)
        for trait, mark in marks.items():
            one, colour = own.loc[[trait]], ARM_COLOURS[arm]
            ax.errorbar(
                one["know"],
                one["rate"],
                reach(one, "rate"),
                reach(one, "know", "know_"),
                fmt=mark,
                ms=6,
                mew=0,
                color=colour,
                elinewidth=0.6,
                alpha=0.9,
            )
            ax.plot(
                one["know"],
                one["corrected"],
                mark,
                ms=5,
                mfc="white",
                mec=colour,
                mew=0.9,
                zorder=3,
            )
        share = own["unexpressed"].mean()
        ax.set(
            title=f"{ARM_LABELS[arm]} (known, not expressed: {share:.0%})",
            xlim=(0, 1),
            ylim=(-0.02, 1.02),
        )
        ax.title.set_fontsize(9)
        ax.tick_params(labelbottom=True)
    handles = [
        plt.Line2D([], [], ls="none", marker=mark, color="#555555", label=trait)
        for trait, mark in marks.items()
    ]
    fig.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    fig.supylabel("expression rate", fontsize=10)
    fig.supxlabel("knowledge (share of scenarios; dotted: chance)", fontsize=10)
    fig.tight_layout()
    return fig


def dots(
    panels: dict[str, pd.DataFrame],
    x: str,
    label: str,
    limits: tuple | None = (0, 1),
    mark: float | None = None,
):
    """Panels of dots with intervals, one colour per arm, side by side over the values of `x` in the
    order found.

    Every frame has arm, the column `x`, value, low, high.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(WIDE, 3.3), sharey=limits is not None, squeeze=False
    )
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        places, arms = list(dict.fromkeys(table[x])), in_order(table["arm"])
        for number, arm in enumerate(arms):
            own = table[table["arm"] == arm].set_index(x).reindex(places)
            at = np.arange(len(places)) + (number - (len(arms) - 1) / 2) * 0.8 / len(arms)
            ax.errorbar(
                at,
                own["value"],
                reach(own, "value"),
                fmt="o",
                ms=4,
                capsize=2,
                lw=1,
                color=ARM_COLOURS[arm],
                label=ARM_LABELS[arm],
            )
        if mark is not None:
            ax.axhline(mark, color="#333333", lw=1)
        names = (
            [str(p).replace("_", " ") for p in places] if len(places) > 1 else [""]
        )  # one place needs no name
        ax.set(title=title, xticks=range(len(places)), xticklabels=names, ylim=limits)
        ax.title.set_fontsize(9)
        ax.grid(axis="x", visible=False)
    axes[0][0].set_ylabel(label)
    handles = {
        name: one
        for ax in axes[0]
        for one, name in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    names = [name for name in ARM_LABELS.values() if name in handles]
    axes[0][-1].legend(
        [handles[name] for name in names],
        names,
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )
    fig.tight_layout()
    return fig
