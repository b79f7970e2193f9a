"""What results were made from: stale, mixed and incomplete ones are refused by name."""

import shutil
from dataclasses import replace
from pathlib import Path

import chain
import chapters
import pandas as pd
import pytest
import recipe
import redraw
import study

from helpers import arms, files, records
from helpers.files import DATA, ROOT, StudyError, read_json, write_json
from helpers.report import book

PUBLISHED = [loaded.name for loaded in redraw.published_studies()]


def test_results_are_stale_when_what_they_were_made_from_changes(tmp_path, monkeypatch):
    for part in (
        "personas/c3po.yaml",
        "items/c3po.jsonl",
        "labels/c3po/neutral.jsonl",
        "corpora/c3po/documents.jsonl",
    ):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / part, tmp_path / part)
    monkeypatch.setattr(files, "DATA", tmp_path)
    record = {"inputs": records.inputs("c3po")}
    records.refuse_stale(record, "c3po", "", tmp_path)
    with open(tmp_path / "items" / "c3po.jsonl", "a") as file:
        file.write("\n")
    (tmp_path / "labels" / "c3po" / "neutral.jsonl").unlink()
    with pytest.raises(StudyError, match="is stale: the items, labels of 'c3po' changed"):
        records.refuse_stale(record, "c3po", "", tmp_path)
    with pytest.raises(StudyError, match="is stale: the inputs"):
        records.refuse_stale({}, "c3po", "", tmp_path)


def test_conversations_count_for_nothing_but_themselves(tmp_path, monkeypatch):
    shutil.copytree(DATA / "persllm", tmp_path / "persllm")
    monkeypatch.setattr(files, "DATA", tmp_path)
    before = records.inputs("c3po")
    for name, changed in (("interlocutor", {"interlocutor"}), ("../general", {"reasoned"})):
        with open(tmp_path / "persllm" / "c3po" / f"{name}.jsonl", "a") as file:
            file.write("\n")
        after = records.inputs("c3po")
        assert {part for part in before if before[part] != after[part]} == changed
        before = after


def test_arms_depend_on_the_texts_that_they_are_made_of(tmp_path, monkeypatch):
    shutil.copytree(DATA / "persllm", tmp_path / "persllm")
    shutil.copytree(DATA / "corpora" / "c3po", tmp_path / "corpora" / "c3po")
    monkeypatch.setattr(files, "DATA", tmp_path)
    before = records.inputs("c3po")
    for path, changed in (
        ("corpora/c3po/why/voice_third.jsonl", "why"),
        ("persllm/nell/examples.jsonl", "others"),
    ):
        with open(tmp_path / path, "a") as file:
            file.write("\n")
        after = records.inputs("c3po")
        assert {name for name in before if before[name] != after[name]} == {changed}
        before = after
    own = {arm: set(records.inputs_of(arm)) for arm in arms.ARMS}
    assert "why" in own["voice_third"] & own["documents_chat"] and "others" in own["persllm_dpo"]
    assert not {"why", "others"} & (own["documents"] | own["documents_10"] | own["persllm"])


def test_blind_labels_of_premises_do_not_make_the_answers_stale(tmp_path, monkeypatch):
    shutil.copytree(DATA / "persllm", tmp_path / "persllm")
    monkeypatch.setattr(files, "DATA", tmp_path)
    before = records.inputs("c3po")
    (tmp_path / "persllm" / "c3po" / "corrected.jsonl").write_text('{"label_id": "x", "label": 1}')
    after = records.inputs("c3po")
    assert {name for name in before if before[name] != after[name]} == {"premises"}


# The published results


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_results_are_not_stale(name):
    loaded = study.load_study(name)
    folder, control = ROOT / loaded.results, chain.all_values(loaded)["control"]
    record, judged = read_json(folder / "record.json"), recipe.judgements(loaded)
    assert set(judged) == set(records.RECORDS) - {"gather"} or not loaded.has_persllm
    for own in (record, *judged.values()):
        records.refuse_stale(own, loaded.persona, control, folder)
    for own in judged.values():
        records.refuse_other_answers(own, folder, folder)
    recipe.refuse_stale_recipe(loaded, record, judged)


def as_of_now(loaded, chapter, arm="", seed=-1):
    """The record of a chapter that ran with the parameters that the study has now."""
    own = chain.arm_parameters(loaded, chapter, arm, seed)
    return {"settings": chapters.defaults(chapter) | own}


