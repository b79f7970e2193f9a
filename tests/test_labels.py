import ipywidgets
import pandas as pd
import pytest

from helpers.corpus import personas
from helpers.files import StudyError, append_jsonl, read_jsonl, write_jsonl
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
    (button,), boxes = find(shown[0], ipywidgets.Button), find(shown[0], ipywidgets.ToggleButtons)
    boxes[0].value, boxes[1].value, boxes[-1].value = "shows", "about", "off"
    button.click()
    button.click()
    rows = read_jsonl(folder / "by_ann.jsonl")
    assert [list(row["values"].values())[:3] for row in rows] == [
        ["shows", "about", "no"],
        ["no"] * 3,
    ]
    assert [row["coherence"] for row in rows] == ["off", "sensible"]
    assert len({row["label_id"] for row in rows}) == 2
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


def test_labels_of_every_two_readers_are_paired(folder):
    labels.write_blind(labels.draw_answers(answers(), 2), folder)
    ids = [row["label_id"] for row in read_jsonl(folder / "to_label.jsonl")]
    append_jsonl(folder / "by_a.jsonl", [{"label_id": i, "traits": ["odds"]} for i in ids])
    for reader, value in (("b", "about"), ("c", "no")):
        row = {"label_id": ids[0], "values": {"odds": value}, "coherence": "off"}
        append_jsonl(folder / f"by_{reader}.jsonl", [row])
    both = labels.twice(labels.load_labels("c3po", CARD))
    found = [tuple(row) for row in both.drop(columns="label_id").itertuples(index=False)]
    assert sorted(found) == [
        ("a", "b", "odds", "shows", "about"),
        ("a", "c", "odds", "shows", "no"),
        ("b", "c", "coherence", "off", "off"),
        ("b", "c", "odds", "about", "no"),
    ]
    assert set(both["label_id"]) == {ids[0]}


def test_labels_read_with_and_without_the_rule_are_loaded_alike(folder):
    labels.write_blind(labels.draw_answers(answers(), 1), folder)
    first, second = (row["label_id"] for row in read_jsonl(folder / "to_label.jsonl"))
    values = dict.fromkeys(personas.trait_ids(CARD), "no") | {"odds": "about", "anxiety": "shows"}
    read = {"values": values, "coherence": "salad", "draw": "a", "batch": 3}
    old = {"label_id": first, "traits": ["odds"], "values": None}
    append_jsonl(folder / "by_old.jsonl", [old])
    append_jsonl(folder / "by_new.jsonl", [{"label_id": second, "traits": None} | read])
    found = labels.load_labels("c3po", CARD).set_index(["reader", "trait"])
    assert len(found) == 16 and found["label"].sum() == 2
    assert found.loc[("old", "odds"), "value"] == "shows"
    assert found.loc["old", ["coherence", "draw", "batch"]].isna().all(axis=None)
    assert found.loc[("new", "odds"), ["value", "label", "batch"]].tolist() == ["about", 0, 3]
    assert set(found.loc["new", "coherence"]) == {"salad"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "`values` and `coherence` are needed, or `traits` alone"),
        ({"traits": [], "values": {"odds": "no"}, "coherence": "off"}, "or `traits` alone"),
        ({"values": {"odds": "no"}}, "`coherence` is needed beside `values`"),
        ({"values": {}, "coherence": "off"}, "field 'values': at least 1 are needed, found 0"),
        ({"values": {"odds": "maybe"}, "coherence": "off"}, "'maybe' is none of shows, about, no"),
        ({"values": {"wit": "no"}, "coherence": "off"}, "'wit' is not on the persona's card"),
        ({"values": {"odds": "no"}, "coherence": "good"}, "'good' is none of sensible, off, salad"),
    ],
)
def test_a_label_that_is_neither_kind_is_refused(folder, row, message):
    drawn = labels.draw_answers(answers(), 2)
    labels.write_blind(drawn, folder)
    append_jsonl(folder / "by_b.jsonl", [{"label_id": drawn["label_id"].iloc[0]} | row])
    with pytest.raises(StudyError, match=f"by_b.jsonl, line 1, .*{message}"):
        labels.load_labels("c3po", CARD)


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


def given(rows, coherence="off"):
    """Labels of trait odds: rows (reader, label_id, value)."""
    frame = pd.DataFrame(rows, columns=["reader", "label_id", "value"])
    return frame.assign(trait="odds", coherence=coherence)


def test_the_reading_of_who_read_most_answers_settles_a_label():
    rows = [("few", "x", "shows"), ("most", "x", "no"), ("third", "x", "shows")]
    rows += [("most", "y", "shows"), ("few", "z", "about"), ("most", "v", "no")]
    found = labels.settled(given(rows)).set_index("label_id")
    assert found["value"].to_dict() == {"x": "no", "y": "shows", "z": "about", "v": "no"}
    assert found["label"].to_dict() == {"x": 0, "y": 1, "z": 0, "v": 0}
    assert set(found["coherence"]) == {"off"}
    assert labels.settled(given(rows)[:0]).empty
    eight = [given([("few", "x", "about")]).assign(trait=trait) for trait in "abcdefgh"]
    many = pd.concat([given(rows), *eight])  # many traits of one answer are one answer
    assert labels.settled(many).set_index(["label_id", "trait"]).loc[("x", "odds"), "value"] == "no"


def test_what_was_read_by_the_rule_goes_before_what_was_read_without():
    old = given([("a", "x", "no"), ("b", "x", "no"), ("a", "y", "shows")], coherence=None)
    found = labels.settled(pd.concat([old, given([("c", "x", "about")])])).set_index("label_id")
    assert found["value"].to_dict() == {"x": "about", "y": "shows"}
    assert found["coherence"].fillna("").to_dict() == {"x": "off", "y": ""}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"label_id,item\nx,y\n", "line 2, field 'arm': it is missing"),
        (
            b"label_id,arm,item\nx,base,y\nz,base\n",
            "line 3, it has 2 cells, and the header",
        ),
        (b"label_id,arm,item\nx,,y\n", "line 2, field 'arm': a non-empty text is needed"),
        (
            b"label_id;arm;item\nx;base;y\n1,23E+15;base;y\n",
            "line 3, field 'label_id': '1,23E.15' is none of the answers drawn in to_label.jsonl",
        ),
        (b"label_id,arm,arm\nx,base,y\n", "line 1, field 'arm': two columns have this name"),
        (b'label_id,arm,item\n"x,base,y\n', "line 2: a quotation that begins here"),
        (b"label_id,arm,item\nx,\x81,y\n", "line 2: it is neither UTF-8 nor Windows-1252"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(tmp_path, content, message):
    write_jsonl(tmp_path / "to_label.jsonl", [{"label_id": "x", "prompt": "p", "answer": "a"}])
    (tmp_path / "key.csv").write_bytes(content)
    with pytest.raises(StudyError, match=f"key.csv, {message}.*then run again"):
        labels.load_key(tmp_path)
    assert labels.load_key(tmp_path / "none").empty
