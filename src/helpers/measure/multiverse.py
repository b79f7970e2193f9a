"""What would be said under every other way of counting: the ranking of the formats, and the claims,
for each combination of scoring, person, readout, judge, set and subset that there is."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers import arms
from helpers.measure.calibration import labels_variance, tuning
from helpers.measure.comparison import (
    ABOUT,
    READ,
    answers_by_trait,
    own_and_others,
    with_sets,
)
from helpers.measure.judges import by_the_rule
from helpers.measure.margins import DO, KNOW, hits, margins
from helpers.measure.stats import components, effective_n

# Readout and person -> measure.
MEASURES = {
    ("know", "third"): KNOW,
    ("know", "first"): "know_first",
    ("do", "first"): DO,
    ("do", "third"): "told_pair",
}
# How an option's likelihood becomes a number: the column, and whether it is a share of scenarios
# (of which answers that show a trait are one too) or nats.
SCORINGS = {"likeliest": "outcome", "gained most": "gained", "gain in nats": "gain"}
LENGTHS = {"token": "per token", "total": "in all"}
SHARE, NATS = "share", "nats"
KEY = ["set", "subset", "readout", "person", "scoring", "judge"]
LABELS = 10  # with fewer of an arm, a judged rate is not corrected

# A claim is held against every combination that has what it needs: `most` and `least` of the
# formats in a readout, `crossover` and `gap` in every pair of a `know` and a `do` that have one
# unit, `above` where the readout itself is held against zero.
CLAIMS = [
    {"claim": "documents know most", "kind": "most", "readout": "know", "arm": "documents"},
    {"claim": "demonstrations do most", "kind": "most", "readout": "do", "arm": "demonstrations"},
    {"claim": "first person does most", "kind": "most", "readout": "do", "arm": "first_person"},
    {"claim": "documents do least", "kind": "least", "readout": "do", "arm": "documents"},
    {
        "claim": "documents lead demonstrations more in knowing than in doing",
        "kind": "crossover",
        "arm": "documents",
        "other": "demonstrations",
    },
    {
        "claim": "documents lead first person more in knowing than in doing",
        "kind": "crossover",
        "arm": "documents",
        "other": "first_person",
    },
    {"claim": "documents know more than they show, beyond base", "kind": "gap", "arm": "documents"},
    *(
        {"claim": f"{name} show the trait that fits", "kind": "above", "arm": arm}
        for arm, name in (
            ("demonstrations", "demonstrations"),
            ("first_person", "first-person texts"),
            ("documents", "documents"),
        )
    ),
]


@dataclass(frozen=True)
class Way:
    """One way of counting, and what it gives per arm: values per seed (rows) and scenario
    (columns) on one grid of all of them, nan where there is none, and the variance that labels add
    to their mean."""

    key: dict[str, str]  # the fields of KEY
    unit: str
    cells: dict[str, np.ndarray]
    added: dict[str, float]


Grid = tuple[list, list]  # the seeds and the scenarios of a study


# A sum of arms: (weight, way, arm).
Sum = list[tuple[float, Way, str]]


def ways(
    choices: pd.DataFrame,
    judged: pd.DataFrame,
    read: pd.DataFrame,
    labelled: pd.DataFrame,
    judges: list[str],
) -> list[Way]:
    """Every way of counting that the tables allow: scored options (`triplets.COLUMNS`), judged
    answers, those that were read (`reading.as_read`) and what these judges say of them
    (`judges.beside_labels`)."""
    grid = tuple(sorted({*choices[name], *judged[name]}) for name in ("seed", "item"))
    found = [*by_likelihood(choices, grid)]
    for place, judge in enumerate(judges):
        answers = answers_by_trait(choices, judged, read, judge)
        if place:  # what was read is the same beside every judge
            answers = answers[answers["by"] == judge]
        found += by_answers(answers, grid)
        labels = with_sets(labelled[labelled["judge"] == judge], choices)
        found += corrected(answers[answers["by"] == judge], labels, f"{judge}, corrected", grid)
    return found


def parts(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Set, subset and rows: each set and both, all scenarios and those of everyday life, and the
    coherent answers where the rows are answers."""
    names = sorted(rows["set"].dropna().unique())
    for name in [*names, *["both"] * (len(names) > 1)]:
        own = rows if name == "both" else rows[rows["set"] == name]
        yield name, "all", own
        yield name, "everyday", own[own["setting"] == "everyday"]
        if "coherent" in own:
            yield name, "coherent", own[own["coherent"]]


