"""What an export costs the persona: every form is loaded and scored alike, and compared with the
adapter on its base."""

import shutil

import numpy as np
import pandas as pd
import pytest

from helpers import files
from helpers.files import ROOT
from helpers.model import forms, published
from helpers.report import exported


@pytest.fixture
def made(random_adapter, float32, data, tmp_path, monkeypatch):
    """A published random adapter, with the study's items."""
    shutil.copytree(ROOT / "data" / "items", data / "items")
    monkeypatch.setattr(files, "RUNS", tmp_path / "runs")
    random_adapter(tmp_path / "run", std=0.1)
    folder, settings = data / "adapters" / "documents", {"model": "embedded", "persona": "c3po"}
    published.write(tmp_path / "run", folder, "someone/tiny", {"settings": settings})
    (folder / "README.md").write_text("# A card\n")
    return folder


@pytest.mark.check
def test_every_form_is_scored_once_and_compared_with_the_adapter(made, monkeypatch):
    rows = exported.scored("documents", at_most=1)
    assert tuple(dict.fromkeys(rows["arm"])) == forms.every()
    asked = exported.asked("documents", "c3po", 1)
    assert {(r["measure"], r["condition"]) for r in asked} == {("know", "own"), ("do_pair", "own")}
    assert (rows.groupby("arm").size() == sum(len(r["options"]) for r in asked)).all()
    monkeypatch.setattr(forms, "score_choices", None)  # nothing is scored again
    pd.testing.assert_frame_equal(exported.scored("documents", at_most=1), rows)
    assert not list((files.RUNS / "export").rglob("*.safetensors")), "the export is not kept"
    found = exported.table(rows).set_index(["form", "measure"])
    assert list(found["scenarios"].unique()) == [2]
    assert found.loc["adapter", "gain"].abs().max() > 1e-3
    assert found.loc["adapter", "change"].isna().all()
    off = found["change"].abs().groupby("form").max()
    rounding = 0.2 * found.loc["adapter", "gain"].abs().max()
    assert off["merged"] < rounding and off["f16"] < rounding and off["f16"] < off["q4_1"]


def test_gains_and_changes_are_those_of_the_margins():
    margin = {"base": (0.1, 0.2), "adapter": (0.6, 0.9), "q8_0": (0.5, 0.7)}
    rows = [
        dict(zip(exported.triplets.COLUMNS, ("", 0, "a", f"i{n}", *row), strict=True))
        | {"arm": form}
        for form, values in margin.items()
        for n, value in enumerate(values)
        for measure in exported.MEASURES
        for row in (
            (measure, "own", 1, "anxiety", "everyday", 0, 2, 2.0),
            (measure, "own", 1, "anxiety", "everyday", 1, 4, 4 + 4 * value),
        )
    ]
    found = exported.table(pd.DataFrame(rows)).set_index(["form", "measure"])
    assert found.loc[("adapter", "know"), "gain"] == pytest.approx(0.6)
    assert found.loc[("q8_0", "do_pair"), "gain"] == pytest.approx(0.45)
    assert found.loc[("q8_0", "do_pair"), "change"] == pytest.approx(-0.15)
    row = found.loc[("q8_0", "know")]
    assert row["gain_low"] < row["gain"] < row["gain_high"] and row["change_low"] < 0


def test_an_arms_rows_take_the_place_of_its_older_ones(made, monkeypatch):
    line = {"form": "adapter", "measure": "know", "scenarios": 2, "gain": 0.5, "change": np.nan}
    ends = {f"{n}_{e}": line[n] for n in ("gain", "change") for e in ("low", "high")}
    whole = pd.DataFrame([line | ends, line | ends | {"measure": "do_pair", "gain": 0.25}])
    monkeypatch.setattr(exported, "scored", lambda arm: arm)
    monkeypatch.setattr(exported, "table", lambda rows: whole)
    assert exported.block().startswith("Not measured yet")
    (made.parent / "demonstrations").mkdir()
    for path in made.iterdir():
        shutil.copy(path, made.parent / "demonstrations")
    for arm in ("documents", "demonstrations", "documents"):
        exported.publish(arm)
    rows = pd.read_csv(exported.path())
    assert list(rows["arm"]) == ["demonstrations"] * 2 + ["documents"] * 2
    told = exported.block()
    assert "**demonstrations** (2 scenarios, computed in" in told
    cells = "| adapter on the 4-bit base | +0.50 (0.50 to 0.50) | – | +0.25 (0.50 to 0.50) | – |"
    assert told.count(cells) == 2


def test_every_form_has_a_name_in_the_table():
    assert tuple(exported.NAMES) == (*forms.FORMS, *forms.BY_LLAMA_CPP)
    assert forms.FORMS[0] == exported.FIRST
