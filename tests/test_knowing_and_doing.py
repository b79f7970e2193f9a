"""Knowing and doing by likelihood: frames, titles and figures, on a made study and on the published
one."""

import made_results
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.files import ROOT
from helpers.measure import comparison
from helpers.report import (
    answers,
    contrasts,
    drawing,
    knowing_and_doing,
    knowing_findings,
    readouts,
    robustness,
)

ARMS = made_results.ARMS


@pytest.fixture(scope="module")
def scored(made):
    return knowing_and_doing.scored(made, ARMS)


@pytest.fixture(scope="module")
def of_set_a(scored):
    """A study as the first ones were: one set, nothing but what is written."""
    own = scored[(scored["set"] == "a") & (scored["condition"] == "own")]
    return own[~own["measure"].isin(["know_first", "told_pair"])]


@pytest.fixture(scope="module")
def gains(scored):
    return knowing_and_doing.know_and_do(scored)


@pytest.fixture(scope="module")
def crossings(scored):
    return knowing_and_doing.crossovers(scored, made_results.traits()[:2])


@pytest.fixture(scope="module")
def parts(scored):
    return readouts.crossover_parts(scored)


def of(frame, **values):
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


# Frames


def test_gains_are_those_that_were_made_in_each_set_and_in_both(gains):
    for name in ("a", "b", "both"):
        for place, measure in enumerate(("know", "do_pair")):
            own = of(gains, set=name, measure=measure).set_index("arm")["value"]
            assert set(own.index) == set(ARMS) - {"base"}
            for arm, value in own.items():
                assert value == pytest.approx(made_results.GAINS[arm][place], abs=0.06)
    assert (of(gains, set="both")["items"] == 2 * of(gains, set="a")["items"].max()).all()


def test_an_untrained_arm_misses_no_seed(gains):
    seeds = gains.groupby("arm")["seeds"].max()
    assert seeds["prompted"] == 0 and seeds["documents"] == len(made_results.SEEDS)


def test_behind_is_the_mean_difference_to_the_format_that_gains_most(gains):
    own = of(gains, set="both", measure="know").set_index("arm")
    assert np.isnan(own.loc["documents", "behind"])
    apart = own.loc["documents", "value"] - own["value"]
    assert own["behind"].dropna().to_numpy() == pytest.approx(apart.drop("documents").to_numpy())


def test_the_crossover_is_the_lead_in_knowing_minus_the_lead_in_doing(gains, crossings):
    for name in ("a", "b", "both"):
        value = of(gains, set=name).pivot(index="arm", columns="measure", values="value")
        lead = value.loc["documents"] - value.loc["first_person"]
        (whole,) = of(crossings, set=name, arm="first_person", trait="all")["value"]
        assert whole == pytest.approx(lead["know"] - lead["do_pair"])
    assert set(crossings["trait"]) == {"all", *made_results.traits()[:2]}


def test_what_hangs_on_name_and_scenario_is_the_share_that_was_made(scored):
    hung = readouts.name_and_scenario(scored).set_index(["arm", "measure", "condition"])
    for condition in ("stranger", "control", "nameless", "mismatched"):
        row = hung.loc[("documents", "know", condition)]
        left = made_results.CONDITIONS[condition][0]
        assert row["value"] / row["gain"] == pytest.approx(1 - left, abs=0.05)


def test_the_name_alone_is_compared_within_an_arm(scored):
    alone = readouts.named_alone(scored).set_index(["arm", "measure"])["value"]
    assert abs(alone["base", "know"]) < 0.02
    assert alone["documents", "know"] == pytest.approx(0.05, abs=0.02)