def on_grid(
    rows: pd.DataFrame, value: str, grid: Grid, once: bool = False
) -> dict[str, np.ndarray]:
    """The mean of the column `value` per arm, seed and scenario; arms without any are left out.
    `once`: what an arm has in one seed alone, as the likelihoods of an untrained one, holds for
    every seed."""
    (seeds, items), found = grid, {}
    scored = rows.dropna(subset=[value]).astype({value: float})
    table = scored.groupby(["arm", "seed", "item"])[value].mean().unstack("item")
    for arm, own in table.reindex(columns=items).groupby(level="arm"):
        own = own.droplevel("arm")
        spread = once and len(own) == 1
        found[arm] = np.tile(own, (len(seeds), 1)) if spread else own.reindex(seeds).to_numpy()
    return found


def by_likelihood(choices: pd.DataFrame, grid: Grid) -> Iterator[Way]:
    for per, length in LENGTHS.items():
        both = {"share": hits(choices, per), "nats": margins(choices, per)}
        for (scoring, column), (readout, person) in product(SCORINGS.items(), MEASURES):
            unit = NATS if column == "gain" else SHARE
            rows = both[unit]
            measure = MEASURES[readout, person]
            rows = rows[(rows["measure"] == measure) & (rows["condition"] == "own")]
            for name, subset, own in parts(rows):  # none where a readout was not scored
                about = (name, subset, readout, person, f"{scoring}, {length}", "")
                yield Way(
                    dict(zip(KEY, about, strict=True)),
                    unit,
                    on_grid(own, column, grid, once=True),
                    {},
                )


def by_answers(answers: pd.DataFrame, grid: Grid) -> Iterator[Way]:
    """Doing and sensitivity, by everything that answers were judged by."""
    for by in answers["by"].unique():
        rows = answers[answers["by"] == by]
        judge = by if by in (READ, ABOUT) else f"{by}, as judged"
        for name, subset, own in parts(rows):
            fitting = own[own["trait"] == own["scenario_trait"]]
            shown = on_grid(fitting, "outcome", grid)
            told = on_grid(own_and_others(own, by), "value", grid)
            for readout, cells in (("do", shown), ("sensitivity", told)):
                about = (name, subset, readout, "first", "answers", judge)
                yield Way(dict(zip(KEY, about, strict=True)), SHARE, cells, {})


def corrected(
    answers: pd.DataFrame, labelled: pd.DataFrame, judge: str, grid: Grid
) -> Iterator[Way]:
    """Doing by a judge, corrected by the labels of each arm as in `calibration.powered`."""
    read = by_the_rule(labelled[labelled["kind"] == "do"])
    answers, labelled = (
        rows[rows["trait"] == rows["scenario_trait"]].dropna(subset=["outcome"])
        for rows in (answers, read)
    )
    checked = {(name, subset): own for name, subset, own in parts(labelled)}
    for name, subset, own in parts(answers.drop(columns="coherent")):
        cells, added = on_grid(own, "outcome", grid), {}
        for arm in list(cells):
            labels = checked.get((name, subset), labelled[:0])
            rows, labels = (table[table["arm"] == arm] for table in (own, labels))
            if len(labels) < LABELS:
                del cells[arm]
                continue
            found, label = (labels[column].to_numpy(float) for column in ("outcome", "label"))
            weight = tuning(float(rows["outcome"].mean()), effective_n(rows), found, label)
            cells[arm] = weight * cells[arm] + float((label - weight * found).mean())
            added[arm] = labels_variance(found, label, labels["item"].to_numpy(), weight)
        about = (name, subset, "do", "first", "answers", judge)
        yield Way(dict(zip(KEY, about, strict=True)), SHARE, cells, added)


# Rankings


def ranking(every: list[Way]) -> pd.DataFrame:
    """What every arm has under each way of counting: `KEY`, unit, arm, value and, for formats,
    rank (1 has most) among the formats that are there."""
    rows = [
        way.key | {"unit": way.unit, "arm": arm, "value": components(cells)["mean"]}
        for way in every
        for arm, cells in way.cells.items()
    ]
    table = pd.DataFrame(rows, columns=[*KEY, "unit", "arm", "value"])
    formats = table[table["arm"].isin(arms.formats())]
    return table.assign(rank=formats.groupby(KEY)["value"].rank(ascending=False, method="min"))


