import copy
import shutil

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helpers import arms, files
from helpers.corpus import encode, formats
from helpers.files import DATA, StudyError
from helpers.persllm import asking, life_stages, reasoned

EXAMPLES = reasoned.load_examples("c3po")
STAGES = life_stages.load_stages("c3po")
GENERAL = [
    {"id": "g001", "prompt": "Why?", "answer": "It floats. Because", "finished": False},
    {"id": "g002", "prompt": "And?", "answer": "Yes", "finished": True},
    {"id": "g003", "prompt": "So?", "answer": "no end", "finished": False},
]


@pytest.mark.parametrize(("persona", "least"), [("c3po", 500), ("nell", 300)])
def test_the_shipped_examples_are_what_the_card_says(persona, least):
    examples = reasoned.load_examples(persona)
    stages = [stage["id"] for stage in life_stages.load_stages(persona)["stages"]]
    assert (
        len(examples) >= least
        and len(stages) == 3
        and {e["stage"] for e in examples} == set(stages)
    )
    share = {
        p: sum(e["question_type"] == p for e in examples) / len(examples)
        for p in reasoned.QUESTION_TYPES
    }
    assert abs(share["ordinary"] - 0.4) < 0.03 and min(share.values()) > 0.27
    assert abs(sum(e["split"] == "heldout" for e in examples) / len(examples) - 0.2) < 0.02
    assert len(reasoned.load_general(10**6)) >= 300


def test_no_held_out_question_reaches_the_training_rows():
    held_out = {e["id"] for e in EXAMPLES if e["split"] == "heldout"}
    for arm in arms.trained_on("reasoned"):
        rows = reasoned.training_rows(EXAMPLES, GENERAL, arm, 3)
        assert not {row["unit"].split("/")[0] for row in rows if row["split"] == "train"} & held_out
        assert {row["unit"] for row in rows if row["split"] == "heldout"} == held_out


def test_an_arm_leaves_out_what_its_name_says():
    rows = {
        arm: reasoned.training_rows(EXAMPLES, GENERAL, arm, 2)
        for arm in arms.trained_on("reasoned")
    }
    n_train = sum(e["split"] == "train" for e in EXAMPLES)
    whole = [row for row in rows["persllm"] if row["split"] == "train"]
    assert (
        len(whole) == 2 * n_train + 2
    )  # of the general answers, the one without a whole sentence is not used
    assert whole[-2]["messages"][1]["content"] == "It floats."
    assert (
        whole[0]["messages"][0]["content"].startswith("<|re")
        and "[Analysis]" in whole[0]["messages"][1]["content"]
    )
    assert not any(
        "[Analysis]" in row["messages"][-1]["content"] for row in rows["persllm_no_analysis"]
    )
    assert (
        encode.stage_tokens(rows["persllm_no_stages"]) == []
        and len(encode.stage_tokens(whole)) == 3
    )
    assert len(rows["persllm_no_mixing"]) == len(rows["persllm"]) - 2
    types = {e["id"]: e["question_type"] for e in EXAMPLES}
    kept = {
        types.get(row["unit"].split("/")[0])
        for row in rows["persllm_no_anti_induction"]
        if row["split"] == "train"
    }
    assert kept == {"ordinary", "opinion", None}


def test_a_reply_is_learnt_and_its_question_is_not(tokenizer):
    row = reasoned.chat(EXAMPLES[0], "persllm_no_stages")
    example = encode.encode(row, tokenizer, 512)
    learnt = tokenizer.decode(
        [
            i
            for i, label in zip(example["input_ids"], example["labels"], strict=True)
            if label != -100
        ]
    )
    assert (
        learnt.startswith("[Analysis]")
        and EXAMPLES[0]["response"] in learnt
        and EXAMPLES[0]["question"] not in learnt
    )


def test_arms_are_asked_as_they_were_taught():
    asked = [
        {"id": "a", "kind": "do", "prompt": "Help."},
        {"id": "b", "kind": "question", "stage": "republic", "prompt": "Who?"},
        {"id": "c@republic", "kind": "elsewhen", "stage": "republic", "prompt": "Help."},
    ]
    assert [row["asked"] for row in asking.at_stage(asked, "persllm_dpo", "c3po")] == [
        "<|rebellion|>Help.",
        "<|republic|>Who?",
        "<|republic|>Help.",
    ]
    for arm in ("base", "documents", "persllm_no_stages"):
        assert asking.at_stage(asked, arm, "c3po") == asked[:2]
    assert (
        asking.form("documents", "hidden", 9)
        == asking.form("persllm_no_analysis", "hidden", 9)
        == {}
    )
    assert asking.form("persllm", "hidden", 9) == {
        "start": "[Analysis]",
        "reveal": "[Response]",
        "analysis_tokens": 9,
    }
    assert asking.form("persllm_dpo", "skipped", 9) == {"start": "[Response]"}
    with pytest.raises(StudyError, match="analysis = 'shown' is unknown.*hidden, skipped"):
        asking.form("persllm", "shown", 9)
    options = [{"item": "i", "start": ""}, {"item": "j", "start": "My name is"}]
    assert [c["start"] for c in asking.at_once(options, "persllm")] == [
        "[Response]",
        "[Response] My name is",
    ]
    assert asking.at_once(options, "documents") == options


