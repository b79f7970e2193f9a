"""How arms are asked, and the general instructions that the reasoned ones are mixed with."""

import json

from helpers.model import base
from helpers.persllm import asking, general, life_stages, reasoned, stage_likelihood


def test_an_arm_that_knows_no_stages_of_life_needs_none_of_its_persona():
    assert asking.default_token("base", "nobody") == ""


def test_what_is_asked_of_persllm_is_held_out_and_spread_over_the_stages():
    table = life_stages.load_stages("c3po")
    stages = {stage["id"] for stage in table["stages"]}
    everyday = [{"id": f"day{n}", "kind": "everyday", "prompt": f"Help {n}."} for n in range(3)]
    rows = asking.held_out_prompts("c3po", everyday, 9)
    assert len({row["id"] for row in rows}) == len(rows)
    by_kind = {kind: [row for row in rows if row["kind"] == kind]
               for kind in ("question", "outside", "elsewhen")}  # fmt: skip
    assert [*by_kind["question"], *by_kind["outside"], *by_kind["elsewhen"]] == rows
    held_out = {e["id"]: e for e in reasoned.load_examples("c3po") if e["split"] == "heldout"}
    for row in by_kind["question"]:
        example = held_out[row["id"]]
        assert (row["stage"], row["prompt"]) == (example["stage"], example["question"])
    cannot = {stage["id"]: stage["cannot"] for stage in table["stages"]}
    assert all(row["prompt"] in cannot[row["stage"]] for row in by_kind["outside"])
    for kind in ("question", "outside"):
        assert len(by_kind[kind]) == 9 and {row["stage"] for row in by_kind[kind]} == stages
    found = {(row["id"], row["stage"], row["prompt"]) for row in by_kind["elsewhen"]}
    others = stages - {table["default"]}
    assert found == {
        (f"{e['id']}@{stage}", stage, e["prompt"]) for e in everyday for stage in others
    }
    fewer = asking.held_out_prompts("c3po", everyday, 2)
    assert [row["kind"] for row in fewer] == ["question"] * 2 + ["outside"] * 2 + ["elsewhen"] * 2


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
