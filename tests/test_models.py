import socket
import time

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub import constants

from helpers import pretrained
from helpers.files import StudyError
from helpers.model import adapters, base, packed


def examples(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(5, 40000, (n,), generator=generator).tolist() for n in lengths]
    return [
        {"unit": str(i), "input_ids": row, "labels": [-100] * (i % 3) + row[i % 3 :]}
        for i, row in enumerate(rows)
    ]


def test_a_packed_batch_gives_the_losses_of_each_row_alone(tiny, float32):
    rows = examples([7, 31, 2, 12])
    got = packed.packed_loss(tiny, packed.pack(rows, "cpu"))
    base.use_attention(tiny, "sdpa")
    wanted = []
    for row in rows:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])[1:]
        logits = tiny(ids).logits[0, :-1]
        wanted.append(
            F.cross_entropy(logits, labels, reduction="none", ignore_index=-100)[labels != -100]
        )
    torch.testing.assert_close(got, torch.cat(wanted), rtol=1e-4, atol=1e-5)


def test_the_packed_gradient_is_that_of_each_row_alone(tiny, float32):
    tiny.requires_grad_(False)
    model = adapters.add_adapter(tiny, rank=2, alpha=4, dropout=0.0, seed=0)
    weights = [p for p in model.parameters() if p.requires_grad]
    for p in weights:
        torch.nn.init.normal_(p, std=0.05)
    rows = examples([9, 20])
    packed.packed_loss(model, packed.pack(rows, "cpu")).sum().backward()
    got = [p.grad.clone() for p in weights]
    model.zero_grad()
    base.use_attention(model, "sdpa")
    for row in rows:
        logits = model(torch.tensor([row["input_ids"]])).logits[0, :-1]
        F.cross_entropy(logits, torch.tensor(row["labels"])[1:], reduction="sum").backward()
    for own, wanted in zip(got, (p.grad for p in weights), strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-5)


def test_dropout_by_bytes_drops_its_rate_keeps_the_mean_and_rests_in_evaluation():
    x, dropout = torch.ones(400, 500), adapters.ByteDropout(0.05)
    out = dropout.train()(x)
    assert (out == 0).float().mean().item() == pytest.approx(13 / 256, abs=0.003)
    assert out.mean().item() == pytest.approx(1, abs=0.005)
    assert torch.equal(dropout.eval()(x), x)


def test_the_embedded_model_is_loaded_in_four_bits_and_frozen(tokenizer):
    model = base.load_base("embedded")
    kinds = {type(m).__name__ for n, m in model.named_modules() if n.endswith(("_proj", "lm_head"))}
    assert "Linear4bit" in kinds and not any(p.requires_grad for p in model.parameters())
    state = next(m.weight.quant_state for m in model.modules() if type(m).__name__ == "Linear4bit")
    assert state.quant_type == "nf4" and state.nested


def test_a_damaged_gguf_file_and_a_damaged_copy_are_named(tmp_path, monkeypatch):
    broken = tmp_path / pretrained.GGUF_FILE
    broken.write_bytes(b"GGUF broken")
    with pytest.raises(StudyError, match="missing or damaged.*pip install"):
        pretrained.convert_gguf(broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    copy = tmp_path / "persona-injection" / f"smollm2-135m-instruct-{pretrained.GGUF_SHA256[:12]}"
    copy.mkdir(parents=True)
    (copy / "model.safetensors").write_bytes(b"cut")
    (copy / "sha256.json").write_text('{"model.safetensors": "00"}')
    with pytest.raises(StudyError, match="converted model is damaged.*Delete the folder"):
        pretrained.embedded_model()


def test_a_model_that_is_nowhere_is_one_clear_error_without_a_network(monkeypatch):
    asked = []

    def refuse(host, *args, **kwargs):
        asked.append(host)
        raise OSError("no network")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between the hub's own tries
    with pytest.raises(StudyError, match="model 'nobody/nothing' could not be loaded.*embedded"):
        pretrained.load_tokenizer("nobody/nothing")
    assert asked, "the hub was looked for"


def test_embeddings_are_unit_vectors_that_know_what_is_alike():
    a, b, c = pretrained.embed(
        ["The cat sleeps.", "A cat is asleep.", "Interest rates rose again."]
    )
    assert (a @ a, b @ b) == pytest.approx((1, 1), abs=1e-5)
    assert a @ b > 0.6 > 0.3 > a @ c
