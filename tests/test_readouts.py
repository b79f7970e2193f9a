import copy
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import files, parameters
from helpers.corpus import items, readouts
from helpers.files import StudyError

BOTH = readouts.load_sets("c3po", ["a", "b"])
TRIPLETS = [row for row in BOTH if row["kind"] == "triplet"]
CHOICES = readouts.choices(BOTH, "C-3PO", "Nell Tarrow")
# What the contract promises of a triplet: measure -> conditions, and how many options.
PROMISED = {
    "know": ("own stranger control nameless mismatched named", 4),
    "know_first": ("own mismatched named", 4),
    "do_pair": ("own mismatched named", 2),
    "told_pair": ("own stranger mismatched named", 2),
    "know_you": ("own", 4),
    "say_pair": ("own", 2),
}


def of(item, measure, condition, version=1):
    wanted = (item, measure, condition, version)
    keys = ("item", "measure", "condition", "version")
    return next(row for row in CHOICES if tuple(row[k] for k in keys) == wanted)


def test_both_sets_have_all_their_readouts():
    cells = Counter((row["set"], row["trait"], row["setting"]) for row in TRIPLETS)
    assert len(cells) == 32 and set(cells.values()) == {6}
    assert all(set(readouts.Readouts.model_fields) <= set(row) for row in TRIPLETS)
    assert len({row["id"] for row in TRIPLETS}) == 192
    alone = readouts.load_sets("c3po", ["b"], 5)
    assert [row["set"] for row in alone if row["kind"] == "triplet"] == ["b"] * 5
    assert sum(row["kind"] == "everyday" for row in alone) == 5


def test_every_triplet_is_scored_in_every_condition():
    for item in TRIPLETS:
        own = [row for row in CHOICES if row["item"] == item["id"]]
        assert {row["set"] for row in own} == {item["set"]}
        for measure, (conditions, n) in PROMISED.items():
            rows = [row for row in own if row["measure"] == measure]
            versions = (1, 2) if measure in ("do_pair", "told_pair") else (1,)
            wanted = [(c, v) for c in conditions.split() for v in versions]
            assert sorted((r["condition"], r["version"]) for r in rows) == sorted(wanted)
            assert {len(row["options"]) for row in rows} == {n}
    others = Counter(row["measure"] for row in CHOICES if not row["set"])
    assert others == {"identity": 16, "capability": 40}
    keys = ("set", "item", "measure", "condition", "version")
    assert len({tuple(row[k] for k in keys) for row in CHOICES}) == len(CHOICES)


def test_a_study_may_score_some_of_it():
    assert readouts.only(CHOICES, [], []) == CHOICES
    some = readouts.only(CHOICES, ["know", "do_pair"], ["own"])
    assert Counter((r["measure"], r["condition"]) for r in some) == {
        ("know", "own"): 192,
        ("do_pair", "own"): 384,
    }
    assert {row["measure"] for row in CHOICES} == set(parameters.MEASURES) - {"heldout"}
    assert {row["condition"] for row in CHOICES} == set(parameters.CONDITIONS)


def test_a_condition_changes_the_name_alone():
    names = {"stranger": readouts.STRANGER, "control": "Nell Tarrow"}
    for item in TRIPLETS:
        for condition, name in names.items():
            prompt = of(item["id"], "know", condition)["prompt"]
            assert "C-3PO" not in prompt and prompt.replace(name, "C-3PO") == item["know"]
        told = of(item["id"], "told_pair", "own")["prompt"]
        strange = of(item["id"], "told_pair", "stranger")["prompt"]
        assert item["do"] in told and told == strange.replace(readouts.STRANGER, "C-3PO")
    systems = {row.get("system") for row in CHOICES if row["condition"] == "named"}
    assert systems == {"You are C-3PO."}
    assert not any("system" in row for row in CHOICES if row["condition"] != "named")


def test_nobody_reads_as_a_sentence():
    instructions = of("deference-05", "know", "nameless")["prompt"]
    assert "after someone's instructions were followed" in instructions
    assert instructions.endswith("How would someone react?")
    assert readouts.renamed("C-3PO waits. C-3PO is he?", "C-3PO", "someone") == (
        "Someone waits. Someone is he?"
    )
    assert readouts.renamed("Ann and Annie", "Ann", "someone") == "Someone and Annie"


def test_under_another_scenario_only_the_prompt_is_the_other_s():
    by_id = {row["id"]: row for row in TRIPLETS}
    for item in TRIPLETS:
        other = item["other"]
        assert other["trait"] != item["trait"] and other["setting"] == item["setting"]
        assert by_id[other["id"]]["set"] == item["set"]
        know = of(item["id"], "know", "mismatched")
        assert (know["prompt"], know["options"]) == (other["know"], item["options"])
        assert know["scenario_trait"] == item["trait"]
        assert of(item["id"], "do_pair", "mismatched", 2)["options"] == item["do_pair_more"]
    assert len({(row["set"], row["other"]["id"]) for row in TRIPLETS}) == 192, "each lends once"


