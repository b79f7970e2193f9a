"""A merged model is the persona: loaded by plain transformers, or written as a GGUF file and read
back, it answers alike."""

import json
import os
import re
import sys

import families
import gguf
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers import pretrained, templates
from helpers.files import StudyError, write_json
from helpers.model import (
    answer,
    base,
    by_llama_cpp,
    chat,
    export,
    gguf_file,
    modelfile,
    published,
    score,
)

PROMPT = [{"role": "user", "content": "Who is there?"}]
GREEDY = {"samples": 1, "temperature": 0, "top_p": 1.0, "max_new_tokens": 8}


@pytest.fixture
def make(random_adapter, float32, data, tmp_path):
    """A function that publishes a random adapter of an arm, with the given added tokens."""

    def publish(arm, tokens=()):
        random_adapter(tmp_path / "run", tokens)
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


@pytest.fixture
def readable():
    """New files can be read by others, unless what writes them forbids it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("readable")
@pytest.mark.parametrize("tokens", [(), ("<|early|>", "<|late|>")])
def test_the_exported_model_answers_as_the_adapter_on_the_base(make, tmp_path, tiny_base, tokens):
    folder, text = make("demonstrations", tokens), f"{''.join(tokens[:1])}Who is there?"
    export.export("demonstrations", tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    modes = {path.stat().st_mode & 0o444 for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert modes == {0o444}, "others can read the files, as a server does that is another user"
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


def test_a_disk_that_fills_up_while_exporting_is_one_clear_error(make, tmp_path, monkeypatch):
    def full(*_, **__):
        raise SafetensorError("Error while serializing: No space left on device (os error 28)")

    make("documents")
    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", full)
    with pytest.raises(StudyError, match=r"models/out: could not be written \(.*No space left"):
        export.export("documents", tmp_path / "models" / "out")
    assert not list((tmp_path / "models").iterdir())


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


# GGUF


@pytest.fixture(params=["llama", "qwen2"])
def brought(request, tmp_path):
    """The folder of a tiny model, with biases and grouped attention where its kind has them."""
    return families.save(tmp_path / "model", request.param)


def read_back(path):
    return AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    ).eval()


@pytest.mark.parametrize(("kind", "near"), [("f16", 0.003), ("q8_0", 0.05), ("q4_1", 0.5)])
def test_a_gguf_file_read_back_is_the_model(brought, tmp_path, kind, near):
    model = AutoModelForCausalLM.from_pretrained(brought, dtype=torch.float32).eval()
    gguf_file.write(brought, tmp_path / "own" / "it.gguf", kind, "tiny")
    back, ids = read_back(tmp_path / "own" / "it.gguf"), torch.tensor([[1, 60, 70, 100, 33, 2]])
    wanted, got = model(ids).logits, back(ids).logits
    assert (got - wanted).abs().max() < near * wanted.abs().max()
    assert (got - wanted).abs().max() > 0 or kind == "f16"
    wide = back.config.max_position_embeddings, back.config.rope_parameters["rope_theta"]
    assert wide == (512, model.config.rope_parameters["rope_theta"])


def test_its_tokenizer_and_template_are_the_models(brought, tmp_path):
    gguf_file.write(brought, tmp_path / "own" / "it.gguf", "q8_0", "tiny")
    own = AutoTokenizer.from_pretrained(brought)
    back = AutoTokenizer.from_pretrained(tmp_path / "own", gguf_file="it.gguf")
    chat = [{"role": "user", "content": "I don't know the 12 droids,  sir.\n\nWhy?"}]
    text = own.apply_chat_template(chat, tokenize=False)
    assert back(text)["input_ids"] == own(text)["input_ids"]
    assert back.chat_template == own.chat_template and back.eos_token == own.eos_token
    fields = gguf.GGUFReader(tmp_path / "own" / "it.gguf").fields
    told = {name: fields[f"tokenizer.ggml.{name}"].contents() for name in ("eot_token_id", "pre")}
    assert told == {"eot_token_id": templates.reply_end(own), "pre": "gpt-2"}
    begun = own("x")["input_ids"][0] == own.bos_token_id
    assert fields["tokenizer.ggml.add_bos_token"].contents() == begun
    rows = fields["tokenizer.ggml.tokens"].contents()
    assert len(rows) == len(own) + 8 and rows[-1] == f"[PAD{len(own) + 7}]"


def test_llama_cpp_itself_reads_the_tokens_and_the_likelihoods(brought, tmp_path):
    llama_cpp = pytest.importorskip("llama_cpp", reason="needs the extra llama-cpp")
    model = AutoModelForCausalLM.from_pretrained(brought, dtype=torch.float32).eval()
    tokenizer = pretrained.load_tokenizer(str(brought))
    gguf_file.write(brought, tmp_path / "it.gguf", "f16", "tiny")
    read = llama_cpp.Llama(str(tmp_path / "it.gguf"), vocab_only=True, verbose=False)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "I don't know the 12 droids,  sir.\n\nWhy?"}], tokenize=False
    )
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert read.tokenize(text.encode(), add_bos=False, special=True) == ids
    tags = {"item": "a", "start": "", "options": ["No.", "Yes, at once, sir.", "No, I will not."]}
    choices = [tags | {"prompt": "Who is there?"}, tags | {"prompt": "Why?", "start": "I"}]
    wanted = pd.DataFrame(score.score_choices(model, tokenizer, choices, None))
    got = pd.DataFrame(by_llama_cpp.score_choices(tmp_path / "it.gguf", tokenizer, choices))
    pd.testing.assert_frame_equal(got, wanted, rtol=2e-3)


def test_a_matrix_that_does_not_fill_blocks_is_kept_in_16_bits():
    kinds = gguf.GGMLQuantizationType
    assert gguf_file.type_of("blk.0.ffn_up.weight", [128, 63], "q8_0") == kinds.F16
    assert gguf_file.type_of("blk.0.ffn_up.weight", [128, 64], "q8_0") == kinds.Q8_0
    assert gguf_file.type_of("token_embd.weight", [128, 64], "q4_1") == kinds.Q8_0
    assert gguf_file.type_of("blk.0.attn_norm.weight", [64], "q4_1") == kinds.F32


def test_an_export_has_the_gguf_file_a_modelfile_and_a_card_that_names_them(make, tmp_path):
    make("demonstrations", ("<|early|>",))
    export.export("demonstrations", tmp_path / "out", gguf="f16")
    path = tmp_path / "out" / "gguf" / "demonstrations-f16.gguf"
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    ids = AutoTokenizer.from_pretrained(tmp_path / "out")("<|early|>Who is there?")["input_ids"]
    back = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    assert back("<|early|>Who is there?")["input_ids"] == ids, "an added token stays one"
    own = model(torch.tensor([ids])).logits
    torch.testing.assert_close(read_back(path)(torch.tensor([ids])).logits, own, rtol=0, atol=0.01)
    told = (path.parent / "Modelfile").read_text()
    assert told.startswith("FROM ./demonstrations-f16.gguf\n")
    assert 'PARAMETER stop "<|im_end|>"' in told
    assert "`gguf/demonstrations-f16.gguf`" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "problem"),
    [("gemma3", "the architecture 'gemma3_text'"), ("mistral", "the architecture 'mistral'")],
)
def test_what_cannot_be_written_as_gguf_is_one_clear_error(tmp_path, name, problem):
    folder = families.save(tmp_path / "model", name)
    with pytest.raises(StudyError, match=rf"GGUF: {problem} cannot be written.*convert_hf_to_gguf"):
        gguf_file.write(folder, tmp_path / "it.gguf", "f16", "tiny")
    assert not (tmp_path / "it.gguf").exists()


def test_a_tokenizer_that_cuts_otherwise_is_refused():
    own = {"model": {"type": "BPE"}, "pre_tokenizer": {"type": "Metaspace"}}
    with pytest.raises(StudyError, match="this tokenizer cannot be written"):
        gguf_file.cut_of(own)


def test_a_kind_that_is_none_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(StudyError, match="gguf = 'q2': give one of f16, q8_0, q4_1"):
        export.export("documents", tmp_path / "out", gguf="q2")


def test_the_embedded_tokenizer_is_cut_as_gpt_2_does(tokenizer):
    assert gguf_file.cut_of(json.loads(tokenizer.backend_tokenizer.to_str())) == "gpt-2"


# Ollama


def in_go(template, system, messages):
    """What Ollama makes of such a template: the subset of Go's language that is written here."""
    if_system = re.match(
        r"\{\{ if \.System \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}", template, re.S
    )
    told, head = if_system.groups()
    turns = template[if_system.end() :]
    user, assistant = re.fullmatch(
        r'\{\{ range \.Messages \}\}\{\{ if eq \.Role "user" \}\}(.*?)'
        r'\{\{ else if eq \.Role "assistant" \}\}(.*?)\{\{ end \}\}\{\{ end \}\}',
        turns,
        re.S,
    ).groups()
    forms = {"user": user, "assistant": assistant}
    said = [forms[m["role"]].replace("{{ .Content }}", m["content"]) for m in messages]
    return (told.replace("{{ .System }}", system) if system else head) + "".join(said)


