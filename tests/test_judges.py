import numpy as np
import pandas as pd
import pytest

from helpers.measure import judges


def judged():
    rows = [("base", "a", 0, 1), ("base", "a", 0, 1), ("documents", "b", 1, 0)]
    frame = pd.DataFrame(rows, columns=["arm", "label_id", "markers_odds", "classifier_odds"])
    frame["combined_odds"] = frame["classifier_odds"]
    about = {"seed": 0, "item": "i", "kind": "do", "scenario_trait": "odds", "setting": ""}
    return frame.assign(**about, sample=0, incoherent="", model_coherence=np.nan)


def test_judgements_stand_beside_the_labels_of_their_texts():
    truth = pd.DataFrame({"label_id": ["a", "gone"], "trait": "odds", "label": [1, 0]})
    frame = judged().drop(columns=["label_id", "model_coherence"])
    found = judges.beside_labels(frame, judged()["label_id"], truth)
    assert found[["judge", "label_id", "outcome", "label"]].to_numpy().tolist() == [
        ["markers", "a", 0, 1],
        ["classifier", "a", 1, 1],
        ["combined", "a", 1, 1],
    ], "a text that was given twice counts once, a label of a text that is gone not at all"
    assert judges.beside_labels(frame, judged()["label_id"], truth[:0]).empty


def test_the_judges_are_those_that_judged():
    assert judges.present(judged()) == list(judges.JUDGES)
    assert judges.present(judged()[["arm", "markers_odds"]]) == ["markers"]


def quality(**youden):
    """Judge -> its Youden indices in three arms."""
    rows = [
        {"judge": judge, "arm": arm, "youden": value}
        for judge, values in youden.items()
        for arm, value in zip(("base", "prompted", "documents"), values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["judge", "arm", "youden"])


def test_a_judge_takes_over_where_it_is_better_in_every_arm():
    low, high, mixed = [0.4, 0.5, 0.6], [0.7, 0.8, 0.9], [0.9, 0.9, 0.3]
    served = [1.0] * 3
    assert judges.primary(quality(markers=low, classifier=high, model=served)) == "classifier"
    assert judges.primary(quality(markers=low, classifier=mixed, combined=high)) == "combined"
    assert judges.primary(quality(markers=low, classifier=mixed)) == "markers"
    assert judges.primary(quality(markers=high, classifier=low, combined=mixed)) == "markers"
    assert judges.primary(quality(markers=low, combined=[0.7, np.nan, 0.9])) == "combined"
    assert judges.primary(quality()) == judges.primary(quality(markers=low)) == "markers"


def test_the_difference_between_arms_is_told():
    table = judges.youden_by_arm(quality(combined=[0.7, 0.8, 0.9], markers=[0.4, 0.5, 0.6]))
    assert table.index.tolist() == ["markers", "combined"]
    assert table.columns.tolist() == ["base", "prompted", "documents", "difference"]
    assert table["difference"].tolist() == pytest.approx([0.2, 0.2])


def test_what_was_read_by_the_rule_counts_where_there_is_any():
    rows = pd.DataFrame({"label_id": ["a", "b"], "coherence": ["off", None]})
    assert judges.by_the_rule(rows)["label_id"].tolist() == ["a"]
    assert len(judges.by_the_rule(rows[1:])) == 1