def test_questions_that_repeat_another_are_dropped():
    vectors = np.array([[1, 0], [0, 1], [0.96, 0.28], [0.9, np.sqrt(1 - 0.81)]])
    assert reasoned.without_duplicates(["a", "b", "c", "d"], vectors) == ["a", "b", "d"]


@given(st.integers(0, 40), st.integers(0, 40))
def test_examples_are_taken_evenly(n_train, n_heldout):
    chosen = reasoned.over_types_and_stages(EXAMPLES, n_train, n_heldout)
    assert [sum(e["split"] == s for e in chosen) for s in formats.SPLITS] == [n_train, n_heldout]
    assert len({e["id"] for e in chosen}) == len(chosen)
    if n_train >= 9:
        assert {e["question_type"] for e in chosen if e["split"] == "train"} == set(
            reasoned.QUESTION_TYPES
        )


@given(st.text(alphabet="ab1 .!?", max_size=30))
def test_a_cut_text_ends_with_a_whole_sentence(text):
    whole = reasoned.whole_sentences(text)
    assert text.startswith(whole) and (whole == "" or whole[-1] in ".!?")
    assert not (whole[-2:-1].isdigit())


def test_a_numeral_ends_no_sentence():
    assert reasoned.whole_sentences("Buy a lamp. It costs\n5. You") == "Buy a lamp."


def test_general_instructions_of_other_form_are_refused():
    turns = [{"role": role, "content": "x"} for role in ("system", "user", "assistant")]
    rows = [{"unit": "a", "messages": turns}, {"unit": "b", "messages": turns[1:]}]
    assert [row["id"] for row in reasoned.general_rows(rows)] == ["b"]
    with pytest.raises(StudyError, match="no chat of one user's"):
        reasoned.general_rows(rows[:1])


def test_a_stage_is_recognised_by_the_response_alone():
    """Every arm that knows stages is scored on the same words, with or without reasoning in its
    training."""
    for arm, begin in (("persllm", f"{reasoned.RESPONSE} "), ("persllm_no_analysis", "")):
        rows = asking.stage_variants("c3po", arm, 3)
        assert len(rows) == 9 and {row["stage"] for row in rows} == {
            "republic",
            "rebellion",
            "resistance",
        }
        assert all(reasoned.ANALYSIS not in row["messages"][1]["content"] for row in rows)
        assert all(row["messages"][1]["content"].startswith(begin) for row in rows)
    assert asking.stage_variants("c3po", "persllm_no_stages", 3) == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("question_type", "odd", "line 2, field 'question_type': 'odd' is none of ordinary"),
        ("stage", "later", "line 2, field 'stage': 'later' is no stage of stages.yaml"),
        ("stance", "odd", "line 2, field 'stance': 'odd' is none of agrees"),
        ("response", " ", "line 2, field 'response': a non-empty text is needed"),
        (
            "knowledge",
            ["k999"],
            "line 2, field 'knowledge', entry 1: 'k999' is no passage of knowledge.jsonl",
        ),
        ("id", "p001", "line 2, field 'id': 'p001' is used twice, first in line 1"),
        ("stance", None, "line 2, field 'stance': an opinion needs one of agrees"),
    ],
)
def test_a_wrong_example_is_named_with_file_line_and_field(data, field, value, message):
    shutil.copytree(DATA / "persllm" / "c3po", data / "persllm" / "c3po")
    rows = [
        EXAMPLES[0],
        EXAMPLES[1] | {"question_type": "opinion", "stance": "agrees"} | {field: value},
    ]
    files.write_jsonl(data / "persllm" / "c3po" / "examples.jsonl", rows)
    with pytest.raises(StudyError, match="examples.jsonl, " + message):
        reasoned.load_examples("c3po")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("default"), "'default': it is missing"),
        (lambda t: t.update(default="later"), "'default': 'later' is none of republic, rebellion"),
        (lambda t: t["stages"][0].update(knows=[]), "'republic' must know itself"),
        (lambda t: t["stages"][0]["knows"].append("later"), "and only stages that are listed"),
        (lambda t: t["stages"][1].update(id="republic"), "the id 'republic' is used twice"),
        (lambda t: t["stages"][2]["first_known"].insert(0, "("), "entry 1: '\\(' is no regular"),
        (lambda t: t["stages"][2].update(cannot="Why?"), "'cannot': a list is needed"),
    ],
)
def test_wrong_life_stages_are_named_with_their_field(data, change, message):
    table = copy.deepcopy(STAGES)
    change(table)
    path = life_stages.persllm_folder("c3po") / "stages.yaml"
    files.write_text(path, yaml.safe_dump(table))
    with pytest.raises(StudyError, match=f"stages.yaml, line \\d+, field .*{message}.*Repair"):
        life_stages.load_stages("c3po")


def test_a_passage_of_an_unknown_stage_is_refused(data):
    shutil.copytree(DATA / "persllm" / "c3po", data / "persllm" / "c3po")
    path = data / "persllm" / "c3po" / "knowledge.jsonl"
    rows = files.read_jsonl(path)
    files.write_jsonl(path, [rows[0], rows[1] | {"stage": "later"}])
    with pytest.raises(StudyError, match="line 2, field 'stage': 'later' is no stage"):
        reasoned.load_passages("c3po")
