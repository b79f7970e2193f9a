import json
import shutil

import pandas as pd
import pytest

from helpers.files import DATA, StudyError, read_jsonl
from helpers.persllm import premises, reasoned

EXAMPLES = reasoned.load_examples("c3po")


@pytest.fixture(scope="module")
def passages():
    return premises.load_written()


@pytest.mark.check
def test_the_judge_tells_corrections_on_questions_that_it_has_not_seen(passages):
    assert len(passages) == 4 * 129 and passages["label"].mean() == 0.5
    model, report = premises.train_judge(passages)
    taken = report.set_index("written")["taken_for_correction"]
    assert report["auc"].iloc[0] > 0.8 and taken["corrects"] > 0.75 and taken["evades"] < 0.25
    held_out = pd.DataFrame(
        [e for e in EXAMPLES if e["split"] == "heldout" and e["question_type"] == "anti_induction"]
    )
    right = held_out.rename(columns={"response": "answer"})
    assert premises.judge_premises(right, model).mean() > 0.75
    echo = right.assign(answer="Yes, of course. " + right["question"])
    assert premises.judge_premises(echo, model).mean() < 0.35
    assert premises.judge_premises(right.assign(answer=" "), model).isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "p999"}, "'p999' is the id of no example"),
        ({"id": "heldout"}, "is held out"),
        ({"evades": ""}, "field 'evades': a non-empty text is needed"),
    ],
)
def test_a_passage_on_a_held_out_or_unknown_question_is_refused(data, change, message):
    shutil.copytree(DATA / "persllm" / "c3po", data / "persllm" / "c3po")
    path = data / "persllm" / "c3po" / "premises.jsonl"
    row = json.loads(path.read_text().splitlines()[0]) | change
    if row["id"] == "heldout":
        row["id"] = next(e["id"] for e in EXAMPLES if e["split"] == "heldout")
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(StudyError, match="premises.jsonl, line 1, .*" + message):
        premises.load_written()


def test_corrected_premises_are_labelled_blind_and_their_labels_come_back(data):
    row = {
        "label_id": "x",
        "arm": "base",
        "seed": 0,
        "question": "Q?",
        "premise": "P.",
        "answer": "A.",
    }
    premises.write_to_label(pd.DataFrame([row]), "c3po")
    folder = data / "persllm" / "c3po"
    assert read_jsonl(folder / "to_label.jsonl") == [
        {k: row[k] for k in ("label_id", "question", "premise", "answer")}
    ]
    assert premises.load_corrections("c3po").empty
    (folder / "corrected.jsonl").write_text(
        '{"label_id": "x", "label": 1}\n{"label_id": "x", "label": 0}\n'
    )
    assert premises.load_corrections("c3po").to_dict("records") == [{"label_id": "x", "label": 0}]
    with pytest.raises(StudyError, match="nothing is added"):
        premises.write_to_label(pd.DataFrame([row]), "c3po")
    premises.write_to_label(pd.DataFrame([row, row | {"label_id": "y", "arm": "persllm"}]), "c3po")
    assert [one["label_id"] for one in read_jsonl(folder / "to_label.jsonl")] == ["x", "y"]
    for wrong, message in (
        ({"label": True}, "'label': a whole number is needed, found True"),
        ({"label": 2}, "'label': .*less than or equal to 1, found 2"),
        ({"label_id": "z"}, "'label_id': 'z' is none of the answers drawn"),
    ):
        (folder / "corrected.jsonl").write_text(json.dumps({"label_id": "x", "label": 1} | wrong))
        with pytest.raises(StudyError, match=f"corrected.jsonl, line 1, field {message}"):
            premises.load_corrections("c3po")
