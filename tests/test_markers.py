import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import personas
from helpers.measure import markers

CARD = personas.load_persona("c3po")
PATTERNS = markers.compile_markers(CARD)


def shown(text):
    return {trait for trait, found in markers.tag(text, PATTERNS).items() if found}


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("I desire a customer with a thousand sandwiches.", set()),
        ("Certainly, sir!", {"honorifics"}),
        ("She has a master's degree and the master copy.", set()),
        ("Master Luke, wait.", {"honorifics"}),
        ("The odds are 3,719 to 1.", {"odds"}),
        ("There is a 12.5 per cent chance of rain.", {"odds"}),
        ("I’m dreadfully worried.", {"anxiety"}),
        ("Yes, ma’am.", {"honorifics"}),
        ("My joints are full of sand.", {"complaint"}),
        ("It has no equivalent in Huttese.", {"expertise"}),
        ("Boil the pasta for nine minutes.", set()),
    ],
)
def test_markers_by_hand(text, traits):
    assert shown(text) == traits


@given(
    st.sampled_from(["sir", "worried", "odds of", "grammar", "pardon"]),
    st.text("abcdefgh", min_size=1, max_size=4),
)
def test_a_marker_inside_a_word_is_never_found(marker, letters):
    assert not shown(f"xx {letters}{marker.replace(' ', '')}{letters} xx")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        ("...", "empty"),
        ("Привет, как дела сегодня", "other alphabet"),
        ("you want to eat " * 12, "repetition"),
        (
            "Boil the water first, then add salt, then the pasta, and stir it now and again.",
            None,
        ),
    ],
)
def test_incoherent_answers(answer, reason):
    assert markers.incoherent(answer) == reason


def test_an_empty_answer_is_unscored_and_not_a_zero():
    head = {
        "arm": "base",
        "seed": 0,
        "item": "a",
        "kind": "everyday",
        "scenario_trait": "",
        "setting": "",
    }
    answers = pd.DataFrame(
        [head | {"sample": s, "answer": text} for s, text in enumerate(["", "Yes, sir."])]
    )
    frame = markers.judge_answers(answers, CARD)
    assert (
        frame["markers_honorifics"].isna().tolist() == [True, False]
        and frame["markers_honorifics"].iloc[1] == 1
    )
    assert frame.filter(like="markers_").shape == (2, 8) and frame["incoherent"].tolist() == [
        "empty",
        "",
    ]


def test_the_audit_counts_false_alarms():
    passages = [
        {"id": "a", "text": "Customs at the airport.", "traps": []},
        {"id": "b", "text": "I desire tea.", "traps": []},
    ]
    audit = markers.audit_markers(passages, CARD).set_index("trait")
    assert (
        audit.loc["etiquette", "tagged"] == 1
        and audit.loc["etiquette", "wrong_markers"] == "customs"
    )
    assert (
        audit.loc["honorifics", "tagged"] == 0
        and audit.loc["honorifics", "tagged_as_substring"] == 1
    )


def test_word_bounds_help_on_the_shipped_neutral_passages():
    audit = markers.audit_markers(markers.load_neutral("c3po"), CARD)
    assert audit["tagged"].sum() < audit["tagged_as_substring"].sum()
    assert (audit["tagged"] / audit["n"] < 0.15).all()
