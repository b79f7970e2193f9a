"""Chapter why/04, selection: what "You are <name>." alone as the system prompt releases."""

from pathlib import Path

import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import experiments
from helpers.report import drawing, panels, readouts
from helpers.report.drawing import save
from helpers.report.results import Results
from helpers.report.why import READOUTS, about
from helpers.report.words import nats, percent, side

MEASURES = ("know", "do_pair")


def released(margins: pd.DataFrame) -> pd.DataFrame:
    """What the name alone adds to the gain of each trained arm, beyond what it adds to base: arm,
    on, gain (without the name) with gain_low and gain_high, value (what the name adds) with low and
    high, seeds, items, p_scenarios; in nats per token."""
    rows = []
    for arm in table_of_arms.in_order(set(margins["arm"]) - set(table_of_arms.untrained())):
        for on in MEASURES:
            added = experiments.combined(margins, [arm], [], on, "named")
            plain = experiments.combined(margins, [arm], [], on)
            if added.size:
                gain = experiments.counted(plain)
                ends = {f"gain_{end}": gain[end] for end in ("low", "high")}
                row = {"arm": arm, "on": on, "gain": gain["value"]} | ends
                rows.append(row | experiments.counted(added))
    return pd.DataFrame(rows, columns=None if rows else ["arm", "on", "gain", "value"])


def draw_released(table: pd.DataFrame, study: Results, folder: Path):
    """Knowing and doing, a row per arm: what the name adds beyond what it adds to base."""
    if table.empty:
        return drawing.nothing("released", "the results were scored without the name alone")
    names = table_of_arms.in_order(table["arm"])
    titles, label = [READOUTS[on] for on in MEASURES], "added beyond base (nats per token)"
    fig, axes = panels.arm_panels(titles, names, 2, 0.4, label, sharex=True)
    for ax, on in zip(axes, MEASURES, strict=True):
        own = table[table["on"] == on].set_index("arm").reindex(names)
        panels.arm_dots(ax, own, "value")
    fig.tight_layout()
    save(fig, "released", table, study, folder, released_title(table), **about(table))
    return fig


def released_title(table: pd.DataFrame) -> str:
    """In which arms the gain over base, which is asked with the same name, is seen to change."""
    told = readouts.named_changes(table.rename(columns={"on": "measure"}), "gain over base")
    return f"With the name alone as system prompt, {told}"


def closed(margins: pd.DataFrame) -> float:
    """The share of the gap in doing between demonstrations and documents that the name closes: what
    it adds to documents over that gap without it; nan where one of them is missing."""
    gap = experiments.combined(margins, ["demonstrations"], ["documents"], "do_pair")
    added = experiments.combined(margins, ["documents"], [], "do_pair", "named")
    if gap.empty or added.empty:
        return float("nan")
    return experiments.counted(added)["value"] / experiments.counted(gap)["value"]


def found(table: pd.DataFrame, share: float) -> list[str]:
    """What the name adds to documents and to demonstrations, in sentences."""
    own = table[table["arm"].isin(["documents", "demonstrations"])]
    sentences = [
        f"{table_of_arms.label(row.arm)}, {READOUTS[row.on]}: the name adds "
        f"{nats(row.value, row.low, row.high)} nats per token beyond base; the gain without it is "
        f"{nats(row.gain)}"
        for row in own.itertuples()
    ]
    of_documents = own[(own["arm"] == "documents") & (own["on"] == "do_pair")]
    if share == share and any(side(row.low, row.high) for row in of_documents.itertuples()):
        sentences.append(
            f"the name closes {percent(share)} of the gap in doing between documents and "
            "demonstrations"
        )
    return sentences
