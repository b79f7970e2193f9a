"""Stage tokens and DPO on a tiny model: what trains, what must not, and what a kill costs."""

import numpy as np
import pytest
import torch

from helpers import pretrained
from helpers.corpus import encode
from helpers.files import StudyError, read_json, write_json
from helpers.model import adapters, base, dpo, score, train
from helpers.persllm import life_stages, preferences, reasoned

TOKENS = ["<|early|>", "<|late|>"]
RECIPE = {"epochs": 6, "batch": 4, "learning_rate": 2e-2, "warmup": 0.0, "checkpoint_every": 4}
DPO = {"beta": 0.1, "learning_rate": 5e-3, "batch": 4, "checkpoint_every": 1}
DPO |= {"max_length": 512}


@pytest.fixture
def staged():
    return pretrained.load_tokenizer("embedded", TOKENS)


@pytest.fixture
def trained(tiny_base, staged, float32, tmp_path):
    """The folder of an adapter that was taught to answer by stage."""
    ids = staged.convert_tokens_to_ids(TOKENS)
    model = adapters.add_adapter(tiny_base(), rank=4, alpha=8, dropout=0.05, seed=0, token_ids=ids)
    rows = [
        {
            "unit": str(n),
            "messages": [
                {"role": "user", "content": TOKENS[n % 2] + "hello"},
                {"role": "assistant", "content": ("never at all", "yes indeed")[n % 2]},
            ],
        }
        for n in range(8)
    ]
    examples = [encode.encode(row, staged, 64) for row in rows]
    before = adapters.weights_hash(model, adapter=False)
    train.train_adapter(model, examples, examples[:2], RECIPE, 0, tmp_path)
    assert adapters.weights_hash(model, adapter=False) == before
    adapters.save_adapter(model, tmp_path, dict(zip(TOKENS, ids, strict=True)))
    return tmp_path, model, examples


def test_an_adapter_without_tokens_leaves_none_of_an_earlier_one(trained, tmp_path):
    write_json(tmp_path / "added_tokens.json", {"<|early|>": 1})
    adapters.save_adapter(trained[1], tmp_path)
    assert base.added_tokens(tmp_path) == []


def test_stage_embeddings_train_and_are_loaded_again(trained, staged):
    folder, model, examples = trained
    (rows,) = [
        weight for name, weight in model.named_parameters() if "trainable_tokens_delta" in name
    ]
    assert rows.dtype == torch.float32 and (rows[0] - rows[1]).norm() > 0.1
    assert base.added_tokens(folder) == TOKENS and len(
        pretrained.load_tokenizer("embedded", TOKENS)
    ) == len(staged)
    again = base.load_for_inference("embedded", folder)
    for one in examples[:2]:
        wanted = score.score_texts(model.eval(), [one])[0]["nll"]
        assert score.score_texts(again, [one])[0]["nll"] == pytest.approx(wanted, rel=1e-3)


def pairs(staged):
    rows = []
    for n in range(16):
        example = {
            "id": str(n),
            "stage": ("early", "late")[n % 2],
            "question": f"hello {n}",
            "analysis": "Somebody greets.",
            "response": ("yes indeed", "never at all")[n % 2],
            "kind": "other",
        }
        rows.append(preferences.pair(example, ("never at all", "yes indeed")[n % 2], staged))
    return rows


def test_pairs_without_room_for_an_answer_are_named_and_left_out(staged, capsys):
    long = {"prompt": "hello " * 400, "chosen": "yes", "rejected": "no"}
    given = [*pairs(staged), long]
    length = max(len(staged(one["prompt"] + one["chosen"])["input_ids"]) for one in given[:-1])
    assert dpo.fitting(given, staged, 10 * length) == given and not capsys.readouterr().out
    room = len(staged(long["prompt"])["input_ids"])
    assert dpo.fitting(given, staged, room) == given[:-1]
    told = capsys.readouterr().out
    assert f"1 of 17 pairs reach max_length = {room} and are cut; 1 are dropped" in told
    with pytest.raises(StudyError, match="No pair has an answer within max_length = 2; raise it"):
        dpo.fitting(given, staged, 2)


def prefer(folder, staged, out):
    model = adapters.load_for_preference("embedded", folder)
    before = adapters.weights_hash(model, adapter=False), adapters.weights_hash(model, adapter=True)
    log = dpo.prefer(model, staged, pairs(staged), DPO, 0, out)
    model.delete_adapter("ref")
    assert adapters.weights_hash(model, adapter=False) == before[0], "the base moved"
    assert adapters.weights_hash(model, adapter=True) != before[1], "the adapter did not move"
    adapters.save_adapter_like(model, folder, out)
    return model, log


