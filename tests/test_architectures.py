"""Architectures that users bring: trained, answered, scored, saved and exported, or refused in one
line. docs/own_model.md says what is tried here."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import transformers
from families import FAMILIES, PHI_TOKENS, make_model, make_tokenizer, save, trl_template

from helpers import pretrained
from helpers.corpus import encode
from helpers.files import StudyError
from helpers.model import adapters, answer, base, export, packed, published, score, train

GREEDY = {"samples": 1, "temperature": 0, "top_p": 1.0, "max_new_tokens": 8}
RECIPE = {"epochs": 2, "batch": 3, "learning_rate": 1e-2, "warmup": 0.0, "checkpoint_every": 9}
QUESTIONS = ("No.", "Where is the oil bath, and why is it so far from the hangar?", "Who?")
REFUSED = [
    ("Gemma2Config", {"head_dim": 16}, "Gemma2ForCausalLM: models with final_logit_softcap"),
    ("PhiConfig", {"num_key_value_heads": 4}, "PhiForCausalLM: models with a head bias"),
    ("GraniteConfig", {"logits_scaling": 8.0}, "GraniteForCausalLM: models with logits_scal"),
    ("CohereConfig", {"logit_scale": 0.5}, "CohereForCausalLM: models with logit_scale"),
]
every_family = pytest.mark.parametrize("name", FAMILIES)


def chat(unit, question, reply):
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    return {"unit": unit, "messages": turns}


ROWS = [
    chat("u1", "Is it far?", "Quite far, sir."),
    chat("u2", "Why?", "I counted the steps to the hangar, sir, and I was afraid of every one."),
    {"unit": "u3", "text": "I was afraid of every one, sir."},
]


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """A function that gives the folder of a family, made once."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = save(tmp_path_factory.mktemp(name), name)
        return str(made[name])

    return folder


def plain_losses(model, ids, labels):
    """What transformers itself makes of one row."""
    base.use_attention(model, "sdpa")
    ids, wanted = (torch.tensor(row, device=model.device) for row in (ids, labels[1:]))
    with torch.no_grad():
        logits = base.bare(model)(ids[None], use_cache=False).logits[0, :-1].float()
    losses = F.cross_entropy(logits, wanted, reduction="none", ignore_index=-100)
    return losses[wanted != -100]


def trained(folder, where):
    """A tokenizer, and the model after two steps with its adapter saved in `where`."""
    tokenizer = pretrained.load_tokenizer(folder)
    examples = [encode.encode(row, tokenizer, 200) for row in ROWS]
    model = adapters.add_adapter(base.load_base(folder), 4, 8, 0.0, 0)
    log = train.train_adapter(model, examples, examples, RECIPE, 0, where)
    adapters.save_adapter(model, where)
    return tokenizer, log


@every_family
def test_what_is_trained_is_what_is_asked(brought, name):
    own, tokenizer = FAMILIES[name], pretrained.load_tokenizer(brought(name))
    example = encode.encode(ROWS[0], tokenizer, 200)
    asked = answer.prompt_ids("Is it far?", None, tokenizer)
    assert example["input_ids"][: len(asked)] == asked
    learnt = example["input_ids"][len(asked) :]
    assert example["labels"] == [-100] * len(asked) + learnt
    assert tokenizer.decode(learnt).strip() == f"Quite far, sir.{own.reply}"
    assert tokenizer.decode(learnt[-1:]) == own.reply
    whole = tokenizer(tokenizer.decode(example["input_ids"]), add_special_tokens=False)
    assert example["input_ids"] == whole["input_ids"], "the reply is split as within its chat"
    assert own.system in tokenizer.decode(answer.prompt_ids("Who?", "Be kind.", tokenizer))
    text = encode.encode(ROWS[2], tokenizer, 200)["input_ids"]
    assert text == [*tokenizer(ROWS[2]["text"])["input_ids"], tokenizer.eos_token_id]
    assert (text[0] == tokenizer.bos_token_id) == own.opens


@every_family
def test_packed_losses_are_those_of_transformers(brought, name, float32):
    model, tokenizer = base.load_base(brought(name)), pretrained.load_tokenizer(brought(name))
    assert model.config.model_type in packed.TRIED
    examples = [encode.encode(row, tokenizer, 200) for row in ROWS]
    got = packed.packed_loss(model, packed.pack(examples, str(model.device)))
    wanted = [plain_losses(model, e["input_ids"], e["labels"]) for e in examples]
    torch.testing.assert_close(got, torch.cat(wanted), rtol=1e-4, atol=1e-4)


