"""The contrasts of `data/contrasts.yaml` as numbers, and how well arms show the trait that fits.

Every contrast is a number per seed and scenario, so that one way of counting serves all: interval
over seeds and scenarios, permutation over scenarios, smallest difference that would be found.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.measure import margins as of_margins
from helpers.measure.judges import by_the_rule
from helpers.measure.stats import (
    cells,
    compare,
    components,
    difference,
    holm,
    long,
    of_differences,
    over_scenarios,
    paired,
)
from helpers.measure.triplets import choose, complete, measures, side

ANSWER = ["arm", "seed", "set", "item", "scenario_trait", "setting", "sample"]
READ, ABOUT = "read", "read, about counts"
# The roles within which p is corrected for the number of contrasts.
TESTED = ("primary", "earlier")
FIRST = ["contrast", "question", "role", "set", "kind", "a", "b", "by"]


@dataclass(frozen=True)
class Tables:
    """What contrasts are computed from; without one of the last three, those that need it are left
    out."""

    measured: pd.DataFrame  # `triplets.measures`, with the answers to false premises as `resist`
    margins: pd.DataFrame | None = None  # `margins.margins`
    hits: pd.DataFrame | None = None  # `margins.hits`
    answers: pd.DataFrame | None = None  # `answers_by_trait`


def tables(choices: pd.DataFrame, judged: pd.DataFrame, read: pd.DataFrame, judge: str) -> Tables:
    """The tables of a study, from its scored options, judged answers and those that were read."""
    return Tables(
        measures(judged, choose(choices), judge),
        of_margins.margins(choices),
        of_margins.hits(choices),
        answers_by_trait(choices, judged, read, judge),
    )


# Answers, trait by trait


def answers_by_trait(
    choices: pd.DataFrame, judged: pd.DataFrame, read: pd.DataFrame, judge: str
) -> pd.DataFrame:
    """Every `do` answer trait by trait: `ANSWER`, trait, outcome, coherent, by.

    `by` is the judge, READ (of `read`, the answers that were read: 1 where the trait is shown) or
    ABOUT (also 1 where the answer tells of the persona showing it; only where one does). Of what
    was read, `judges.by_the_rule` counts. `coherent` is, as read, no salad; as judged, not
    `incoherent`.
    """
    own = judged[(judged["kind"] == "do") & (judged["scenario_trait"] != "")]
    by_judge = long(own, judge).assign(by=judge)
    by_judge["coherent"] = by_judge["incoherent"] == ""
    read = by_the_rule(read[read["kind"] == "do"])
    read = read.drop_duplicates(["arm", "seed", "item", "sample", "trait"])
    value = read["value"] if "value" in read else read["label"].map({1: "shows", 0: "no"})
    coherence = read.get("coherence", pd.Series("", read.index))
    frames, shown = [by_judge], {READ: ["shows"]}
    if (value == "about").any():
        shown[ABOUT] = ["shows", "about"]
    for by, values in shown.items():
        outcome = value.isin(values).astype(int)
        frames.append(read.assign(by=by, outcome=outcome, coherent=coherence != "salad"))
    found = with_sets(pd.concat(frames, ignore_index=True), choices)
    return found[[*ANSWER, "trait", "outcome", "coherent", "by"]]


def with_sets(rows: pd.DataFrame, choices: pd.DataFrame) -> pd.DataFrame:
    """The rows with the `set` that their scenario has in `choices`."""
    sets = complete(choices).drop_duplicates("item").set_index("item")["set"]
    return rows.assign(set=rows["item"].map(sets))


def own_and_others(answers: pd.DataFrame, by: str) -> pd.DataFrame:
    """The answers that have an outcome for every trait: `ANSWER`, own (outcome of the scenario's
    trait), others (mean outcome of the other traits) and value, own minus others."""
    rows = answers[answers["by"] == by]
    wide = rows.pivot(index=ANSWER, columns="trait", values="outcome").astype(float)
    wide = wide.reindex(columns=answers["trait"].unique()).dropna()
    traits = wide.columns.get_indexer(wide.index.get_level_values("scenario_trait"))
    own = wide.to_numpy()[np.arange(len(wide)), traits]
    others = (wide.to_numpy().sum(axis=1) - own) / (wide.shape[1] - 1)
    return wide.index.to_frame(index=False).assign(own=own, others=others, value=own - others)


def per_cell(rows: pd.DataFrame, value: str, **where: str) -> pd.DataFrame:
    """Mean of the column `value` per seed (rows) and scenario (columns) of the rows in which these
    columns have these values."""
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    return cells(rows.assign(outcome=rows[value]))


def does(answers: pd.DataFrame, arm: str) -> pd.DataFrame:
    """The share of an arm's answers that show the scenario's own trait as read, per seed and
    scenario."""
    own = answers[answers["trait"] == answers["scenario_trait"]]
    return per_cell(own, "outcome", arm=arm, by=READ)


def sensitivity(answers: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """How far arms show the trait that fits, per set (and both) and way of judging: set, arm, by,
    own and others (rates), value (own minus others) with low, high, seeds, items, p_scenarios, and
    lean with lean_low, lean_high (others minus that of base on the same scenarios)."""
    rows, names = [], sorted(answers["set"].dropna().unique())
    for by in answers["by"].unique():
        whole = own_and_others(answers, by)
        for name in [*names, *["both"] * (len(names) > 1)]:
            part = whole if name == "both" else whole[whole["set"] == name]
            base = per_cell(part, "others", arm="base")
            for arm in arms:
                table = per_cell(part, "value", arm=arm)
                if table.empty:
                    continue
                own, others = (per_cell(part, rate, arm=arm) for rate in ("own", "others"))
                row = {"set": name, "arm": arm, "by": by}
                row |= {"own": components(own.to_numpy())["mean"]}
                row |= {"others": components(others.to_numpy())["mean"]}
                found, lean = counted(table, 1), compare(paired(others, base).to_numpy())
                row |= {"value": found["difference"]} | found
                row |= {"lean": lean["difference"], "lean_low": lean["low"]}
                rows.append(row | {"lean_high": lean["high"]})
    columns = ["set", "arm", "by", "own", "others", "value", "low", "high", "seeds", "items"]
    columns += ["p_scenarios", "lean", "lean_low", "lean_high"]
    return pd.DataFrame(rows, columns=columns)


# Contrasts


def counted(table: pd.DataFrame, most: float = np.inf) -> dict:
    """`stats.of_differences`. No difference is larger than `most`: where two seeds differ, an
    interval over seeds would go beyond. It is over seeds too, as `data/contrasts.yaml` fixes it,
    however few there are: one over scenarios alone would miss what holds over seeds too often."""
    found = of_differences(table)
    return found | {end: float(np.clip(found[end], -most, most)) for end in ("low", "high")}


def of_sides(contrast: dict, own: Tables) -> dict:
    """A `difference`: the columns of `stats.difference` too; {} where a side was not measured."""
    measured = own.measured
    if contrast.get("set"):
        measured = measured[measured["set"] == contrast["set"]]
    sides = [side(measured, **contrast[name]) for name in ("a", "b")]
    if not all(rows["outcome"].notna().any() for rows in sides):
        return {}
    names = {name: f"{contrast[name]['arm']}, {contrast[name]['measure']}" for name in ("a", "b")}
    found = difference(*sides) | over_scenarios(paired(*map(cells, sides)).to_numpy())
    return names | {"by": "as measured"} | found


def of_gains(contrast: dict, own: Tables) -> dict:
    """A `crossover`; {} where an arm was not scored."""
    if own.margins is None:
        return {}
    a, b = contrast["arms"]
    scored = own.margins[own.margins["set"] == contrast["set"]]
    leads = [of_margins.lead(scored, a, b, name) for name in (of_margins.KNOW, of_margins.DO)]
    table = paired(*leads)
    return {"a": a, "b": b, "by": "likelihood"} | counted(table) if table.size else {}


def beyond_base(contrast: dict, own: Tables) -> dict:
    """A `gap_beyond_base`; {} where the arm's or base's answers were not read."""
    if own.hits is None or own.answers is None:
        return {}
    (arm,) = contrast["arms"]
    hits, answers = (t[t["set"] == contrast["set"]] for t in (own.hits, own.answers))
    gaps = [knows_minus_does(hits, answers, name) for name in (arm, "base")]
    read = gaps[0].index.intersection(gaps[1].index)
    table = paired(*(gap.loc[read] for gap in gaps))
    return {"a": arm, "b": "base", "by": READ} | counted(table, 2) if table.size else {}


def knows_minus_does(hits: pd.DataFrame, answers: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Knowing by gain over base minus doing as read, per seed of which answers were read (rows) and
    scenario (columns)."""
    knows = per_cell(hits, "gained", arm=arm, measure=of_margins.KNOW, condition="own")
    shown = does(answers, arm)
    if len(knows) > 1:  # else nothing was trained, and the likelihoods are those of every seed
        knows = knows.loc[knows.index.intersection(shown.index)]
    return paired(knows, shown) if len(knows) else knows


