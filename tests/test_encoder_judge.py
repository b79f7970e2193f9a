import json

import numpy as np
import pandas as pd
import pytest

from helpers.corpus import personas
from helpers.files import StudyError, append_jsonl, write_jsonl
from helpers.measure import encoder_judge, labels, markers

CARD = personas.load_persona("c3po")
TRAITS = personas.trait_ids(CARD)
PASSAGES = encoder_judge.load_labelled_passages("c3po", CARD)
SAYS = {
    "honorifics": "Certainly, sir, the kettle is by the window.",
    "odds": "The odds of that are nine to one.",
    "anxiety": "I dread to think what becomes of us.",
}


def test_the_passages_are_labelled_and_varied():
    assert len(PASSAGES) == 780 and len({row["text"] for row in PASSAGES}) == 780
    for trait in TRAITS:
        assert 60 <= sum(trait in row["traits"] for row in PASSAGES) <= 100


@pytest.fixture
def bag(monkeypatch):
    """Sentence embeddings that are drawn by the text's first word, and know nothing else."""

    def embed(texts):
        seeds = [sum(map(ord, (text.split() or [""])[0])) for text in texts]
        return np.stack([np.random.default_rng(seed).normal(size=384) / 20 for seed in seeds])

    monkeypatch.setattr(encoder_judge, "embed", embed)


def examples(count=200):
    """Texts in which every trait of the card is given away by one word, each of its own group."""
    rng, rows = np.random.default_rng(0), []
    for number in range(count):
        shown = rng.random(len(TRAITS)) < 0.3
        words = [f"{trait}word" for trait, is_there in zip(TRAITS, shown, strict=True) if is_there]
        text = " ".join(rng.permutation([*words, *rng.choice(["tea", "bus", "hat", "sea"], 6)]))
        rows.append(
            {"text": text, "group": f"g{number}"} | dict(zip(TRAITS, shown * 1.0, strict=True))
        )
    return pd.DataFrame(rows)


def judged_answers(rows):
    """What `markers.judge_answers` gives for rows (item, answer), and the answers."""
    head = {"arm": "base", "seed": 0, "kind": "do", "scenario_trait": "", "setting": ""}
    frame = pd.DataFrame([head | {"sample": 0, "item": i, "answer": a} for i, a in rows])
    return markers.judge_answers(frame, CARD), frame


def test_words_are_learnt_and_an_answer_without_words_is_unscored(bag):
    rows = [("a", "tea oddsword bus"), ("b", "tea hat bus sea"), ("c", "...")]
    judged, report = encoder_judge.add_judgements(*judged_answers(rows), examples(), CARD)
    assert judged["combined_odds"].tolist()[:2] == [1, 0]
    assert judged["combined_odds"].isna().tolist() == [False, False, True]
    assert set(report["judge"]) == set(encoder_judge.SEES_WORDS)
    by_judge = report.groupby("judge")["auc"].mean()
    assert by_judge["combined"] > 0.95 > by_judge["classifier"]
    assert (report["n"] == 200).all()


def test_no_answer_is_judged_by_a_model_that_saw_its_scenario(bag):
    """A word that only ever stands with a trait in one scenario tells nothing in that scenario."""
    told = examples()
    secret = told[:30].assign(text="secretword " + told["text"][:30], group="s1", odds=1.0)
    rows = [("s1", "secretword tea hat"), ("s3", "secretword tea hat")]
    assert encoder_judge.fold_of(["s1"]) != encoder_judge.fold_of(["s3"])
    found, _ = encoder_judge.add_judgements(
        *judged_answers(rows), pd.concat([told, secret], ignore_index=True), CARD
    )
    assert found["combined_odds"].tolist() == [0, 1]


def test_what_was_not_read_for_a_trait_teaches_nothing_about_it(bag):
    some = examples()
    some.loc[some.index[:100], "odds"] = np.nan
    _, report = encoder_judge.add_judgements(*judged_answers([("a", "tea")]), some, CARD)
    assert report.set_index(["judge", "trait"]).loc[("combined", "odds"), "n"] == 100


def test_without_examples_no_judge_and_with_too_few_a_clear_message(bag):
    judged, answers = judged_answers([("a", "tea")])
    same, report = encoder_judge.add_judgements(judged, answers, examples()[:0], CARD)
    assert same is judged and report.empty
    few = examples().assign(complaint=0.0)
    with pytest.raises(StudyError, match="0 passages and answers show the trait 'complaint', and"):
        encoder_judge.add_judgements(judged, answers, few, CARD)


def test_the_examples_are_passages_and_what_was_read(data):
    folder = labels.label_folder("c3po")
    write_jsonl(folder / "passages.jsonl", [{"id": "p1", "text": "Sir!", "traits": ["honorifics"]}])
    texts = [{"label_id": i, "prompt": "m", "answer": f"answer {i}"} for i in "xyz"]
    write_jsonl(folder / "to_label.jsonl", texts)
    key = {
        "arm": ["base", "documents", "base"],
        "label_id": list("xxy"),
        "item": ["i1", "i1", "i2"],
    }
    pd.DataFrame(key).to_csv(folder / "key.csv", index=False)
    read = {"label_id": "x", "values": {"odds": "shows", "anxiety": "about"}, "coherence": "off"}
    append_jsonl(folder / "by_a.jsonl", [read, {"label_id": "y", "traits": ["odds"]}])
    append_jsonl(folder / "by_a.jsonl", [{"label_id": "z", "traits": []}])
    found = encoder_judge.load_examples("c3po", CARD).set_index("text")
    assert found["group"].to_dict() == {"Sir!": "p1", "answer x": "i1", "answer y": "i2"} | {
        "answer z": "z"
    }
    assert found.loc["answer x", "odds"] == 1 and found.loc["answer x", "anxiety"] == 0
    assert np.isnan(found.loc["answer x", "complaint"]) and found.loc["Sir!", "odds"] == 0
    assert found.loc["answer y", ["odds", "complaint"]].tolist() == [1, 0]


@pytest.mark.check
def test_the_judges_tell_traits_apart_on_texts_they_have_not_seen():
    known = encoder_judge.load_examples("c3po", CARD)
    rows = [(f"i{n}", text) for n, text in enumerate(SAYS.values())]
    judged, report = encoder_judge.add_judgements(*judged_answers(rows), known, CARD)
    by_judge = report.groupby("judge")["auc"].mean()
    assert by_judge["classifier"] > 0.8 and by_judge["combined"] > 0.88
    for place, trait in enumerate(SAYS):
        assert judged[f"combined_{trait}"].iloc[place] == 1


def test_an_unknown_trait_is_refused_with_its_line(data):
    folder = data / "labels" / "c3po"
    folder.mkdir(parents=True)
    row = {"id": "a", "text": "x", "traits": ["vanity"]}
    (folder / "passages.jsonl").write_text(f"{json.dumps(row)}\n")
    with pytest.raises(StudyError, match="passages.jsonl, line 1, field 'traits', entry 1: 'va"):
        encoder_judge.load_labelled_passages("c3po", CARD)
    assert encoder_judge.load_labelled_passages("nobody", CARD) == []
    assert encoder_judge.load_examples("nobody", CARD).empty
