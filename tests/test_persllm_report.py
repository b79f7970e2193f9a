"""PersLLM's tables, what is said of them, and their figures, on the published results."""

import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from helpers import arms as table_of_arms
from helpers.files import DATA, read_json
from helpers.report import drawing, panels, persllm_figures, persllm_findings, persllm_tables
from helpers.report import results as study_results

MAIN = ["base", "prompted", "demonstrations", "documents", "persllm", "persllm_dpo"]


def load(name, persona):
    """A published study, whatever has changed in its sources since."""
    folder = DATA / "results" / name
    record, judge = (read_json(folder / f"{part}.json") for part in ("record", "judge"))
    card = study_results.personas.load_persona(persona)
    return study_results.Results(folder, persona, "", record, judge, card)


@pytest.fixture(scope="module")
def study():
    return load("persllm", "c3po")


@pytest.fixture(scope="module")
def nell():
    return load("persllm-nell", "nell")


@pytest.fixture(scope="module")
def contrasts(study):
    return persllm_tables.contrasts(study)


def unread(study):
    """The same study where a model judged the answers to false premises and nobody read any."""
    other = load(study.folder.name, study.persona)
    other.__dict__["resisted"] = study.resisted.assign(label=float("nan"))
    return other


# Tables


def test_resistance_is_read_and_three_seeds_do_not_settle_it(contrasts):
    row = contrasts.set_index("contrast").loc["reasoning_for_resistance"]
    assert row["difference"] == pytest.approx(row["corrected"]) and row["corrected_low"] > 0
    assert [round(100 * row[name]) for name in ("seeds_low", "seeds_high")] == [-3, 22]
    assert contrasts["persllm"].sum() == 5 and len(contrasts) == 8


def test_what_nobody_judges_is_neither_judged_nor_corrected(contrasts):
    row = contrasts.set_index("contrast").loc["reasoning_for_doing"]
    assert "as judged" in persllm_findings.difference(row)
    sides = {name: row[name].replace(", do", ", do_pair") for name in ("a", "b")}
    scored = pd.DataFrame([row.to_dict() | sides])
    (one,) = scored.itertuples()
    assert persllm_findings.difference(one).endswith("as scored.")
    assert not persllm_findings.judged(scored).any()


def test_what_was_all_read_is_told_once_and_what_was_corrected_as_corrected(contrasts, nell):
    """The sign of doing after DPO turns with the labels; neither way is it told apart from zero."""
    own = contrasts[contrasts["persllm"]]
    read = set(own.loc[persllm_findings.all_read(own), "contrast"])
    assert read == {"reasoning_for_resistance", "preference_for_resistance"}
    assert persllm_findings.contrasts(own) == (
        "2 of 5 contrasts leave out zero (1 with the seeds as units, too): persllm shows the trait "
        "less often than demonstrations (-16 points) and persllm puts premises right more often "
        "than demonstrations (+10 points)"
    )
    one = own[own["contrast"] == "reasoning_for_resistance"]
    assert persllm_findings.contrasts(one).startswith("1 of 1 contrast leaves out zero (0 with")
    assert persllm_findings.contrasts(persllm_tables.contrasts(nell)) == (
        "No contrast is told apart from zero; no answer was read"
    )


def test_an_interval_over_seeds_is_students_over_one_difference_a_seed():
    rows = [("a", seed, 1 if seed else 0) for seed in (0, 1, 1)] + [("b", s, 0) for s in (0, 1)]
    compared = pd.DataFrame(rows, columns=["arm", "seed", "outcome"])
    compared = compared.assign(measure="resist", label=float("nan"), setting="")
    sides = {name: {"arm": name, "measure": "resist"} for name in "ab"}
    mean, low, high = persllm_tables.over_seeds(compared, sides)
    assert mean == 0.5 and high - mean == pytest.approx(12.7062 * 0.5, rel=1e-4)
    assert mean - low == pytest.approx(high - mean)
    one = compared[compared["seed"] == 1]
    assert pd.isna(persllm_tables.over_seeds(one, sides)[1])


