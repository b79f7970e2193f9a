"""The contrasts that were fixed in advance (chapter formats/06), as tables and as sentences."""

import pandas as pd

from helpers import arms as table_of_arms
from helpers.measure import calibration, triplets
from helpers.measure.contrasts import load_contrasts
from helpers.report.words import apart, points


def contrasts(measured: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """The contrasts fixed in advance (`data/contrasts.yaml`) whose arms and measures are in
    `measured`, as judged and corrected, with the question that each one answers."""
    fixed = load_contrasts()
    table = triplets.contrast_table(measured, fixed)
    if table.empty:
        return pd.DataFrame(columns=["contrast", "difference", "low", "high", "question"])
    corrected = calibration.correct_contrasts(fixed, measured, labelled)
    questions = {contrast["id"]: contrast["question"] for contrast in fixed}
    table = table.merge(corrected, on="contrast", how="left")
    return table.assign(question=table["contrast"].map(questions))


def contrast(row) -> str:
    """One contrast fixed in advance, as a question and its answer."""
    pairs = [name.split(", ") for name in (row.a, row.b)]
    sides = [f"{table_of_arms.label(arm)} ({what.replace('_', ' ')})" for arm, what in pairs]
    parts = [f"{points(row.difference, row.low, row.high)} as judged"]
    told = [apart(row.low, row.high)]
    if pd.notna(row.corrected):
        parts.append(f"{points(row.corrected, row.corrected_low, row.corrected_high)} corrected")
        told.append(apart(row.corrected_low, row.corrected_high))
    verdict = (
        "" if all(told) else ", not told apart once corrected" if any(told) else ", not told apart"
    )
    return f"{row.question} {sides[0]} minus {sides[1]}: {', '.join(parts)}{verdict}"
