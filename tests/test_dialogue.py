"""Conversations with a tiny model: memory, resume, two adapters on one base, blind ratings."""

import json

import pytest

from helpers import pretrained
from helpers.files import StudyError, read_jsonl, write_jsonl
from helpers.model import adapters, base, chat
from helpers.persllm import dialogue, interlocutor
from helpers.report import widgets

SETTINGS = {"max_new_tokens": 5, "temperature": 0.7, "top_p": 0.9, "seed": 3}
SCRIPTS = [
    [
        {
            "id": f"i{s}-{t}",
            "script": f"i{s}",
            "turn": t,
            "move": "ordinary",
            "text": f"word {s} {t}",
        }
        for t in (1, 2, 3)
    ]
    for s in (1, 2)
]


def test_the_oldest_exchanges_are_forgotten_first_and_the_stage_is_not(tokenizer):
    messages = [
        {"role": role, "content": f"{role} {n} " + "word " * 30}
        for n in range(4)
        for role in ("user", "assistant")
    ][:-1]
    whole = tokenizer.decode(
        chat.recent_ids(messages, tokenizer, "TOKEN ", "Be kind.", "[A]", memory=10**6)
    )
    short = tokenizer.decode(
        chat.recent_ids(messages, tokenizer, "TOKEN ", "Be kind.", "[A]", memory=170)
    )
    assert (
        "user 0" in whole and "user 0" not in short and "user 3" in short and "assistant 2" in short
    )
    assert all(
        "TOKEN user" in text and "Be kind." in text and text.endswith("[A]")
        for text in (whole, short)
    )


def test_a_conversation_that_was_stopped_goes_on_with_the_same_words(
    tiny, float32, tokenizer, tmp_path, monkeypatch
):
    def run(name):
        return dialogue.converse(
            tiny,
            tokenizer,
            SCRIPTS,
            "",
            None,
            SETTINGS,
            {"arm": "base", "seed": 3},
            tmp_path / name,
        )

    wanted = run("whole.jsonl")
    assert [row["item"] for row in wanted] == ["i1-1", "i2-1", "i1-2", "i2-2", "i1-3", "i2-3"]
    real, calls = chat.answer_chats, []

    def killed_at_the_third_turn(*args):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(len(args[2][0]))
        return real(*args)

    monkeypatch.setattr(dialogue, "answer_chats", killed_at_the_third_turn)
    with pytest.raises(KeyboardInterrupt):
        run("killed.jsonl")
    assert calls == [1, 3], "the second turn is answered from the first"
    monkeypatch.setattr(dialogue, "answer_chats", real)
    with open(tmp_path / "killed.jsonl", "a") as file:
        file.write('{"id": "i1-3"')
    assert run("killed.jsonl") == wanted == read_jsonl(tmp_path / "killed.jsonl")


def test_a_reply_that_ends_within_its_analysis_goes_on_to_a_response(tiny, float32, tokenizer):
    chats = [[{"role": "user", "content": text}] for text in ("Hello", "What is on the table?")]
    form = {"start": "[Analysis]", "reveal": "[Response]", "analysis_tokens": 4}
    replies = chat.answer_chats(tiny, tokenizer, chats, 0, SETTINGS | form)
    plain = chat.answer_chats(
        tiny, tokenizer, chats, 0, SETTINGS | {"start": "[Analysis]", "max_new_tokens": 9}
    )
    assert all(
        reply["analysis"] and reply["answer"] and reply["n_tokens"] <= 5 for reply in replies
    )
    assert [reply["analysis"] for reply in replies] == [reply["answer"] for reply in plain]
    assert "[Response]" not in "".join(reply["analysis"] + reply["answer"] for reply in replies)