def test_halves_of_a_conversation_are_compared_script_by_script(study):
    halves = persllm_tables.wearing_off(study).set_index("arm")
    assert (halves["items"] == 8).all() and (halves["seeds"] == 1).all()
    apart = halves["second"] - halves["first"]
    assert (apart - halves["difference"]).abs().max() < 0.005  # scripts count alike


def test_a_third_of_the_base_models_replies_repeat_themselves(study):
    table = persllm_tables.incoherent_replies(study).set_index(["arm", "where"])
    assert round(table.loc[("base", "conversations"), "repetitive"], 2) == 0.34
    assert table.loc[("persllm_dpo", "conversations"), "repetitive"] == 0


def test_parts_say_who_found_premises_put_right(study, nell):
    """Nobody has read the answers of the second persona, so nothing is known there."""
    for one, by in ((study, {"as read blind"}), (nell, set())):
        parts = persllm_tables.parts(one)
        assert set(parts.loc[parts["measure"] == persllm_tables.PREMISES, "by"]) == by
        assert "persllm" not in set(parts["arm"])


def test_a_part_that_helps_is_above_zero(study):
    """An ablation is subtracted from the whole method; the whole method from the arm with DPO."""
    parts = persllm_tables.parts(study).query("measure == 'knows'").set_index("part")
    known = persllm_tables.measured(study).query("measure == 'know' and seed == 0")
    share = known.groupby("arm")["outcome"].mean()
    assert parts.loc["mixing", "value"] == pytest.approx(
        share["persllm"] - share["persllm_no_mixing"]
    )
    assert parts.loc["DPO", "arm"] == "persllm_dpo" and parts.loc["DPO", "value"] > 0
    assert set(parts.index) == {"DPO", "analysis", "anti-induction", "stages", "mixing"}


def test_a_study_without_preferences_has_an_empty_log(nell):
    other = load("persllm-nell", "nell")
    del other.record["arms"]["persllm_dpo/seed0"]
    assert persllm_tables.preferences(other).empty and len(persllm_tables.preferences(nell))
    assert persllm_figures.preference_curves(persllm_tables.preferences(other), other, "") is None


# Findings


def arm_rows(**columns):
    return pd.DataFrame({"arm": ["base", "persllm"], "seeds": [3, 1]} | columns)


def test_a_stage_counts_as_recognised_above_chance_alone():
    table = arm_rows(chance=0.5, low=[0.4, 0.4])
    assert "not seen to be likeliest more often than by chance" in persllm_findings.own_stage(table)
    assert "in 1 of 2 cases" in persllm_findings.own_stage(table.assign(low=[0.51, 0.5]))


def test_what_wears_off_is_named():
    table = arm_rows(low=[-0.3, -0.1], high=[-0.1, 0.1])
    assert persllm_findings.wearing_off(table).endswith("base shows less of the persona")
    table = table.assign(low=[-0.1, 0.1], high=[0.1, 0.2])
    found = persllm_findings.wearing_off(table)
    assert found == (
        "No clear fall of the persona in the second half of a conversation; persllm shows more"
    )


def test_a_part_that_matters_is_named():
    table = pd.DataFrame({"arm": ["persllm_no_mixing"], "part": "mixing", "measure": ["does"]})
    assert "none of 1" in persllm_findings.parts(table.assign(value=0.05, low=-0.1, high=0.2))
    found = persllm_findings.parts(table.assign(value=0.15, low=0.1, high=0.2))
    assert found == "1 of 1 difference leaves out zero: mixing (does, more with it)"


def test_one_seed_is_called_one_seed():
    assert persllm_findings.one_seed(arm_rows()).endswith("this seed and no other: persllm.")
    assert persllm_findings.one_seed(arm_rows(n=[1, 1]).assign(seeds=2)) == ""


def test_premises_are_told_as_read(study, contrasts):
    table = persllm_tables.premises(study)
    assert set(table["by"]) == {"as read blind"} and table["successes"].sum() == 108
    found = " ".join(persllm_findings.premises_summary(table, contrasts))
    assert "+10 points (4 to 16) as read blind" in found and "(-3 to 22)" in found
    assert "judge" not in found


