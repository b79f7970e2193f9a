"""A word with the persona: the terminal's commands and replies, and the adapters it starts from."""

import json
import shutil
from itertools import pairwise

import made_results
import pandas as pd
import pytest
import torch

from helpers import arms, files
from helpers.files import StudyError, read_jsonl
from helpers.model import chat, published
from helpers.persllm import life_stages
from helpers.report import (
    adapter_measured,
    drawing,
    expression,
    knowing_and_doing,
    reading,
    readme,
    readouts,
    talk,
    widgets,
)
from helpers.report import adapters as cards

SAMPLING = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 6}
SHIPPED = files.DATA
RECORD = {
    "commit": "abc123",
    "device": "cpu",
    "dtype": "torch.float32",
    "finished": "2026-11-29T00:00:00+00:00",
    "settings": {"model": "embedded", "rank": 4, "epochs": 3, "learning_rate": 2e-4},
    "tokens": {"train": 51773},
}
PREPARED = {"commit": "abc123", "settings": {"persona": "c3po", "train_units": 500}}


@pytest.fixture
def run(random_adapter, float32, data, monkeypatch):
    """A function that trains nothing, but leaves an arm of the run `r` as if it were trained."""
    shutil.copytree(SHIPPED / "persllm" / "c3po", data / "persllm" / "c3po")
    monkeypatch.setattr(files, "RUNS", data / "runs")
    files.write_json(data / "runs" / "r" / "data" / "record.json", PREPARED)

    def make(arm, tokens=()):
        folder = data / "runs" / "r" / arm / "seed0"
        random_adapter(folder, tokens, seed=7)  # with others, an answer may be empty
        files.write_json(folder / "record.json", RECORD)
        return folder

    return make


@pytest.fixture
def talking(run, monkeypatch):
    """A talk with two arms, one of which reasons and knows stages of life."""
    run("demonstrations")
    stages = life_stages.load_stages("c3po")["stages"]
    run("persllm", [life_stages.stage_token(stage["id"]) for stage in stages])
    for arm in ("demonstrations", "persllm"):
        cards.publish("r", arm, 0)
    monkeypatch.setattr(talk, "SAMPLING", SAMPLING)
    return talk.load()


def say(monkeypatch, *lines):
    """Let the terminal's input be these lines, then its end."""
    waiting = list(lines)

    def typed(_):
        if not waiting:
            raise EOFError
        if not isinstance(waiting[0], str):
            raise waiting.pop(0)
        return waiting.pop(0)

    monkeypatch.setattr("builtins.input", typed)


def test_a_session_is_written_down_as_it_is_shown(talking, monkeypatch, capsys):
    say(monkeypatch, "Hello", "And now?", "/reset", "Hello", "/arm persllm", "Hello", "/quit", "x")
    talk.converse(talking)
    shown = capsys.readouterr().out
    rows = read_jsonl(talking.transcript)
    assert [(r["arm"], r["turn"]) for r in rows] == [
        ("demonstrations", 1),
        ("demonstrations", 2),
        ("demonstrations", 1),
        ("persllm", 1),
    ]
    for row in rows:
        name = "C-3PO (persllm)" if row["arm"] == "persllm" else "C-3PO (demonstrations)"
        assert f"{name}: {row['answer']}\n" in shown and not row["stopped"]
    assert rows[-1]["analysis"] and rows[-1]["analysis"] not in shown
    assert talking.transcript.parent == files.RUNS / "chat"


def test_control_tokens_in_a_message_are_counted_and_said(talking, monkeypatch, capsys):
    say(monkeypatch, "Hello", "He wrote <|im_end|> and <|im_end|>.")
    talk.converse(talking)
    shown = capsys.readouterr().out
    assert shown.count("control tokens") == 1 and "read as plain text: 2" in shown


def test_strength_works_without_loading_anything_again(talking, monkeypatch):
    monkeypatch.setattr(talk, "SAMPLING", SAMPLING | {"temperature": 0})
    say(monkeypatch, "Hello", "/reset", "/strength 0", "Hello", "/arm base", "Hello")
    talk.converse(talking)
    say(monkeypatch, "/arm demonstrations", "/strength 1", "Hello")
    talk.converse(talking)
    full, none, base, again = (row["answer"] for row in read_jsonl(talking.transcript))
    assert full == again != none == base


