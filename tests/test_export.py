"""A merged model is the persona: exported and loaded by plain transformers, it answers alike."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers import pretrained
from helpers.files import StudyError, write_json
from helpers.model import adapters, answer, base, chat, export, published

PROMPT = [{"role": "user", "content": "Who is there?"}]
GREEDY = {"samples": 1, "temperature": 0, "top_p": 1.0, "max_new_tokens": 8}


@pytest.fixture
def make(tiny_base, float32, data, tmp_path):
    """A function that publishes a random adapter of an arm, with the given added tokens."""

    def publish(arm, tokens=()):
        tokenizer = pretrained.load_tokenizer("embedded", list(tokens))
        ids = tokenizer.convert_tokens_to_ids(list(tokens))
        model = adapters.add_adapter(tiny_base(), 4, 8, 0.0, 1, ids)
        for name, weight in model.named_parameters():
            if "lora_B" in name or "trainable_tokens_delta" in name:
                torch.nn.init.normal_(weight, std=0.5)
        adapters.save_adapter(model, tmp_path / "run", dict(zip(tokens, ids, strict=True)))
        folder, settings = data / "adapters" / arm, {"model": "embedded", "persona": "c3po"}
        published.write(tmp_path / "run", folder, "someone/tiny", {"settings": settings})
        (folder / "README.md").write_text("---\nlibrary_name: peft\n---\n# A card\n")
        return folder

    return publish


def greedy(model, tokenizer, text):
    ids = chat.recent_ids([PROMPT[0] | {"content": text}], tokenizer, "", None, "")
    return answer.generate_batch(model, [ids], tokenizer, 0, GREEDY)[0]


def plain_greedy(model, tokenizer, text):
    """The answer by transformers alone."""
    chat = [PROMPT[0] | {"content": text}]
    ids = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    out = model.generate(**ids, max_new_tokens=8, do_sample=False, use_cache=True)
    new = out[0, ids["input_ids"].shape[1] :].tolist()
    return answer.cut(new, {tokenizer.eos_token_id})


@pytest.mark.parametrize("tokens", [(), ("<|early|>", "<|late|>")])
def test_the_exported_model_answers_as_the_adapter_on_the_base(make, tmp_path, tiny_base, tokens):
    folder, text = make("demonstrations", tokens), f"{''.join(tokens[:1])}Who is there?"
    export.export("demonstrations", tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    assert "quantization_config" not in json.loads((tmp_path / "out" / "config.json").read_text())
    own = pretrained.load_tokenizer("embedded", list(tokens))
    assert len(tokenizer) == len(own) and tokenizer.chat_template == own.chat_template
    one = {"place": "demonstrations", "adapter": folder, "tokenizer": own}
    beside = chat.load_together("", [one | {"token": text if tokens else ""}])
    wanted = greedy(beside, own, text)
    untrained = greedy(tiny_base(), own, "Who is there?")
    assert plain_greedy(model, tokenizer, text) == wanted != untrained
    card = (tmp_path / "out" / "README.md").read_text()
    assert "library_name: transformers" in card and "at strength 1, in bfloat16" in card


def test_at_strength_zero_the_exported_model_is_the_base(make, tmp_path, tiny_base, tokenizer):
    make("documents")
    export.export("documents", tmp_path / "out", strength=0.0)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    rounded = tiny_base().to(torch.bfloat16).float()
    assert plain_greedy(model, tokenizer, "Hello") == greedy(rounded, tokenizer, "Hello")
    for name, weight in rounded.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name


def test_strength_scales_what_the_adapter_adds(make, tiny_base):
    folder, name = make("documents"), "model.layers.0.mlp.up_proj.weight"
    bare = tiny_base().state_dict()[name]
    added = [
        base.load_for_inference("", folder, strength).state_dict()[name] - bare
        for strength in (0.5, 1.0)
    ]
    torch.testing.assert_close(2 * added[0], added[1])
    assert added[1].abs().max() > 0


def test_what_cannot_be_exported_is_one_clear_error(make, tmp_path):
    with pytest.raises(StudyError, match=r"missing there\. Adapters are there for: no arm.*train"):
        export.export("documents", tmp_path / "out")
    make("documents")
    with pytest.raises(StudyError, match="strength = 2: give a number from 0"):
        export.export("documents", tmp_path / "out", strength=2.0)
    with pytest.raises(StudyError, match="Adapters are there for: documents"):
        export.export("persllm", tmp_path / "out")
    (tmp_path / "out").mkdir()
    with pytest.raises(StudyError, match="is there already"):
        export.export("documents", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_published_adapter_is_rounded_and_names_its_base(make, data):
    folder = make("documents", ("<|early|>",))
    weights = load_file(folder / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "someone/tiny"
    assert config["target_modules"] == sorted(config["target_modules"])
    assert base.added_tokens(folder) == ["<|early|>"]
    assert published.names() == ["documents"] and published.find("documents") == folder
    write_json(folder / "record.json", {})
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(StudyError, match="adapter_model.safetensors is missing there"):
        published.find("documents")
