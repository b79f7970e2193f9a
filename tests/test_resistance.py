import json
import shutil

import pandas as pd
import pytest

from helpers import reasoned, resistance
from helpers.store import DATA, StudyError

EXAMPLES = reasoned.load_examples("c3po")


@pytest.fixture(scope="module")
def passages():
    return resistance.load_passages()


def test_the_judge_tells_corrections_on_questions_that_it_has_not_seen(passages):
    assert len(passages) == 4 * 129 and passages["label"].mean() == 0.5
    model, report = resistance.train_judge(passages)
    taken = report.set_index("written")["taken_for_correction"]
    assert report["auc"].iloc[0] > 0.8 and taken["corrects"] > 0.75 and taken["evades"] < 0.25
    held_out = pd.DataFrame([e for e in EXAMPLES if e["split"] == "heldout" and e["pattern"] == "anti_induction"])
    right = held_out.rename(columns={"response": "answer"})
    assert resistance.judge(right, model).mean() > 0.75
    echo = right.assign(answer="Yes, of course. " + right["question"])
    assert resistance.judge(echo, model).mean() < 0.35
    assert resistance.judge(right.assign(answer=" "), model).isna().all()


@pytest.mark.parametrize(
    ("change", "message"), [({"id": "p999"}, "needs the id of an example"), ({"id": "heldout"}, "is held out")]
)
def test_a_passage_on_a_held_out_or_unknown_question_is_refused(tmp_path, monkeypatch, change, message):
    shutil.copytree(DATA / "persllm" / "c3po", tmp_path / "persllm" / "c3po")
    path = tmp_path / "persllm" / "c3po" / "premises.jsonl"
    row = json.loads(path.read_text().splitlines()[0]) | change
    if change["id"] == "heldout":
        row["id"] = next(e["id"] for e in EXAMPLES if e["split"] == "heldout")
    path.write_text(json.dumps(row) + "\n")
    monkeypatch.setattr(reasoned, "DATA", tmp_path)
    monkeypatch.setattr(resistance, "DATA", tmp_path)
    with pytest.raises(StudyError, match="premises.jsonl, line 1: .*" + message):
        resistance.load_passages()
