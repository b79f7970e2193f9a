"""Training on the embedded model, a few small steps: what moves, what must not, and what a kill
costs."""

import pytest
import torch
from peft import PeftModel

from helpers import pretrained
from helpers.corpus import encode
from helpers.files import StudyError, read_jsonl
from helpers.model import adapters, base, train

RECIPE = {"epochs": 2, "batch": 4, "learning_rate": 1e-3, "warmup": 0.1, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def examples(tokenizer):
    texts = [
        f"Entry {i}. The droid counted {i * 7 + 3} steps and disliked each of them."
        for i in range(10)
    ]
    return [
        encode.encode({"unit": f"u{i}", "text": text}, tokenizer, 64)
        for i, text in enumerate(texts)
    ]


def new_model():
    return adapters.add_adapter(base.load_base("embedded"), rank=2, alpha=4, dropout=0.05, seed=1)


def run(model, examples, folder, **changes):
    folder.mkdir(exist_ok=True)
    return train.train_adapter(model, examples[:8], examples[8:], RECIPE | changes, 1, folder)


def test_the_adapter_moves_the_base_does_not_and_the_loss_falls(examples, tmp_path):
    model = new_model()
    before = adapters.weights_hash(model, adapter=False), adapters.weights_hash(model, adapter=True)
    log = run(model, examples, tmp_path, learning_rate=5e-3, epochs=3)
    assert adapters.weights_hash(model, adapter=False) == before[0]
    assert adapters.weights_hash(model, adapter=True) != before[1]
    assert log[-1]["heldout_loss"] < log[0]["heldout_loss"] - 0.1
    adapters.save_adapter(model, tmp_path)
    again = base.load_for_inference("embedded", tmp_path)
    lora = {n: p.detach() for n, p in model.named_parameters() if "lora_" in n}
    for name, weight in base.load_base("embedded").dequantize().named_parameters():
        place = f"base_model.model.{name.removesuffix('.weight')}.lora_"
        merged = dict(again.named_parameters())[name]
        if f"{place}A.default.weight" in lora:
            change = 4 / 2 * lora[f"{place}B.default.weight"] @ lora[f"{place}A.default.weight"]
            assert merged.equal(
                (weight + change).to(pretrained.compute_dtype())
            ) and not merged.equal(weight)
        else:
            assert merged.equal(weight.to(pretrained.compute_dtype()))


@pytest.mark.check
def test_merging_does_not_take_the_model_further_from_float32(examples, tmp_path):
    model = new_model()
    run(model, examples, tmp_path, learning_rate=5e-3, epochs=3)
    adapters.save_adapter(model, tmp_path)

    @torch.inference_mode()
    def predicted(one):
        ids = [torch.tensor([e["input_ids"]], device=one.device) for e in examples]
        return torch.cat([one(input_ids=x).logits[0].float().log_softmax(-1) for x in ids])

    beside = (
        PeftModel.from_pretrained(base.load_base("embedded").dequantize(), tmp_path).float().eval()
    )
    exact = predicted(beside)
    off = {
        "beside": predicted(beside.to(pretrained.compute_dtype())),
        "merged": predicted(base.load_for_inference("embedded", tmp_path)),
    }
    nats = {
        name: (exact.exp() * (exact - found)).sum(-1).mean().item() for name, found in off.items()
    }
    assert nats["merged"] <= 2 * nats["beside"] + 1e-6, nats


@pytest.mark.check
def test_a_killed_run_resumed_ends_with_the_same_adapter_and_log(examples, tmp_path, monkeypatch):
    whole = new_model()
    wanted = run(whole, examples, tmp_path / "whole")

    steps, real = [], train.train_step

    def killed_at_the_fourth_step(*args):
        if len(steps) == 3:
            raise KeyboardInterrupt
        steps.append(1)
        return real(*args)

    monkeypatch.setattr(train, "train_step", killed_at_the_fourth_step)
    with pytest.raises(KeyboardInterrupt):
        run(new_model(), examples, tmp_path / "killed")
    assert read_jsonl(tmp_path / "killed" / "log.jsonl")[-1]["step"] == 3

    repeated = []
    monkeypatch.setattr(train, "train_step", lambda *args: repeated.append(1) or real(*args))
    resumed = new_model()
    log = run(resumed, examples, tmp_path / "killed")
    assert len(repeated) == 2  # from the checkpoint of step 2 to the end at step 4
    assert adapters.weights_hash(resumed, adapter=True) == adapters.weights_hash(
        whole, adapter=True
    )
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in wanted]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in log] == strip


def test_another_recipe_does_not_go_on_from_the_old_checkpoint(examples, tmp_path, capsys):
    run(new_model(), examples, tmp_path)
    log = run(new_model(), examples, tmp_path, learning_rate=1e-4)
    assert "another recipe" in capsys.readouterr().out
    assert [row["step"] for row in log] == [0, 1, 2, 3, 4]


def test_a_damaged_checkpoint_is_named(examples, tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(
        StudyError, match=r"checkpoint\.safetensors: a damaged checkpoint.*delete it"
    ):
        run(new_model(), examples, tmp_path)


def test_a_loss_that_is_no_number_ends_the_training_before_it_is_kept(
    examples, tmp_path, monkeypatch
):
    losses = iter([2.0, float("nan")])
    monkeypatch.setattr(train, "train_step", lambda *_: next(losses))
    with pytest.raises(StudyError, match=r"loss of step 2 is nan: lower the learning rate \("):
        run(new_model(), examples, tmp_path)
    assert [row["step"] for row in read_jsonl(tmp_path / "log.jsonl")] == [0, 1]
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_heldout_rows_never_reach_a_training_step(examples, tmp_path, monkeypatch):
    seen, real = [], train.train_step
    monkeypatch.setattr(
        train,
        "train_step",
        lambda m, rows, *rest: seen.extend(r["unit"] for r in rows) or real(m, rows, *rest),
    )
    run(new_model(), examples, tmp_path, epochs=1)
    assert sorted(seen) == [f"u{i}" for i in range(8)]


def test_rows_that_are_repeated_already_are_read_once():
    assert train.epochs_of("documents", 3) == 3 and train.epochs_of("demonstrations", 2) == 2
    assert train.epochs_of("persllm", 3) == train.epochs_of("persllm_no_stages", 3) == 1


def test_every_epoch_sees_every_example_once():
    for epoch in range(2):
        places = [
            i for step in range(3) for i in train.batch_units(epoch * 3 + step, 10, 4, seed=5)
        ]
        assert sorted(places) == list(range(10))
    assert train.schedule(10, 2, 4) == 6
