"""How arms are asked, and the general instructions that the reasoned ones are mixed with."""

import json

import pytest

from helpers import arms
from helpers.files import StudyError
from helpers.model import base
from helpers.persllm import asking, general, life_stages, stage_likelihood


def test_an_arm_is_asked_as_it_was_taught():
    default = life_stages.load_stages("c3po")["default"]
    for arm in arms.ARMS:
        wanted = f"<|{default}|>" if arms.knows_stages(arm) else ""
        assert asking.default_token(arm, "c3po") == wanted
        assert bool(asking.form(arm, "hidden", 9)) == arms.reasons(arm)
    assert asking.default_token("base", "nobody") == "", "needs no stages of life"


def test_replies_are_scored_under_every_stage_for_arms_that_know_them(tiny, float32, tokenizer):
    stages = [stage["id"] for stage in life_stages.load_stages("c3po")["stages"]]
    scored = stage_likelihood.score_stages(tiny, tokenizer, "c3po", "persllm", 2, 400)
    assert scored["stage"].tolist() == stages * 2 and scored["unit"].nunique() == 2
    assert (scored.groupby("unit")["own"].nunique() == 1).all() and (scored["nll"] > 0).all()
    none = stage_likelihood.score_stages(tiny, tokenizer, "c3po", "documents", 2, 400)
    assert none.empty and list(none) == list(scored)


def test_general_instructions_come_from_a_dataset_or_from_the_base_model(
    tiny, tokenizer, tmp_path, monkeypatch, capsys
):
    source = tmp_path / "chats.jsonl"
    rows = [{"user": f"Why {n}?", "assistant": f"Because of {n}."} for n in range(4)]
    source.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"user": "What?"}]))
    found = general.exchanges(str(source), 9, 5, "embedded", tmp_path)
    assert [row["prompt"] for row in found] == [row["user"] for row in rows]
    assert "4 exchanges" in capsys.readouterr().out and not (tmp_path / "answers.jsonl").exists()
    monkeypatch.setattr(base, "load_for_inference", lambda model, adapter: tiny)
    found = general.exchanges("", 2, 5, "embedded", tmp_path)
    assert len(found) == 2 and all(row["n_tokens"] <= 5 for row in found)
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 2


def test_another_word_for_the_analysis_is_refused():
    with pytest.raises(StudyError, match="hidden, skipped"):
        asking.form("base", "shown", 9)