def test_the_published_crossover_is_found_again(study):
    own = study.choices[study.choices["measure"].isin(["know", "do_pair"])]
    other = made_results.with_tables(study, choices=own)
    scored = knowing_and_doing.scored(other, ["base", "demonstrations", "documents"])
    (row,) = of(knowing_and_doing.crossovers(scored, []), trait="all", set="b").itertuples()
    assert (row.arm, row.items) == ("demonstrations", 96)
    reported = pd.read_csv(ROOT / "figures/reference/contrasts.csv").set_index("contrast")
    published = reported.loc["crossover_demonstrations", ["difference", "low", "high"]]
    assert [row.value, row.low, row.high] == pytest.approx(published.to_list(), abs=1e-3)


# Titles


def test_titles_say_what_was_made(gains, crossings, scored, parts):
    both = of(gains, set="both")
    title = knowing_and_doing.know_and_do_title(both)
    assert title.startswith("Documents gain most in knowing (+0.")
    assert "documents" not in title.partition(",")[2]
    assert readouts.readouts_title(parts) == (
        "Against demonstrations and first person, documents lead in describing (in either person) "
        "and trail in doing (in either person)"
    )
    one = parts.copy()  # over one of them alone, nothing is seen
    one.loc[(one["part"] == "told_pair") & (one["arm"] == "demonstrations"), "high"] = 0.1
    assert readouts.readouts_title(one) == (
        "Against demonstrations and first person, documents lead in describing (in either "
        "person), trail in doing in the first person and trail first person alone in doing in "
        "the third person"
    )
    assert readouts.readouts_title(parts.assign(low=-0.1, high=0.1)) == (
        "Against demonstrations and first person, documents are not seen to lead or trail in "
        "describing in the third person, describing in the first person, doing in the third person "
        "and doing in the first person"
    )
    assert readouts.name_and_scenario_title(readouts.name_and_scenario(scored)).startswith(
        "Over both sets, of what documents gain in knowing (+0."
    )


def test_a_single_format_is_not_said_to_gain_most(gains):
    one = of(gains, set="both")
    one = one[one["arm"].isin(["prompted", "documents"])].assign(behind_low=np.nan)
    known, done = (of(one, arm="documents", measure=m)["value"].item() for m in ("know", "do_pair"))
    assert knowing_and_doing.know_and_do_title(one) == (
        f"Documents gain {known:+.2f} in knowing and {done:+.2f} in doing, "
        "in nats per token over base"
    )
    other = one[one["arm"] == "prompted"].assign(value=0.1, low=0.05)
    assert knowing_and_doing.know_and_do_title(other) == (
        "Prompted gains in knowing (+0.10) and in doing (+0.10), in nats per token over base"
    )
    other = other.assign(low=other["low"].where(other["measure"] == "know", -0.1))
    assert knowing_and_doing.know_and_do_title(other).startswith(
        "Prompted gains in knowing (+0.10) and no arm is seen to gain in doing"
    )


def test_arms_that_are_not_told_apart_share_the_first_place():
    rows = [("documents", 0.5, np.nan), ("first_person", 0.4, 0.1), ("demonstrations", 0.4, -0.1)]
    frame = pd.DataFrame(rows, columns=["arm", "value", "behind_low"]).assign(low=0.1)
    assert knowing_and_doing.first_in(frame) == ["documents", "demonstrations"]
    assert knowing_and_doing.first_in(frame.assign(low=-0.1)) == []


def test_where_no_format_is_seen_to_gain_none_is_said_to_gain_most(gains):
    none = gains.assign(low=gains["low"].where(gains["measure"] == "know", -0.1))
    title = knowing_and_doing.know_and_do_title(of(none, set="both"))
    assert title.startswith("Documents gain most in knowing") and title.endswith(
        "no format is seen to gain in doing, in nats per token over base"
    )
    assert "no format is seen to gain on set a and set b" in (
        knowing_and_doing.gains_by_set_title(of(none, arm="prompted"))
    )


