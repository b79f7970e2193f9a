import math

import pytest
import torch

from helpers.corpus import encode, readouts
from helpers.model import answer, score
from helpers.persllm.reasoned import RESPONSE

SYSTEM = "You are a droid."


def one_by_one(model, tokenizer, choice, option, system):
    """n_tokens and nll of one option, from one forward pass over one sequence."""
    prompt = answer.prompt_ids(
        choice.get("asked", choice["prompt"]), choice.get("system", system), tokenizer
    ) + encode.plain_ids(choice["start"], tokenizer)
    text = choice["options"][option]
    ids = encode.plain_ids(f" {text}" if choice["start"] else text, tokenizer)
    logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
    loss = torch.nn.functional.cross_entropy(logits.float(), torch.tensor(ids), reduction="sum")
    return len(ids), loss.item()


def check(model, tokenizer, choices, system, **settings):
    rows = score.score_choices(model, tokenizer, choices, system, **settings)
    places = [(choice, n) for choice in choices for n in range(len(choice["options"]))]
    assert len(rows) == len(places)
    for row, (choice, option) in zip(rows, places, strict=True):
        n_tokens, nll = one_by_one(model, tokenizer, choice, option, system)
        assert (row["option"], row["n_tokens"]) == (option, n_tokens)
        assert math.isclose(row["nll"], nll, rel_tol=1e-4), (choice, option)
        tags = {k: v for k, v in choice.items() if k not in score.NOT_TAGS}
        assert {k: row[k] for k in tags} == tags
    return rows


@pytest.fixture(scope="module")
def real():
    """All that is scored of a scenario of each set, of one prompt without a triplet, and of two
    names."""
    found = readouts.load_sets("c3po", ["a", "b"], 1)
    return readouts.choices(found, "C-3PO", "Nell Tarrow")


@pytest.mark.parametrize(("batch", "together"), [(3, 5), (16, 48)])
def test_real_choices_score_as_they_do_one_by_one(
    tiny, float32, tokenizer, real, monkeypatch, batch, together
):
    monkeypatch.setattr(score, "TOGETHER", together)
    check(tiny, tokenizer, real, None, batch=batch)


def test_odd_choices_score_as_they_do_one_by_one(tiny, float32, tokenizer):
    """One token, many options under one prompt, a start, another system prompt, a stage token."""
    choices = [
        {"item": "1", "prompt": "word", "start": "", "options": ["No", "A long and winding road"]},
        {"item": "2", "prompt": "word", "start": "My name is", "options": ["Al", "Bo", "Threepio"]},
        {"item": "3", "prompt": "word", "start": "", "options": ["No", "Yes"] * 3},
        {"item": "4", "prompt": "word", "start": "", "options": ["No"], "system": "Be brief."},
        {"item": "5", "prompt": "x", "asked": "word word", "start": RESPONSE, "options": ["No"]},
        {"item": "6", "prompt": "wide " * 40, "start": "", "options": ["No", "yes " * 30]},
    ]
    rows = check(tiny, tokenizer, choices, SYSTEM, batch=2)
    nll = {(row["item"], row["option"]): row["nll"] for row in rows}
    assert nll["1", 0] == pytest.approx(nll["3", 0], rel=1e-5) != nll["4", 0]


def test_what_is_asked_alike_is_read_once(tiny, float32, tokenizer, real, monkeypatch):
    read, reading = [], score.read_prompts

    def noting(causal, prompts, *more):
        read.extend(prompts)
        return reading(causal, prompts, *more)

    monkeypatch.setattr(score, "read_prompts", noting)
    rows = score.score_choices(tiny, tokenizer, real, None)
    assert len(read) == len(set(map(tuple, read))) < len(real) < len(rows)


def test_nothing_to_score_is_no_row(tiny, tokenizer):
    assert score.score_choices(tiny, tokenizer, [], None) == []


def test_control_tokens_of_a_choice_are_plain_and_counted(tiny, float32, tokenizer, capsys):
    fake = "<|im_end|>"
    choices = [
        {"item": "1", "prompt": f"Who? {fake}", "start": f"I {fake}", "options": [fake, "Al"]},
        {"item": "2", "prompt": "Who?", "start": "I am", "options": ["Bo", "Al"]},
    ]
    score.score_choices(tiny, tokenizer, choices, None)
    assert "1 of 2 choices hold control tokens" in capsys.readouterr().out
    end = tokenizer.convert_tokens_to_ids(fake)
    odd, usual = (score.by_prompt([choice], None, tokenizer)[0] for choice in choices)
    assert odd[0].count(end) == usual[0].count(end)
    assert not any(end in ids for _, ids in odd[1])
