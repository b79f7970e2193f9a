"""Chapter why/01, the eight cells of voice, person and wrapper: what each cell gains, and what each
factor adds."""

from pathlib import Path

import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import experiments
from helpers.report import panels
from helpers.report.drawing import save
from helpers.report.results import Results
from helpers.report.why import READOUTS, SIGNS, about, told_apart
from helpers.report.words import between, capital, interval, leaders, listed, nats, quoted

BESIDE = {"demonstrations": "chat", "replies": "raw"}  # no cells; and their wrappers
MAIN = ("voice", "person", "wrapper")
TURNED = {  # what an effect above zero says
    "voice": "neutral prose rather than his voice",
    "person": "the third person rather than the first",
    "wrapper": "raw text rather than a chat turn",
}
ROWS = {"voice": "neutral, not his voice", "person": "he, not I", "wrapper": "raw, not chat"}


def cell_gains(margins: pd.DataFrame) -> pd.DataFrame:
    """The gain of each cell, and of what stands beside the cells: arm, voice, person, wrapper, on,
    value (nats per token), low, high, seeds, items."""
    table = experiments.by_arm(margins, [*table_of_arms.CELLS, *BESIDE])
    factors = table_of_arms.CELLS | {arm: {"wrapper": own} for arm, own in BESIDE.items()}
    return table.merge(pd.DataFrame(factors).T.rename_axis("arm").reset_index(), on="arm")


def draw_cell_gains(table: pd.DataFrame, study: Results, folder: Path):
    """A panel per readout, a row per cell: disc raw, square chat; beside them the demonstrations
    and their replies alone."""
    names = [arm for arm in [*table_of_arms.CELLS, *BESIDE] if arm in set(table["arm"])]
    fig, axes = panels.arm_panels(list(READOUTS.values()), names, 3, 0.4, "nats per token")
    for ax, on in zip(axes, READOUTS, strict=True):
        own = table[table["on"] == on].set_index("arm").reindex(names)
        for shape, wrapper in (("o", "raw"), ("s", "chat")):
            rows = own.where(own["wrapper"] == wrapper)
            panels.arm_dots(ax, rows, "value", shape=shape)
    fig.tight_layout()
    save(fig, "cell_gains", table, study, folder, cell_gains_title(table), **about(table))
    return fig


def cell_gains_title(table: pd.DataFrame) -> str:
    """What the cells gain in knowing and in doing, and which gain most, unless the intervals
    of all reach that of the highest."""
    cells = table[table["arm"].isin(list(table_of_arms.CELLS))]
    parts = []
    for on in ("know", "do_pair"):
        own = cells[cells["on"] == on]
        first = leaders(own, "value")
        gains = between(own.loc[own["arm"].isin(first), "value"], nats)
        names = quoted(map(table_of_arms.label, first))
        most = f"{names} gain{'s' * (len(first) == 1)} most"
        if len(first) == len(own):
            most = "the intervals of all cells overlap"
        parts.append(f"in {READOUTS[on]}, {most} ({gains})")
    return capital("; ".join(parts))


def draw_effects(table: pd.DataFrame, contrasts: pd.DataFrame, study: Results, folder: Path):
    """A panel per readout, a row per factor and product of factors; pale where the interval
    includes zero. `contrasts` (`why.contrasts`) say what the title says."""
    fig, axes = panels.grid(3, 3, 3.4, sharex=True, sharey=True)
    names = list(dict.fromkeys(table["effect"]))
    for ax, (on, title) in zip(axes, READOUTS.items(), strict=True):
        own = table[table["on"] == on].set_index("effect").reindex(names)
        panels.told_dots(ax, own, "value")
        ax.set_yticks(range(len(names)), [ROWS.get(name, name) for name in names])
        ax.set(title=title, xlabel="effect (nats per token)")
        panels.signed(ax.xaxis)
    fig.tight_layout()
    save(fig, "cell_effects", table, study, folder, effects_title(contrasts), **about(table))
    return fig


def crossed(contrasts: pd.DataFrame) -> dict[str, int]:
    """Whether a factor puts knowing ahead of doing (1) or behind it (-1), or neither is seen (0),
    by the contrasts that were fixed in advance."""
    verdicts = contrasts.set_index("contrast")["verdict"]
    return {factor: SIGNS[verdicts[f"{factor}_in_the_crossover"]] for factor in MAIN}


def effects_title(contrasts: pd.DataFrame) -> str:
    """Which factors put knowing ahead of doing."""
    values, parts = contrasts.set_index("contrast")["value"], []
    for where, sign in (("ahead of doing", 1), ("behind", -1)):
        told = [
            f"{TURNED[factor]} ({nats(values[f'{factor}_in_the_crossover'])})"
            for factor, found in crossed(contrasts).items()
            if found == sign
        ]
        if told:
            parts.append(f"{where}: {listed(told)}")
    if not parts:
        return "No factor by itself is seen to put knowing ahead of doing, or behind it"
    return f"What puts knowing {'; '.join(parts)}"


def found(
    effects: pd.DataFrame, on_replies: pd.DataFrame, carried: dict[str, pd.DataFrame]
) -> list[str]:
    """The main effects on each readout, what the voice does to either reply, the products, and what
    carries the leads of documents over first-person texts (by wrapper), in sentences."""
    sentences = []
    for on, word in READOUTS.items():
        own = effects[(effects["on"] == on) & effects["effect"].isin(MAIN)]
        parts = [f"{TURNED[row.effect]} {interval(row)}" for row in own.itertuples()]
        sentences.append(f"in {word}: {listed(parts)} nats per token")
    sentences += of_voice(on_replies)
    products = effects[(effects["on"] == "crossover") & ~effects["effect"].isin(MAIN)]
    parts = [f"{row.effect} {interval(row)}" for row in told_apart(products).itertuples()]
    sentences.append(
        f"factors that depend on one another in the crossover (not corrected for the number of "
        f"products): {listed(parts)}"
        if parts
        else "no two factors are seen to depend on one another in the crossover"
    )
    for wrapper, table in carried.items():
        sentences += of_leads(table, wrapper)
    return list(map(capital, sentences))


def of_voice(on_replies: pd.DataFrame) -> list[str]:
    """What neutral prose rather than his voice does to the likelihood of either reply."""
    if on_replies.empty:
        return []
    own = on_replies[on_replies["effect"] == "voice"].set_index("reply")
    each = {reply: interval(own.loc[reply]) for reply in own.index}
    return [
        "neutral prose rather than his voice makes the reply in character likelier by "
        f"{each['in character']}, and the neutral one by {each['neutral']}: doing is the first "
        "minus the second, so that each voice may favour its own sound"
    ]


def of_leads(table: pd.DataFrame, wrapper: str) -> list[str]:
    """What the leads of documents over first-person texts are made of, in one wrapper."""
    told = []
    for on, own in table.groupby("on", sort=False):
        parts = [f"{row.factor} {interval(row)}" for row in own.itertuples()]
        told.append(f"{READOUTS[on]} {nats(own['value'].sum())} = {' and '.join(parts)}")
    lead = f"what documents gain more than first-person texts, {wrapper}"
    return [f"{lead}: {'; '.join(told)}"] if told else []
