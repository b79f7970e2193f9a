"""What was fixed in advance, and what an earlier study reported: a typing error is no silence."""

import pytest

from helpers import files
from helpers.files import StudyError
from helpers.measure import contrasts


@pytest.fixture
def shipped(data):
    for name in ("contrasts", "published"):
        text = (files.ROOT / "data" / f"{name}.yaml").read_text(encoding="utf-8")
        (data / f"{name}.yaml").write_text(text, encoding="utf-8")
    return data


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


KINDS = ("difference", "crossover", "gap_beyond_base", "sensitivity")


def test_the_shipped_ones_are_read(shipped):
    earlier = contrasts.load_contrasts()
    assert len(earlier) == 8 and earlier[0]["a"] == {"arm": "first_person", "measure": "do"}
    assert {contrast["role"] for contrast in earlier} == {"earlier"}
    assert set(contrasts.load_reported("c3po")) == {"expression", "perplexity"}
    assert contrasts.load_reported("nell") == {}


def test_what_is_primary_is_about_set_b_and_exploratory_on_set_a(shipped):
    by_role = {}
    for contrast in contrasts.load_contrasts(KINDS):
        by_role.setdefault(contrast["role"], {})[contrast["id"]] = contrast
    primary = by_role["primary"]
    assert list(primary) == [
        "crossover_demonstrations",
        "crossover_first_person",
        "documents_gap_beyond_base",
        "sensitivity_demonstrations",
        "sensitivity_first_person",
        "sensitivity_documents",
    ]
    assert {contrast["set"] for contrast in primary.values()} == {"b"}
    for name, contrast in primary.items():
        again = by_role["exploratory"][f"{name}_set_a"]
        assert again == contrast | {"id": again["id"], "role": "exploratory", "set": "a"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "arm: first_person",
            "arm: firstperson",
            "entry 13, field 'a', field 'arm': 'firstperson'",
        ),
        (
            "measure: do}",
            "measure: does}",
            "entry 13, field 'a', field 'measure': 'does' is none of",
        ),
        (
            "arms: [documents, demonstrations]",
            "arms: [documents, demonstration]",
            "entry 1, field 'arms', entry 2: 'demonstration' is none of",
        ),
        ("arms: [documents, dem", "arms: [dem", "entry 1, field 'arms': at least 2 are needed"),
        ("kind: crossover", "kind: cross", "entry 1, field 'kind': 'cross' is none of"),
        ("set: b", "set: c", "entry 1, field 'set': 'c' is none of"),
        ("set: b", "set: a", "'crossover_demonstrations' is primary, but not about set b"),
        ("role: primary", "role: main", "entry 1, field 'role': 'main' is none of"),
        ("  role: primary\n", "", "entry 1, field 'role': it is missing"),
        ("  kind: crossover\n", "", "entry 1, field 'kind': it is missing"),
        ("id: generalisation", "id: doing_by_voice", "the id 'doing_by_voice' is used twice"),
        ("  question: Do docu", "  quest: Do docu", "entry 1, field 'question': it is missing"),
        ("experiment: dose", "experiment: doses", "field 'experiment': 'doses' is none of voice_"),
        (
            "arms: [documents, demonstrations]",
            "arms: [documents, documents]",
            "entry 1, field 'arms': 'documents' is listed twice",
        ),
        (
            "traits: [honorifics, anxiety,",
            "traits: [honorifics, anxeity,",
            "entry .*, field 'traits', entry 2: 'anxeity' is a trait of no persona card. Repair",
        ),
        ("traits: [honorifics, anxiety,", "traits: [honorifics, honorifics,", "is listed twice"),
        (
            "a: {arm: first_person, measure: do}",
            "a: {arm: demonstrations, measure: do}",
            "entry 13: `a` and `b` are the same",
        ),
    ],
)
def test_a_wrong_contrast_is_refused(shipped, old, new, message):
    change(shipped / "contrasts.yaml", old, new)
    with pytest.raises(StudyError, match=f"contrasts.yaml, .*{message}"):
        contrasts.load_contrasts()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("arm: documents", "arm: document", "field 'expression', entry 1, field 'arm'"),
        ("trait: anxiety", "trait: anxious", "'anxious' is not on the persona's card"),
        ("rate: 0.37", "rate: 37", "field 'rate'"),
        ("successes: 11, n: 30", "successes: 31, n: 30", "31 successes of 30 are no share"),
        ("successes: 11, n: 30", "successes: 11, n: 0", "field 'n': a number of at least 1"),
        ("first_person: 11.6", "first_person: 0", "a number of at least 1.0 is needed, f"),
        ("first_person: 11.6", "firstperson: 11.6", "field 'perplexity', field 'base'"),
    ],
)
def test_a_wrong_number_of_the_earlier_study_is_refused(shipped, old, new, message):
    change(shipped / "published.yaml", old, new)
    with pytest.raises(StudyError, match=f"published.yaml, .*field 'c3po', .*{message}"):
        contrasts.load_reported("c3po")


def test_the_numbers_of_each_persona_are_about_its_own_card(shipped):
    own, (trait, *_) = "perplexity", contrasts.trait_ids(contrasts.load_persona("nell"))
    with open(shipped / "published.yaml", "a", encoding="utf-8") as file:
        file.write(f"nell:\n  expression:\n    - {{arm: base, trait: {trait}, rate: 0.5}}\n")
    assert own in contrasts.load_reported("c3po")
    assert contrasts.load_reported("nell")["expression"][0]["trait"] == trait
    change(shipped / "published.yaml", f"trait: {trait}", "trait: anxiety")
    assert own in contrasts.load_reported("c3po")
    with pytest.raises(StudyError, match="line 16, field 'nell', field 'expression', entry 1, "):
        contrasts.load_reported("nell")


def test_the_traits_of_a_contrast_are_those_of_one_card(shipped):
    other = contrasts.trait_ids(contrasts.load_persona("nell"))[0]
    change(shipped / "contrasts.yaml", "traits: [honorifics, anx", f"traits: [{other}, anx")
    with pytest.raises(StudyError, match="'traits': .* are not traits of one persona card. Repair"):
        contrasts.load_contrasts(("means",))