# Claims


def value_of(summed: Sum) -> dict:
    """Value, low and high of a sum of arms, scenario by scenario; nan where they share none."""
    table = sum(weight * way.cells[arm] for weight, way, arm in summed)
    if np.isnan(table).all():
        return dict.fromkeys(("value", "low", "high"), np.nan)
    added = sum(weight**2 * way.added.get(arm, 0.0) for weight, way, arm in summed)
    part = components(table)
    reach = norm.ppf(0.975) * part["widen"] * np.sqrt(part["variance"] + added)
    return {"value": part["mean"], "low": part["mean"] - reach, "high": part["mean"] + reach}


def has(way: Way, *names: str) -> bool:
    return set(names) <= set(way.cells)


def sums(claim: dict, every: list[Way]) -> Iterator[tuple[dict, list[Sum]]]:
    """The combinations that a claim is held against, and the sums that are above zero where it
    holds."""
    arm, kind = claim["arm"], claim["kind"]
    if kind == "above":
        for way in every:
            if way.key["readout"] == "sensitivity" and has(way, arm):
                yield {"do": way}, [[(1, way, arm)]]
    elif kind in ("most", "least"):
        sign = 1 if kind == "most" else -1
        for way in every:
            others = [name for name in arms.formats() if name != arm and has(way, name)]
            if way.key["readout"] == claim["readout"] and has(way, arm) and others:
                pairs = [[(sign, way, arm), (-sign, way, other)] for other in others]
                yield {claim["readout"]: way}, pairs
    else:
        other = claim.get("other", "base")
        for know, do in beside(every):
            if has(know, arm, other) and has(do, arm, other):
                gap = [(1, know, arm), (-1, know, other), (-1, do, arm), (1, do, other)]
                yield {"know": know, "do": do}, [gap]


def beside(every: list[Way]) -> Iterator[tuple[Way, Way]]:
    """Every way to count knowing beside every way to count doing that has the same set, subset and
    unit and, where both are likelihoods, the same scoring. All scenarios stand beside the coherent
    answers."""
    for know, do in product(every, every):
        if (know.key["readout"], do.key["readout"]) != ("know", "do") or know.unit != do.unit:
            continue
        subset = do.key["subset"] if do.key["subset"] != "coherent" else "all"
        alike = do.key["judge"] or do.key["scoring"] == know.key["scoring"]
        if alike and (know.key["set"], know.key["subset"]) == (do.key["set"], subset):
            yield know, do


def checked(every: list[Way]) -> pd.DataFrame:
    """Every claim under every combination: claim, set, subset, scoring, know_person, do_person,
    judge, value, low, high (of the smallest of its sums), holds (all its sums are above zero) and
    apart (so are their intervals)."""
    rows = []
    for claim in CLAIMS:
        for told, own in sums(claim, every):
            found = [value_of(summed) for summed in own]
            if any(np.isnan(one["value"]) for one in found):
                continue
            last = told.get("do") or told["know"]
            row = {"claim": claim["claim"]} | {name: last.key[name] for name in ("set", "subset")}
            row |= {"scoring": told.get("know", last).key["scoring"], "judge": last.key["judge"]}
            row |= {f"{name}_person": told[name].key["person"] for name in told}
            row |= min(found, key=lambda one: one["value"])
            row |= {"holds": all(one["value"] > 0 for one in found)}
            rows.append(row | {"apart": all(one["low"] > 0 for one in found)})
    columns = ["claim", "set", "subset", "scoring", "know_person", "do_person", "judge"]
    columns += ["value", "low", "high", "holds", "apart"]
    return pd.DataFrame(rows, columns=columns)


def claims(found: pd.DataFrame) -> pd.DataFrame:
    """In how many combinations (`checked`) each claim holds: claim, combinations, holds, share,
    apart and share_apart (holds with the interval off zero)."""
    by = found.groupby("claim", sort=False)
    table = by.agg(combinations=("holds", "size"), holds=("holds", "sum"), apart=("apart", "sum"))
    for name, column in (("share", "holds"), ("share_apart", "apart")):
        table[name] = table[column] / table["combinations"]
    return table.reset_index()
