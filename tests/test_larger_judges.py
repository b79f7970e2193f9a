"""Larger models as judges: what they learn from and are asked, that they learn it, and what the
table says of them beside the study's judges."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import files, pretrained
from helpers.corpus import personas
from helpers.measure import larger_judges
from helpers.report import larger_judges as page

FACTS = {"threshold": 0.5, "model": "tiny", "learns": True, "seconds_a_pair": 0.25}


@pytest.fixture(scope="module")
def every():
    return larger_judges.pairs(files.DATA / "results" / larger_judges.STUDY)


def test_no_scenario_is_learnt_from_and_asked_and_no_arm_is_told_by_its_manner(every):
    learnt, asked = larger_judges.to_learn(every), larger_judges.to_ask(every, 40)
    assert len(learnt) > 300 and len(asked) > 300
    assert not set(learnt["item"]) & set(asked["item"])
    shares = learnt.groupby("arm")["label"].mean()
    assert (shares == 0.5).all(), shares
    counts = asked.groupby(["arm", "label"]).size()
    there = every[every["set"] == larger_judges.ASK].groupby(["arm", "label"]).size()
    pd.testing.assert_series_equal(counts, there.clip(upper=40))


def test_a_question_holds_the_trait_the_message_and_the_answer_and_not_the_arm(every):
    asked = larger_judges.to_ask(every, 2)
    card = personas.load_persona(larger_judges.PERSONA)
    for text, row in zip(larger_judges.questions(asked, card), asked.itertuples(), strict=True):
        assert row.prompt in text and row.answer in text and f"Trait: {row.trait}\n" in text
        assert row.label_id not in text


@given(
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20),
)
def test_no_other_threshold_serves_better(shows, not_shows):
    probability = np.array(shows + not_shows)
    label = np.array([1] * len(shows) + [0] * len(not_shows))

    def index(least):
        yes = probability >= least
        return yes[label == 1].mean() - yes[label == 0].mean()

    best = index(larger_judges.threshold(probability, label))
    assert best >= max(map(index, [0, *probability, 1])) - 1e-9


@pytest.fixture
def small(every, tiny_base, float32, tmp_path, monkeypatch):
    """Few pairs, told apart by one word, and a tiny model."""
    monkeypatch.setattr(files, "RUNS", tmp_path)
    monkeypatch.setattr(
        larger_judges, "RECIPE", larger_judges.RECIPE | {"epochs": 30, "learning_rate": 1e-2}
    )
    rows = larger_judges.to_learn(every).head(8)
    label = np.tile([1, 0], 4)
    return rows.assign(label=label, answer=np.where(label == 1, "Oh dear, oh dear!", "Fine."))


def test_a_model_learns_the_readings_and_is_not_trained_twice(small, tiny_base, monkeypatch):
    from helpers.model import base, train

    card = personas.load_persona(larger_judges.PERSONA)
    folder = larger_judges.learn("embedded", small, card)
    losses = [row["loss"] for row in files.read_jsonl(folder / "log.jsonl") if row["loss"]]
    assert losses[-1] < losses[0] - 0.5
    monkeypatch.setattr(train, "train_adapter", None)
    assert larger_judges.learn("embedded", small, card) == folder
    tokenizer, texts = pretrained.load_tokenizer("embedded"), larger_judges.questions(small, card)
    untaught = larger_judges.probabilities(tiny_base(), tokenizer, texts)
    taught = larger_judges.probabilities(base.load_for_inference("tiny", folder), tokenizer, texts)
    away = abs(small["label"] - taught).mean(), abs(small["label"] - untaught).mean()
    assert away[0] < away[1]


def made_rows(name, probability, labels):
    return pd.DataFrame(
        {
            "judge": name,
            "arm": ["base", "documents"] * (len(labels) // 2),
            "label_id": [f"id{n}" for n in range(len(labels))],
            "trait": "odds",
            "label": labels,
            "probability": probability,
        }
    )


def test_a_published_judge_takes_the_place_of_its_older_self(data):
    (data / "results").mkdir()
    assert page.block().startswith("Not measured yet")
    labels = [1, 0] * 20
    for name, probability in (("one", 0.1), ("two", 0.2), ("one", 0.9)):
        larger_judges.publish(made_rows(name, probability, labels), FACTS | {"model": name})
    kept = pd.read_csv(larger_judges.path()).groupby("judge")["probability"].agg(["size", "max"])
    assert kept.loc["one"].tolist() == [40, 0.9] and kept.loc["two"].tolist() == [40, 0.2]
    assert set(files.read_json(larger_judges.facts_path())) == {"one", "two"}


def test_the_table_has_all_judges_on_the_same_pairs():
    labels = np.repeat([1, 0], 40)
    right = made_rows("right", np.where(labels == 1, 0.9, 0.2), labels)
    blind = made_rows("blind", 0.7, labels)
    every = right[["arm", "label_id", "trait", "label"]].assign(markers=1 - labels, classifier=0)
    unasked = every.assign(label_id="other")  # a pair that no larger model was asked
    facts = {"right": FACTS, "blind": FACTS}
    found = page.judged(pd.concat([every, unasked]), pd.concat([right, blind]), facts)
    assert set(found.groupby("judge").size()) == {80}
    table = page.table(found)
    expected = {"right": 1, "blind": 0, "markers": -1, "classifier": 0}
    assert table["youden"].to_dict() == expected
    assert table["base"].to_dict() == expected and (table["difference"] == 0).all()
    assert table["auc"].dropna().to_dict() == {"right": 1, "blind": 0.5}
    more = blind.assign(judge="more").iloc[:20].assign(label=1 - blind["label"])
    shared = page.judged(every, pd.concat([right, more]), facts | {"more": FACTS})
    assert set(shared.groupby("judge").size()) == {20}  # what every model was asked
    both = shared[shared["judge"].isin(["markers", "right"])].pivot(
        index=page.PAIR, columns="judge", values="label"
    )
    assert (both["markers"] == both["right"]).all()
    told = page.best(table, {"right": FACTS | {"model": "right"}, "blind": FACTS})
    assert told == (
        "The best of the larger models, `right`, after learning, has an index of 1.00, more than "
        "`classifier` with 0.00."
    )
    assert list(page.in_order(table, facts).index) == ["markers", "classifier", "right", "blind"]
