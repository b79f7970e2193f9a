"""What explanations predict, and whether they stand."""

import pandas as pd
import pytest

from helpers import files
from helpers.files import StudyError
from helpers.report import why_explanations

RESULTS = files.DATA / "results"


def tables(**verdicts):
    return [pd.DataFrame({"contrast": verdicts.keys(), "verdict": verdicts.values()})]


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ({"x": "holds", "y": "open"}, "stands"),
        ({"x": "holds", "y": "holds"}, "open"),
        ({"x": "open", "y": "open"}, "open"),
        ({"x": "reversed", "y": "open"}, "falls"),
        ({"x": "holds"}, "open"),
        ({}, "open"),
    ],
)
def test_an_explanation_stands_falls_or_is_left_open(seen, verdict):
    assert why_explanations.standing({"x": "holds", "y": "open"}, seen) == verdict


def test_the_table_says_what_was_predicted_and_seen():
    seen = tables(
        voice_in_the_crossover="holds", voice_in_doing="holds", person_in_doing="reversed"
    )
    table = why_explanations.explanations(seen)
    verdicts = dict(zip([e["id"] for e in why_explanations.load_explanations()], table["verdict"],
                        strict=True))  # fmt: skip
    assert verdicts["content"] == "stands" and verdicts["person"] == "falls"
    assert set(verdicts.values()) == {"stands", "falls", "not tested"}
    assert "not run" in table["seen"].iloc[0] and "voice in doing: holds" in table["seen"].iloc[1]
    told = why_explanations.found(table)
    untried = f"{len(table) - 2} have not been tested yet"
    assert told == f"Of {len(table)} explanations, 1 stands, 1 falls and {untried}"


def test_the_committed_page_is_what_the_committed_tables_give():
    folders = {name: RESULTS / name for name in why_explanations.STUDIES.values()}
    made = why_explanations.page(why_explanations.load(folders, "c3po"))
    assert made == (files.ROOT / why_explanations.PAGE).read_text(encoding="utf-8")


def test_a_prediction_of_no_contrast_is_named(data):
    shipped = files.ROOT / "data" / "contrasts.yaml"
    (data / "contrasts.yaml").write_text(shipped.read_text())
    entry = "- id: x\n  explanation: Because.\n  predicts: {voice_in_dong: holds}\n"
    (data / "explanations.yaml").write_text(entry)
    with pytest.raises(StudyError, match="'x', field 'predicts': 'voice_in_dong' is no contrast"):
        why_explanations.load_explanations()
    (data / "explanations.yaml").write_text(entry.replace("holds", "stands"))
    with pytest.raises(StudyError, match="'stands' is none of holds, reversed, open"):
        why_explanations.load_explanations()
