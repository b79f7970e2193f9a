"""How the experiments of `why` run in the chain."""

from dataclasses import replace

import chain
import chapters
import copies
import plan
import pytest
import recipe
import redraw
import study

from helpers import arms, files, records
from helpers.files import StudyError, write_json

NAMES = ("why-cells", "why-few", "why-dose", "positive-control")


def chapters_of(name):
    return [chapter for chapter, _, _ in chain.jobs(study.load_study(name))]


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_composes_trains_scores_and_judges_nothing(name):
    loaded, found = study.load_study(name), chapters_of(name)
    trained = [arm for arm in loaded.arms if arm != "base"]
    assert found[:2] == ["formats/01_corpus", "why/00_texts"]
    assert found.count("formats/02_train") == len(trained) * len(loaded.seeds)
    assert "formats/04_judge" not in found and "formats/06_knowing_and_doing" not in found
    assert all(arms.ARMS[arm].trained_on != "reasoned" for arm in loaded.arms)


def test_every_experiment_ends_with_its_chapters():
    assert chapters_of("why-cells")[-1] == "why/01_voice_person_wrapper"
    assert chapters_of("why-few")[-1] == "why/02_few_demonstrations"
    assert chapters_of("why-dose")[-1] == "why/03_dose"
    assert chapters_of("positive-control")[-1] == "formats/09_positive_control"
    assert "formats/09_positive_control" not in chapters_of("reference")
    every = {chapter for name in NAMES for chapter in chapters_of(name)}
    assert set(chapters.EXPERIMENTS) <= every
    assert chapters_of("reference")[-3:] == ["why/00_weights", *chapters.ON_ADAPTERS]
    assert not any(chapter.startswith("why/") for chapter in chapters_of("standard"))


def test_adapters_of_the_same_recipe_are_lent():
    reference, few = study.load_study("reference"), study.load_study("why-few")
    for arm in ("documents", "demonstrations"):
        assert chain.same_recipe(few, reference, arm, 0)
    assert not chain.same_recipe(few, reference, "few_8", 0)
    assert not chain.same_recipe(study.load_study("why-cells"), reference, "documents", 0)


def test_a_changed_part_trains_a_composed_arm_again_and_no_other(monkeypatch):
    before = {name: chain.taught(name) for name in arms.ARMS}
    assert not any("parts" in before[name] for name in arms.formats())
    own = arms.ARMS["few_8"]
    changed = replace(own, parts=(replace(own.parts[0], most=9),))
    monkeypatch.setitem(arms.ARMS, "few_8", changed)
    again = {name: chain.taught(name) for name in arms.ARMS}
    assert [name for name in arms.ARMS if again[name] != before[name]] == ["few_8"]


def test_the_plan_counts_the_rows_of_composed_arms():
    texts = {"documents": 500, "documents_chat": 500, "few_32": 96, "documents_30": 30}
    texts |= {"mixed_25": 500, "mixed_75": 500, "taught_replies": 192}
    assert {arm: plan.texts_of(arm, 500, "c3po") for arm in texts} == texts


def test_an_arm_that_went_on_from_another_adapter_is_refused():
    trained = {
        "documents/seed0": {"model": "m", "rows": "r"},
        "documents_few_8/seed0": {"model": "m", "rows": "f", "start": "old"},
    }
    answered = {
        name: {"model": "m", "data": "d", "adapter": name, "settings": {"seed": 0}}
        for name in trained
    }
    prepared = {
        "corpus": {"data": "d", "rows": {"documents": "r"}},
        "composed": {"data": "d", "rows": {"documents_few_8": "f"}},
    }
    adapters = {name: name for name in trained}
    with pytest.raises(StudyError, match="another adapter than documents's. Run formats/02_train"):
        records.refuse_mixed(prepared, trained, answered, {}, adapters)
    trained["documents_few_8/seed0"]["start"] = "documents/seed0"
    records.refuse_mixed(prepared, trained, answered, {}, adapters)


def test_published_results_of_an_experiment_need_no_judgements():
    control = study.load_study("positive-control")
    assert recipe.judgements(control) == {}
    assert list(recipe.judgements(study.load_study("reference"))) == ["formats/04_judge"]
    assert list(recipe.judgements(study.load_study("persllm"))) == [*chapters.JUDGING]


def test_published_results_of_an_experiment_are_held_against_its_recipe():
    control = study.load_study("positive-control")

    def made(chapter, arm="", seed=-1):
        values = chain.arm_parameters(control, chapter, arm, seed)
        return {"settings": chapters.defaults(chapter) | values}

    prepared = {"corpus": made("formats/01_corpus"), "composed": made("why/00_texts")}
    answered = {f"{arm}/seed0": made("formats/03_answer", arm, 0) for arm in control.arms}
    trained = {"taught_replies/seed0": made("formats/02_train", "taught_replies", 0)}
    record = {"prepared": prepared, "training": trained, "arms": answered}
    recipe.refuse_stale_recipe(control, record, {})
    prepared["composed"]["settings"]["arms"] = ["base", "few_8"]
    with pytest.raises(StudyError, match="the composed rows was made with arms"):
        recipe.refuse_stale_recipe(control, record, {})


def test_results_of_a_committed_adapter_are_held_against_the_recipe_of_its_training():
    few = study.load_study("why-few")
    record = files.read_json(files.ROOT / few.results / "record.json")
    recipe.refuse_stale_recipe(few, record, {})
    taken = record["training"]["documents/seed0"]["settings"]
    assert "heldout_units" in taken  # of the corpus, which training does not read
    taken["rank"] = 8
    with pytest.raises(StudyError, match="documents/seed0 was made with rank = 8"):
        recipe.refuse_stale_recipe(few, record, {})


def test_a_study_is_redrawn_once_its_results_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(redraw, "ROOT", tmp_path)
    assert redraw.published_studies() == []
    write_json(tmp_path / "data" / "results" / "positive-control" / "record.json", {})
    assert [one.name for one in redraw.published_studies()] == ["positive-control"]


@pytest.mark.check
def test_snakemake_plans_the_positive_control_without_a_judge(tmp_path):
    code, output = copies.run(copies.make(tmp_path / "copy"), "positive-control", "--", "-n")
    assert code == 0, output
    steps = {"corpus": 1, "texts": 1, "train": 1, "answer": 2, "gather": 1, "draw": 1, "all": 1}
    assert copies.jobs_of(output) == steps | {"total": 8}


@pytest.mark.check
def test_snakemake_plans_an_experiment_with_all_its_steps(tmp_path):
    folder = copies.make(tmp_path / "copy")
    code, output = copies.run(folder, "why-few", "--", "-n")
    assert code == 0, output
    found = copies.jobs_of(output)
    assert found["texts"] == found["gather"] == found["draw_why"] == 1
    few = study.load_study("why-few")
    assert found["answer"] == len(few.pairs)
    assert found["train"] == sum(arm not in arms.untrained() for arm, _ in few.pairs)
    assert not {"judge", "change_weights"} & set(found)