def test_a_name_that_nothing_hangs_on_is_said(scored):
    hung = readouts.name_and_scenario(scored)
    alone = readouts.name_and_scenario_title(hung[hung["condition"] == "stranger"])
    assert "on the name" in alone and "scenario" not in alone
    alone = readouts.name_and_scenario_title(hung[hung["condition"] == "mismatched"])
    assert "on the scenario" in alone and "name" not in alone
    none = hung["condition"] == "stranger"
    hung.loc[none, ["low", "high"]] = -0.1, 0.1
    assert "none is seen to hang on the name" in readouts.name_and_scenario_title(hung)
    hung.loc[none, ["value", "low", "high"]] = -0.08, -0.1, -0.06
    assert "none hangs on the name (0.08 more is gained under a stranger's)" in (
        readouts.name_and_scenario_title(hung)
    )


def test_other_names_stand_in_flat_columns_and_in_words(scored):
    hung = readouts.name_and_scenario(scored)
    table = readouts.under_other_names(hung).set_index("arm")
    assert list(table.index) == ["prompted", "demonstrations", "first person", "documents"]
    assert table.columns.nlevels == 1 and "minus that without a name" in table
    row = of(hung, arm="documents", measure="know", condition="control").iloc[0]
    told = f"{row['value']:+.2f} ({row['low']:.2f} to {row['high']:.2f})"
    assert table.loc["documents", "minus that with the control character's name"] == told
    assert readouts.under_other_names(hung.iloc[:0]).empty
    strange = readouts.under_other_names(hung[hung["condition"] == "stranger"])
    assert list(strange)[1:] == ["gain in knowing", "minus that with a stranger's name"]
    nameless = readouts.under_other_names(hung[hung["condition"] == "nameless"])
    assert len(nameless) == len(strange) == 4


def test_the_arms_in_which_the_name_alone_changes_a_margin_are_named():
    rows = [("know", "base", -0.1, -0.2, -0.05), ("know", "documents", 0.1, -0.1, 0.3)]
    rows += [("do_pair", "base", 0.01, 0.005, 0.02), ("do_pair", "documents", 0.02, 0.01, 0.03)]
    table = pd.DataFrame(rows, columns=["measure", "arm", "value", "low", "high"])
    told = (
        "With the name alone as system prompt, the margin in knowing falls in base; the margin in "
    )
    assert readouts.named_alone_title(table) == f"{told}doing rises in base and documents"
    prompted = table.assign(arm=["base", "prompted", "base", "prompted"], low=-0.3)
    prompted["high"] = [0.1, -0.1, 0.1, -0.1]  # it has lost its own prompt
    assert readouts.named_alone_title(prompted) == (
        "With the name alone as system prompt, the margin in knowing is not seen to change in any "
        "arm; the margin in doing is not seen to change in any arm"
    )
    both = table.assign(low=[0.1, -0.3] * 2, high=[0.3, -0.1] * 2)
    assert "rises in base, and falls in documents" in readouts.named_alone_title(both)


# Figures


def drawn_ones(made, scored, gains, crossings, parts, folder):
    hung, alone = readouts.name_and_scenario(scored), readouts.named_alone(scored)
    return {
        "know_and_do": knowing_and_doing.draw_know_and_do(gains, crossings, made, folder),
        "gains_by_set": knowing_and_doing.draw_gains_by_set(gains, made, folder),
        "readouts": readouts.draw_readouts(readouts.readouts(scored), parts, made, folder),
        "crossover_parts": readouts.draw_crossover_parts(parts, made, folder),
        "name_and_scenario": readouts.draw_name_and_scenario(hung, made, folder),
        "named_alone": readouts.draw_named_alone(alone, made, folder),
    }


@pytest.fixture(scope="module", autouse=True)
def small():
    """Nobody looks at these figures."""
    drawing.style()
    plt.rcParams["savefig.dpi"] = 40
    yield
    plt.close("all")


def test_every_figure_has_a_title_a_caption_and_numbers(
    made, scored, gains, crossings, parts, tmp_path
):
    for name, fig in drawn_ones(made, scored, gains, crossings, parts, tmp_path).items():
        assert {path.suffix for path in tmp_path.glob(f"{name}.*")} == {".png", ".svg", ".csv"}
        title, caption = (text.get_text() for text in fig.texts[-2:])
        assert title and "{" not in caption and "nan" not in title and len(fig.axes) <= 6, name
        assert "both sets" in " ".join(caption.split()) or name in ("know_and_do", "gains_by_set")
        assert not hollow(fig), name  # nothing was read for a likelihood


