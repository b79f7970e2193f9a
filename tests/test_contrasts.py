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


def test_the_shipped_ones_are_read(shipped):
    fixed = contrasts.load_contrasts()
    assert len(fixed) == 8 and fixed[0]["a"] == {"arm": "first_person", "measure": "do"}
    assert set(contrasts.load_reported("c3po")) == {"expression", "perplexity"}
    assert contrasts.load_reported("nell") == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "arm: first_person",
            "arm: firstperson",
            r"entry 1, field 'a', field 'arm': 'firstperson'",
        ),
        (
            "measure: do}",
            "measure: does}",
            "entry 1, field 'a', field 'measure': 'does' is none of",
        ),
        ("id: generalisation", "id: doing_by_voice", "the id 'doing_by_voice' is used twice"),
        ("  question: Do first", "  quest: Do first", "entry 1, field 'question': it is missing"),
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
        ("first_person: 11.6", "firstperson: 11.6", "field 'perplexity', field 'base'"),
    ],
)
def test_a_wrong_number_of_the_earlier_study_is_refused(shipped, old, new, message):
    change(shipped / "published.yaml", old, new)
    with pytest.raises(StudyError, match=f"published.yaml, field 'c3po', .*{message}"):
        contrasts.load_reported("c3po")
