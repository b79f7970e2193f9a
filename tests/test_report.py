"""What all chapters share: results, words, captions; and every figure of the formats chapters,
drawn on the published study."""

import re
import shutil

import made_results
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import arms as table_of_arms
from helpers import files
from helpers.files import StudyError
from helpers.measure import comparison
from helpers.report import (
    answers,
    contrasts,
    drawing,
    expression,
    knowing_and_doing,
    panels,
    persona_or_format,
    reading,
    readouts,
    results,
    robustness,
    shares,
    words,
)

ARMS = made_results.ARMS
# Figure -> the chapter's module.
FORMATS = {
    "expression_rate": expression,
    "expression_differences": expression,
    "trait_heatmap": expression,
    "as_read": reading,
    "generalisation": answers,
    "response_length": answers,
    "judge_agreement": answers,
    "planted": answers,
    "knows_and_does": shares,
    "gap_over_base": shares,
    "knowing_and_expressing": shares,
    "perplexity_matrix": persona_or_format,
    "perplexity_gain": persona_or_format,
    "persona_specific_gain": persona_or_format,
    "capability_retained": persona_or_format,
    "training_curves": persona_or_format,
}


@pytest.fixture(scope="module")
def gains(measured, labelled):
    return shares.knows_and_does(measured, labelled, ARMS)


# Results


def test_a_missing_table_names_the_step_that_writes_it(study):
    with pytest.raises(StudyError, match=r"resisted\.csv is missing; run persllm/04_measure"):
        _ = study.resisted
    with pytest.raises(AttributeError, match="no table 'unknown'"):
        _ = study.unknown


def test_arms_that_a_study_lacks_are_left_out_and_unknown_ones_refused(study):
    assert study.present(["documents", "persllm", "base"]) == ["base", "documents"]
    with pytest.raises(StudyError, match="there is no arm 'docs'"):
        study.present(["docs"])
    with pytest.raises(StudyError, match="the study has none of them"):
        study.present(["persllm"])
    with pytest.raises(StudyError, match="'base' is needed"):
        study.present(["documents"])
    assert study.among(["documents"]) == ["documents"]


def test_stale_results_are_refused(study, tmp_path):
    for name in ("record", "judge"):
        record = files.read_json(study.folder / f"{name}.json")
        files.write_json(tmp_path / f"{name}.json", record | {"inputs": {"card": "other"}})
    with pytest.raises(StudyError, match="is stale: the card of 'c3po' changed"):
        results.load(str(tmp_path), "c3po", "nell")


def test_judgements_of_other_answers_are_refused_when_they_are_read(study, tmp_path):
    for name in ("record.json", "judge.json", "judged.csv", "scores.csv"):
        shutil.copy(study.folder / name, tmp_path)
    (tmp_path / "answers.parquet").write_bytes(b"other answers")
    copied = results.load(str(tmp_path), "c3po", "nell")
    assert len(copied.scores)
    with pytest.raises(StudyError, match=r"judge.json is about other answers than .*answers.parq"):
        _ = copied.judged


# Words


def test_titles_of_held_out_text_are_true_of_the_numbers():
    rows = [("base", "documents", 5.0), ("documents", "documents", 4.0)]
    matrix = pd.DataFrame(rows, columns=["arm", "text", "nats"])
    assert persona_or_format.perplexity_matrix_title(matrix).startswith(
        "Every kind of text is predicted best"
    )
    other = matrix.assign(nats=matrix["nats"].iloc[::-1].to_numpy())
    assert persona_or_format.perplexity_matrix_title(other).startswith("0 of 1 kinds of text")
    more = pd.DataFrame([("documents", "first_person", 4.5)], columns=matrix.columns)
    others = pd.concat([matrix, more], ignore_index=True)
    assert persona_or_format.perplexity_matrix_title(others) == (
        "Every kind of text but first person, on which no arm here was trained, is predicted best "
        "by the arm that was trained on it"
    )
    others = pd.concat([other, more], ignore_index=True)
    assert persona_or_format.perplexity_matrix_title(others).endswith(
        "trained on them; no arm here was trained on first person"
    )
    untaught = matrix.assign(arm=["base", "prompted"])
    assert "no arm was trained" in persona_or_format.perplexity_matrix_title(untaught)
    specific = pd.DataFrame({"low": [0.1, -0.1], "value": [0.2, 0.0]})
    assert persona_or_format.persona_specific_gain_title(specific).startswith("In 1 of 2 cases")
    held = {"epoch": [0, 1, 2], "heldout_loss": [5.0, 4.0, 4.5], "arm": "documents"}
    title = persona_or_format.training_curves_title
    assert "rises again at the end in documents" in title(pd.DataFrame(held))
    assert "does not rise again" in title(pd.DataFrame(held | {"heldout_loss": [5.0, 4.5, 4.0]}))
    assert title(pd.DataFrame(held)[:2]).startswith("Held-out loss from first to last: ")


