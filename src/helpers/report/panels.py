"""Panels, marks and axes of figures, in one palette.

Colour means arm, everywhere the same (`helpers.arms`). `dots` and `matrices` are the two kinds of
panels that most figures are made of.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from helpers import arms

COLOURS = arms.colours()
NARROW, WIDE = 6.3, 10.5  # inches
GREY, DARK = "#bbbbbb", "#333333"
PALE = 0.3  # opacity of a difference whose interval includes zero
DASHES = (0, (2, 1.5))


def grid(n: int, most: int, height: float, width: float = WIDE, **shared):
    """A figure of n panels, at most `most` in a row, and their axes in a flat list; `height` is a
    row's, in inches."""
    rows = -(-n // most)
    columns = -(-n // rows)
    fig, axes = plt.subplots(rows, columns, figsize=(width, height * rows), squeeze=False, **shared)
    for place in range(n, rows * columns):
        axes.flat[place].remove()
        axes.flat[place - columns].tick_params(labelbottom=True)  # has none below that names it
    return fig, list(axes.flat[:n])


def reach(table: pd.DataFrame, value: str, prefix: str = "") -> np.ndarray:
    """Lengths of the error bars below and above `value`: (2, rows), from the columns `<prefix>low`
    and `<prefix>high`; nothing where there is no interval."""
    below, above = table[value] - table[f"{prefix}low"], table[f"{prefix}high"] - table[value]
    return np.clip([below.astype(float), above.astype(float)], 0, None)


def dash(drawn, rows: pd.DataFrame) -> None:
    """Dash the error bars (what `errorbar` returned) of the rows that rest on one seed (column
    `seeds`, where there is one): such an interval is about this seed alone."""
    single = rows["seeds"] == 1 if "seeds" in rows else pd.Series(False, index=rows.index)
    for bars in drawn[2] if single.any() else ():
        bars.set_linestyle([DASHES if one else "solid" for one in single])
        bars.set_gid("this seed")


def arm_rows(ax, names: list[str]) -> None:
    """Arms as the rows of a panel, the first on top."""
    ax.set_yticks(range(len(names)), [arms.label(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)


def arm_dots(
    ax,
    own: pd.DataFrame,
    value: str,
    prefix: str = "",
    up: float = 0,
    down: float = 0,
    hollow: bool = False,
    shape: str = "o",
) -> None:
    """A dot with its interval per arm (the index of `own`), in rows (see `arm_rows`); `up` and
    `down` move it within its row. In every figure a hollow mark is corrected or as read, and says
    nothing else."""
    bars = reach(own, value, prefix)
    ax.grid(axis="y", visible=False)
    for place, arm in enumerate(own.index):
        drawn = ax.errorbar(
            own[value].iloc[place],
            place - up + down,
            xerr=bars[:, [place]],
            fmt=shape,
            ms=4.5 if hollow else 7,
            color=COLOURS[arm],
            mfc="white" if hollow else COLOURS[arm],
            elinewidth=0.8 if hollow else 1.6,
            capsize=2,
        )
        dash(drawn, own.iloc[[place]])


def arm_panels(
    titles: list[str], names: list[str], columns: int, room: float, label: str = "", **shared
):
    """A figure with a panel per title, at most `columns` in a row, and its axes in a list: arms as
    rows of `room` inches, a line at zero, and differences in nats on the horizontal axis, which is
    called `label`. `arm_dots` fills the panels."""
    height = 0.9 + room * len(names)
    fig, axes = grid(len(titles), columns, height, sharey=True, **shared)
    for ax, title in zip(axes, titles, strict=True):
        ax.axvline(0, color=DARK, lw=1)
        ax.set(title=title, xlabel=label)
        signed(ax.xaxis)
    arm_rows(axes[0], names)
    return fig, axes


def told_dots(
    ax, own: pd.DataFrame, value: str, colour: str = DARK, told: pd.Series | None = None
) -> None:
    """A row per row of `own`, under its name in the index and the first on top: a dot with its
    interval, and a line at zero. Pale where the interval includes zero, or where `told`, if it is
    given, is not true."""
    if told is None:
        told = (own["low"] > 0) | (own["high"] < 0)
    at = np.arange(len(own))
    for rows, alpha in ((told, 1), (~told, PALE)):
        bars, style = reach(own[rows], value), {"fmt": "o", "color": colour, "capsize": 2}
        drawn = ax.errorbar(own.loc[rows, value], at[rows], xerr=bars, alpha=alpha, **style)
        dash(drawn, own[rows])
    ax.axvline(0, color=DARK, lw=1)
    ax.set_yticks(at, own.index)
    ax.set_ylim(len(own) - 0.4, -0.6)


def limit(ax, table: pd.DataFrame, value: str, prefix: str = "", most: float = 0.25) -> None:
    """Limit the axis of differences to the values and at most `most` beyond them: the interval of
    few seeds may be so long that nothing else would be seen beside it."""
    low, high = (table[f"{prefix}{end}"] for end in ("low", "high"))
    start = max(np.fmin(low, table[value]).min(), table[value].min() - most)
    end = min(np.fmax(high, table[value]).max(), table[value].max() + most)
    room = 0.06 * (max(end, 0) - min(start, 0)) or 0.1
    ax.set_xlim(min(start, 0) - room, max(end, 0) + room)


def from_zero(ax, axis: str) -> None:
    """Begin an axis (`x` or `y`) of what cannot be below zero at zero, with room for the half of a
    mark that stands there; `ax` is drawn."""
    end = getattr(ax, f"get_{axis}lim")()[1]
    getattr(ax, f"set_{axis}lim")(-0.03 * end, end)


def mark(shape: str, colour: str, face: str = ""):
    """A mark for a legend."""
    return plt.Line2D([], [], ls="none", marker=shape, color=colour, mfc=face or colour)


def percents(axis) -> None:
    """Label an axis of shares in percent."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")


def signed_points(axis) -> None:
    """Label an axis of differences of shares in percentage points."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:+.3g}" if abs(value) > 1e-9 else "0")


def signed(axis) -> None:
    """Label an axis of differences in nats."""
    axis.set_major_formatter(lambda value, _: f"{value:+.3g}" if abs(value) > 1e-9 else "0")


def legend(fig_or_ax, handles: dict[str, object], **where) -> None:
    """A legend without a frame; `handles` maps labels to what is drawn."""
    fig_or_ax.legend(list(handles.values()), list(handles), frameon=False, **where)


def dots(
    panels: dict[str, pd.DataFrame],
    x: str,
    label: str,
    limits: tuple | None = (0, 1),
    line: float | None = None,
    hollow: bool = False,
):
    """Panels side by side (title -> frame), dots with intervals, one colour per arm, over the
    values of the column `x` in the order found.

    Every frame has arm, the column `x`, value, low, high. `limits` are the vertical axis's, shared:
    an open end (None) fits the values, and None lets every panel have its own. `line` draws a
    horizontal line (chance, or zero). Dots are pale where a column `pale` says so, and `hollow`
    where they are as read.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(WIDE, 3.3), sharey=limits is not None, squeeze=False
    )
    handles = {}
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        places, present = list(dict.fromkeys(table[x])), arms.in_order(table["arm"])
        for number, arm in enumerate(present):
            own = table[table["arm"] == arm].set_index(x).reindex(places)
            at = np.arange(len(places)) + (number - (len(present) - 1) / 2) * 0.8 / len(present)
            style = {"fmt": "o", "ms": 4, "capsize": 2, "lw": 1, "color": COLOURS[arm]}
            style |= {"mfc": "white"} if hollow else {}
            pale = own["pale"].eq(True) if "pale" in own else own["value"].isna()
            for rows, alpha in ((own[~pale], 1), (own[pale], PALE)):
                if len(rows):
                    x_of = at[own.index.get_indexer(rows.index)]
                    spread = reach(rows, "value")
                    dash(ax.errorbar(x_of, rows["value"], spread, alpha=alpha, **style), rows)
            handles[arm] = mark("o", COLOURS[arm], "white" if hollow else "")
        if line is not None:
            ax.axhline(line, color=DARK, lw=1)
        # A single place needs no name: the panel's title says it.
        names = [str(p).replace("_", " ") for p in places] if len(places) > 1 else [""]
        ax.set(title=title, xticks=range(len(places)), xticklabels=names, ylim=limits)
        ax.grid(axis="x", visible=False)
    if limits == (0, None):
        from_zero(axes[0][0], "y")
    axes[0][0].set_ylabel(label)
    ordered = {arms.label(arm): handles[arm] for arm in arms.in_order(handles)}
    legend(axes[0][-1], ordered, loc="upper left", bbox_to_anchor=(1, 1))
    fig.tight_layout()
    return fig


def matrices(
    panels: dict[str, pd.DataFrame],
    fmt: str,
    label: str,
    cmap: str = "viridis_r",
    centre: float | None = None,
):
    """Heat maps side by side on one colour scale (panel title -> frame of rows by columns); names
    of arms in rows and columns become their labels. `centre` puts the middle colour at a value."""
    low = min(frame.min().min() for frame in panels.values())
    high = max(frame.max().max() for frame in panels.values())
    if centre is not None:
        low, high = centre - max(abs(low), abs(high)), centre + max(abs(low), abs(high))
    rows = max(len(frame) for frame in panels.values())
    columns = sum(len(frame.columns) for frame in panels.values())
    size = (WIDE if columns > 4 else NARROW, 1.2 + 0.55 * rows)
    fig, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False)
    for ax, (title, frame) in zip(axes[0], panels.items(), strict=True):
        last = ax is axes[0][-1]
        sns.heatmap(
            frame.rename(index=arms.label, columns=arms.label),
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
