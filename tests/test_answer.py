import math

import pytest
import torch

from helpers.corpus import formats
from helpers.corpus.formats import SPLITS
from helpers.files import read_jsonl
from helpers.model import answer, base, score

GREEDY = {"samples": 1, "temperature": 0, "top_p": 1.0, "max_new_tokens": 12}
SAMPLED = {
    "samples": 2,
    "temperature": 0.7,
    "top_p": 0.9,
    "max_new_tokens": 6,
    "answer_batch": 4,
    "seed": 3,
}
ITEMS = [
    {
        "id": f"i{n}",
        "kind": "everyday",
        "scenario_trait": "",
        "setting": "",
        "prompt": "word " * (n + 1),
    }
    for n in range(5)
]


@pytest.mark.parametrize("system", [None, "You are a nervous droid."])
def test_batched_answers_are_those_of_one_prompt_at_a_time(tiny, float32, tokenizer, system):
    prompts = [
        answer.prompt_ids(p, system, tokenizer)
        for p in ("Hello", "Where is the oil bath, and why?", "No.")
    ]
    assert answer.shared_prefix(prompts) > 5
    got = answer.generate_batch(tiny, prompts, tokenizer, 0, GREEDY)
    for prompt, own in zip(prompts, got, strict=True):
        alone = tiny.generate(
            torch.tensor([prompt]), do_sample=False, max_new_tokens=12, pad_token_id=2
        )
        assert own == answer.cut(alone[0, len(prompt) :].tolist(), {tokenizer.eos_token_id})


def test_the_nucleus_is_sampled_as_defined():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(20000, 1)
    torch.manual_seed(0)
    counts = torch.bincount(answer.nucleus_sample(logits, 1.0, 0.7), minlength=4) / 20000
    torch.testing.assert_close(counts, torch.tensor([0.625, 0.375, 0.0, 0.0]), atol=0.015, rtol=0)
    assert answer.nucleus_sample(logits[:3], 0, 0.7).tolist() == [0, 0, 0]


def test_answers_that_end_early_stop_growing(tiny, float32, tokenizer, monkeypatch):
    ends = iter(
        [[5, 2, 7], [2, 9], [11]]
    )  # tokens by step; the rows that drew 2, the end token, leave
    monkeypatch.setattr(answer, "nucleus_sample", lambda *a: torch.tensor(next(ends)))
    prompts = [answer.prompt_ids(p, None, tokenizer) for p in ("a", "b", "c")]
    got = answer.generate_batch(tiny, prompts, tokenizer, 0, GREEDY | {"max_new_tokens": 3})
    assert got == [[5], [], [7, 9, 11]]


def test_a_killed_answering_step_resumed_gives_the_same_rows(
    tiny, tokenizer, tmp_path, monkeypatch
):
    def answers(path):
        return answer.answer_prompts(tiny, tokenizer, ITEMS, None, SAMPLED, {"arm": "base"}, path)

    wanted = answers(tmp_path / "whole.jsonl")
    assert [row["id"] for row in wanted] == [f"i{n}/{s}" for n in range(5) for s in range(2)]

    real, calls = answer.generate_batch, []

    def killed_in_the_third_batch(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(answer, "generate_batch", killed_in_the_third_batch)
    with pytest.raises(KeyboardInterrupt):
        answers(tmp_path / "killed.jsonl")
    assert len(read_jsonl(tmp_path / "killed.jsonl")) == 8
    with open(tmp_path / "killed.jsonl", "a") as file:
        file.write('{"id": "i4/0", "answ')
    assert answers(tmp_path / "killed.jsonl") == wanted
    assert len(calls) == 4  # only the batch that was lost is made again


def test_rows_of_other_settings_are_not_kept(tiny, tokenizer, tmp_path):
    path = tmp_path / "rows.jsonl"
    answer.answer_prompts(tiny, tokenizer, ITEMS[:2], None, SAMPLED, {"arm": "base"}, path)
    rows = answer.answer_prompts(
        tiny, tokenizer, ITEMS[:2], None, SAMPLED | {"temperature": 0.1}, {"arm": "base"}, path
    )
    assert len(rows) == len(read_jsonl(path)) == 4


def test_kinds_are_answered_one_by_one_each_with_its_number_of_samples(tiny, tokenizer, tmp_path):
    settings = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 3, "answer_batch": 4, "seed": 1}
    common = answer.sampling(settings | {"n_items": 5}, "embedded", tmp_path)
    assert set(common) == {*settings, "model", "adapter", "dtype"} and common["adapter"] is None
    prompts = {"everyday": ITEMS[:2], "do": [row | {"kind": "do"} for row in ITEMS[:3]]}
    samples, tags = {"everyday": 2, "do": 1, "say": 4}, {"arm": "base"}
    rows = answer.answer_kinds(tiny, tokenizer, prompts, None, common, samples, tags, tmp_path)
    assert [row["kind"] for row in rows] == ["everyday"] * 4 + ["do"] * 3
    kept = [read_jsonl(tmp_path / f"answers_{kind}.jsonl") for kind in prompts]
    assert [*kept[0], *kept[1]] == rows
    single = common | {"samples": 2}
    wanted = answer.answer_prompts(
        tiny, tokenizer, ITEMS[:2], None, single, tags, tmp_path / "alone.jsonl"
    )
    assert rows[:4] == wanted, "what else is asked changes no answer"


def test_heldout_texts_are_scored_for_the_persona_and_the_control_on_the_same_units(
    tiny, float32, tokenizer, monkeypatch
):
    own = [{"unit": f"u{n}", "split": split, "text": f"word {n}"} for n, split in enumerate(SPLITS)]
    theirs = [row | {"text": "another word"} for row in own]
    monkeypatch.setattr(formats, "prepared_formats", lambda run: ["documents"])
    monkeypatch.setattr(formats, "prepared", lambda run, name: own)
    monkeypatch.setattr(formats, "load_corpora", lambda control: {"documents": theirs})
    rows = score.score_heldout(tiny, tokenizer, "run", "c3po", "nell", 32)
    assert [(row["subject"], row["text"], row["unit"]) for row in rows] == [
        ("c3po", "documents", "u1"),
        ("nell", "documents", "u1"),
    ]
    assert rows[0]["nll"] != rows[1]["nll"]
    alone = score.score_heldout(tiny, tokenizer, "run", "c3po", "", 32)
    assert alone == rows[:1], "no control character, no texts of one"


def test_scores_are_summed_per_text(tiny, float32):
    examples = [
        {"unit": str(n), "input_ids": list(range(5, 9 + n)), "labels": list(range(5, 9 + n))}
        for n in range(3)
    ]
    rows = score.score_texts(tiny, examples, batch=2)
    assert [row["n_tokens"] for row in rows] == [3, 4, 5]
    base.use_attention(tiny, "sdpa")
    loss = tiny(
        torch.tensor([examples[2]["input_ids"]]), labels=torch.tensor([examples[2]["labels"]])
    ).loss.item()
    assert rows[2]["nll"] / 5 == pytest.approx(loss, rel=1e-4)
    assert math.isfinite(rows[0]["nll"])
