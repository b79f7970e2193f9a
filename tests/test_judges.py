import numpy as np
import pandas as pd

from helpers.measure import judges


def judged():
    rows = [("base", "a", 0, 1), ("base", "a", 0, 1), ("documents", "b", 1, 0)]
    frame = pd.DataFrame(rows, columns=["arm", "label_id", "markers_odds", "classifier_odds"])
    about = {"seed": 0, "item": "i", "kind": "do", "scenario_trait": "odds", "setting": ""}
    return frame.assign(**about, sample=0, incoherent="", model_coherence=np.nan)


def test_judgements_stand_beside_the_labels_of_their_texts():
    truth = pd.DataFrame({"label_id": ["a", "gone"], "trait": "odds", "label": [1, 0]})
    frame = judged().drop(columns=["label_id", "model_coherence"])
    found = judges.beside_labels(frame, judged()["label_id"], truth)
    assert found[["judge", "label_id", "outcome", "label"]].to_numpy().tolist() == [
        ["markers", "a", 0, 1],
        ["classifier", "a", 1, 1],
    ], "a text that was given twice counts once, a label of a text that is gone not at all"
    assert judges.beside_labels(frame, judged()["label_id"], truth[:0]).empty


def test_the_judges_are_those_that_judged():
    assert judges.present(judged()) == list(judges.JUDGES)
    assert judges.present(judged()[["arm", "markers_odds"]]) == ["markers"]


def test_the_primary_judge_agrees_best_and_needs_no_server():
    quality = pd.DataFrame({"judge": ["markers", "classifier", "model"], "ac1": [0.4, 0.5, 0.9]})
    assert judges.primary(quality) == "classifier"
    assert judges.primary(quality[:0]) == judges.primary(quality.assign(ac1=np.nan)) == "markers"