def test_results_of_another_recipe_are_stale_by_name():
    loaded = study.load_study("standard")
    record = {"prepared": {"corpus": as_of_now(loaded, "formats/01_corpus")}}
    for part, chapter in (("training", "formats/02_train"), ("arms", "formats/03_answer")):
        record[part] = {f"{a}/seed{s}": as_of_now(loaded, chapter, a, s) for a, s in loaded.pairs}
    judged = {"formats/04_judge": as_of_now(loaded, "formats/04_judge")}
    recipe.refuse_stale_recipe(loaded, record, judged)
    other = replace(loaded, parameters=loaded.parameters | {"epochs": 4})
    with pytest.raises(StudyError, match=r"/seed\d was made with epochs = 3, the study has 4"):
        recipe.refuse_stale_recipe(other, record, {})
    other = replace(loaded, parameters=loaded.parameters | {"train_units": 16})
    with pytest.raises(StudyError, match="the corpus was made with train_units = 500"):
        recipe.refuse_stale_recipe(other, record, {})
    with pytest.raises(StudyError, match="seed99 is in only one of study and results"):
        recipe.refuse_stale_recipe(replace(loaded, seeds=[*loaded.seeds, 99]), record, {})
    other = replace(loaded, parameters=loaded.parameters | {"judge_model": "some"})
    with pytest.raises(StudyError, match="formats/04_judge writes was made with judge_model = ''"):
        recipe.refuse_stale_recipe(other, record, judged)


def test_changed_weights_are_held_against_the_recipe_and_the_adapters(monkeypatch):
    loaded = study.load_study("reference")
    record = read_json(ROOT / loaded.results / "record.json")
    recipe.refuse_stale_recipe(loaded, record, {})
    other = replace(loaded, parameters=loaded.parameters | {"strengths": [2.0]})
    with pytest.raises(StudyError, match="the changed weights was made with strengths"):
        recipe.refuse_stale_recipe(other, record, {})
    monkeypatch.setattr(recipe, "file_hash", lambda path: "another")
    with pytest.raises(StudyError, match="the weights in data/adapters/demonstrations are others"):
        recipe.refuse_stale_recipe(loaded, record, {})


@pytest.mark.parametrize("arm", ["demonstrations", "first_person", "documents"])
def test_the_log_of_a_committed_adapter_is_that_of_its_training(arm):
    folder, results = files.adapter_folder(arm), ROOT / "data" / "results" / "reference"
    trained = read_json(results / "record.json")["arms"][f"{arm}/seed0"]["adapter"]
    assert read_json(folder / "record.json")["trained"] == trained
    rows = pd.read_csv(results / "training.csv")
    own = rows[(rows["arm"] == arm) & (rows["seed"] == 0)].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "log.csv"), own)


# Arms of one study are made alike

SETTINGS = {"arm": "x", "seed": 0, "top_p": 0.9}


def answered(adapter=None, **more):
    return {"model": "m", "data": "d", "adapter": adapter, "settings": SETTINGS} | more


def refuse(answers, trained=None, asked=None, **adapters):
    prepared = {"corpus": {"data": "d", "rows": {"documents": "r", "persllm": "p"}}}
    found = {name: own["adapter"] for name, own in answers.items()} | adapters
    records.refuse_mixed(prepared, trained or {}, answers, asked or {}, found)


def test_arms_that_were_not_answered_alike_are_refused():
    both = {"base/seed0": answered(), "documents/seed0": answered("a")}
    trained = {"documents/seed0": {"model": "m", "rows": "r"}}
    refuse(both, trained)
    other = answered("a", settings={"top_p": 0.5})
    with pytest.raises(StudyError, match="documents/seed0 was answered with another model, data"):
        refuse(both | {"documents/seed0": other})
    with pytest.raises(StudyError, match="base/seed0 was answered with other texts than are"):
        refuse({"base/seed0": answered(data="e")})
    with pytest.raises(StudyError, match="documents/seed0 was trained on other data"):
        refuse(both, {"documents/seed0": {"model": "m", "rows": "s"}})
    with pytest.raises(StudyError, match="documents/seed0 was trained again after it was answered"):
        refuse(both, trained, **{"documents/seed0": "b"})
    with pytest.raises(StudyError, match="base/seed0 was asked with another model than it was"):
        refuse(both, trained, {"base/seed0": answered(model="n")})


def test_a_seed_from_before_a_setting_was_there_is_like_one_that_leaves_it_empty():
    old = answered(settings=SETTINGS | {"run": "standard"})
    new = answered(settings=SETTINGS | {"seed": 1, "run": "reference", "measures": []})
    refuse({"base/seed0": old, "base/seed1": new})
    chosen = answered(settings=new["settings"] | {"measures": ["know"]})
    with pytest.raises(StudyError, match="base/seed1 was answered with another model, data or set"):
        refuse({"base/seed0": old, "base/seed1": chosen})