def test_arms_of_one_seed_are_named():
    table = pd.DataFrame({"arm": ["base", "documents", "documents"], "seeds": [5, 1, 1]})
    (sentence,) = words.this_seed(table)
    assert sentence.endswith("about this seed and no other: documents")
    assert words.this_seed(table.assign(seeds=2)) == words.this_seed(table.iloc[:0]) == []


def test_numbers_in_words():
    assert words.listed(["a"]) == "a" and words.listed("abc") == "a, b and c"
    assert words.points(-0.001, -0.09, 0.1) == "+0 points (-9 to 10)"
    assert words.points(0.1, float("nan"), float("nan")) == "+10 points (no interval)"
    assert not words.apart(float("nan"), float("nan"))
    assert words.between([0.352, 0.353]) == "35 %"
    assert words.points(0.1, -0.0044, 0.0014) == "+10 points (-0.4 to 0.1)"
    ends = {0.07: "7", -0.00046: "-0.05", 0.0: "0", 1e-17: "0", -0.2: "-20"}
    assert [words.bound(end) for end in ends] == list(ends.values())
    assert [words.side(*ends) for ends in ((0.1, 1), (-1, -0.1), (-1, 1))] == [1, -1, 0]
    assert words.side(float("nan"), float("nan")) == 0


# Figures


@pytest.fixture(scope="module")
def drawn(study, measured, gains, gaps, tmp_path_factory):
    """Every figure of the chapters, drawn once: the folder and the figures."""
    folder = tmp_path_factory.mktemp("figures")
    drawing.style()
    plt.rcParams["savefig.dpi"] = 40  # nobody looks at these
    matrix = persona_or_format.perplexity_matrix(study, ARMS)
    given = {
        "trait_heatmap": expression.expression_rates(study, ARMS),
        "perplexity_matrix": matrix,
        "perplexity_gain": persona_or_format.perplexity_gain(study, matrix),
        "knowing_and_expressing": shares.knowing_and_expressing(study, measured),
        "gap_over_base": gaps,
        "planted": answers.planted(study),
    }
    live = expression.do_answers(study, ARMS)
    fit, table = comparison.sensitivity(live, ARMS), reading.as_read(study, live)
    figs = {
        "knows_and_does": shares.draw_knows_and_does(gains, gaps, study, folder),
        "expression_rate": expression.draw_expression_rate(
            given["trait_heatmap"], fit, study, folder
        ),
        "as_read": reading.draw_as_read(table, reading.coherence(study, ARMS), study, folder),
    }
    for name, module in FORMATS.items():
        if name not in figs:
            frame = given.get(name)
            frame = getattr(module, name)(study, ARMS) if frame is None else frame
            figs[name] = getattr(module, f"draw_{name}")(frame, study, folder)
    yield folder, figs
    plt.close("all")


def test_every_figure_has_a_title_a_caption_numbers_and_at_most_six_panels(drawn):
    folder, figs = drawn
    for name, fig in figs.items():
        written = {path.suffix for path in folder.glob(f"{name}.*")}
        assert written == {".png", ".svg", ".csv"}, name
        title, caption = (text.get_text() for text in fig.texts[-2:])
        assert title and caption and "{" not in caption and "nan" not in title, name
        panels = [ax for ax in fig.axes if ax.get_label() != "<colorbar>"]
        assert 1 <= len(panels) <= 6, name


def test_every_caption_is_of_a_figure_that_can_be_drawn():
    """A figure `x` of the formats' chapters is drawn by `draw_x` of the chapter's module; every
    figure is saved by its name somewhere."""
    chapters = (answers, contrasts, expression, knowing_and_doing)
    chapters += (persona_or_format, reading, readouts, robustness, shares)
    names = {name for module in chapters for name in vars(module) if name.startswith("draw_")}
    own = {name.removeprefix("draw_") for name in names}
    places = [*(files.ROOT / "src/helpers/report").glob("*.py")]
    places += (files.ROOT / "notebooks").rglob("*.ipynb")
    code = "".join(path.read_text() for path in places)
    rest = {name for name in drawing.templates() if not re.search(rf'"{name}\\?"', code)}
    assert own <= set(drawing.templates()) and not rest