@pytest.mark.check
def test_a_killed_dpo_run_resumed_ends_with_the_same_adapter(
    trained, staged, tmp_path, monkeypatch
):
    from transformers import Trainer

    folder = trained[0]
    whole, log = prefer(folder, staged, tmp_path / "whole")
    assert [row["step"] for row in log] == [1, 2, 3, 4] and log[0][
        "margin"
    ] == 0  # it starts as its own reference
    real, steps = Trainer.training_step, []

    def killed_at_the_third_step(self, *args, **kwargs):
        if len(steps) == 2:
            raise KeyboardInterrupt
        steps.append(1)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "training_step", killed_at_the_third_step)
    with pytest.raises(KeyboardInterrupt):
        prefer(folder, staged, tmp_path / "killed")
    cut_off = tmp_path / "killed" / "checkpoints" / "checkpoint-3"
    cut_off.mkdir()  # a checkpoint that the kill left half-written

    def counted(self, *args, **kwargs):
        steps.append(1)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "training_step", counted)
    resumed, log_of_resumed = prefer(folder, staged, tmp_path / "killed")
    assert len(steps) == 4, "what the checkpoint held was trained again"
    assert [row["loss"] for row in log_of_resumed] == pytest.approx([row["loss"] for row in log])
    assert adapters.weights_hash(resumed, adapter=True) == adapters.weights_hash(
        whole, adapter=True
    )
    saved = base.load_for_inference("embedded", tmp_path / "killed")
    assert read_json(tmp_path / "killed" / "added_tokens.json") == read_json(
        folder / "added_tokens.json"
    )
    wanted = score.score_texts(whole.eval(), trained[2][:1])[0]["nll"]
    assert score.score_texts(saved, trained[2][:1])[0]["nll"] == pytest.approx(wanted, rel=1e-3)


def test_pairs_differ_in_the_answer_alone(staged):
    one = pairs(staged)[0]
    assert (
        one["prompt"].endswith("[Analysis] Somebody greets.\n[Response]")
        and "<|early|>hello 0" in one["prompt"]
    )
    assert (one["chosen"], one["rejected"]) == (" yes indeed", " never at all")


def test_an_answer_that_was_cut_off_ends_with_its_last_whole_sentence(staged):
    texts = [("a", "Done. And", True), ("b", "Done. And then", False), ("c", "And then", False)]
    rows = [{"item": i, "answer": text, "finished": whole} for i, text, whole in texts]
    assert preferences.whole(rows) == {"a": "Done. And", "b": "Done."}
    assert dpo.expected_minutes(pairs(staged), staged) == pytest.approx(
        2 * dpo.expected_minutes(pairs(staged)[:8], staged), rel=0.1
    )


def test_rejected_answers_are_mined_as_the_paper_says():
    pool = [{"id": f"c3po/{n}", "response": str(n)} for n in range(8)]
    vectors = np.stack([[np.cos(n / 10), np.sin(n / 10)] for n in range(8)])
    assert (
        preferences.nearest_after(vectors[0], "c3po/0", pool, vectors)["response"] == "6"
    )  # five passed over, and itself
    examples = reasoned.load_examples("c3po")
    stages = [stage["id"] for stage in life_stages.load_stages("c3po")["stages"]]
    rows = preferences.draw(examples, stages, 30, seed=1)
    assert all(row["split"] == "train" and row["other_stage"] != row["stage"] for row in rows)
    assert [row["kind"] for row in rows[:4]] == ["other", "stage", "base", "other"]
    assert [row["id"] for row in rows] == [
        row["id"] for row in preferences.draw(examples, stages, 30, seed=1)
    ]
    assert [row["id"] for row in rows] != [
        row["id"] for row in preferences.draw(examples, stages, 30, seed=2)
    ]
    found = preferences.of_others(rows, "c3po")
    assert set(found) == {row["id"] for row in rows if row["kind"] == "other"}
    assert all(found[row["id"]] != row["response"] for row in rows if row["id"] in found)
    staged = preferences.to_ask(rows, "stage")
    assert staged[0]["asked"] == f"<|{rows[1]['other_stage']}|>{rows[1]['question']}"
    assert "asked" not in preferences.to_ask(rows, "base")[0]
    held_out = {f"c3po/{e['id']}" for e in examples if e["split"] == "heldout"}
    assert not held_out & {row["id"] for row in preferences.pooled("c3po")}