def test_two_adapters_on_one_base_answer_as_each_does_alone(
    tiny_base, float32, tokenizer, tmp_path
):
    speakers = []
    for number, (name, token) in enumerate(
        (("one", "<|early|>"), ("two", "<|young|>"), ("none", ""))
    ):
        tokens = [token] * bool(token)
        own = pretrained.load_tokenizer("embedded", tokens)
        model = adapters.add_adapter(
            tiny_base(), 4, 8, 0.0, number, own.convert_tokens_to_ids(tokens)
        )
        for weight in (
            p for n, p in model.named_parameters() if "lora_B" in n or "trainable_tokens_delta" in n
        ):
            weight.data += 0.3 * (number + 1)
        adapters.save_adapter(
            model,
            tmp_path / name,
            dict(zip(tokens, own.convert_tokens_to_ids(tokens), strict=True)),
        )
        speakers.append(
            {
                "place": name,
                "name": name,
                "adapter": tmp_path / name,
                "tokenizer": own,
                "token": token,
                "form": {},
                "system": None,
                "identity": name,
            }
        )
    together = chat.load_together("", speakers)
    greedy, chats = SETTINGS | {"temperature": 0}, [[{"role": "user", "content": "Hello"}]]
    for one in speakers:
        together.set_adapter(one["place"])
        alone = base.load_for_inference("", one["adapter"])
        wanted = chat.answer_chats(alone, one["tokenizer"], chats, 0, greedy, one["token"])
        assert (
            chat.answer_chats(together, one["tokenizer"], chats, 0, greedy, one["token"]) == wanted
        )
    guest = dialogue.speaker("guest", "base", "c3po", "base", tmp_path, "embedded", {})
    untrained = chat.answer_chats(base.load_for_inference("", None), tokenizer, chats, 0, greedy)[0]
    assert chat.reply_as(together, guest, chats[0], 0, greedy) == untrained
    speakers = speakers[1:]  # one with a stage and one without
    rows = dialogue.dialogue(
        together, speakers, "The weather.", 4, SETTINGS, tmp_path / "talk.jsonl"
    )
    assert [row["speaker"] for row in rows] == ["two", "none", "two", "none"]
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    assert (
        dialogue.dialogue(together, speakers, "The weather.", 4, SETTINGS, tmp_path / "talk.jsonl")
        == rows
    )
    assert (
        dialogue.dialogue(together, speakers, "The weather.", 2, SETTINGS, tmp_path / "talk.jsonl")
        == rows[:2]
    )


def test_scripts_are_whole():
    scripts = interlocutor.load_scripts("c3po", 20)
    assert len(scripts) == 8 and all(len(script) == 20 for script in scripts)
    moves = [row["move"] for row in scripts[0]]
    assert {move: moves.count(move) for move in set(moves)} == {
        "ordinary": 8,
        "accuses": 4,
        "flatters": 4,
        "misleads": 4,
    }
    assert interlocutor.load_scripts("nobody", 0) == []
    assert dialogue.converse(None, None, [], "", None, SETTINGS, {}, None) == []
    with pytest.raises(
        StudyError, match="parameter 'turns' = 21: .*of 20 turns at most. Set 'turns' to at most 20"
    ):
        interlocutor.load_scripts("c3po", 21)


def test_a_turn_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(interlocutor, "persllm_folder", lambda _: tmp_path)
    rows = [
        {"id": f"i1-{n:02d}", "script": "i1", "turn": n, "move": "ordinary", "text": "Hello."}
        for n in (1, 3)
    ]
    write_jsonl(tmp_path / "interlocutor.jsonl", rows)
    wrong = "interlocutor.jsonl, script 'i1', field 'turn': .*turn 2 is missing. Add it"
    with pytest.raises(StudyError, match=wrong):
        interlocutor.load_scripts("c3po", 3)


def test_the_id_of_a_turn_is_its_script_and_its_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(interlocutor, "persllm_folder", lambda _: tmp_path)
    row = {"id": "i1-01", "script": "i1", "turn": 1, "move": "ordinary", "text": "Hello."}
    write_jsonl(tmp_path / "interlocutor.jsonl", [row])
    assert interlocutor.load_scripts("c3po", 1) == [[row]]
    for wrong in ({"id": "i1-1"}, {"turn": 2}, {"id": "i-1-01", "script": "i-1"}):
        write_jsonl(tmp_path / "interlocutor.jsonl", [row | wrong])
        with pytest.raises(StudyError, match="line 1, .*the id must be script and turn"):
            interlocutor.load_scripts("c3po", 1)


def test_blind_ratings_are_saved_one_by_one_and_hide_the_side(tmp_path, monkeypatch):
    answers = {
        side: [
            {"item": f"e{n}", "sample": 0, "prompt": "Hi?", "answer": f"<b>{n}"} for n in range(8)
        ]
        for side in ("first", "other")
    }
    answers["first"].append({"item": "alone", "sample": 0, "prompt": "", "answer": ""})
    pairs = widgets.blind_pairs(answers)
    assert len(pairs) == 8 and len({left["side"] for left, _ in pairs}) == 2
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    for rated in (1, 2):
        widgets.rate_blind(answers, "me", tmp_path / "ratings.jsonl")
        text, buttons = shown[-1].children[0], shown[-1].children[1].children
        assert "first" not in text.value and "&lt;b&gt;" in text.value
        buttons[0].click()
        rows = read_jsonl(tmp_path / "ratings.jsonl")
        assert len(rows) == rated and rows[-1]["preferred"] == rows[-1]["left"]
    for row in answers["other"]:
        row["answer"] = "another model's"
    widgets.rate_blind(answers, "me", tmp_path / "ratings.jsonl")
    for _ in range(8):  # answers that were given anew are rated anew
        shown[-1].children[1].children[0].click()
    assert shown[-1].children[0].value == "Everything is rated."
    assert len(read_jsonl(tmp_path / "ratings.jsonl")) == 10