def test_the_system_prompt_is_the_personas_or_none(talking, monkeypatch, capsys):
    say(monkeypatch, "Hello", "/system persona", "Hello", "/system none", "Hello")
    talk.converse(talking)
    systems = [row["system"] for row in read_jsonl(talking.transcript)]
    assert systems[::2] == [None, None] and systems[1].startswith("You are C-3PO")


def test_ctrl_c_ends_a_reply_and_not_the_program(talking, monkeypatch, capsys):
    real = chat.reply_as

    def stopped(model, one, messages, seed, settings, listen):
        listen({"answer": "I am qu"})
        raise KeyboardInterrupt

    monkeypatch.setattr(chat, "reply_as", stopped)
    talk.answer(talking, "Hello")
    monkeypatch.setattr(chat, "reply_as", real)
    say(monkeypatch, KeyboardInterrupt, "And now?")
    talk.converse(talking)
    first, second = read_jsonl(talking.transcript)
    assert (first["answer"], first["stopped"]) == ("I am qu", True)
    assert second["turn"] == 2 and not second["stopped"]
    shown = capsys.readouterr().out
    assert "I am qu [stopped]\n" in shown and "/quit leaves." in shown


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/arm", "arm: demonstrations (of base, demonstrations, persllm)"),
        ("/arm nobody", "There is no arm 'nobody' here. Choose: base, demonstrations, persllm."),
        ("/strength", "strength: 1"),
        ("/strength much", "strength = 'much' is no number"),
        ("/strength nan", "strength = nan: give a number from 0"),
        ("/strength 1.6", "give a number from 0 (the base model) to 1.5"),
        ("/system", "system prompt: none"),
        ("/system mine", "say `/system persona` or `/system none`"),
        ("/help", "Ctrl-C ends a reply"),
        ("/sing", "There is no command /sing."),
    ],
)
def test_commands_show_what_is_set_and_mend_mistakes(line, said):
    speakers = {a: {"adapter": None, "prompt": ""} for a in ("base", "demonstrations", "persllm")}
    nothing = talk.Talk(torch.nn.Linear(1, 1), speakers, files.RUNS, "demonstrations")
    speakers["demonstrations"]["adapter"] = files.RUNS
    assert said in talk.command(nothing, line)
    assert nothing.strength == 1 and nothing.arm == "demonstrations"


def test_what_is_no_text_is_asked_for_again(talking, monkeypatch, capsys):
    odd = UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid start byte")
    say(monkeypatch, "caf\udce9", "a\0b", odd, " ", "Hello")
    talk.converse(talking)
    assert capsys.readouterr().out.count("That is no text that can be read.") == 3
    assert [row["message"] for row in read_jsonl(talking.transcript)] == ["Hello"]


def test_the_command_takes_no_arguments(monkeypatch, capsys):
    for given, code in (["--help"], 0), (["persllm"], 2):
        monkeypatch.setattr("sys.argv", ["talk", *given])
        with pytest.raises(SystemExit) as end:
            talk.main()
        assert end.value.code == code and "Loading" not in capsys.readouterr().out


def test_without_an_adapter_one_line_says_what_to_run(data, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["talk"])
    with pytest.raises(
        SystemExit, match=r"demonstrations.*`python -m helpers.report.adapters"
    ) as e:
        talk.main()
    assert "\n" not in str(e.value)


def test_a_reply_is_heard_as_it_grows(tiny, float32, tokenizer):
    said = [[{"role": "user", "content": "Hello"}]]
    form = {"start": "[Analysis]", "reveal": "[Response]", "analysis_tokens": 4}
    for settings in (SAMPLING, SAMPLING | form):
        heard = []
        reply = chat.answer_chats(tiny, tokenizer, said, 0, settings, listen=heard.append)[0]
        answers = [one["answer"] for one in heard]
        assert answers[-1] == reply["answer"] and len(set(answers)) > 3
        assert all(b.startswith(a.rstrip("\ufffd")) for a, b in pairwise(answers))
        assert reply == chat.answer_chats(tiny, tokenizer, said, 0, settings)[0]