def test_where_nobody_read_what_a_model_judged_is_told_as_such(study):
    other = unread(study)
    table = persllm_tables.premises(other)
    assert set(table["by"]) == {"as judged"}
    assert "put right, as judged; the highest share is that of" in persllm_findings.premises(table)


def test_premises_of_the_default_stage_name_what_is_put_right_and_no_majority():
    table = arm_rows(questions="default stage", by="as judged", value=[0.1, 0.4])
    alike = persllm_findings.premises_by_stage(table.assign(low=0.0, high=0.5))
    assert "10 % to 40 % of false premises are put right (as judged)" in alike
    apart = persllm_findings.premises_by_stage(table.assign(low=[0, 0.3], high=[0.2, 0.5]))
    told = "the highest share is that of persllm: 40 % of false premises put right (as judged)"
    assert apart.endswith(told)


# Figures


@pytest.fixture
def folder(tmp_path):
    drawing.style()
    yield tmp_path
    plt.close("all")


def drawn(folder, *names):
    for name in names:
        for ending in ("png", "svg", "csv"):
            assert (folder / f"{name}.{ending}").stat().st_size > 0, name


def draw_stages(study, folder):
    own, leaked = persllm_tables.own_stage(study), persllm_tables.leaks(study)
    alike, told = persllm_tables.distinctness(study), persllm_tables.told_apart(study)
    persllm_figures.own_stage(own, study, folder, MAIN)
    persllm_figures.stage_leaks(leaked, study, folder, MAIN)
    persllm_figures.distinctness(alike, told, study, folder, MAIN)
    drawn(folder, "own_stage", "stage_leaks", "distinctness")
    return persllm_findings.stages(own, leaked, told)


def draw_likeness(study, folder):
    near, replies = persllm_tables.likeness(study), persllm_tables.questionnaire(study)
    persllm_figures.likeness(near, study, folder, MAIN)
    persllm_figures.questionnaire(replies, study, folder, MAIN)
    drawn(folder, "likeness", "questionnaire")
    return persllm_findings.likeness_summary(near, replies)


def draw_parts(study, folder):
    parts, compared = persllm_tables.parts(study), persllm_tables.contrasts(study)
    log = persllm_tables.preferences(study)
    persllm_figures.persllm_ablation(parts, study, folder)
    persllm_figures.persllm_contrasts(compared, study, folder)
    persllm_figures.preference_curves(log, study, folder)
    drawn(folder, "persllm_ablation", "persllm_contrasts", "preference_curves")
    return persllm_findings.parts_summary(parts, compared[compared["persllm"]], log)


def draw_premises(study, folder):
    """The titles of both figures."""
    folder.mkdir()
    resisted, by_stage = persllm_tables.premises(study), persllm_tables.premises_by_stage(study)
    figs = [
        persllm_figures.induction_resistance(resisted, study, folder, MAIN),
        persllm_figures.induction_by_stage(by_stage, study, folder, MAIN),
    ]
    drawn(folder, "induction_resistance", "induction_by_stage")
    bold = [next(t for t in fig.texts if t.get_weight() == "bold") for fig in figs]
    return [" ".join(text.get_text().split()) for text in bold]


@pytest.mark.parametrize("draw", [draw_stages, draw_likeness, draw_parts])
@pytest.mark.parametrize("name", ["study", "nell"])
def test_the_chapters_of_both_personas_draw_and_say_something(draw, name, folder, request):
    said = draw(request.getfixturevalue(name), folder)
    assert said and not any(re.search(r"\bnan\b", sentence) for sentence in said)


def test_premises_draw_as_read_and_as_judged(study, folder):
    for one, name, by in ((study, "read", "as read blind"), (unread(study), "judged", "as judged")):
        titles = draw_premises(one, folder / name)
        assert all(by in title for title in titles), titles


def test_a_contrast_is_drawn_as_judged_unless_all_was_read(contrasts, nell, folder, study):
    fig = persllm_figures.persllm_contrasts(contrasts, study, folder)
    judged, read, seeds = (kind[0].get_xdata() for kind in fig.axes[0].containers)
    assert list(pd.notna(judged)) == [True, False, True, True, False]
    assert list(pd.notna(read)) == [True, True, False, True, True] and pd.notna(seeds).all()
    alone = persllm_figures.persllm_contrasts(persllm_tables.contrasts(nell), nell, folder)
    assert len(alone.axes[0].containers) == 1


