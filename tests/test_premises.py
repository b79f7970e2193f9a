import json

import pandas as pd
import pytest

from helpers.files import StudyError, read_jsonl
from helpers.persllm import premises


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
        ({"label": 2}, "'label': a number of at most 1 is needed, found 2"),
        ({"label_id": "z"}, "'label_id': 'z' is none of the answers drawn"),
    ):
        (folder / "corrected.jsonl").write_text(json.dumps({"label_id": "x", "label": 1} | wrong))
        with pytest.raises(StudyError, match=f"corrected.jsonl, line 1, field {message}"):
            premises.load_corrections("c3po")
