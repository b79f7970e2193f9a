"""The chapter on the positive control: what it says of gains that are made, both ways."""

from copy import deepcopy
from dataclasses import replace

import made_results
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import files, records
from helpers.corpus import kinds
from helpers.files import ROOT
from helpers.measure import triplets
from helpers.report import drawing, positive_control

HALF = kinds.taught_half("c3po")
# Gain in nats per token: measure -> (on the taught half, on the other).
SEEN = {"do_pair": (1.0, 0.4), "know": (0.0, 0.0)}
UNSEEN = {"do_pair": (0.0, 0.0), "know": (0.3, -0.3)}
OTHER = {"do_pair": (0.25, 0.25), "know": (0.15, 0.15)}


def choices(gains, arm):
    """Scored options of base and of an arm on every scenario, with its gains and noise."""
    rng, rows, signs = np.random.default_rng(0), [], {True: 1, False: 1}
    for item in kinds.scenarios("c3po"):
        # As much noise on every scenario, as often up as down in each half.
        is_taught = item["id"] in HALF
        signs[is_taught] *= -1
        for measure, n_options in (("know", 4), ("do_pair", 2)):
            base = rng.uniform(2, 3, n_options)
            gain = gains[measure][not is_taught] + 0.1 * signs[is_taught]
            true = np.arange(n_options) == 0
            for name, nll in (("base", base), (arm, base - true * gain)):
                for option, value in enumerate(nll):
                    about = (name, 0, item["set"], item["id"], measure, "own", 1)
                    rows.append((*about, item["trait"], item["setting"], option, 10, 10 * value))
    columns = ["arm", "seed", "set", "item", "measure", "condition", "version", "scenario_trait"]
    return pd.DataFrame(rows, columns=[*columns, "setting", "option", "n_tokens", "nll"])[
        triplets.COLUMNS
    ]


def of_arm(arm, gains):
    return made_results.with_tables(made_results.published(), choices=choices(gains, arm))


@pytest.fixture(scope="module")
def studies():
    """Gains -> the studies of the arm that has them, and of demonstrations beside it."""
    beside = {"demonstrations": of_arm("demonstrations", OTHER)}
    every = {"seen": SEEN, "unseen": UNSEEN}
    return {name: {"taught_replies": of_arm("taught_replies", own)} | beside
            for name, own in every.items()}  # fmt: skip


@pytest.fixture(scope="module")
def gains(studies):
    return {name: positive_control.positive_control(own, HALF) for name, own in studies.items()}


def test_the_gains_that_were_planted_are_found_half_by_half(gains):
    for name, planted in (("seen", SEEN), ("unseen", UNSEEN)):
        found = gains[name].set_index(["arm", "measure", "half"])
        for arm, own in (("taught_replies", planted), ("demonstrations", OTHER)):
            for measure, values in own.items():
                for half, value in zip(positive_control.HALVES, values, strict=True):
                    row = found.loc[(arm, measure, half)]
                    assert row["value"] == pytest.approx(value, abs=0.03)
                    assert row["low"] < row["value"] < row["high"]
                    assert (row["items"], row["seeds"]) == (96, 1)
        assert len(found) == 8


def test_what_was_taught_is_said_to_be_seen(gains):
    doing, elsewhere, knowing, beside, seed = positive_control.findings(gains["seen"])
    assert doing.startswith("Did doing rise on the taught half? Yes: +1.0")
    assert "held out" in elsewhere and "? Yes: +0.4" in elsewhere
    assert knowing.count("is not told apart from zero") == 2
    assert (
        beside.startswith("demonstrations, taught neither half, gain in doing +0.2")
        and "in doing +0.2" in beside
    )
    assert seed.startswith("Of one seed") and "demonstrations" in seed
    title = positive_control.positive_control_title(gains["seen"])
    assert "doing rises on that half (+1.0" in title and "and on the other (+0.4" in title
    assert title.count("is not told apart from zero") == 1  # knowing, on both halves alike