def test_scores_and_ranks_each_say_what_they_rest_on(study, folder):
    fig = persllm_figures.likeness(persllm_tables.likeness(study), study, folder, MAIN)
    told = " ".join(" ".join(text.get_text() for text in fig.texts).split())
    assert "Score: n = 311 to 318 per dot; 3 seeds. Rank: n = 92 to 99 per dot; 1 seed." in told


def test_where_nothing_could_be_scored_the_titles_say_so():
    table = pd.DataFrame({"arm": ["base", "persllm"], "by": "markers", "value": float("nan")})
    assert persllm_findings.premises(table) == "No answer to a false premise could be scored"
    assert persllm_findings.leaks(table).startswith("No answer could be checked")


def test_conversations_draw_formats_apart_from_ablations(study, folder):
    turns, halves = persllm_tables.expression_over_turns(study), persllm_tables.wearing_off(study)
    for name, arms in (
        ("expression_over_turns", MAIN),
        ("expression_over_turns_ablations", ["persllm", "persllm_no_mixing"]),
    ):
        fig = persllm_figures.expression_over_turns(turns, halves, study, folder, arms, name)
        own = turns.set_index("arm")
        for ax, arm in zip(fig.axes, table_of_arms.in_order(arms), strict=True):
            assert ax.get_title() == table_of_arms.label(arm) and len(ax.containers) == 2
            assert all(kind.has_yerr for kind in ax.containers)  # ordinary turns, and pressed
            ends = [end for kind in ax.containers for _, (_, end) in kind[2][0].get_segments()]
            assert max(ends) == pytest.approx(own.loc[arm, "high"].max())
        drawn(folder, name)
    replies = persllm_tables.incoherent_replies(study)
    persllm_figures.repetitive_replies(replies, study, folder, MAIN)
    drawn(folder, "repetitive_replies")
    assert len(persllm_findings.wearing_summary(halves, replies)) == 3


def test_a_panel_above_an_empty_place_has_its_own_labels(folder):
    _, axes = panels.grid(5, 3, 2, sharex=True)
    assert [ax.xaxis.get_tick_params()["labelbottom"] for ax in axes] == [0, 0, 1, 1, 1]


def test_a_mark_at_zero_is_drawn_whole_and_no_share_below_it(study, folder):
    table = persllm_tables.incoherent_replies(study)
    ax = persllm_figures.repetitive_replies(table, study, folder, MAIN).axes[0]
    low, high = ax.get_xlim()
    assert -0.05 * high < low < 0 and all(tick >= 0 for tick in ax.get_xticks() if tick >= low)


def test_conversations_draw_where_a_fifth_has_only_one_kind_of_turn(study, folder):
    turns, halves = persllm_tables.expression_over_turns(study), persllm_tables.wearing_off(study)
    ordinary = turns["pressed"] == persllm_tables.ORDINARY
    first, last = turns["turns"].iloc[0], turns["turns"].iloc[-1]
    few = turns[(ordinary & (turns["turns"] != first)) | (~ordinary & (turns["turns"] == last))]
    for shown, wanted in (
        (few, [few["turns"].nunique(), 1]),
        (few[few["pressed"] == persllm_tables.PRESSED], [0, 1]),
    ):
        name = "expression_over_turns"
        fig = persllm_figures.expression_over_turns(shown, halves, study, folder, MAIN, name)
        kinds = [len(kind[2][0].get_segments()) for kind in fig.axes[0].containers]
        assert kinds == wanted


def test_a_figure_draws_the_chosen_arms_and_writes_all(study, folder):
    table = persllm_tables.leaks(study)
    persllm_figures.stage_leaks(table, study, folder, ["base", "persllm"])
    assert set(pd.read_csv(folder / "stage_leaks.csv")["arm"]) == set(study.arms)
    with pytest.raises(study_results.StudyError, match="no arm 'persona'"):
        persllm_figures.stage_leaks(table, study, folder, ["persona"])
