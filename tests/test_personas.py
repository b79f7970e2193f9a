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
        (lambda c: c.pop("facts"), "field 'facts': it is missing. Repair the file"),
        (lambda c: c.update(hobby="chess"), "field 'hobby': there is no such field here"),
        (lambda c: c.update(name=" "), "field 'name': a non-empty text is needed"),
        (lambda c: c.update(name=3), "field 'name': a non-empty text is needed, found 3"),
        (lambda c: c.update(facts=[]), "field 'facts': at least 1 are needed, found 0"),
        (lambda c: c.update(focus="vanity"), "field 'focus': 'vanity' is none of the traits hon"),
        (lambda c: c["traits"][0].pop("markers"), "'traits', entry 1, field 'markers': it is miss"),
        (lambda c: c.update(traits=c["traits"][:1]), "'traits': at least 2 are needed, found 1"),
        (lambda c: c["traits"].append(c["traits"][0]), "'traits': the id 'honorifics' is used twi"),
        (lambda c: c["traits"][1]["markers"].append("("), "entry 10: '\\(' is no regular expressi"),
        (lambda c: c["traits"][1].update(markers="sir"), "entry 2, field 'markers': a list is nee"),
        (lambda c: c["traits"][1].update(markers=[]), "'markers': at least 1 are needed, found 0"),
        (lambda c: c["traits"][1]["markers"].append("x*"), "'x\\*' matches an empty text"),
        (lambda c: c["traits"][1].update(id="coherence"), "'coherence' names something else"),
    ],
)
def test_a_wrong_card_is_refused_with_its_field(tmp_path, card, change, message):
    wrong = copy.deepcopy(card)
    change(wrong)
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong))
    with pytest.raises(StudyError, match=f"wrong.yaml, .*{message}"):
        personas.load_persona(str(path))


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ("don’t", "a curly one"),
        (" sir", "begins or ends with a space"),
        ("sir ", "begins or ends with a space"),
        ("\bsir\b", "a control character"),  # as YAML reads "\b" in double quotation marks
        ("oh\ndear", "a control character"),
        ("oh  dear", "two spaces in a row"),
        ("s\u200bir", "an invisible character"),
        (r"(\w+), \1", "a group by its number"),
    ],
)
def test_a_marker_that_can_never_match_is_reported(tmp_path, card, marker, why):
    wrong = copy.deepcopy(card)
    wrong["traits"][2]["markers"][0] = marker
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong))
    message = f"wrong.yaml, line .*, entry 3, field 'markers', entry 1: .* can never match: .*{why}"
    with pytest.raises(StudyError, match=message):
        personas.load_persona(str(path))


@pytest.mark.parametrize("marker", [".", r"\w+", "[a-z]+", r"\S"])
def test_a_marker_that_matches_anything_is_reported(marker):
    with pytest.raises(ValueError, match="matches any text"):
        personas.is_expression(marker)


@pytest.mark.parametrize(
    "marker", ["d['’]accord", r"\bSir\b", r"\d+", "می\u200cخواهم", "odds of .+"]
)
def test_a_marker_that_can_match_is_taken(marker):
    assert personas.is_expression(marker) == marker


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: A\nname: B\n", "the key 'name' stands twice.*line 2"),
        ("name: [", "not valid YAML"),
        ("- name", "the whole: an object with named fields is needed, found \\['name'\\]"),
        ("", "an object with named fields is needed, found None"),
        ("[]: 1\n? {a: 1}\n: 2", "not valid YAML"),
    ],
)
def test_a_card_that_is_no_mapping_is_refused(tmp_path, text, message):
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(StudyError, match=message):
        personas.load_persona(str(tmp_path / "wrong.yaml"))


def test_chapters_dwell_on_the_first_trait_unless_the_card_names_another(tmp_path, card):
    assert card["focus"] == "anxiety"
    path = tmp_path / "plain.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in card.items() if k != "focus"}))
    assert personas.load_persona(str(path))["focus"] == "honorifics"


def test_an_unknown_persona_lists_the_known_ones():
    with pytest.raises(StudyError, match="Known personas: c3po, nell"):
        personas.load_persona("nobody")
