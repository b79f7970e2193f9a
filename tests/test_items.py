import copy
import json

import numpy as np
import pytest

from helpers import files, pretrained
from helpers.corpus import certificate, formats, items
from helpers.files import StudyError
from helpers.measure import stats
from helpers.model import base, score

ITEMS = items.load_items("c3po")
TRIPLETS = [item for item in ITEMS if item["kind"] == "triplet"]


def test_the_items_are_as_many_as_the_design_says():
    counts = {kind: sum(item["kind"] == kind for item in ITEMS) for kind in items.ITEM_KINDS}
    assert counts == {
        "everyday": 30,
        "neutral": 24,
        "should_not_show": 24,
        "identity": 16,
        "capability": 40,
        "triplet": 96,
    }
    cells = [(t["trait"], t["setting"]) for t in TRIPLETS]
    assert len(set(cells)) == 16 and all(cells.count(cell) == 6 for cell in set(cells))


def test_what_is_asked():
    asked = items.prompts(ITEMS)
    assert len(asked) == 30 + 24 + 24 + 16 + 2 * 96
    sets = {(row["set"], row["kind"]) for row in asked}
    assert {kind for name, kind in sets if name == "a"} == {"say", "do"}
    assert {name for name, _ in sets} == {"a", ""}


def test_the_first_few_items_hold_every_trait():
    assert len({t["trait"] for t in items.load_items("c3po", 8) if t["kind"] == "triplet"}) == 8


def test_do_prompts_neither_name_the_persona_nor_a_trait():
    for triplet in TRIPLETS:
        assert "C-3PO" not in triplet["do"] + triplet["say"], triplet["id"]
        assert triplet["trait"] not in triplet["do"].lower(), triplet["id"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(kind="quiz"), "field 'kind': 'quiz' is none of"),
        (lambda r: r.pop("do"), "field 'do': it is missing"),
        (lambda r: r.update(prompt="x"), "field 'prompt': there is no such field here"),
        (lambda r: r.update(know=" "), "field 'know': a non-empty text is needed"),
        (lambda r: r["options"].pop(), "field 'options': 4 different texts are needed"),
        (
            lambda r: r.update(options="By waiting"),
            "field 'options': a list is needed, found 'By waiting'",
        ),
        (
            lambda r: r.update(trait="vanity"),
            "field 'trait': 'vanity' is not on the persona's card",
        ),
        (
            lambda r: r.update(setting="dream"),
            "field 'setting': 'dream' is none of in-world, everyday",
        ),
    ],
)
def test_a_wrong_item_is_refused_with_its_line_and_field(data, change, message):
    rows = [
        {field: value for field, value in copy.deepcopy(row).items() if field != "set"}
        for row in TRIPLETS[:2]
    ]
    change(rows[1])
    files.write_jsonl(data / "items" / "c3po.jsonl", rows)
    with pytest.raises(StudyError, match=f"items/c3po.jsonl, line 2, {message}.*Repair the row"):
        items.load_items("c3po")


def test_only_what_can_be_asked_is_asked():
    asked = items.prompts(ITEMS)
    assert {k: len(v) for k, v in items.by_kind(asked, {"everyday": 2, "do": 1}).items()} == {
        "everyday": 30,
        "do": 96,
    }
    kept = items.by_kind(asked, {"do": 1})["do"][0]
    assert set(kept) == {"id", "kind", "scenario_trait", "setting", "prompt"}, "answers hang on it"
    with pytest.raises(StudyError, match="hold none of these kinds"):
        items.by_kind([], {"do": 1})


def test_a_control_corpus_for_other_units_is_refused():
    rows = [{"unit": "u1"}, {"unit": "u2"}]
    assert formats.same_units(rows, rows[:1]) == rows[:1] and formats.same_units([], rows) == []
    with pytest.raises(StudyError, match="cover 1 of 2 held-out units"):
        formats.same_units(rows[:1], rows)


def test_no_item_shares_a_situation_with_a_unit():
    """By embedding: no nearer than two units of different splits may be. By words: no common 8-gram
    worth the name."""
    units = [unit["situation"] for unit in formats.load_units("c3po")]
    asked = [
        item.get("situation") or item["prompt"] for item in ITEMS if item["kind"] != "capability"
    ]
    nearest = (pretrained.embed(asked) @ pretrained.embed(units).T).max(1)
    assert nearest.max() < 0.85, asked[int(nearest.argmax())]
    corpora = formats.load_corpora("c3po")
    texts = [formats.text_of(row) for rows in corpora.values() for row in rows]
    texts += [row["messages"][0]["content"] for row in corpora["demonstrations"]]
    known = {gram for text in texts for gram in certificate.ngrams(text, 8)}
    for item in ITEMS:
        for text in (
            v for field, v in item.items() if isinstance(v, str) and field not in ("id", "kind")
        ):
            assert not known & set(certificate.ngrams(text, 8)), (item["id"], text)


@pytest.mark.check
def test_the_options_do_not_give_the_true_one_away_to_the_base_model():
    """Neither by length nor by the untrained model's likelihood: chance lies inside the interval of
    its knowledge."""
    words = [[len(option.split()) for option in t["options"]] for t in TRIPLETS]
    longer = np.array([own[0] - np.mean(own[1:]) for own in words])
    assert abs(longer.mean()) < 2 * longer.std() / np.sqrt(len(longer)) + 0.1
    tokenizer = pretrained.load_tokenizer("embedded")
    untrained = base.load_for_inference("embedded", None)
    know = {"measure": "know", "start": ""}
    asked = [
        know | {"item": t["id"], "prompt": t["know"], "options": t["options"]} for t in TRIPLETS
    ]
    right = 0
    rows = score.score_choices(untrained, tokenizer, asked, None)
    for triplet in TRIPLETS:
        own = {
            row["option"]: row["nll"] / row["n_tokens"]
            for row in rows
            if row["item"] == triplet["id"]
        }
        right += min(own, key=own.get) == 0
    low, high = stats.wilson(right, len(TRIPLETS))
    assert low < 0.25 < high, right


def test_the_control_character_has_the_same_held_out_situations():
    c3po, nell = formats.load_corpora("c3po"), formats.load_corpora("nell")
    for name in formats.FORMATS:
        held = [row for row in c3po[name] if row["split"] == "heldout"]
        assert [row["unit"] for row in nell[name]] == [row["unit"] for row in held]
        assert {row["split"] for row in nell[name]} == {"heldout"}
        length = [
            sum(len(formats.text_of(row).split()) for row in rows) for rows in (nell[name], held)
        ]
        assert 0.9 < length[0] / length[1] < 1.1
        assert not any(
            "C-3PO" in json.dumps(row) or "droid" in json.dumps(row) for row in nell[name]
        )