def hollow(fig):
    """The marks of a figure's panels that are hollow."""
    faces = [line.get_markerfacecolor() for ax in fig.axes for line in ax.lines]
    return [face for face in faces if face == "white"]


def test_the_sets_in_a_caption_are_those_of_the_margins(made, scored, tmp_path):
    own = scored[scored["set"] == "b"]
    parts = readouts.crossover_parts(own)
    assert len(readouts.readouts_title(parts)) and set(parts["set"]) == {"b"}
    fig = readouts.draw_readouts(readouts.readouts(own), parts, made, tmp_path)
    assert "scenarios of set b." in " ".join(fig.texts[-1].get_text().split())


def test_a_study_without_set_b_and_controls_says_what_is_missing(made, of_set_a, tmp_path, capsys):
    gains = knowing_and_doing.know_and_do(of_set_a)
    crossings = knowing_and_doing.crossovers(of_set_a, [])
    parts = readouts.crossover_parts(of_set_a)
    figs = drawn_ones(made, of_set_a, gains, crossings, parts, tmp_path)
    assert [name for name, fig in figs.items() if fig] == ["know_and_do"]
    said = capsys.readouterr().out
    assert said.count("is not drawn") == 5 and "no second set" in said


def test_a_study_without_triplets_draws_nothing(made, scored, tmp_path):
    none = scored.iloc[:0]
    gains, crossings = knowing_and_doing.know_and_do(none), knowing_and_doing.crossovers(none, [])
    figs = drawn_ones(made, none, gains, crossings, readouts.crossover_parts(none), tmp_path)
    assert not any(figs.values())


# Contrasts


@pytest.fixture(scope="module")
def fixed(made):
    return contrasts.contrasts(
        contrasts.tables_of(made, ARMS), answers.labelled_triplets(made, ARMS)
    )


def test_primary_contrasts_stand_beside_those_that_suggested_them(fixed, made, tmp_path):
    own = contrasts.of_kinds(fixed)
    assert set(own["role"]) == {"primary", "exploratory"}
    assert own.groupby("about")["role"].nunique().eq(2).all()
    crossed = own[(own["kind"] == "crossover") & (own["role"] == "primary")]
    assert contrasts.holds(crossed).all()
    assert "primary contrasts hold on set b: crossover of" in contrasts.contrasts_title(fixed)
    fig = contrasts.draw_contrasts(fixed, made, tmp_path)
    assert len(fig.axes) == 2 and len(pd.read_csv(tmp_path / "contrasts.csv")) == len(fixed)
    assert len(hollow(fig)) == (own["by"] == "read").sum() > 0


def test_without_set_b_no_contrast_is_said_to_hold(fixed):
    first = fixed[fixed["set"] == "a"]
    assert contrasts.contrasts_title(first).endswith("set b has no results here")


def test_the_legend_and_the_caption_name_the_sets_that_are_drawn(fixed, made, tmp_path):
    fig = contrasts.draw_contrasts(fixed[fixed["set"] == "a"], made, tmp_path)
    marks = [text.get_text() for legend in fig.legends for text in legend.get_texts()]
    assert "set a, found after the fact" in marks and not any("set b" in text for text in marks)
    assert "(discs)" not in " ".join(text.get_text() for text in fig.texts)


def test_a_study_without_the_arms_of_a_contrast_draws_none(made, tmp_path, capsys):
    table = contrasts.contrasts(
        contrasts.tables_of(made, ["base"]), answers.labelled_triplets(made, ["base"])
    )
    assert contrasts.draw_contrasts(table, made, tmp_path) is None
    assert "is not drawn" in capsys.readouterr().out and contrasts.differences(table) == []


# Robustness