def test_conversations_of_the_first_seed_alone_are_no_mixture():
    def held(turns):
        return answered(settings={"turns": turns})

    answers = {f"{arm}/seed{seed}": answered() for arm in ("base", "prompted") for seed in (0, 1)}
    asked = {name: held(20 if name.endswith("0") else 0) for name in answers}
    refuse(answers, asked=asked)
    with pytest.raises(StudyError, match="prompted/seed0 was answered .* than base/seed0"):
        refuse(answers, asked=asked | {"prompted/seed0": held(3)})


def test_preference_on_another_adapter_is_refused():
    answers = {"persllm/seed0": answered("a"), "persllm_dpo/seed0": answered("b")}
    refuse(answers, {"persllm_dpo/seed0": {"model": "m", "start": "a"}})
    with pytest.raises(StudyError, match="persllm_dpo/seed0 goes on from another adapter"):
        refuse(answers, {"persllm_dpo/seed0": {"model": "m", "start": "c"}})


# The code that made them


def made(**codes):
    return {name: {"code": code, "commit": "abc"} for name, code in codes.items()}


def test_arms_of_different_code_are_refused_unless_the_study_says_so():
    alike = {"formats/02_train": made(a="1", b="1"), "formats/03_answer": made(a="2", b="2")}
    assert records.refuse_other_code(alike, "", publish=True) == ""
    assert records.refuse_other_code(alike, "nothing differs", publish=True) == ""
    other = alike | {"formats/03_answer": made(a="2", b="3")}
    with pytest.raises(StudyError, match=r"b was made by code 3 \(commit abc\), a by.* 2"):
        records.refuse_other_code(other, "", publish=False)
    assert records.refuse_other_code(other, "b came later", publish=False) == "b came later"


def test_records_without_a_hash_are_alike_and_differ_from_those_with_one():
    older = {"formats/03_answer": {"a": {"commit": "abc"}, "b": {"commit": "def"}}}
    assert records.refuse_other_code(older, "", publish=True) == ""
    older["formats/03_answer"]["c"] = {"code": "1", "commit": "abc"}
    with pytest.raises(StudyError, match="c was made by code 1 .*, a by code without a hash"):
        records.refuse_other_code(older, "", publish=True)


def test_code_that_is_not_committed_is_not_published():
    dirty = {"formats/03_answer": {"a": {"code": "1", "commit": "abc-dirty"}}}
    assert records.refuse_other_code(dirty, "", publish=False) == ""
    with pytest.raises(StudyError, match="03_answer: a was made by code that was not committed"):
        records.refuse_other_code(dirty, "", publish=True)
    assert records.refuse_other_code(dirty, "a comment", publish=True) == "a comment"


def test_provenance_says_which_code_and_what_was_not_committed():
    arms = {"base/seed0": {"code": "12", "commit": "abc"}, "x/seed0": {"commit": "def-dirty"}}
    record = {"arms": arms, "different_code": "x came before"}
    assert records.provenance(record) == (
        "Answered by code of which no hash was kept and code 12 (commit abc, def); 1 of 2 arms and "
        "seeds with changes not committed. Different code: x came before"
    )
    del arms["x/seed0"], record["different_code"]
    assert records.provenance(record) == "Answered by code 12 (commit abc)."
    for name in PUBLISHED:
        older = read_json(ROOT / "data" / "results" / name / "record.json")
        assert records.provenance(older).startswith("Answered by code ")


# Publishing


def test_chapters_are_published_once_per_arm_without_this_machine_s_paths(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    source = tmp_path / "runs" / "small" / "notebooks" / "formats"
    executed = {"cells": [f"{ROOT}/src/x.py", f"{Path.home()}/y"], "metadata": {"papermill": {}}}
    for name in ("01_corpus", "02_train-documents-0", "02_train-documents-1"):
        write_json(source / f"{name}.ipynb", executed)
    never = {"cells": [], "metadata": {}}  # it stands in for the training of a committed adapter
    write_json(source / "02_train-first_person-0.ipynb", never)
    placed = book.publish("small", 0)
    assert [path.stem for path in placed] == ["01_corpus", "02_train-documents-0"]
    folder = tmp_path / "docs" / "small" / "formats"
    assert read_json(folder / "01_corpus.ipynb")["cells"] == ["src/x.py", "~/y"]
