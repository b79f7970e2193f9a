import ipywidgets
import pandas as pd
import pytest

from helpers.corpus import personas
from helpers.files import StudyError, append_jsonl, read_jsonl
from helpers.measure import labels
from helpers.report import widgets

CARD = personas.load_persona("c3po")


@pytest.fixture
def folder(data):
    return labels.label_folder("c3po")


def answers(n=10):
    frame = pd.DataFrame(
        [
            {
                "arm": arm,
                "seed": 0,
                "item": f"i{i}",
                "kind": "do",
                "scenario_trait": "odds",
                "sample": 0,
                "prompt": f"p{i}",
                "answer": f"{arm} says {i}",
            }
            for arm in ("base", "documents")
            for i in range(n)
        ]
    )
    return frame.assign(label_id=labels.label_ids(frame))


def test_the_drawn_answers_are_stratified_and_blind(folder):
    drawn = labels.draw_answers(answers(), 3)
    assert (
        drawn["arm"].value_counts().to_dict() == {"base": 3, "documents": 3}
        and drawn["label_id"].is_unique
    )
    labels.write_blind(drawn, folder)
    assert all(
        set(row) == {"label_id", "prompt", "answer"}
        for row in read_jsonl(folder / "to_label.jsonl")
    )
    key = pd.read_csv(folder / "key.csv").set_index("label_id")
    seen = {row["label_id"]: row["answer"] for row in read_jsonl(folder / "to_label.jsonl")}
    assert labels.to_label("c3po") == set(key.index) and all(
        seen[i].startswith(key.loc[i, "arm"]) for i in key.index
    )
    with pytest.raises(StudyError, match="drawn answers of all these arms"):
        labels.write_blind(labels.draw_answers(answers(), 1), folder)


def test_an_arm_drawn_later_is_added_and_what_was_drawn_stays(folder):
    some = answers()
    labels.write_blind(labels.draw_answers(some[some["arm"] == "base"], 2), folder)
    before = [read_jsonl(folder / "to_label.jsonl"), (folder / "key.csv").read_text()]
    labels.write_blind(labels.draw_answers(some, 2), folder)
    assert read_jsonl(folder / "to_label.jsonl")[:2] == before[0]
    assert (folder / "key.csv").read_text().startswith(before[1])
    key = pd.read_csv(folder / "key.csv")
    assert key["arm"].tolist() == ["base"] * 2 + ["documents"] * 2 and labels.to_label(
        "c3po"
    ) == set(key["label_id"])


def find(box, kind):
    return [
        child
        for child in getattr(box, "children", ())
        for child in ([child] if isinstance(child, kind) else find(child, kind))
    ]


def test_the_labelling_cell_saves_every_label_and_resumes(folder, monkeypatch):
    labels.write_blind(labels.draw_answers(answers(), 2), folder)
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    widgets.labelling("c3po", CARD, "ann")
    (button,), boxes = find(shown[0], ipywidgets.Button), find(shown[0], ipywidgets.Checkbox)
    boxes[0].value = True
    button.click()
    button.click()
    rows = read_jsonl(folder / "by_ann.jsonl")
    assert [row["traits"] for row in rows] == [["honorifics"], []] and len(
        {row["label_id"] for row in rows}
    ) == 2
    with open(folder / "by_ann.jsonl", "a") as file:
        file.write('{"label_id": "torn')  # a kill in the middle of a write
    widgets.labelling("c3po", CARD, "ann")
    assert "2 answers left" in find(shown[1], ipywidgets.Label)[0].value
    (button,) = find(shown[1], ipywidgets.Button)
    button.click()
    button.click()
    assert button.disabled and len(read_jsonl(folder / "by_ann.jsonl")) == 4
    given = labels.load_labels("c3po", CARD)
    assert len(given) == 4 * 8 and given["label"].sum() == 1


def test_markup_in_an_answer_is_shown_and_not_run():
    assert "&lt;script&gt;" in widgets.page({"prompt": "x", "answer": "<script>alert(1)</script>"})


def test_labels_of_two_annotators_are_paired_and_unknown_ones_refused(folder):
    labels.write_blind(labels.draw_answers(answers(), 2), folder)
    ids = [row["label_id"] for row in read_jsonl(folder / "to_label.jsonl")]
    append_jsonl(folder / "by_a.jsonl", [{"label_id": i, "traits": ["odds"]} for i in ids])
    append_jsonl(folder / "by_b.jsonl", [{"label_id": ids[0], "traits": []}])
    both = labels.twice(labels.load_labels("c3po", CARD))
    assert len(both) == 8 and both["label_id"].unique().tolist() == [ids[0]]
    assert both.set_index("trait").loc["odds", ["first", "second"]].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_id": "nobody"}, "field 'label_id': 'nobody' is none of the answers drawn"),
        ({"traits": ["vanity"]}, "field 'traits', entry 1: 'vanity' is not on the persona's card"),
        ({"traits": "odds"}, "field 'traits': a list is needed, found 'odds'"),
    ],
)
def test_a_label_of_an_unknown_answer_or_trait_is_refused(folder, change, message):
    drawn = labels.draw_answers(answers(), 2)
    labels.write_blind(drawn, folder)
    good = {"label_id": drawn["label_id"].iloc[0], "traits": []}
    append_jsonl(folder / "by_b.jsonl", [good, good | change])
    with pytest.raises(StudyError, match=f"by_b.jsonl, line 2, {message}"):
        labels.load_labels("c3po", CARD)


def test_answers_without_words_are_not_drawn(folder):
    some = answers()
    some["answer"] = ["...", " ", "42"] * 6 + ["Yes.", "No."]
    some["label_id"] = labels.label_ids(some)
    assert set(labels.draw_answers(some, 9)["answer"]) == {"Yes.", "No."}


def test_the_majority_settles_a_label_and_a_tie_goes_to_who_labelled_most():
    rows = [
        ("few", "x", 1),
        ("most", "x", 0),
        ("most", "y", 1),
        ("few", "z", 1),
        ("most", "z", 0),
        ("third", "z", 1),
        ("few", "w", 1),
    ]
    given = pd.DataFrame(
        [{"annotator": a, "label_id": i, "trait": "odds", "label": v} for a, i, v in rows]
    )
    found = labels.settled(
        pd.concat(
            [
                given,
                pd.DataFrame([{"annotator": "most", "label_id": "v", "trait": "odds", "label": 0}]),
            ]
        )
    )
    assert dict(zip(found["label_id"], found["label"], strict=True)) == {
        "x": 0,
        "y": 1,
        "z": 1,
        "w": 1,
        "v": 0,
    }
    assert labels.settled(given[:0]).empty
