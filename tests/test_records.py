import shutil

import pytest

from helpers import records
from helpers.store import DATA, ROOT, StudyError, read_json


def test_results_are_stale_when_what_they_were_made_from_changes(tmp_path, monkeypatch):
    for part in ("personas/c3po.yaml", "items/c3po.jsonl", "labels/c3po/neutral.jsonl", "corpora/c3po/documents.jsonl"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / part, tmp_path / part)
    monkeypatch.setattr(records, "DATA", tmp_path)
    record = {"inputs": records.inputs("c3po")}
    records.refuse_stale(record, "c3po", tmp_path)
    with open(tmp_path / "items" / "c3po.jsonl", "a") as file:
        file.write("\n")
    (tmp_path / "labels" / "c3po" / "neutral.jsonl").unlink()
    with pytest.raises(StudyError, match="is stale: the items, labels of 'c3po' changed"):
        records.refuse_stale(record, "c3po", tmp_path)
    with pytest.raises(StudyError, match="is stale: the inputs"):
        records.refuse_stale({}, "c3po", tmp_path)


def test_the_committed_results_are_not_stale():
    folder = ROOT / "data" / "results" / "reference"
    records.refuse_stale(read_json(folder / "record.json"), "c3po", folder)