def of_traits(contrast: dict, own: Tables) -> dict:
    """A `sensitivity`, as read where answers were read for all traits, else as judged."""
    if own.answers is None:
        return {}
    (arm,) = contrast["arms"]
    rows = own.answers[(own.answers["set"] == contrast["set"]) & (own.answers["arm"] == arm)]
    for by in sorted(set(rows["by"]) - {ABOUT}, key=lambda name: name != READ):
        table = per_cell(own_and_others(rows, by), "value")
        if table.size:
            names = {"a": f"{arm}, own trait", "b": f"{arm}, other traits"}
            return names | {"by": by} | counted(table, 1)
    return {}


KINDS = {
    "difference": of_sides,
    "crossover": of_gains,
    "gap_beyond_base": beyond_base,
    "sensitivity": of_traits,
}


def contrast_table(contrasts: list[dict], own: Tables) -> pd.DataFrame:
    """The contrasts (`load_contrasts`) whose arms and measures are in the tables: `FIRST`, the
    columns of `stats.compare` and `stats.over_scenarios`, n_a and n_b of a `difference`, and
    p_holm, p_scenarios corrected over the contrasts of the same role; exploratory ones have none.
    """
    rows = []
    for contrast in contrasts:
        if found := KINDS[contrast["kind"]](contrast, own):
            about = {name: contrast[name] for name in ("question", "role", "set", "kind")}
            rows.append({"contrast": contrast["id"]} | about | found)
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table["p_holm"] = np.nan
    for role in TESTED:
        where = table["role"] == role
        table.loc[where, "p_holm"] = holm(table.loc[where, "p_scenarios"].tolist())
    return table[[*FIRST, *(column for column in table if column not in FIRST)]]
