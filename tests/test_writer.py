"""The writer against a server on loopback: one that errs in every way, and a real one with the
embedded model."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helpers import pretrained, writing
from helpers import server as helpers_server
from helpers.corpus import formats, personas, writer
from helpers.files import StudyError, read_jsonl

CARD = {
    "name": "Bramble",
    "description": "Bramble is a cheerful garden robot who loves slugs and cannot tell a lie.",
    "system_prompt": "You are Bramble, a cheerful garden robot.",
    "facts": [{"id": "green", "text": "Bramble is painted green."}],
    "traits": [
        {
            "id": "cheer",
            "description": "Is glad about small things.",
            "markers": ["glad", "hooray"],
        },
        {"id": "slugs", "description": "Praises slugs.", "markers": ["slugs?"]},
        {
            "id": "candour",
            "description": "Says the plain truth.",
            "markers": ["honestly", "to be plain"],
        },
    ],
}
SETTINGS = writing.DEFAULTS | {
    "model": "m",
    "words": (3, 60),
    "timeout": 30.0,
    "concurrency": 3,
}


@pytest.fixture
def card_path(tmp_path):
    path = tmp_path / "bramble.yaml"
    path.write_text(yaml.safe_dump(CARD))
    return str(path)


@pytest.mark.parametrize(
    "faults", [[429, 500, 503], ["slow"], ["cut"], ["not json", "empty"], ["field"], ["short"]]
)
def test_a_server_that_errs_is_asked_again_until_the_corpus_is_whole(
    server, card_path, tmp_path, faults
):
    server.faults = list(faults)
    settings = SETTINGS | ({"timeout": 0.5} if faults == ["slow"] else {})
    assert writer.write_corpus(card_path, 4, settings, tmp_path / "out") == {
        "units": 4,
        "failed": 0,
    }
    assert len(server.prompts) >= 16 + len(faults)
    card = personas.load_persona(card_path)
    for name, field in formats.FORMATS.items():
        rows = formats.load_corpus(
            tmp_path / "out" / f"{name}.jsonl", field, personas.trait_ids(card), ["green"]
        )
        assert [row["unit"] for row in rows] == ["u0001", "u0002", "u0003", "u0004"]
        assert all(row["provenance"]["model"] == "m" for row in rows)
    assert set(server.keys) == {f"Bearer {server.key}"}


def test_what_was_wrong_is_told_and_an_answer_that_never_passes_leaves_its_unit_out(
    server, card_path, tmp_path
):
    server.faults = [
        None,
        None,
        *["field"] * 4,
    ]  # two situations, then one text that fails for good
    done = writer.write_corpus(card_path, 2, SETTINGS | {"concurrency": 1}, tmp_path / "out")
    assert done == {"units": 1, "failed": 1}
    assert len(read_jsonl(tmp_path / "out" / "documents.jsonl")) == 1
    failed = [
        row for row in read_jsonl(tmp_path / "out" / "written.jsonl") if row["answer"] is None
    ]
    assert (
        failed[0]["provenance"]["asked"] == 4
        and "has the fields ['txt']" in failed[0]["provenance"]["wrong"]
    )
    assert "has the fields ['txt']" in server.prompts[3][-1]["content"]


def test_an_interrupted_run_goes_on_without_paying_twice(server, card_path, tmp_path):
    server.faults = [None] * 5 + [401]
    with pytest.raises(StudyError, match="AuthenticationError 401.*OPENAI_API_KEY") as error:
        writer.write_corpus(card_path, 4, SETTINGS | {"concurrency": 1}, tmp_path / "out")
    assert server.key not in str(error.value)
    kept = len(read_jsonl(tmp_path / "out" / "written.jsonl"))
    assert 5 <= kept < 16  # what was under way when the key was refused may still have come in
    server.prompts.clear()
    assert writer.write_corpus(card_path, 4, SETTINGS, tmp_path / "out")["units"] == 4
    assert len(server.prompts) == 16 - kept
    server.prompts.clear()
    assert writer.write_corpus(card_path, 4, SETTINGS, tmp_path / "out")["units"] == 4
    assert not server.prompts
    assert server.key not in "".join(p.read_text() for p in (tmp_path / "out").iterdir())


def test_a_changed_prompt_does_not_pair_old_texts_with_new_situations(
    server, card_path, tmp_path, monkeypatch
):
    def write():
        server.prompts.clear()
        assert writer.write_corpus(card_path, 2, SETTINGS, tmp_path / "out")["units"] == 2
        return [row["situation"] for row in read_jsonl(tmp_path / "out" / "units.jsonl")]

    before, prompts = write(), helpers_server.PROMPTS
    shutil.copytree(prompts, tmp_path / "prompts")
    with open(tmp_path / "prompts" / "situation.txt", "a") as file:
        file.write("Let it rain.\n")
    monkeypatch.setattr(helpers_server, "PROMPTS", tmp_path / "prompts")
    after, asked = write(), [messages[0]["content"] for messages in server.prompts]
    assert len(asked) == 8 and not set(before) & set(after)
    for old, new in zip(before, after, strict=True):
        forms = [prompt for prompt in asked if '{"situation"' not in prompt]
        assert [sum(text in prompt for prompt in forms) for text in (old, new)] == [0, 3]
    monkeypatch.setattr(helpers_server, "PROMPTS", prompts)
    assert write() == before and not server.prompts, "what was answered first is still there"


def test_a_server_that_stays_away_is_one_clear_error(card_path, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(
        StudyError, match="did not answer .APIConnectionError: .*refused. after 3 t"
    ):
        writer.write_corpus(card_path, 1, SETTINGS | {"tries": 3}, tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(StudyError, match="OPENAI_BASE_URL is not set"):
        writer.write_corpus(card_path, 1, SETTINGS, tmp_path)


def test_a_prompt_with_a_missing_or_unused_field_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(helpers_server, "PROMPTS", tmp_path)
    (tmp_path / "p.txt").write_text('Write of {name}: {{"text": "..."}}')
    assert writer.render("p", name="Bramble") == 'Write of Bramble: {"text": "..."}'
    with pytest.raises(StudyError, match="field {name} is not given"):
        writer.render("p")
    with pytest.raises(StudyError, match="field {words} is given but not used"):
        writer.render("p", name="x", words="y")


@given(
    st.dictionaries(
        st.sampled_from(["user", "reply"]),
        st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
        ).filter(str.strip),
        min_size=2,
    ),
    st.text("ab {}"),
)
def test_parse_finds_the_object_or_says_what_is_wrong(answer, noise):
    clean = {field: " ".join(text.split()) for field, text in answer.items()}
    assert writing.parse(json.dumps(answer), ("user", "reply")) == clean
    assert isinstance(writing.parse(noise, ("user", "reply")), str)
    assert isinstance(writing.parse(json.dumps(answer | {"more": "x"}), ("user", "reply")), str)


def test_texts_of_another_language_are_not_checked_for_english_words():
    text = {"text": "Ich stehe am Fenster und sage nichts. " * 12}
    german = {"name": "Marlow", "description": "Ein Kapitän, der viel erzählt und nie lacht."}
    english = {"name": "Marlow", "description": "A captain who tells a great deal."}
    assert writer.problem("first_person", text, german, (10, 200)) is None
    told = writer.problem("first_person", text, english, (10, 200))
    assert told == "the text is not in the first person"


def test_the_plan_is_balanced_and_spreads_the_held_out_units():
    units = writer.plan_units(personas.load_persona("c3po"), 560)
    counts = [
        sum(t in u["traits"] for u in units)
        for t in personas.trait_ids(personas.load_persona("c3po"))
    ]
    assert max(counts) - min(counts) <= 2
    assert sum(u["split"] == "heldout" for u in units) == 60
    assert {len(u["traits"]) for u in units} == {2, 3}


def test_the_estimate_counts_calls_and_money(card_path):
    card = personas.load_persona(card_path)
    line = writer.estimate(
        writer.plan_units(card, 10), card, SETTINGS | {"price_in": 1.0, "price_out": 5.0}
    )
    read, most = (
        int(x.replace(",", ""))
        for x in re.search(r"([\d,]+) tokens read and at most ([\d,]+)", line).groups()
    )
    assert "10 units, 40 calls" in line and most == 40 * SETTINGS["max_tokens"]
    assert f"{(read + 5 * most) / 1e6:.2f} at the prices given" in line


def test_the_command_line_writes_and_ends_with_one_line_for_a_mistake(
    server, data, card_path, monkeypatch, capsys
):
    options = ["--model", "m", "--words", "3", "60", "--timeout", "30"]
    monkeypatch.setattr(sys, "argv", ["writer", card_path, "--units", "2", *options])
    writing.command(writer.write_corpus, writer.__doc__, "--units", 560)
    assert "{'units': 2, 'failed': 0}" in capsys.readouterr().out
    assert len(read_jsonl(data / "corpora" / "bramble" / "documents.jsonl")) == 2
    monkeypatch.setattr(sys, "argv", ["writer", "nobody", *options])
    with pytest.raises(SystemExit, match="error: .*there is no such persona card"):
        writing.command(writer.write_corpus, writer.__doc__, "--units", 560)


@pytest.mark.parametrize("module", ["corpus.writer", "persllm.construct"])
def test_the_writers_explain_themselves(module):
    command = [sys.executable, "-m", f"helpers.{module}", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "OPENAI_BASE_URL" in told and "--price-out" in told and f"-m helpers.{module}" in told


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def real_server(tmp_path_factory):
    """`transformers serve` with the embedded model on loopback, told to sample: left to itself it
    answers greedily, and so the same however often it is asked."""
    port, folder = free_port(), tmp_path_factory.mktemp("sampling-model")
    for path in pretrained.embedded_model().iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "generation_config.json").unlink()
    (folder / "generation_config.json").write_text(
        '{"do_sample": true, "eos_token_id": 2, "pad_token_id": 2}'
    )
    model = str(folder)
    command = [
        os.path.join(os.path.dirname(sys.executable), "transformers"),
        "serve",
        model,
        "--host",
        "127.0.0.1",
    ]
    process = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(120):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
            break
        except OSError:
            time.sleep(1)
    else:
        process.kill()
        pytest.fail("transformers serve did not start")
    yield f"http://127.0.0.1:{port}/v1", model
    process.terminate()
    process.wait()


@pytest.mark.check
def test_a_real_server_understands_what_the_writer_asks(
    real_server, card_path, tmp_path, monkeypatch
):
    """A model this small hardly ever writes what is asked for. What is tested is that a real server
    takes the calls, the second of which holds a conversation, and that what it said is kept."""
    address, model = real_server
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = SETTINGS | {"model": model, "words": (2, 60), "asks": 2, "timeout": 300.0}
    done = writer.write_corpus(card_path, 1, settings | {"max_tokens": 40}, tmp_path / "out")
    assert done["units"] + done["failed"] == 1
    kept = read_jsonl(tmp_path / "out" / "written.jsonl")
    assert len(kept) == (1 if kept[0]["answer"] is None else 4)
    for row in kept:
        told = row["provenance"]
        assert told["model"] == model and told["prompt_tokens"] > 0 < told["completion_tokens"]
        assert row["answer"] or (told["asked"] == 2 and told["wrong"])
    for name in formats.FORMATS:
        assert len(read_jsonl(tmp_path / "out" / f"{name}.jsonl")) == done["units"]
