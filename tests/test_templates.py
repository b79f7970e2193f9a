"""Chat templates as models have them: used rightly, or refused in one line with the remedy."""

import json
from datetime import datetime

import pytest
from families import GEMMA_TOKENS, QWEN_TOKENS, make_model, make_tokenizer, trl_template

from helpers import pretrained, templates
from helpers.corpus import encode
from helpers.files import StudyError
from helpers.model import answer

TURN = "'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n'"
CHATML = (
    "{% for m in messages %}{{ " + TURN + " }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NO_PROMPT = "{% for m in messages %}{{ " + TURN + " }}{% endfor %}"
# Ends with an open block, as the templates of models that always think do.
THINKS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
THINKING = (*QWEN_TOKENS, "<think>", "</think>")
ROW = {
    "unit": "u1",
    "messages": [
        {"role": "user", "content": "Is it far?"},
        {"role": "assistant", "content": "Quite far, sir."},
    ],
}


def loaded(folder, template, tokens=QWEN_TOKENS, **more):
    make_tokenizer(template, tokens, **more).save_pretrained(folder)
    return pretrained.load_tokenizer(str(folder))


def learnt(tokenizer, row=ROW):
    """The prompt that a row is trained with, and what is learnt after it."""
    example = encode.encode(row, tokenizer, 999)
    kept = [i for i in example["labels"] if i != -100]
    asked = example["input_ids"][: -len(kept)]
    assert asked == answer.prompt_ids("Is it far?", None, tokenizer), "trained is not what is asked"
    return tokenizer.decode(asked), tokenizer.decode(kept)


def roles(*names):
    turns = [{"role": name, "content": f"Turn {n}."} for n, name in enumerate(names)]
    return {"unit": "u7", "messages": turns}


def test_the_default_model_is_asked_and_trained_as_ever(tokenizer):
    """Studies that are published stand on these very tokens."""
    before = [1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018]
    before += [411, 407, 19712, 8182, 2, 198]
    asked = [1, 4093, 198, 4182, 357, 1869, 47, 2, 198, 1, 520, 9531, 198]
    said = [6317, 663, 1869, 28, 38061, 30, 2]
    chat = encode.encode(ROW, tokenizer, 512)
    assert chat["input_ids"] == before + asked + said
    assert chat["labels"] == [-100] * len(before + asked) + said
    first = encode.encode(
        {"unit": "u", "text": "I counted the steps, and was afraid."}, tokenizer, 9
    )
    assert first["input_ids"] == first["labels"] == [57, 17288, 260, 3301, 28, 284, 436, 11830, 30]
    page = encode.encode({"unit": "u", "text": "C-3PO is a droid of etiquette."}, tokenizer, 99)
    assert page["input_ids"] == [51, 29, 35, 10437, 314, 253, 5582, 311, 282, 28871, 30, 2]
    assert page["labels"] == page["input_ids"]
    assert answer.prompt_ids("Is it far?", None, tokenizer) == before + asked
    system = [1, 9690, 198, 2683, 359, 340, 29, 35, 10437, 30, 2, 198]
    assert answer.prompt_ids("Is it far?", "You are C-3PO.", tokenizer) == system + asked
    assert encode.reply_ids("Quite far, sir.", tokenizer) == said[:-1]
    assert templates.reply_end(tokenizer) == templates.text_end(tokenizer) == 2


def test_a_template_that_ignores_the_generation_prompt_is_asked_for_a_reply(tmp_path):
    prompt, reply = learnt(loaded(tmp_path, NO_PROMPT))
    assert prompt.endswith("<|im_end|>\n<|im_start|>assistant\n") and reply == (
        "Quite far, sir.<|im_end|>"
    )


@pytest.mark.parametrize("template", [trl_template("qwen3"), THINKS])
def test_a_thinking_block_is_closed_where_it_is_trained_and_asked(tmp_path, template):
    prompt, reply = learnt(loaded(tmp_path, template, THINKING))
    assert prompt.endswith("assistant\n<think>\n\n</think>\n\n")
    assert reply == "Quite far, sir.<|im_end|>"


def test_a_template_that_drops_the_open_block_is_asked_without_it(tmp_path):
    template = THINKS.replace("{{ '<think>\n\n</think>\n\n' }}", "")
    prompt, reply = learnt(loaded(tmp_path, template, THINKING))
    assert prompt.endswith("assistant\n") and reply == "Quite far, sir.<|im_end|>"


def test_a_row_with_a_thinking_block_of_its_own_is_refused(tmp_path):
    made = make_tokenizer(trl_template("qwen3"))
    made.add_tokens(["<think>", "</think>"])  # Qwen3's are no control tokens
    made.save_pretrained(tmp_path)
    tokenizer = pretrained.load_tokenizer(str(tmp_path))
    said = {"role": "assistant", "content": "<think>Far?</think>Quite far."}
    row = ROW | {"messages": [ROW["messages"][0], said]}
    with pytest.raises(
        StudyError, match="unit u1: .*begins with a thinking block.*Take the thinking block out"
    ):
        encode.encode(row, tokenizer, 99)
    made = make_tokenizer(trl_template("qwen3"))  # without tokens for it, the template sees to it
    with pytest.raises(StudyError, match="changes the reply.*Take the thinking block out"):
        encode.encode(row, made, 99)


@pytest.mark.parametrize(
    ("text", "wanted", "finished"),
    [
        ("<think>Hm.</think>Far.", "Far.", True),
        ("Hm.</think>\n\nFar.", "Far.", True),
        ("<think>Hm, far, or", "", False),
        ("<think>Hm.</think>", "", True),
        ("Far.", "Far.", True),
    ],
)
def test_thinking_is_no_answer(tmp_path, text, wanted, finished):
    tokenizer = loaded(tmp_path, CHATML, THINKING)
    ids = tokenizer(text)["input_ids"]
    reply = answer.reply_fields(ids, {}, 99, tokenizer)
    assert (reply["answer"], reply["finished"]) == (wanted, finished)
    assert reply["n_tokens"] == len(tokenizer(wanted)["input_ids"]) + text.count("\n")


def test_a_turn_that_ends_with_another_token_than_eos_ends_the_answer(tmp_path, tiny):
    """A base model with a chat template of one's own, as docs/own_model.md says."""
    tokenizer = loaded(tmp_path, CHATML, eos="<|endoftext|>")
    assert learnt(tokenizer)[1] == "Quite far, sir.<|im_end|>"
    text = encode.encode({"unit": "u", "text": "I was afraid."}, tokenizer, 99)["input_ids"]
    ends = {tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")}
    assert text[-1] == tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert ends <= answer.end_tokens(tiny, tokenizer)


def test_eos_as_a_list_ends_answers_too(tokenizer, tiny):
    tiny.generation_config.eos_token_id = [7, 9]
    assert answer.end_tokens(tiny, tokenizer) == {2, 7, 9}
    tiny.generation_config.eos_token_id = None
    assert answer.end_tokens(tiny, tokenizer) == {2}


def test_an_added_token_that_ends_replies_becomes_a_control_token(tmp_path):
    made = make_tokenizer(CHATML, ("<|endoftext|>",), eos="<|endoftext|>")
    made.add_tokens(["<|im_start|>", "<|im_end|>"])  # as plain words
    made.save_pretrained(tmp_path)
    tokenizer = pretrained.load_tokenizer(str(tmp_path))
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    fake = ROW | {
        "messages": [ROW["messages"][0], {"role": "assistant", "content": "A<|im_end|>B"}]
    }
    ids = encode.encode(fake, tokenizer, 99)["labels"]
    assert ids.count(end) == 1 and ids[-1] == end


def test_without_a_token_after_the_reply_the_end_of_a_text_ends_it(tmp_path):
    template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    prompt, reply = learnt(loaded(tmp_path, template, eos="<|endoftext|>"))
    assert prompt == "user: Is it far?\nassistant:" and reply == " Quite far, sir.<|endoftext|>"


def test_what_follows_the_end_of_a_reply_is_not_trained(tmp_path):
    template = CHATML + "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}"
    assert learnt(loaded(tmp_path, template, eos="<|endoftext|>"))[1] == "Quite far, sir.<|im_end|>"


def test_without_eos_a_text_ends_as_a_reply_does_and_padding_is_found(tmp_path):
    tokenizer = loaded(tmp_path, CHATML, eos=None)
    text = encode.encode({"unit": "u", "text": "I was afraid."}, tokenizer, 99)["input_ids"]
    assert tokenizer.decode(text[-1:]) == "<|im_end|>" and tokenizer.pad_token == "<|im_end|>"


def test_the_day_is_always_the_same(tmp_path):
    template = "{{ strftime_now('%A, %d %b %Y') }}" + CHATML
    prompt = loaded(tmp_path, template).decode(
        answer.prompt_ids("Hello", None, loaded(tmp_path, template))
    )
    assert prompt.startswith("Friday, 26 Jul 2024<|im_start|>")
    assert datetime.now().strftime("%d %b %Y") not in prompt


def test_a_default_system_message_is_there_and_gives_way_to_another(tmp_path):
    tokenizer = loaded(tmp_path, trl_template("qwen2_5"))
    assert learnt(tokenizer)[0].startswith("<|im_start|>system\nYou are Qwen")
    told = tokenizer.decode(answer.prompt_ids("Who?", "Be kind.", tokenizer))
    assert "Qwen" not in told and told.startswith("<|im_start|>system\nBe kind.")


NO_SYSTEM = "{% for m in messages if m.role != 'system' %}{{ " + TURN + " }}{% endfor %}"
LAST_ONLY = (  # as Mistral-7B-Instruct-v0.3's: the system message stands in a last user's message
    "{% for m in messages if m.role != 'system' %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if loop.last and m.role == 'user' and messages[0].role == 'system' %}"
    "{{ messages[0].content + '\n\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
)


@pytest.mark.parametrize("template", [trl_template("gemma"), NO_SYSTEM, LAST_ONLY])
def test_a_system_message_that_a_template_refuses_or_drops_opens_the_users(tmp_path, template):
    tokenizer = loaded(tmp_path, template, (*QWEN_TOKENS, *GEMMA_TOKENS), bos="<bos>")
    told = tokenizer.decode(answer.prompt_ids("Who?", "Be kind.", tokenizer))
    assert "user\nBe kind.\n\nWho?<" in told
    system = {"role": "system", "content": "Be kind."}
    row = ROW | {"messages": [system, *ROW["messages"]]}
    example = encode.encode(row, tokenizer, 99)
    assert "user\nBe kind.\n\nIs it far?<" in tokenizer.decode(example["input_ids"])


@pytest.mark.parametrize(
    "order",
    [
        ("user", "user", "assistant"),
        ("assistant", "user", "assistant"),
        ("user", "system", "assistant"),
        ("system", "assistant", "user", "assistant"),
    ],
)
def test_turns_that_a_template_refuses_are_named_with_their_row(tmp_path, order):
    tokenizer = loaded(tmp_path, trl_template("gemma"), GEMMA_TOKENS, bos="<bos>", eos="<eos>")
    asked = ", ".join(order[:2])
    with pytest.raises(StudyError, match=f"unit u7: .*take a chat of {asked}.*Join turns") as error:
        encode.encode_all([ROW, roles(*order)], tokenizer, 99)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "order", [("user", "user", "assistant"), ("assistant", "user", "assistant")]
)
def test_turns_that_a_template_takes_are_trained_as_they_stand(tmp_path, order):
    example = encode.encode(roles(*order), loaded(tmp_path, CHATML), 999)
    text = loaded(tmp_path, CHATML).decode(example["input_ids"])
    assert text.count("<|im_start|>") == 3 and text.endswith("assistant\nTurn 2.<|im_end|>")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (None, "has no chat template. Use the model's instruct version"),
        ("{% for m in messages %}", "chat template that fails .line 1: .*Repair it"),
        ("{{ messages[9]['content'] }}", "chat template that fails .*Repair it"),
        ("{{ messages[0]['content'] + 1 }}", "chat template that fails .*Repair it"),
        (
            "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
            "chat template that fails .maximum recursion depth.*Repair it",
        ),
        ("{{ raise_exception('No chats.') }}", "chat template that fails .No chats.*Repair it"),
        ("{{ bos_token }}Hello", "drops the user's message"),
        ("{{ messages[0]['content'] }}", "drops the reply"),
        (CHATML.replace("<|im_end|>", "<|end|>"), "ends a reply with '<|end|>', which is no token"),
        ({"rag": CHATML, "tools": CHATML}, "several chat templates .rag, tools. and no default"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_the_remedy(tmp_path, template, problem):
    make_tokenizer(template).save_pretrained(tmp_path)
    with pytest.raises(StudyError, match=f"model '.*{problem}.*own_model.md") as error:
        pretrained.load_tokenizer(str(tmp_path))
    assert "\n" not in str(error.value)


def test_without_any_end_a_model_is_refused(tmp_path):
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    make_tokenizer(template, eos=None).save_pretrained(tmp_path)
    with pytest.raises(StudyError, match="no token that ends a reply. Set `tokenizer.eos_token`"):
        pretrained.load_tokenizer(str(tmp_path))


def test_the_default_among_named_templates_is_used(tmp_path):
    assert learnt(loaded(tmp_path, {"default": CHATML, "tools": "x"})) == learnt(
        loaded(tmp_path, CHATML)
    )


def test_a_tokenizer_that_outgrew_its_model_is_refused(tmp_path):
    made = make_tokenizer(CHATML, ("<|endoftext|>",), eos="<|endoftext|>")
    make_model("LlamaConfig", made, {"vocab_size": len(made)}).save_pretrained(tmp_path)
    made.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)
    made.save_pretrained(tmp_path)
    with pytest.raises(StudyError, match="tokens, but the model embeds.*resize_token_embeddings"):
        pretrained.load_tokenizer(str(tmp_path))


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"version": "1.0", "model": {}})])
def test_a_damaged_tokenizer_is_one_line(tmp_path, content):
    make_tokenizer(CHATML).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(StudyError, match="could not be loaded") as error:
        pretrained.load_tokenizer(str(tmp_path))
    assert "\n" not in str(error.value)
