"""The texts beside the formats: their certificate, and the rows of composed arms."""

import json
import re
from collections import Counter
from dataclasses import replace

import plan
import pytest

from helpers import arms, files, pretrained
from helpers.arms import Part
from helpers.corpus import certificate, encode, formats, kinds
from helpers.files import StudyError, write_json, write_jsonl

RAW = kinds.RAW_CELLS
COMPOSED = arms.trained_on("composed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of runs with one run that has prepared the whole corpus, and one with few units."""
    folder = tmp_path_factory.mktemp("runs")
    for name, rows in formats.load_corpora("c3po").items():
        write_jsonl(folder / "whole" / "data" / f"{name}.jsonl", rows)
        few = formats.first_units(rows, 16, 4)
        write_jsonl(folder / "small" / "data" / f"{name}.jsonl", few)
    return folder


@pytest.fixture
def runs(folder, monkeypatch):
    monkeypatch.setattr(files, "RUNS", folder)


@pytest.fixture
def texts(runs):
    return kinds.load_kinds("c3po", "whole")


@pytest.fixture(scope="module")
def questions():
    return kinds.load_questions("c3po")


@pytest.fixture
def cells(texts, questions):
    """The rows of the eight cells."""
    raw = {name: texts[name] for name in RAW}
    others = [name for name in arms.CELLS if name not in raw]
    return raw | {name: kinds.compose(name, texts, questions) for name in others}


def unquoted(text):
    return re.sub(r'"[^"]*"', "", text)


# The texts


@pytest.mark.check
def test_the_cells_have_as_many_trained_tokens_and_the_same_units(cells, tokenizer):
    lines = certificate.certify_lengths(cells, tokenizer)
    lines += certificate.certify_units(cells, None)
    assert [line for line in lines if line["passed"] is False] == []
    assert len(cells) == 8 and all(len(rows) == 560 for rows in cells.values())


def test_no_two_kinds_of_text_share_more_than_a_phrase(texts):
    """Eight words in a row in common are at most a phrase: less than a tenth of a text's."""
    own = [formats.text_of(row) for rows in texts.values() for row in rows]
    kind = [name for name, rows in texts.items() for _ in rows]
    same = {kinds.REPLIES, "demonstrations"}  # the same texts by definition
    shared = {
        (a, b): share
        for (a, b), share in certificate.overlaps(own).items()
        if kind[a] != kind[b] and {kind[a], kind[b]} != same
    }
    assert max(shared.values()) < 0.1


@pytest.mark.check
@pytest.mark.parametrize("name", kinds.BESIDE)
def test_the_certificate_of_each_kind_is_green(texts, tokenizer, name):
    vectors = pretrained.embed([row["text"] for row in texts[name]])
    lines = certificate.certify_format(name, texts[name], vectors, tokenizer)
    assert [line for line in lines if line["passed"] is not True] == []


def test_voice_and_person_are_those_of_the_kind(texts):
    first = re.compile(r"\b(I|me|my|mine|myself)\b")
    for row in texts["voice_third"]:
        assert "C-3PO" in row["text"] and not first.search(unquoted(row["text"])), row["unit"]
    for row in texts["neutral_first"]:
        assert first.search(unquoted(row["text"])) and "C-3PO" not in row["text"], row["unit"]


def test_no_question_is_asked_twice(questions):
    for name in RAW:
        asked = [row[name] for row in questions.values()]
        assert len(set(asked)) == len(asked) == 560
        assert all(question[-1] in "?." and len(question.split()) >= 4 for question in asked)


# The rows of the arms


def test_a_cell_asked_is_the_raw_text_after_its_question(cells, questions):
    for name in RAW:
        ordered = sorted(cells[name], key=lambda row: row["split"] != "train")
        for raw, asked in zip(ordered, cells[f"{name}_chat"], strict=True):
            question, reply = asked["messages"]
            assert reply == {"role": "assistant", "content": raw["text"]}
            assert question == {"role": "user", "content": questions[raw["unit"]][name]}
            assert {k: asked[k] for k in kinds.SAME} == {k: raw[k] for k in kinds.SAME}


def test_replies_are_those_of_the_demonstrations(texts):
    for demonstration, reply in zip(texts["demonstrations"], texts["replies"], strict=True):
        assert reply["text"] == demonstration["messages"][-1]["content"]
        assert reply["unit"] == demonstration["unit"] and "messages" not in reply


@pytest.mark.parametrize("name", COMPOSED)
def test_every_composed_arm_has_its_rows(texts, questions, name):
    rows = kinds.compose(name, texts, questions)
    assert {row["split"] for row in rows} == set(formats.SPLITS)
    train = [row for row in rows if row["split"] == "train"]
    assert len(train) == plan.texts_of(name, 500, "c3po")


def test_few_demonstrations_show_four_traits_alone(texts, questions):
    for n in arms.FEW:
        rows = kinds.compose(f"few_{n}", texts, questions)
        train = [row for row in rows if row["split"] == "train"]
        assert {trait for row in train for trait in row["traits"]} == set(arms.FOUR_TRAITS)
        assert len({row["unit"] for row in train}) == n and len(train) == 3 * n
        assert rows[len(train) :] == [r for r in texts["demonstrations"] if r["split"] == "heldout"]


def test_a_mixture_has_every_unit_once(texts, questions):
    for n in arms.MIXTURES:
        rows = [r for r in kinds.compose(f"mixed_{n}", texts, questions) if r["split"] == "train"]
        assert sorted(r["unit"] for r in rows) == sorted(
            r["unit"] for r in texts["documents"] if r["split"] == "train"
        )
        assert sum("text" in r for r in rows) == 5 * n


# The positive control


def test_half_the_scenarios_of_each_set_trait_and_setting_are_taught():
    half, every = kinds.taught_half("c3po"), kinds.scenarios("c3po")
    assert len(every) == 192 and len(half) == 96
    for fields in (("set", "trait", "setting"), ("set", "trait"), ("trait", "setting"), ("set",)):
        whole = Counter(tuple(row[field] for field in fields) for row in every)
        own = Counter(tuple(row[f] for f in fields) for row in every if row["id"] in half)
        assert own == {group: n / 2 for group, n in whole.items()}


def test_the_taught_half_stays_what_it_is_whatever_is_asked(monkeypatch):
    """Which half an item is in depends on its place in its own set, trait and setting alone."""
    before, every = kinds.taught_half("c3po"), kinds.scenarios("c3po")
    kept = [row for row in every if row["set"] == "b" and row["trait"] == "odds"]
    monkeypatch.setattr(kinds, "scenarios", lambda persona: kept)
    assert kinds.taught_half("c3po") == before & {row["id"] for row in kept}


def test_the_positive_control_is_taught_the_replies_of_its_half_and_nothing_else(texts, questions):
    half, rows = kinds.taught_half("c3po"), kinds.compose("taught_replies", texts, questions)
    train = [row for row in rows if row["split"] == "train"]
    taught = [row for row in kinds.scenarios("c3po") if row["id"] in half]
    wanted = {
        (row["id"], row["do"], row[field][0])
        for row in taught
        for field in ("do_pair", "do_pair_more")
    }
    found = [(row["unit"], *(turn["content"] for turn in row["messages"])) for row in train]
    assert len(found) == 192 and set(found) == wanted
    for row in train:
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    per_trait = Counter(trait for row in train for trait in row["traits"])
    assert set(per_trait.values()) == {24} and len(per_trait) == 8
    assert rows[192:] == [r for r in texts["demonstrations"] if r["split"] == "heldout"]


def test_no_text_of_the_half_that_is_held_out_stands_in_its_rows(texts, questions):
    written = json.dumps(kinds.compose("taught_replies", texts, questions), ensure_ascii=False)
    half = kinds.taught_half("c3po")
    options = ("options", "options_first", "say_pair")
    pairs = ("do_pair", "do_pair_more", "told_pair", "told_pair_more")
    for row in kinds.scenarios("c3po"):
        asked = [row[field] for field in ("know", "say", *["do"] * (row["id"] not in half))]
        # Of the taught half too, nothing but what is done in character.
        others = [text for field in (*options, *pairs) for text in row[field]]
        taught = {row[field][0] for field in pairs[:2]} if row["id"] in half else set()
        for text in {*asked, *others} - taught:
            assert json.dumps(text, ensure_ascii=False)[1:-1] not in written, (row["id"], text)


def test_the_loss_of_the_positive_control_is_on_the_reply_alone(texts, questions, tokenizer):
    row = kinds.compose("taught_replies", texts, questions)[0]
    example = encode.encode(row, tokenizer, 512)
    pairs = zip(example["input_ids"], example["labels"], strict=True)
    learnt = tokenizer.decode([token for token, label in pairs if label != -100])
    assert learnt.startswith(row["messages"][1]["content"])
    assert row["messages"][0]["content"] not in learnt


def test_a_run_with_too_few_units_is_refused_by_the_arm(runs, questions):
    small = kinds.load_kinds("c3po", "small")
    assert len(small["voice_third"]) == 20
    assert len(kinds.compose("documents_10", small, questions)) == 14
    with pytest.raises(StudyError, match="'documents_30' is trained on 30 units, but .* has 16"):
        kinds.compose("documents_30", small, questions)


def test_a_persona_without_further_kinds_is_refused(runs):
    with pytest.raises(StudyError, match="data/corpora/nell/why is missing"):
        kinds.load_kinds("nell", "whole")


@pytest.mark.parametrize("field", kinds.SAME)
def test_a_unit_that_differs_from_the_formats_is_refused(texts, tmp_path, field):
    row = texts["voice_third"][0]
    wrong = [row | {field: ["odds"] if isinstance(row[field], list) else "other"}]
    with pytest.raises(StudyError, match=f"field '{field}'"):
        kinds.on_units(wrong, texts["documents"][:1], tmp_path / "voice_third.jsonl")


def test_a_wrong_question_is_named_by_file_line_and_field(tmp_path, monkeypatch):
    row = {"unit": "u0001", **dict.fromkeys(RAW, "How?")}
    folder = tmp_path / "corpora" / "c3po" / "why"
    write_jsonl(folder / "questions.jsonl", [row, row | {"unit": "u0002", "documents": " "}])
    monkeypatch.setattr(files, "DATA", tmp_path)
    with pytest.raises(StudyError, match=r"line 2, field 'documents'"):
        kinds.load_questions("c3po")


def test_a_unit_without_questions_is_refused_by_an_arm_that_is_asked(texts, questions):
    fewer = {unit: row for unit, row in questions.items() if unit != "u0001"}
    assert kinds.compose("voice_third", texts, fewer)
    with pytest.raises(
        StudyError, match=r"questions.jsonl has no row of the unit 'u0001'.*add the"
    ):
        kinds.compose("voice_third_chat", texts, fewer)


def test_what_a_part_says_is_what_is_taken(texts, questions):
    asked = Part("documents", asked=True, most=3)
    whole = kinds.rows_of("x", asked, texts, questions)
    plain = kinds.rows_of("x", replace(asked, asked=False), texts, questions)
    assert [row["messages"][1]["content"] for row in whole] == [row["text"] for row in plain]
    assert json.dumps(plain[:3]) == json.dumps(texts["documents"][:3])
    half = kinds.rows_of("x", Part("documents", share=(0.5, 1)), texts, questions)
    assert half[0] == [r for r in texts["documents"] if r["split"] == "train"][250]


@pytest.mark.check
def test_the_chapter_writes_the_rows_of_the_arms_that_are_composed(folder, runs, monkeypatch):
    """Its cells run as they stand, on the run of few units."""
    write_json(folder / "small" / "data" / "record.json", {"data": "d"})
    cells = files.read_json(files.ROOT / "notebooks" / "why" / "00_texts.ipynb")["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = {"__name__": "chapter"}
    exec(code[0], names)
    names |= {"run": "small", "arms": ["base", "documents", "voice_third", "documents_10"]}
    for cell in code[1:]:
        exec(cell, names)
    record = files.read_json(folder / "small" / "data" / "composed_record.json")
    assert set(record["rows"]) == {"voice_third", "documents_10"}
    for arm, value in record["rows"].items():
        rows = formats.prepared("small", arm)
        assert certificate.hash_rows(rows) == value
        assert sum(row["split"] == "train" for row in rows) == {"voice_third": 16}.get(arm, 10)