def test_what_is_not_there_is_not_said_to_be_seen(gains):
    doing, elsewhere, knowing, *_ = positive_control.findings(gains["unseen"])
    assert "Not told apart from zero: " in doing and "Not told apart from zero: " in elsewhere
    assert "the half that was taught it rose, +0.3" in knowing
    assert "the half that was held out it fell, -0.3" in knowing
    title = positive_control.positive_control_title(gains["unseen"])
    assert "doing is not told apart from zero on that half" in title
    assert "rises on that half (+0.3" in title and "and falls on the other (-0.3" in title


def test_a_fall_in_doing_is_called_one():
    falls = {"do_pair": (-0.5, -0.5), "know": (0.0, 0.0)}
    table = positive_control.positive_control({"taught_replies": of_arm("taught_replies", falls)},
                                              HALF)  # fmt: skip
    told = positive_control.findings(table)
    assert "No, it fell: -0.5" in told[0] and "No, it fell: -0.5" in told[1]
    assert not any("neither half" in sentence for sentence in told)


def test_a_study_without_triplets_draws_nothing(studies, tmp_path, capsys):
    own = studies["seen"]["taught_replies"]
    empty = made_results.with_tables(own, choices=own.choices.iloc[:0])
    table = positive_control.positive_control({"taught_replies": empty}, HALF)
    positive_control.draw_positive_control(table, own, tmp_path)
    assert "is not drawn: one of the halves has no triplets" in capsys.readouterr().out
    assert positive_control.findings(table) == [] and not list(tmp_path.iterdir())


def test_intervals_of_one_seed_are_dashed_and_the_figure_comes_with_its_numbers(
    studies, gains, tmp_path
):
    drawing.style()
    own = studies["seen"]["taught_replies"]
    fig = positive_control.draw_positive_control(gains["seen"], own, tmp_path)
    assert fig.findobj(lambda artist: artist.get_gid() == "this seed")
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == [f"the half that was {h} (96 scenarios)" for h in ("taught", "held out")]
    plt.close("all")
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg", ".csv"}


# The chapter


@pytest.fixture
def folder(studies, tmp_path):
    """A folder of results of the positive control, and one of a study with demonstrations."""
    published = made_results.published()
    for name, arm, control in (
        ("own", "taught_replies", ""),
        ("other", "demonstrations", "nell"),
        ("larger", "demonstrations", "nell"),
    ):
        one = deepcopy(published.record["arms"]["base/seed0"])
        one["settings"]["model"] = "embedded-0.5b" if name == "larger" else "embedded"
        settings = {"persona": "c3po", "control": control, "seeds": [0]}
        inputs = {k: records.inputs("c3po", control)[k] for k in ("card", "items", "readouts")}
        record = replace(published).record | {"settings": settings, "inputs": inputs}
        record["arms"] = {f"{a}/seed0": one for a in ("base", arm)}
        files.write_json(tmp_path / name / "record.json", record)
        key = "taught_replies" if name == "own" else "demonstrations"
        frame = studies["seen"][key].choices
        files.write_frame(tmp_path / name / records.table_file("choices"), frame)
    return tmp_path


@pytest.mark.parametrize(
    ("other", "arms"),
    [
        ("other", ["taught_replies", "demonstrations"]),
        ("larger", ["taught_replies"]),
        ("missing", ["taught_replies"]),
        ("", ["taught_replies"]),
    ],
)
def test_demonstrations_stand_beside_it_where_they_are_alike(folder, other, arms):
    other = other and str(folder / other)
    assert list(positive_control.load_all(str(folder / "own"), other, "c3po")) == arms


@pytest.mark.parametrize("other", ["other", ""])
def test_the_chapter_runs_on_tables_alone(folder, other, monkeypatch):
    cells = files.read_json(ROOT / "notebooks" / "formats" / "09_positive_control.ipynb")["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = {"__name__": "chapter"}
    exec(code[0], names)
    names |= {"results": str(folder / "own"), "figures": str(folder / "figures")}
    names |= {"other_results": other and str(folder / other)}
    monkeypatch.setattr("helpers.parameters.check", lambda *_: None)  # paths outside the checkout
    for cell in code[1:]:
        exec(cell.replace(";\n", "\n"), names)
    plt.close("all")
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"positive_control.{ending}" for ending in ("png", "svg", "csv")
    }
    assert names["gains"]["arm"].nunique() == 1 + bool(other)
