import shutil
import sys

import pytest

from helpers import files, records
from helpers.files import DATA, ROOT, StudyError, read_json

sys.path.insert(0, str(ROOT / "workflow"))
import redraw
import study


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


def test_blind_labels_of_premises_do_not_make_the_answers_stale(tmp_path, monkeypatch):
    shutil.copytree(DATA / "persllm", tmp_path / "persllm")
    monkeypatch.setattr(files, "DATA", tmp_path)
    before = records.inputs("c3po", "", True)
    (tmp_path / "persllm" / "c3po" / "corrected.jsonl").write_text(
        '{"label_id": "x", "label": 1}\n'
    )
    after = records.inputs("c3po", "", True)
    assert {name for name in before if before[name] != after[name]} == {"premises"}


@pytest.fixture
def reference():
    folder = ROOT / "data" / "results" / "reference"
    return folder, read_json(folder / "record.json")


@pytest.mark.parametrize("name", redraw.PUBLISHED)
def test_the_committed_results_are_not_stale(reference, name):
    published = study.load_study(name)
    folder = ROOT / study.places(published)[0]
    record = read_json(folder / "record.json")
    records.refuse_stale(
        record, published["persona"], published["parameters"].get("control", "nell"), folder
    )
    study.refuse_stale_recipe(published, redraw.with_shared_training(record, reference[1]))


def test_only_the_reference_study_s_own_adapters_share_its_training_records(reference):
    _, record = reference
    name = "demonstrations/seed0"
    other = record | {
        "training": {},
        "arms": {name: record["arms"][name], "documents/seed0": {"adapter": "another"}},
    }
    assert set(redraw.with_shared_training(other, record)["training"]) == {name}


def test_results_of_another_recipe_are_stale_by_name(reference):
    _, record = reference
    loaded = study.load_study("reference")
    with pytest.raises(StudyError, match=r"/seed\d was made with epochs = 3, the study has 4"):
        study.refuse_stale_recipe(
            loaded | {"parameters": loaded["parameters"] | {"epochs": 4}}, record
        )
    with pytest.raises(StudyError, match="seed99 is in only one of study and results"):
        study.refuse_stale_recipe(loaded | {"seeds": [*loaded["seeds"], 99]}, record)


def test_arms_that_were_not_answered_alike_are_refused():
    def answered(**more):
        return {
            "model": "m",
            "data": "d",
            "adapter": "a",
            "settings": {"arm": "x", "seed": 0, "top_p": 0.9},
        } | more

    trained, adapters = {"data": "d", "model": "m"}, {"base/seed0": None, "documents/seed0": "a"}
    both = {"base/seed0": answered(adapter=None), "documents/seed0": answered()}
    records.refuse_mixed(both, {"documents/seed0": trained}, adapters)
    with pytest.raises(
        StudyError, match="documents/seed0 was answered with another model, data or settings"
    ):
        records.refuse_mixed(
            both | {"documents/seed0": answered(settings={"top_p": 0.5})}, {}, adapters
        )
    with pytest.raises(StudyError, match="documents/seed0 was trained on other data"):
        records.refuse_mixed(both, {"documents/seed0": trained | {"data": "other"}}, adapters)
    with pytest.raises(StudyError, match="documents/seed0 was trained again after it was answered"):
        records.refuse_mixed(
            both, {"documents/seed0": trained}, adapters | {"documents/seed0": "b"}
        )


def test_conversations_of_the_first_seed_alone_are_no_mixture():
    def answered(turns):
        return {"model": "m", "data": "d", "settings": {"turns": turns}, "adapter": None}

    arms = {
        "base/seed0": answered(20),
        "prompted/seed0": answered(20),
        "base/seed1": answered(0),
        "prompted/seed1": answered(0),
    }
    adapters = dict.fromkeys(arms)
    records.refuse_mixed(arms, {}, adapters)
    with pytest.raises(
        StudyError,
        match="prompted/seed0 was answered with another model, data or settings than base/seed0",
    ):
        records.refuse_mixed(arms | {"prompted/seed0": answered(3)}, {}, adapters)


def test_preference_on_another_adapter_is_refused():
    alike = {"model": "m", "data": "d", "settings": {}}
    answered = {
        "persllm/seed0": alike | {"adapter": "a"},
        "persllm_dpo/seed0": alike | {"adapter": "b"},
    }
    trained = {"data": "d", "model": "m"}
    records.refuse_mixed(
        answered,
        {"persllm_dpo/seed0": trained | {"start": "a"}},
        {"persllm/seed0": "a", "persllm_dpo/seed0": "b"},
    )
    with pytest.raises(StudyError, match="persllm_dpo/seed0 goes on from another adapter"):
        records.refuse_mixed(
            answered,
            {"persllm_dpo/seed0": trained | {"start": "c"}},
            {"persllm/seed0": "a", "persllm_dpo/seed0": "b"},
        )
