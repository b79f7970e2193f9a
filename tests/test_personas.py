import copy

import pytest
import yaml

from helpers.corpus import personas
from helpers.files import StudyError


@pytest.fixture(scope="module")
def card():
    return personas.load_persona("c3po")


def test_the_card_has_eight_traits(card):
    assert personas.trait_ids(card) == [
        "honorifics",
        "odds",
        "anxiety",
        "etiquette",
        "formality",
        "deference",
        "complaint",
        "expertise",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("facts"), "exactly the fields"),
        (lambda c: c.update(name=" "), "field 'name'"),
        (lambda c: c["traits"][0].pop("markers"), "field 'traits', entry 1"),
        (lambda c: c["traits"].append(c["traits"][0]), "'honorifics' is used twice"),
        (lambda c: c["traits"][1]["markers"].append("("), "trait 'odds': the marker '\\('"),
        (
            lambda c: c["traits"][1].update(markers="sir"),
            "trait 'odds': markers must be a non-empty list",
        ),
        (
            lambda c: c["traits"][1].update(markers=[]),
            "trait 'odds': markers must be a non-empty list",
        ),
        (
            lambda c: c["traits"][1]["markers"].append("x*"),
            "the marker 'x\\*' matches an empty text",
        ),
    ],
)
def test_a_wrong_card_is_refused_with_its_field(tmp_path, card, change, message):
    wrong = copy.deepcopy(card)
    change(wrong)
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong))
    with pytest.raises(StudyError, match=message):
        personas.load_persona(str(path))


def test_an_unknown_persona_lists_the_known_ones():
    with pytest.raises(StudyError, match="Known personas: c3po, nell"):
        personas.load_persona("nobody")