@every_family
def test_it_is_trained_answered_and_scored(brought, name, float32, tmp_path):
    tokenizer, log = trained(brought(name), tmp_path)
    assert log[-1]["heldout_loss"] < log[0]["heldout_loss"] - 0.1
    model = base.load_for_inference(brought(name), tmp_path)
    prompts = [answer.prompt_ids(text, None, tokenizer) for text in QUESTIONS]
    ends = answer.end_tokens(model, tokenizer)
    assert {FAMILIES[name].reply, FAMILIES[name].eos} == set(
        tokenizer.convert_ids_to_tokens(sorted(ends))
    )
    got = answer.generate_batch(model, prompts, tokenizer, 0, GREEDY)
    assert len({tuple(ids) for ids in got}) > 1
    for ids, prompt in zip(got, prompts, strict=True):
        alone = model.generate(
            torch.tensor([prompt], device=model.device),
            attention_mask=torch.ones(1, len(prompt), device=model.device),
            do_sample=False,
            max_new_tokens=8,
            eos_token_id=sorted(ends),
            pad_token_id=tokenizer.pad_token_id,
        )
        assert ids == answer.cut(alone[0, len(prompt) :].tolist(), ends)
    options = {"options": ["Quite far, sir.", "No."], "prompt": QUESTIONS[1]}
    asked = [options | {"start": "", "item": "i"}, options | {"start": "I say", "item": "j"}]
    example = encode.encode(chat("u", QUESTIONS[1], "Quite far, sir."), tokenizer, 200)
    wanted = plain_losses(model, example["input_ids"], example["labels"])[:-1].sum().item()
    first = score.score_choices(model, tokenizer, asked, None)[0]
    assert first["nll"] == pytest.approx(wanted, rel=1e-3), "an option is read as a reply"


@pytest.mark.check
@every_family
def test_it_is_exported_and_answers_alike(brought, name, float32, tmp_path, monkeypatch):
    run, adapter = tmp_path / "run", tmp_path / "adapters" / "demonstrations"
    tokenizer, _ = trained(brought(name), run)
    monkeypatch.setattr(published.files, "DATA", tmp_path)
    settings = {"model": brought(name), "persona": "c3po"}
    published.write(run, adapter, "someone/tiny", {"settings": settings})
    (adapter / "README.md").write_text("---\nlibrary_name: peft\n---\n# A card\n")
    export.export("demonstrations", tmp_path / "out")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").float().eval()
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    prompt = torch.tensor([answer.prompt_ids(QUESTIONS[1], None, tokenizer)])
    own = base.load_for_inference(brought(name), adapter)
    logits = own(prompt.to(own.device)).logits.cpu()
    torch.testing.assert_close(model(prompt).logits, logits, rtol=0.05, atol=0.3)
    assert loaded.get_chat_template() == tokenizer.get_chat_template()
    named = model.generation_config.eos_token_id
    named = {named} if isinstance(named, int) else set(named)
    assert named == answer.end_tokens(own, tokenizer), "plain transformers stops where a reply ends"


@pytest.mark.parametrize(("config", "more", "problem"), REFUSED)
def test_what_would_be_wrong_is_refused_when_it_is_loaded(tmp_path, config, more, problem):
    tokenizer = make_tokenizer(trl_template("phi3_5"), PHI_TOKENS, "<s>", "<|endoftext|>")
    make_model(config, tokenizer, more).save_pretrained(tmp_path)
    with pytest.raises(StudyError, match=f"{problem}.*Choose another base model") as error:
        base.load_base(str(tmp_path))
    assert "\n" not in str(error.value)


def untried(config, more):
    tokenizer = make_tokenizer(trl_template("phi3_5"), PHI_TOKENS, "<s>", "<|endoftext|>")
    model, tokens = make_model(config, tokenizer, more), list(range(5, 20))
    return model, packed.pack([{"input_ids": tokens, "labels": tokens}], "cpu")


def test_another_architecture_is_compared_once_with_transformers(float32, monkeypatch):
    model, batch = untried("Olmo2Config", {})
    assert model.config.model_type not in packed.TRIED
    packed.packed_loss(model, batch)
    assert model.packs_well and not model.training
    model.packs_well = False
    monkeypatch.setattr(packed, "unseen", lambda tokens, window: torch.eye(tokens).bool())
    with pytest.raises(StudyError, match="Olmo2ForCausalLM: reading rows end to end gives losses"):
        packed.packed_loss(model, batch)


@pytest.mark.parametrize("config", ["MambaConfig", "BloomConfig", "StableLmConfig"])
def test_an_architecture_that_cannot_be_packed_is_refused_in_one_line(float32, config):
    model, batch = untried(config, {})
    with pytest.raises(StudyError, match=r"ForCausalLM: .*Choose another base model") as error:
        packed.packed_loss(model, batch)
    assert "\n" not in str(error.value)


def test_the_page_names_what_is_tried_and_what_is_refused():
    page = (Path(__file__).parents[1] / "docs" / "own_model.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| .+ \| `(\w+)` \| (\w+)", page, re.M))
    refused = {getattr(transformers, config).model_type for config, *_ in REFUSED}
    tried = {getattr(transformers, own.config).model_type for own in FAMILIES.values()}
    assert tried == set(packed.TRIED)
    assert said == dict.fromkeys(tried, "works") | dict.fromkeys(refused, "refused")
