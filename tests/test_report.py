"""The tables, findings and figures of the formats chapters, on the published study."""

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
    persllm_figures,
    persona_or_format,
    reading,
    readouts,
    results,
    robustness,
    shares,
    words,
)

ARMS = ["base", "prompted", "demonstrations", "first_person", "documents"]
# Figure -> the chapter's module.
FORMATS = {
    "expression_rate": expression,
    "expression_differences": expression,
    "trait_heatmap": expression,
    "as_read": reading,
    "generalisation": answers,
    "response_length": answers,
    "judge_agreement": answers,
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
def study():
    """The published study, whatever has changed in its sources since."""
    folder = files.DATA / "results" / "reference"
    record, judge = (files.read_json(folder / f"{name}.json") for name in ("record", "judge"))
    card = results.personas.load_persona("c3po")
    return results.Results(folder, "c3po", "nell", record, judge, card)


@pytest.fixture(scope="module")
def made():
    return made_results.study()


@pytest.fixture(scope="module")
def measured(study):
    return shares.measured(study, ARMS)


@pytest.fixture(scope="module")
def labelled(study):
    return answers.labelled_triplets(study, ARMS)


@pytest.fixture(scope="module")
def gains(measured, labelled):
    return shares.knows_and_does(measured, labelled, ARMS)


@pytest.fixture(scope="module")
def gaps(measured, labelled):
    return shares.gap_over_base(measured, labelled, ARMS)


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


# Tables


def test_every_arm_answers_the_same_prompts(study):
    said = answers.what_they_say(study, ARMS)
    assert said.groupby("prompt", sort=False)["arm"].apply(list).tolist() == [ARMS] * 3
    read = answers.excerpts(said, words=3)
    assert read.count("| arm | answer |") == 3 and read.count(" ... |") == 15
    odd = pd.DataFrame({"prompt": "Hi", "arm": "base", "answer": ["a|b *c*\nd", ""]})
    assert r"a\|b \*c\* d" in answers.excerpts(odd) and "(no words)" in answers.excerpts(odd)


def test_the_gap_beyond_that_of_base_is_what_was_reported(gaps):
    row = gaps.set_index("arm").loc["documents"]
    assert [words.hundred(row[name]) for name in ("beyond", "low", "high")] == [17, 6, 29]
    assert [words.hundred(row[name]) for name in ("corrected", "corrected_low")] == [13, -2]
    assert row["items"] == 96 and row["p_scenarios"] < 0.01  # no scenario is lost
    assert np.isnan(gaps.set_index("arm").loc["base", "beyond"])


def test_published_rates_have_an_interval_only_where_the_count_is_known(study):
    marks = expression.published_rates(study).set_index(["arm", "trait"])
    assert round(marks.loc[("documents", "anxiety"), "low"], 2) == 0.22
    assert np.isnan(marks.loc[("first_person", "odds"), "low"])


def test_a_study_without_labels_has_no_corrected_gains(measured, labelled):
    none = labelled.iloc[:0]
    assert set(shares.knows_and_does(measured, none, ARMS)["readout"]) == {"knows", "does"}
    gaps = shares.gap_over_base(measured, none, ARMS)
    assert gaps["corrected"].isna().all()
    assert shares.corrected_gaps(gaps).startswith("Without blind labels")


def test_a_study_without_triplets_says_so(study):
    other = results.Results(*(getattr(study, f) for f in study.__dataclass_fields__))
    everyday = study.judged[study.judged["kind"] == "everyday"]
    other.__dict__.update(judged=everyday, choices=study.choices.iloc[:0])
    with pytest.raises(StudyError, match="has no triplets"):
        shares.measured(other, ARMS)


# Findings: a case that is clear, one that is not, and a tie


def rates(**of_arms):
    """A table of arms with a rate and its interval."""
    rows = [{"arm": arm, "rate": r, "low": lo, "high": hi} for arm, (r, lo, hi) in of_arms.items()]
    return pd.DataFrame(rows).assign(trait="odds", corrected=np.nan)


MARKS = pd.DataFrame(columns=["arm", "trait", "rate", "low"])


def test_the_title_of_rates_names_the_highest_arm_and_those_that_reach_it():
    clear = rates(base=(0.1, 0.0, 0.2), documents=(0.5, 0.4, 0.6))
    assert expression.expression_rate_title(clear, MARKS, "odds") == (
        "Odds is shown most by documents (50 % as judged; base 10 %)"
    )
    tie = rates(base=(0.1, 0.0, 0.2), first_person=(0.4, 0.3, 0.5), documents=(0.5, 0.4, 0.6))
    assert expression.expression_rate_title(tie, MARKS, "odds") == (
        "Odds is shown most by first person and documents "
        "(40 % to 50 % as judged, intervals overlap; base 10 %)"
    )
    alike = rates(base=(0.1, 0.0, 0.2), documents=(0.1, 0.0, 0.2))
    assert expression.expression_rate_title(alike, MARKS, "odds") == (
        "Odds in every arm: 10 % as judged, intervals overlap"
    )
    assert "do not suffice" in expression.corrected_rates(alike, "odds")


def test_the_title_of_rates_begins_with_the_claim_of_the_earlier_study():
    table = rates(base=(0.1, 0.0, 0.2), first_person=(0.5, 0.4, 0.6), documents=(0.3, 0.2, 0.39))
    rows = [("documents", "odds", 0.37, 0.2), ("first_person", "odds", 0.9, np.nan)]
    rows += [("documents", "anxiety", 0.8, 0.7), ("persllm", "odds", 0.8, 0.7)]
    marks = pd.DataFrame(rows, columns=MARKS.columns)
    assert expression.expression_rate_title(table, marks, "odds") == (
        "Odds is shown by documents in 30 % of answers as judged (37 % in the earlier study); "
        "most by first person (50 % as judged; base 10 %)"
    )


def test_the_title_of_fit_tells_those_who_show_the_trait_that_fits():
    rows = [("a", "base", "markers", 0.1), ("a", "documents", "markers", 0.1)]
    rows += [("a", "documents", "read", -0.1), ("a", "first_person", "read", -0.1)]
    fit = pd.DataFrame(rows, columns=["set", "arm", "by", "low"])
    assert expression.fit_title(fit) == (
        "More of the trait that fits than of other traits, by the markers: documents; "
        "as read: no arm"
    )
    both = pd.concat([fit, fit.assign(set="b", low=0.1), fit.assign(set="both", low=-0.1)])
    assert "by the markers: no arm" in expression.fit_title(both)


def test_the_title_of_differences_names_the_largest_rise_of_each_arm():
    rows = [("a", "documents - base", 0.2, 0.1), ("b", "documents - base", 0.3, -0.1)]
    rows += [("a", "first_person - base", 0.1, -0.1), ("a", "first_person - documents", 0.5, 0.4)]
    table = pd.DataFrame(rows, columns=["trait", "contrast", "difference", "low"])
    assert expression.expression_differences_title(table) == (
        "The largest rise of a trait over base: documents +20 points (a); "
        "none is seen in first person"
    )
    none = table.assign(low=-0.1)
    assert (
        expression.expression_differences_title(none)
        == "No arm shows any trait more often than base"
    )


def test_the_title_of_places_tells_where_the_persona_goes():
    high, low = (0.3, 0.2, 0.4), (0.1, 0.05, 0.15)
    both = rates(base=low, first_person=high, documents=low).assign(place="neutral")
    elsewhere = rates(base=low, first_person=high, documents=high).assign(place="should_not_show")
    assert answers.generalisation_title(pd.concat([both, elsewhere])) == (
        "First person shows the persona more than base on neutral prompts; "
        "every other arm shows the persona more than base where it should not show"
    )
    tie = rates(base=low, documents=low).assign(place="neutral")
    assert answers.generalisation_title(tie) == (
        "No arm shows the persona more than base on neutral prompts"
    )


def gain_rows(**of_arms):
    rows = [
        (arm, readout, value)
        for arm, values in of_arms.items()
        for readout, value in zip(("knows", "does"), values, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "readout", "value"])
    return frame.assign(low=frame["value"] - 0.1, high=frame["value"] + 0.1)


def gap_rows(**of_arms):
    """Arms with (beyond, low, high); base has a gap of 20 points."""
    rows = [(arm, *values) for arm, values in of_arms.items()]
    base = pd.DataFrame([{"arm": "base", "gap": 0.2, "gap_low": 0.1, "gap_high": 0.3}])
    gaps = pd.concat([base, pd.DataFrame(rows, columns=["arm", "beyond", "low", "high"])])
    return gaps.assign(corrected_low=gaps["low"], corrected_high=gaps["high"])


def test_documents_know_without_doing_only_where_it_is_so():
    gains = gain_rows(demonstrations=(0.1, 0.2), first_person=(0.2, 0.2), documents=(0.22, 0.04))
    gaps = gap_rows(
        demonstrations=(-0.1, -0.2, 0.01), first_person=(0, -0.1, 0.1), documents=(0.18, 0.07, 0.3)
    )
    assert shares.knows_and_does_title(gains, gaps) == (
        "Documents gain more in knowing than in doing (+22 against +4 points over base); "
        "no difference is seen in the other arms"
    )
    assert shares.gap_over_base_title(gaps) == (
        "Base already knows more than it does (by 20 points); "
        "the gap of documents is 18 points wider (7 to 30)"
    )
    tie = gaps.assign(low=-0.1, high=0.1, corrected_low=-0.1, corrected_high=0.1)
    assert shares.knows_and_does_title(gains, tie) == (
        "In no arm is a difference seen between the gains in knowing and in doing"
    )
    assert shares.gap_over_base_title(tie).endswith("no other gap is told apart from that of base")
    assert shares.gap_in_focus(tie, "odds").endswith("; none told apart")
    assert shares.gap_in_focus(gaps, "odds").endswith("; only documents told apart")
    reverse = gap_rows(first_person=(-0.18, -0.3, -0.07))
    assert shares.knows_and_does_title(gain_rows(first_person=(0.1, 0.3)), reverse) == (
        "First person gains more in doing than in knowing (+30 against +10 points over base)"
    )
    assert "first person is 18 points narrower (7 to 30)" in shares.gap_over_base_title(reverse)


def test_intervals_as_judged_and_as_corrected_may_disagree():
    gains = gain_rows(demonstrations=(0.12, 0.24), documents=(0.22, 0.04))
    corrected = {"arm": "demonstrations", "readout": "does, corrected", "value": 0.29}
    gains = pd.concat([gains, pd.DataFrame([corrected])])
    gaps = gap_rows(demonstrations=(-0.11, -0.22, 0.01), documents=(0.18, 0.07, 0.29))
    gaps["corrected_low"], gaps["corrected_high"] = [np.nan, -0.3, -0.02], [np.nan, -0.03, 0.28]
    assert shares.knows_and_does_title(gains, gaps) == (
        "Documents gain more in knowing than in doing (+22 against +4 points over base, as "
        "judged); demonstrations gain more in doing than in knowing (+29 against +12 points over "
        "base, once corrected)"
    )


def test_who_knows_most_is_a_tie_where_the_interval_includes_zero():
    row = {"a": "documents", "b": "first_person", "difference": 0.04, "low": -0.05, "high": 0.13}
    assert shares.most_knowing_title(pd.DataFrame([row])) == (
        "The two arms that know most: documents minus first person +4 points (-5 to 13), "
        "not told apart"
    )
    assert "told apart" not in shares.most_knowing_title(pd.DataFrame([row | {"low": 0.01}]))


def test_a_contrast_is_answered_as_judged_and_corrected():
    row = {"question": "Is it so?", "a": "documents, know", "b": "documents, do"}
    row |= {"difference": 0.1, "low": 0.05, "high": 0.15}
    row |= {"corrected": 0.1, "corrected_low": -0.1, "corrected_high": 0.3}
    (one,) = pd.DataFrame([row]).itertuples()
    assert contrasts.contrast(one) == (
        "Is it so? documents (know) minus documents (do): +10 points (5 to 15) as judged, "
        "+10 points (-10 to 30) corrected, not told apart once corrected"
    )
    (one,) = pd.DataFrame([row | {"low": -0.05, "corrected": np.nan}]).itertuples()
    assert contrasts.contrast(one).endswith("+10 points (-5 to 15) as judged, not told apart")


def test_titles_of_held_out_text_are_true_of_the_numbers():
    rows = [("base", "documents", 5.0), ("documents", "documents", 4.0)]
    matrix = pd.DataFrame(rows, columns=["arm", "text", "nats"])
    assert persona_or_format.perplexity_matrix_title(matrix).startswith(
        "Every kind of text is predicted best"
    )
    other = matrix.assign(arm=["documents", "base"])
    assert persona_or_format.perplexity_matrix_title(other).startswith("0 of 1 kinds of text")
    specific = pd.DataFrame({"low": [0.1, -0.1], "value": [0.2, 0.0]})
    assert persona_or_format.persona_specific_gain_title(specific).startswith("In 1 of 2 cases")
    held = {"epoch": [0, 1, 2], "heldout_loss": [5.0, 4.0, 4.5], "arm": "documents"}
    assert "turns up at the end in documents" in persona_or_format.training_curves_title(
        pd.DataFrame(held)
    )


def test_the_judge_is_described_by_its_pooled_errors():
    row = {"judge": "markers", "sensitivity": 0.5, "sensitivity_n": 10}
    table = pd.DataFrame([row | {"specificity": 0.9, "specificity_n": 100}])
    assert answers.judge_agreement_title(table, "markers") == (
        "The judge (markers) finds 50 % of the traits that a blind reader found, "
        "and wrongly sees them in 10 % of the other cases"
    )


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
    """A figure `x` is drawn by `draw_x` of a chapter's module, or by `persllm_figures.x`."""
    chapters = (answers, contrasts, expression, knowing_and_doing)
    chapters += (persona_or_format, reading, readouts, robustness, shares)
    names = {name for module in chapters for name in vars(module) if name.startswith("draw_")}
    own = {name.removeprefix("draw_") for name in names}
    theirs = {name for name in drawing.templates() if hasattr(persllm_figures, name)}
    rest = set(drawing.templates()) - own - theirs - {"expression_over_turns_ablations"}
    folders = (files.ROOT / "notebooks/why", files.ROOT / "src/helpers/report")
    of_why = "".join(p.read_text() for p in folders[1].glob("why*.py"))
    of_why += "".join(p.read_text() for p in folders[0].glob("*.ipynb"))
    rest = {name for name in rest if name not in of_why}
    assert own <= set(drawing.templates()) and not rest


def test_intervals_of_one_seed_are_dashed_and_called_so(study, tmp_path):
    """They cover too little over seeds, so nobody shall take them for the others'."""
    frame = pd.DataFrame({"arm": ["base", "documents"], "seeds": [5, 1], "place": "everyday"})
    frame = frame.assign(rate=[0.2, 0.4], low=0.1, high=0.5, n=10)
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
    drawing.arm_dots(ax, rows, "rate")
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


def test_a_card_may_have_a_single_trait(study, tmp_path):
    card = study.card | {"traits": study.card["traits"][1:2], "focus": "odds"}
    fields = study.folder, "someone", "", study.record, study.judge, card
    other, two = results.Results(*fields), ["base", "documents"]
    rates = expression.expression_rates(other, two)
    assert set(rates["trait"]) > set(other.traits)  # the tables hold more than the card
    fit = comparison.sensitivity(expression.do_answers(other, two), two)
    fig = expression.draw_expression_rate(rates, fit, other, tmp_path)
    assert fig.axes[0].get_title() == "odds, everyday prompts"
    assert not [line for line in fig.axes[1].lines if len(line.get_xdata())]


# As read


def test_what_was_read_is_counted_in_both_ways(made):
    live = expression.do_answers(made, ARMS)
    table = reading.as_read(made, live).set_index(["by", "arm"])
    own = made.read[made.read["trait"] == made.read["scenario_trait"]]
    told = own[own["arm"] == "demonstrations"]["value"].value_counts(normalize=True)
    shown = table.loc[("read", "demonstrations"), "rate"]
    assert shown == pytest.approx(told["shows"])
    assert table.loc[("read, about counts", "demonstrations"), "rate"] == pytest.approx(
        told["shows"] + told["about"]
    )
    assert table.loc[("read", "demonstrations"), "seeds"] == 2
    assert table.loc[("corrected", "demonstrations"), "seeds"] == 3


def test_how_many_answers_make_sense(made, study, tmp_path):
    sense = reading.coherence(made, ARMS)
    assert sense.groupby("arm")["share"].sum().to_numpy() == pytest.approx(1)
    read = made.read.drop_duplicates(["arm", "label_id"])
    assert sense["answers"].sum() == len(read)
    assert reading.coherence(study, ARMS).empty  # nobody has read them by the rule
    table = reading.as_read(made, expression.do_answers(made, ARMS))
    title = reading.as_read_title(table, sense)
    assert "As read, the trait is shown most by demonstrations" in title
    most = sense[sense["coherence"] == "sensible"]["share"].max()
    assert title.endswith(f"at most {100 * most:.0f} % of an arm's answers make sense")
    fig = reading.draw_as_read(table, sense, made, tmp_path)
    assert len(fig.axes) == 2


def test_the_same_numbers_give_the_same_picture(study, tmp_path):
    frame = answers.response_length(study, ["base", "documents"])
    pictures = []
    for _ in range(2):
        answers.draw_response_length(frame, study, tmp_path)
        pictures.append((tmp_path / "response_length.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_captions_are_a_mapping_of_names_to_sentences():
    text = (files.ROOT / "src/helpers/report/captions.yaml").read_text()
    assert all(caption.strip().endswith((".", "}")) for caption in yaml.safe_load(text).values())
    assert set(table_of_arms.colours()) == set(drawing.COLOURS)