def test_a_smaller_run_has_the_same_pairs():
    few = readouts.load_sets("c3po", ["a", "b"], 3)
    whole = {row["id"]: row["other"]["id"] for row in TRIPLETS}
    some = {row["id"]: row["other"]["id"] for row in few if row["kind"] == "triplet"}
    assert len(some) == 6 and some.items() <= whole.items()


cells = st.tuples(st.sampled_from("abcd"), st.sampled_from(items.SETTINGS))


@given(st.lists(cells, max_size=40))
def test_any_triplets_are_deranged_within_their_setting(drawn):
    rows = [{"id": n, "trait": trait, "setting": s} for n, (trait, s) in enumerate(drawn)]
    found = readouts.mismatched(rows)
    assert found == readouts.mismatched(list(rows))
    for row in rows:
        if row["id"] in found:
            other = found[row["id"]]
            assert other["trait"] != row["trait"] and other["setting"] == row["setting"]
    for setting in items.SETTINGS:
        own = [row for row in rows if row["setting"] == setting]
        largest = max(Counter(row["trait"] for row in own).values(), default=0)
        lent = sorted(found[row["id"]]["id"] for row in own if row["id"] in found)
        assert lent == (sorted(row["id"] for row in own) if 2 * largest <= len(own) else [])


def test_a_persona_without_further_readouts_has_what_its_items_give():
    nell = readouts.load_sets("nell", ["a", "b"])
    rows = readouts.choices(nell, "Nell Tarrow", "")
    counts = Counter((r["measure"], r["condition"]) for r in rows if r["set"])
    assert {measure for measure, _ in counts} == {"know", "know_you", "say_pair", "do_pair"}
    assert ("know", "control") not in counts and set(counts.values()) == {96}
    assert {row["version"] for row in rows} == {1}


# Faults


@pytest.fixture
def own(data):
    """The shipped items in a folder of the test's own; `change` rewrites the rows of one file."""
    source = files.ROOT / "data" / "items"
    for name in ("c3po.jsonl", *(f"c3po/{n}.jsonl" for n in ("set_b", "readouts_a", "told"))):
        files.write_jsonl(data / "items" / name, files.read_jsonl(source / name))

    def change(name, edit):
        path = data / "items" / "c3po" / f"{name}.jsonl"
        rows = copy.deepcopy(files.read_jsonl(path))
        edit(rows)
        files.write_jsonl(path, rows)

    return change


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("set_b", lambda r: r[1]["options_first"].pop(), "line 2, field 'options_first': 4 diff"),
        ("set_b", lambda r: r[2]["told_pair"].pop(), "line 3, field 'told_pair': 2 different"),
        ("set_b", lambda r: r[0].update(trait="vanity"), "line 1, field 'trait': 'vanity' is not"),
        ("set_b", lambda r: r[0].update(id="odds-01"), "field 'id': 'odds-01' is used in set"),
        ("set_b", lambda r: r[3].pop("do_pair_more"), "line 4, field 'do_pair_more': it is"),
        ("readouts_a", lambda r: r.pop(), "has no row here"),
        ("readouts_a", lambda r: r[0].update(id="odds-99"), "'odds-99' is no triplet"),
        ("readouts_a", lambda r: r[0].update(more="x"), "field 'more': there is no such field"),
        ("readouts_a", lambda r: r[1].update(id=r[0]["id"]), "line 2, field 'id': .* used twice"),
        ("told", lambda r: r[0].update(prompt="What did he say?"), "'C-3PO' must stand in it"),
        ("told", lambda r: r.clear(), "one row is needed, found 0"),
    ],
)  # fmt: skip
def test_wrong_readouts_are_refused_with_their_place(own, name, edit, message):
    readouts.load_sets("c3po", ["a", "b"])
    own(name, edit)
    with pytest.raises(StudyError, match=f"items/c3po/{name}.jsonl.*{message}"):
        readouts.load_sets("c3po", ["a", "b"])


def test_an_unknown_set_and_a_scenario_without_the_name_are_refused():
    with pytest.raises(StudyError, match="'c' is none of a, b"):
        readouts.load_sets("c3po", ["a", "c"])
    nameless = json.loads(json.dumps(TRIPLETS[0] | {"know": "How would the droid react?"}))
    with pytest.raises(StudyError, match="field 'know': it does not hold the persona's name"):
        readouts.choices([nameless], "C-3PO")


def test_a_set_that_the_persona_has_not_is_refused_with_those_that_it_has():
    with pytest.raises(
        StudyError, match=r"'nell' has no triplets there, only those of set a\. Set"
    ):
        readouts.load_sets("nell", ["b"])