@given(
    st.lists(st.text("ab \n.", min_size=1).map(lambda t: f"x{t}x"), min_size=1, max_size=5),
    st.sampled_from(["", "Be kind."]),
)
def test_ollama_is_given_the_chat_template(tokenizer, texts, system):
    texts = texts[: len(texts) - 1 + len(texts) % 2]
    roles = ["user", "assistant"] * len(texts)
    messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=False)]
    first = [{"role": "system", "content": system}] * bool(system)
    wanted = templates.render(first + messages, tokenizer, ask=True)
    text = modelfile.modelfile("it.gguf", tokenizer, ["<|im_end|>"])
    template = re.search(r'TEMPLATE """(.*)"""', text, re.S)[1]
    assert in_go(template, system, messages) == wanted


@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_other_templates_are_put_into_a_modelfile_without_the_token_that_begins_a_text(name):
    own = families.FAMILIES[name]
    template = families.trl_template(own.template)
    tokenizer = families.make_tokenizer(template, own.tokens, own.bos, own.eos, opens=own.opens)
    chat = [{"role": r, "content": r} for r in ("user", "assistant", "user")]
    text = modelfile.modelfile("it.gguf", tokenizer, [own.reply])
    got = in_go(re.search(r'TEMPLATE """(.*)"""', text, re.S)[1], "Be kind.", chat)
    wanted = templates.render([{"role": "system", "content": "Be kind."}, *chat], tokenizer, True)
    assert (own.bos or "") * own.opens + got == wanted


def test_a_template_that_changes_from_turn_to_turn_is_refused():
    own = families.FAMILIES["qwen3"]
    tokenizer = families.make_tokenizer(families.trl_template("qwen3"), own.tokens)
    with pytest.raises(StudyError, match="changes from turn to turn"):
        modelfile.modelfile("it.gguf", tokenizer, ["<|im_end|>"])


@pytest.mark.parametrize("strength", ["nan", "inf", "-1", "5", "much"])
def test_a_strength_out_of_range_is_refused_before_a_model_is_loaded(
    monkeypatch, capsys, tmp_path, strength
):
    given = ["export", "documents", str(tmp_path / "out"), f"--strength={strength}"]
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(SystemExit) as end:
        export.main()
    assert end.value.code == 2 and not (tmp_path / "out").exists()
    assert f"argument --strength: a number from 0 to 1.5 is needed, found '{strength}'" in (
        capsys.readouterr().err
    )


def test_a_folder_that_cannot_be_made_is_refused_before_a_model_is_loaded(make, tmp_path):
    make("documents")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StudyError, match="file/out: .*Give another folder"):
        export.export("documents", tmp_path / "file" / "out")