def test_intervals_of_one_seed_are_dashed_and_called_so(study, tmp_path):
    """They cover too little over seeds, so nobody shall take them for the others'."""
    frame = pd.DataFrame({"arm": ["base", "documents"], "seeds": [5, 1], "place": "everyday"})
    frame = frame.assign(rate=[0.2, 0.4], low=0.1, high=0.5, n=10, minus_base_low=[np.nan, -0.1])
    captions, styles = [], []
    for rows in (frame, frame.assign(seeds=5)):
        fig = answers.draw_generalisation(rows, study, tmp_path)
        captions.append(" ".join(fig.texts[-1].get_text().split()))
        bars = [lines for lines in fig.axes[0].collections if lines.get_segments()]
        styles.append([lines.get_linestyle()[0][1] for lines in bars])
    assert captions[0].endswith(drawing.THIS_SEED) and "Dashed" not in captions[1]
    assert [dashes is None for dashes in styles[0]] == [True, False]
    assert [dashes is None for dashes in styles[1]] == [True, True]
    rows = frame.set_index("arm")
    fig, ax = plt.subplots()
    panels.arm_dots(ax, rows, "rate")
    assert [bars.get_gid() for bars in ax.collections] == [None, "this seed"]
    plt.close("all")


def test_captions_say_what_is_missing(study):
    with pytest.raises(StudyError, match="no template for the figure 'unknown'"):
        drawing.caption("unknown", study)
    with pytest.raises(StudyError, match="nothing is known of the field 'about'"):
        drawing.caption("generalisation", study, traits=8)
    with pytest.raises(StudyError, match="needs numbers and a title"):
        drawing.save(plt.figure(), "x", pd.DataFrame(), study, study.folder, "title")


def test_what_cannot_be_drawn_says_why(study, tmp_path, capsys):
    empty = answers.judge_agreement(study, ARMS).iloc[:0]
    assert answers.draw_judge_agreement(empty, study, tmp_path) is None
    assert "none of these answers has a blind label" in capsys.readouterr().out
    assert persona_or_format.draw_persona_specific_gain(pd.DataFrame(), study, tmp_path) is None


def test_a_probability_has_no_interval_beyond_what_it_can_be(study):
    table = persona_or_format.capability_retained(study, ARMS)
    ends = table[["names_itself_low", "names_itself_high"]]
    assert ends.min().min() == 0 and ends.max().max() <= 1


def test_the_same_numbers_give_the_same_picture(study, tmp_path):
    drawing.style()
    frame = answers.response_length(study, ["base", "documents"])
    pictures = []
    for _ in range(2):
        answers.draw_response_length(frame, study, tmp_path)
        made = (tmp_path / f"response_length.{ending}" for ending in ("png", "svg"))
        pictures.append([path.read_bytes() for path in made])
    assert pictures[0] == pictures[1]


def test_captions_are_a_mapping_of_names_to_sentences():
    text = (files.ROOT / "src/helpers/report/captions.yaml").read_text()
    assert all(caption.strip().endswith((".", "}")) for caption in yaml.safe_load(text).values())
    assert set(table_of_arms.colours()) == set(panels.COLOURS)


def test_captions_say_what_intervals_are_over(study):
    for seeds, told in (
        ([1, 1], "scenarios"),
        ([0, 1], "scenarios"),
        ([2, 2], "scenarios and seeds"),
        ([0, 2], "scenarios and, where there are several, seeds"),
    ):
        assert drawing.over(pd.Series(seeds)) == told
    only_b = study.choices[study.choices["set"] != "a"]
    assert shares.which(study) == "set a"
    assert shares.which(made_results.with_tables(study, choices=only_b)) == "set b"


def test_what_no_study_asked_is_no_null():
    ends = ("minus_base", "minus_base_low", "minus_base_high")
    table = pd.DataFrame({"arm": ["base", "documents"], "value": [0.5, 0.4]})
    table = table.assign(
        **dict.fromkeys(ends, -0.1), names_itself_value=np.nan, names_itself_minus_base_low=np.nan
    )
    title = persona_or_format.capability_retained_title(table)
    assert "fewer general questions rightly than base" in title and "name" not in title


def test_what_was_kept_is_said_of_the_arms_in_which_it_is_seen(study):
    table = pd.DataFrame({"arm": ["base", "documents"], "value": [0.5, 0.4]}).assign(
        minus_base_high=[np.nan, 0.1], names_itself_value=0.5, names_itself_minus_base_low=-0.1
    )
    title = persona_or_format.capability_retained_title
    assert title(table) == (
        "No arm is seen to answer fewer general questions rightly than base (40 % to 50 %); under "
        "attacks on identity, the persona's name is not seen to become likelier in any arm"
    )
    assert title(table.assign(names_itself_minus_base_low=[np.nan, 0.1])).endswith(
        "the persona's name becomes likelier in documents"
    )
    kept = persona_or_format.capability_retained(study, ARMS).set_index("arm")["seeds"]
    assert kept["base"] == kept["prompted"] == 0 and kept["documents"] > 0  # no seed is missing