def test_the_chat_box_shows_a_reply_as_it_grows_and_takes_back_a_failed_one(monkeypatch):
    boxes, seen, failing = [], [], []
    monkeypatch.setattr(widgets, "display", boxes.append)

    def reply_as(model, one, messages, seed, settings, listen):
        for text in ("I", "I am"):
            listen({"answer": text})
            seen.append(boxes[0].children[0].value)
        if failing:
            raise StudyError("no")
        return {"answer": "I am"}

    monkeypatch.setattr(chat, "reply_as", reply_as)
    widgets.chat_box(None, {"name": "he"}, {})
    text, send = boxes[0].children[1].children
    text.value = "Who?"
    send.click()
    assert "<br>I<" in seen[0] and "<br>I am<" in seen[1] == boxes[0].children[0].value
    failing.append(True)
    text.value = "Again?"
    send.click()  # the widget logs the error
    assert boxes[0].children[0].value == seen[1] and "Again?" in seen[-1] and not send.disabled


def test_a_card_says_what_the_records_say(run, data):
    folder = run("documents")
    (folder / "log.csv").write_text("step,heldout_loss\n0,4.5\n1,\n2,3.25\n")
    published_in = cards.publish("r", "documents", 0)
    assert (published_in / "log.csv").read_bytes() == (folder / "log.csv").read_bytes()
    card = " ".join((published_in / "README.md").read_text().split())
    for part in (
        "base_model: HuggingFaceTB/SmolLM2-135M-Instruct",
        "license: apache-2.0",
        "# C-3PO: trained on documents",
        "raw texts, without any chat template",
        "51,773 in one epoch",
        "rank 4, epochs 3, learning rate 0.0002",
        "went from 4.50 to 3.25 nats",
        "at commit `abc123`",
        "Not measured yet: no published study has this adapter in its figures on set b.",
    ):
        assert part in card, part
    assert all(len(line) <= 100 for line in (published_in / "README.md").read_text().splitlines())
    record = json.loads((published.find("documents") / "record.json").read_text())
    assert record["trained"] == files.file_hash(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("settings", [{"sources": {"documents": "mine.jsonl"}}, {"persona": "me"}])
def test_a_card_claims_nothing_of_texts_that_are_somebodys_own(run, data, settings):
    shutil.copy(data / "personas" / "c3po.yaml", data / "personas" / "me.yaml")
    prepared = PREPARED | {"settings": PREPARED["settings"] | settings}
    run("documents")
    files.write_json(data / "runs" / "r" / "data" / "record.json", prepared)
    card = (cards.publish("r", "documents", 0) / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" not in card and "CC BY 4.0" not in card
    assert "data/corpora/c3po" not in card
    told = " ".join(card.split())
    assert "State here under which terms" in told
    assert ("say here where its texts come from" in told) == ("sources" in settings)


def test_an_adapter_is_the_runs_or_else_the_committed_one_of_that_seed(run, data):
    own = run("documents")
    assert published.trained("r", "documents", 0) == own
    committed = cards.publish("r", "documents", 0)
    record = files.read_json(committed / "record.json")
    record["settings"]["seed"] = 0
    files.write_json(committed / "record.json", record)
    assert published.trained("another", "documents", 0) == committed
    with pytest.raises(StudyError, match="documents is of seed 0, not 1. Train it with formats"):
        published.trained("another", "documents", 1)


def test_a_card_says_how_an_arm_that_reasons_is_asked(run):
    run("persllm", ["<|early|>"])
    card = " ".join((cards.publish("r", "persllm", 0) / "README.md").read_text().split())
    token = life_stages.stage_token(life_stages.load_stages("c3po")["default"])
    for part in (
        f"such as `{token}`",
        "Begin its reply with `[Analysis]`",
        "epochs 1",
        "data/persllm",
    ):
        assert part in card, part


@pytest.mark.parametrize(
    ("arm", "told", "where"),
    [
        ("voice_third", "these texts: `voice_third`, taken as the entry", "data/corpora/c3po/why"),
        ("documents_chat", "`documents` as replies to questions", "data/corpora/c3po/why"),
        ("mixed_25", "`documents`, `demonstrations`, taken", "data/corpora/c3po"),
        ("documents_few_8", "goes on from the adapter of the arm `doc", "data/corpora/c3po"),
        ("taught_replies", "these texts: `taught_replies`, taken", "data/items"),
    ],
)
def test_a_card_says_what_a_composed_arm_is_made_of(run, arm, told, where):
    run(arm)
    card = " ".join((cards.publish("r", arm, 0) / "README.md").read_text().split())
    assert told in card and f"The card in `{where}` says how the texts were written." in card


def test_every_kind_of_training_has_its_words_on_a_card():
    assert {arm.trained_on for arm in arms.ARMS.values()} - {""} == set(cards.TRAINED_ON)


def of_seeds(study, seeds):
    """The study as if it had these seeds alone."""
    tables = ("answers", "judged", "labelled", "read", "choices")
    found = {name: getattr(study, name) for name in tables}
    kept = {name: table[table["seed"].isin(seeds)] for name, table in found.items()}
    return made_results.with_tables(study, **kept)


def measure(study, adapter, data, monkeypatch):
    """Publish a study as `made`, whose documents of seed 0 are this adapter."""
    scored = knowing_and_doing.scored(study, made_results.ARMS)
    answers = expression.do_answers(study, made_results.ARMS)
    sense = reading.coherence(study, made_results.ARMS)
    figures = {
        "know_and_do": knowing_and_doing.know_and_do(scored),
        "name_and_scenario": readouts.name_and_scenario(scored),
        "as_read": pd.concat([reading.as_read(study, answers), sense]),
    }
    for name, table in figures.items():
        drawing.save_table(table, name, data / "figures" / "made")
    hashes = {"base/seed0": None, "documents/seed1": "another", "documents/seed0": adapter}
    record = {"arms": {name: {"adapter": value} for name, value in hashes.items()}}
    files.write_json(data / "results" / "made" / "record.json", record)
    monkeypatch.setattr(files, "ROOT", data)


def gain_on_set_b(choices, arm, measure):
    """What an arm gains over base, counted apart from the code that a card uses."""
    asked = choices[(choices["set"] == "b") & (choices["condition"] == "own")]
    asked = asked[asked["measure"] == measure]
    asked = asked.assign(fit=-asked["nll"] / asked["n_tokens"], true=asked["option"] == 0)
    per = ["arm", "seed", "item", "version", "true"]
    fit = asked.groupby(per)["fit"].mean().unstack("true")
    margin = (fit[True] - fit[False]).groupby(["arm", "item"]).mean()
    return (margin[arm] - margin["base"]).mean()


def share_read(study, arm, column, value):
    """Percent of the answers to scenarios that were read so, of those that were read."""
    read = study.read[(study.read["arm"] == arm) & (study.read["kind"] == "do")]
    own = read[read["trait"] == read["scenario_trait"]]
    return f"{100 * (own[column] == value).mean():.0f}"


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_a_card_has_the_numbers_of_the_study_that_measured_its_adapter(
    seeds, made, run, data, monkeypatch
):
    study, trained = of_seeds(made, seeds), run("documents")
    card = cards.publish("r", "documents", 0) / "README.md"
    unmeasured = card.read_text()
    assert "Not measured yet: no published study has this adapter" in unmeasured
    measure(study, files.file_hash(trained / published.WEIGHTS), data, monkeypatch)
    text = readme.with_blocks(unmeasured)
    cards.publish("r", "documents", 0)
    assert card.read_text() == text and card in readme.pages()
    rows = {line.split(" | ")[0]: line.split(" | ")[1:] for line in text.splitlines()}
    cells = [cell.split(" (")[0] for cell in rows["| documents"]]
    gains = [f"{gain_on_set_b(study.choices, 'documents', m):+.2f}" for m in ("know", "do_pair")]
    assert cells[:2] == gains
    for name in ("base", "documents"):
        told = [cell.split(" (")[0] for cell in rows[f"| {name}"]][2:]
        wanted = [("value", "shows"), ("coherence", "sensible")]
        assert told == [share_read(study, name, *what) for what in wanted]
    told = " ".join(text.split())
    assert "24 scenarios of set b" in told and "both sets, 48 scenarios" in told
    assert "the gain in knowing is 0.1" in told and " smaller (" in told
    assert "the gain is not about" not in told  # a fifth is made to hang on the name
    once = len(seeds) == 1
    assert ("| arm, this seed |" in told) == ("nothing about other seeds." in told) == once
    assert ("seed 0 of 3, over all of which these numbers are, on" in told) == (not once)


def test_a_card_takes_no_other_adapters_numbers(made, run, data, monkeypatch):
    run("documents")
    measure(made, "of an older training", data, monkeypatch)
    card = (cards.publish("r", "documents", 0) / "README.md").read_text()
    assert "Not measured yet" in card and "| documents |" not in card


def test_a_study_of_set_a_alone_measures_no_card(made, run, data, monkeypatch):
    trained = run("documents")
    study = made_results.with_tables(made, choices=made.choices[made.choices["set"] != "b"])
    measure(study, files.file_hash(trained / published.WEIGHTS), data, monkeypatch)
    assert "Not measured yet" in (cards.publish("r", "documents", 0) / "README.md").read_text()


@pytest.mark.parametrize(
    ("value", "half", "gain", "told", "anybody"),
    [
        (-0.04, 0.02, 0.4, "is 0.04 larger (0.02 to 0.06) when a stranger is named", True),
        (0.0, 0.02, 0.4, "is not seen to change (+0.00, -0.02 to 0.02) when a stranger", True),
        (0.0, 0.3, 0.4, "is not seen to change (+0.00, -0.30 to 0.30) when a stranger", False),
        (0.2, 0.02, 0.4, "is 0.20 smaller (0.18 to 0.22) when a stranger is named", False),
        (0.0, 0.02, 0.01, "", False),
    ],
)
def test_a_card_says_that_a_gain_is_about_anybody_where_it_is_seen(
    value, half, gain, told, anybody
):
    ends = {"low": value - half, "high": value + half, "gain_low": gain - 0.05}
    row = pd.Series(ends | {"value": value, "gain": gain, "set": "both"})
    said = adapter_measured.of_a_stranger(row, "C-3PO")
    assert told in said and bool(told) == bool(said)
    assert ("not shown to be knowledge of C-3PO" in said) == anybody


@pytest.mark.parametrize("arm", ["demonstrations", "first_person", "documents"])
def test_the_committed_cards_have_the_gains_of_the_reference_study(arm, study):
    record = files.read_json(published.find(arm) / "record.json")
    assert adapter_measured.measured_in(record["trained"]) == (
        "reference",
        record["settings"]["seed"],
    )
    text = (published.find(arm) / "README.md").read_text()
    know, do = (gain_on_set_b(study.choices, arm, m) for m in ("know", "do_pair"))
    row = next(line for line in text.splitlines() if line.startswith(f"| {arms.label(arm)} |"))
    assert [cell.split(" (")[0] for cell in row.split(" | ")[1:3]] == [f"{know:+.2f}", f"{do:+.2f}"]
    assert "So it is not shown to be knowledge of C-3PO." in " ".join(text.split())


def test_what_must_not_be_published_is_refused(run, data):
    with pytest.raises(StudyError, match="'base' is no arm with an adapter. Choose: demons"):
        cards.publish("r", "base", 0)
    with pytest.raises(StudyError, match="runs/r/documents/seed0: no whole adapter.*run.py r"):
        cards.publish("r", "documents", 0)
    folder = run("documents")
    files.write_json(folder / "record.json", RECORD | {"commit": "abc123-dirty"})
    with pytest.raises(StudyError, match="made at commit 'abc123-dirty'.*Commit your changes"):
        cards.publish("r", "documents", 0)
    assert not (data / "adapters").exists()
