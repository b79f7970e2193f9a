"""PersLLM's data construction: retrieval by hand-made vectors, and writing against a server that
errs."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest

from helpers import writing
from helpers.files import DATA, StudyError, read_jsonl, write_jsonl
from helpers.persllm import construct, life_stages, reasoned

SETTINGS = writing.DEFAULTS | {
    "model": "m",
    "words": (3, 60),
    "timeout": 30.0,
    "concurrency": 2,
}


@pytest.fixture
def folder(data):
    """The sources of C-3PO without examples."""
    own = data / "persllm" / "c3po"
    own.mkdir(parents=True)
    for name in ("stages.yaml", "knowledge.jsonl", "speech.jsonl"):
        shutil.copy(DATA / "persllm" / "c3po" / name, own / name)
    return own


def test_retrieval_takes_the_nearest_within_the_budget(tokenizer):
    passages = [{"id": str(n), "text": "one two three four"} for n in range(4)]
    vectors = np.array([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
    length = len(tokenizer("one two three four")["input_ids"])
    found = construct.retrieve(np.array([1.0, 0.0]), passages, vectors, tokenizer, 3 * length)
    assert [(row["id"], round(row["cosine"], 3)) for row in found] == [
        ("1", 1.0),
        ("3", 0.8),
        ("0", 0.6),
    ]
    assert [
        row["id"]
        for row in construct.retrieve(np.array([0.0, 1.0]), passages, vectors, tokenizer, 1)
    ] == ["2"]


def test_only_what_a_stage_knows_is_retrieved():
    knowledge = reasoned.load_passages("c3po")["knowledge"]
    known = {
        stage: {p["stage"] for p in construct.knowable(knowledge, stage, "c3po")}
        for stage in ("republic", "rebellion", "resistance")
    }
    assert known == {
        "republic": {"republic"},
        "rebellion": {"rebellion"},
        "resistance": {"rebellion", "resistance"},
    }
    speech = reasoned.load_passages("c3po")["speech"]
    assert construct.knowable(speech, "republic", "c3po") == speech


def test_the_plan_keeps_the_shares_in_both_splits():
    rows = construct.plan(
        300, life_stages.load_stages("c3po")["stages"], reasoned.load_passages("c3po")["knowledge"]
    )
    for split, n in (("train", 240), ("heldout", 60)):
        own = [row for row in rows if row["split"] == split]
        assert len(own) == n
        assert Counter(row["question_type"] for row in own) == {
            "ordinary": n * 0.4,
            "opinion": n * 0.3,
            "anti_induction": n * 0.3,
        }
        assert len({row["stage"] for row in own}) == 3


def test_examples_are_written_and_an_interrupted_run_goes_on_without_paying_twice(server, folder):
    server.faults = [None, None, "field", 500, None, None, None, 401]
    with pytest.raises(StudyError, match="AuthenticationError 401") as error:
        construct.write_examples("c3po", 12, SETTINGS | {"concurrency": 1})
    assert server.key not in str(error.value) and not (folder / "examples.jsonl").exists()
    paid = len(read_jsonl(folder / "written.jsonl"))
    server.prompts.clear()
    assert construct.write_examples("c3po", 12, SETTINGS)["failed"] == 0
    examples = reasoned.load_examples("c3po")
    assert len(server.prompts) == 2 * 12 - paid - (
        12 - len(examples)
    )  # a dropped duplicate is not answered
    assert all(row["provenance"]["model"] == "m" and row["knowledge"] for row in examples)
    assert {
        bool(row["premise"]) for row in examples if row["question_type"] == "anti_induction"
    } <= {True}
    asked = [m[0]["content"] for m in server.prompts if '{"analysis"' in m[0]["content"]]
    assert any("rests on an error (in fact: Slugs have no cousins.)" in text for text in asked)


@pytest.mark.parametrize("stage", ["", "republic"])
def test_a_source_that_says_nothing_at_a_stage_is_refused_before_anything_is_asked(
    server, folder, stage
):
    passage = {"id": "s1", "stage": stage, "traits": [], "text": "Oh, dear."}
    write_jsonl(folder / "speech.jsonl", [passage] if stage else [])
    known = "rebellion" if stage else "republic"
    with pytest.raises(StudyError, match=rf"c3po/speech.jsonl has no passage .*'{known}'.*add one"):
        construct.write_examples("c3po", 6, SETTINGS)
    assert not server.prompts and not (folder / "written.jsonl").exists()


def test_examples_of_another_hand_are_not_overwritten(folder):
    (folder / "examples.jsonl").write_text(json.dumps({"id": "p001"}) + "\n")
    with pytest.raises(StudyError, match="holds examples that this writer did not make"):
        construct.write_examples("c3po", 6, SETTINGS)