def test_claims_are_ranked_by_how_often_they_hold(made, tmp_path):
    rows = [("documents know most", 4, 1, 1), ("documents do least", 8, 8, 6)]
    table = pd.DataFrame(rows, columns=["claim", "combinations", "holds", "apart"])
    table = table.assign(share=table["holds"] / table["combinations"])
    table = table.assign(share_apart=table["apart"] / table["combinations"])
    assert robustness.claims_title(table) == (
        "In sign, 1 of 2 claims hold in every way of counting; in the fewest: "
        '"documents know most" (1 of 4)'
    )
    assert robustness.claims_title(table[1:]).endswith(
        "1 of 1 claims hold in every way of counting"
    )
    fig = robustness.draw_claims(table, made, tmp_path)
    rows = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    assert rows == ["documents do least", "documents know most"]
    assert robustness.draw_claims(table.iloc[:0], made, tmp_path) is None


# The summary


GAPS = pd.DataFrame(
    [("base", 0.2, 0.1, 0.3, *3 * [np.nan]), ("documents", 0.4, 0.3, 0.5, 0.2, 0.1, 0.3)],
    columns=["arm", "gap", "gap_low", "gap_high", "beyond", "low", "high"],
).assign(corrected=np.nan, corrected_low=np.nan, corrected_high=np.nan)
CLAIMS = pd.DataFrame(
    {"claim": ["documents know most"], "share": [0.5], "holds": [1], "combinations": [2]}
)


def test_the_summary_answers_the_question_in_at_most_eight_points(
    gains, crossings, parts, scored, fixed
):
    hung = readouts.name_and_scenario(scored)
    frames = (crossings, parts, hung, fixed, CLAIMS, GAPS)
    several = knowing_findings.summary(gains, *frames)
    lines = several.split("\n")
    assert len(lines) == 8 and all(line.startswith("- ") for line in lines)
    assert lines[0].startswith("- On set b, the gap between knowing and showing ")
    assert lines[1].startswith("- On set b, documents gain most in knowing (+0.")
    assert lines[2].startswith("- The crossover, documents' lead in knowing minus their lead in ")
    assert "trait" not in lines[2]
    assert lines[6].startswith("- As shares of scenarios, base has a gap, too")
    once = knowing_findings.summary(gains.assign(seeds=1), *frames).split("\n\n")
    assert once[0].startswith("Of one seed, so that intervals are about this seed and no other: ")
    assert "seed" not in once[1] and once[1] == several


def test_a_summary_says_what_was_measured_alone(gains):
    none = pd.DataFrame(columns=["set", "arm", "trait"])
    unfixed = pd.DataFrame(columns=comparison.FIRST)
    told = knowing_findings.summary(gains.iloc[:0], none, none, none, unfixed, none, GAPS)
    assert told.startswith("- As shares of scenarios, base has a gap, too")
    assert told.count("- ") == 1


def test_contrasts_that_do_not_hold_are_not_said_to(fixed):
    own = fixed[fixed["role"] == "primary"]
    gap = own["kind"] == "gap_beyond_base"
    weak = own.assign(difference=0.03, low=-0.1, high=0.16, p_holm=1.0)
    assert knowing_findings.gap_beyond_base(weak) == [
        "On set b, the gap between knowing and showing is not seen to be wider in documents than "
        "in base: +3 points (-10 to 16), with knowing counted by gain over base and showing as read"
    ]
    strong = own[gap].assign(difference=0.2, p_holm=0.01)
    assert "showing is wider in documents than" in knowing_findings.gap_beyond_base(strong)[0]
    (told,) = knowing_findings.primary_contrasts(weak)
    assert told.startswith(f"0 of {len(own)} primary contrasts hold on set b; that answers show ")
    assert "is not seen in demonstrations, first person and documents" in told
    (told,) = knowing_findings.primary_contrasts(own.assign(difference=0.2, p_holm=0.01))
    assert told == f"{len(own)} of {len(own)} primary contrasts hold on set b"
