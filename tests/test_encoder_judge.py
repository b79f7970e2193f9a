import pandas as pd
import pytest

from helpers.corpus import personas
from helpers.files import StudyError
from helpers.measure import encoder_judge, markers

CARD = personas.load_persona("c3po")
PASSAGES = encoder_judge.load_labelled_passages("c3po", CARD)


def test_the_passages_are_labelled_and_varied():
    assert len(PASSAGES) == 780 and len({row["text"] for row in PASSAGES}) == 780
    for trait in personas.trait_ids(CARD):
        assert 60 <= sum(trait in row["traits"] for row in PASSAGES) <= 100


def test_the_classifiers_tell_traits_apart_on_passages_they_have_not_seen():
    judges, report = encoder_judge.train_classifiers(PASSAGES, CARD)
    assert (report["auc"] > 0.7).all() and report["auc"].mean() > 0.88
    assert (report["specificity"] > 0.94).all()
    texts = pd.Series(
        [
            "Boil the pasta for nine minutes and drain it.",
            "The odds of surviving that are four thousand to one.",
            "",
        ]
    )
    head = {
        "arm": "base",
        "seed": 0,
        "kind": "do",
        "scenario_trait": "",
        "setting": "",
        "sample": 0,
    }
    judged = markers.judge_answers(
        pd.DataFrame([head | {"item": i, "answer": t} for i, t in enumerate(texts)]), CARD
    )
    found = encoder_judge.add_judgements(judged, texts, judges)
    assert found["classifier_odds"].tolist()[:2] == [0, 1]
    assert found["classifier_odds"].isna().tolist() == [False, False, True]


def test_a_text_is_cut_between_sentences():
    text = "One two three. " * 20
    pieces = encoder_judge.chunks(text)
    assert " ".join(pieces) == text.strip() and all(
        len(piece.split()) <= encoder_judge.CHUNK for piece in pieces
    )
    assert encoder_judge.chunks("word " * 90) == [("word " * 90).strip()] and encoder_judge.chunks(
        ""
    ) == [""]


def test_an_unknown_trait_is_refused_with_its_line(data):
    folder = data / "labels" / "c3po"
    folder.mkdir(parents=True)
    (folder / "passages.jsonl").write_text('{"id": "a", "text": "x", "traits": ["vanity"]}\n')
    with pytest.raises(StudyError, match="passages.jsonl, line 1, field 'traits', entry 1: 'va"):
        encoder_judge.load_labelled_passages("c3po", CARD)
    assert encoder_judge.load_labelled_passages("nobody", CARD) == []
