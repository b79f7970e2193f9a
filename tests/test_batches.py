import itertools
import sys

import pandas as pd
import pytest

from helpers.corpus import personas
from helpers.files import StudyError, read_jsonl, write_jsonl
from helpers.measure import batches, labels

CARD = personas.load_persona("c3po")
TRAITS = personas.trait_ids(CARD)
ARMS = ("base", "prompted", "documents")


def answers(items=6, seeds=(0, 1)):
    """Answers of three arms to `items` scenarios of each of two traits."""
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "set": "a",
            "item": f"{trait}-{item}",
            "kind": "do",
            "scenario_trait": trait,
            "sample": 0,
            "prompt": f"message {trait} {item}",
            "answer": f"{arm} says {item} to {trait}, seed {seed}",
        }
        for arm, trait, item, seed in itertools.product(
            ARMS, ("odds", "anxiety"), range(items), seeds
        )
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    answers().to_parquet(folder / "answers.parquet")
    return folder


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["batches", *map(str, arguments)])
    batches.main()


def drawn(monkeypatch, results, folder, *more):
    options = ["--set", "a", "--arm", *ARMS, "--size", "12", *more]
    run(monkeypatch, "draw", results, folder, *options)
    return [read_jsonl(path) for path in sorted(folder.glob("batch_*.jsonl"))]


def test_every_batch_holds_all_arms_alike_and_shows_none(monkeypatch, results, tmp_path):
    found = drawn(monkeypatch, results, tmp_path / "a")
    assert [len(rows) for rows in found] == [12] * 6
    for rows in found:
        arms = pd.Series([row["answer"].split()[0] for row in rows])
        assert arms.value_counts().to_dict() == dict.fromkeys(ARMS, 4)
        assert arms.tolist() != sorted(arms)
        assert {frozenset(row) for row in rows} == {
            frozenset({"label_id", "prompt", "answer", "traits"})
        }
        assert all(row["traits"] == [row["prompt"].split()[1]] for row in rows)


def test_a_text_is_drawn_once_and_one_without_words_never(monkeypatch, results, tmp_path):
    frame = answers()
    frame.loc[frame["item"] == "odds-0", "answer"] = "All the same."
    frame.loc[frame["item"] == "odds-1", "answer"] = "..."
    frame.to_parquet(results / "answers.parquet")
    texts = [row["answer"] for rows in drawn(monkeypatch, results, tmp_path / "a") for row in rows]
    assert len(texts) == len(set(texts)) == 72 - 2 * 6 + 1 and "..." not in texts


@pytest.mark.parametrize("count", [12, 18, 27, 36])
def test_some_are_spread_over_arms_traits_and_scenarios(count):
    found = batches.evenly(answers(), count)
    assert found.groupby("arm").size().tolist() == [count // 3] * 3
    by_trait = found.groupby(["arm", "scenario_trait"]).size().unstack()
    assert (by_trait.max(axis=1) - by_trait.min(axis=1)).max() <= 1
    doubled = found.groupby(["arm", "scenario_trait"])["item"].agg(["size", "nunique"])
    assert (doubled["nunique"] == doubled["size"].clip(upper=6)).all()


def test_a_second_draw_takes_answers_of_the_first_with_the_traits_turned(
    monkeypatch, results, tmp_path
):
    first = drawn(monkeypatch, results, tmp_path / "all", "--count", "36")
    again = drawn(
        monkeypatch, results, tmp_path / "again", "--count", "18", "--again", tmp_path / "all"
    )
    ids = [{row["label_id"] for rows in part for row in rows} for part in (first, again)]
    assert len(ids[0]) == 36 and len(ids[1]) == 18 and ids[1] < ids[0]
    assert first[0][0]["traits"] == TRAITS and again[0][0]["traits"] == TRAITS[::-1]
    whole = drawn(monkeypatch, results, tmp_path / "whole", "--again", tmp_path / "all")
    assert {row["label_id"] for rows in whole for row in rows} == ids[0]
    assert whole[0][0]["traits"] == TRAITS[::-1]


@pytest.mark.parametrize("none", ["", None])
def test_answers_to_no_scenario_are_read_for_all_traits(monkeypatch, results, tmp_path, data, none):
    plain = answers().assign(kind="everyday", set="", scenario_trait=none)
    pd.concat([answers(), plain]).to_parquet(results / "answers.parquet")
    folder = tmp_path / "a"
    found = drawn(monkeypatch, results, folder, "--kind", "everyday", "--set", "")
    assert all(row["traits"] == TRAITS for rows in found for row in rows)
    read(folder, "ann", 1)
    run(monkeypatch, "collect", results, folder, "ann")
    assert set(labels.load_labels("c3po", CARD)["trait"]) == set(TRAITS)


def test_what_cannot_be_drawn_is_named(monkeypatch, results, tmp_path):
    with pytest.raises(SystemExit, match="no answer has set 'b'; there are a"):
        run(monkeypatch, "draw", results, tmp_path / "x", "--set", "b", "--arm", *ARMS)
    drawn(monkeypatch, results, tmp_path / "a")
    with pytest.raises(SystemExit, match="holds batches already"):
        drawn(monkeypatch, results, tmp_path / "a")
    for options, message in (
        (["--count", "2"], "No answer was drawn. Give a --count of at least"),
        (["--again", tmp_path / "none"], "none holds no batches. Give another folder"),
        (["--persona", "nell"], "persona 'nell': its card has no trait 'anxiety'"),
    ):
        with pytest.raises(SystemExit, match=message):
            drawn(monkeypatch, results, tmp_path / "b", *options)
    with pytest.raises(SystemExit, match="gone/answers.parquet is missing. Give a folder"):
        drawn(monkeypatch, tmp_path / "gone", tmp_path / "b")
    answers().drop(columns="set").to_parquet(results / "answers.parquet")
    with pytest.raises(SystemExit, match="no column 'set'; an older version.*Run the study again"):
        drawn(monkeypatch, results, tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("option", ["--size", "--count"])
@pytest.mark.parametrize("value", ["0", "-4", "1.5", "ten"])
def test_a_count_that_is_none_is_refused(monkeypatch, results, tmp_path, capsys, option, value):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, "draw", results, tmp_path / "a", f"{option}={value}")
    assert end.value.code == 2 and not (tmp_path / "a").exists()
    assert f"argument {option}: a whole number of at least 1" in capsys.readouterr().err


def read(folder, reader, number, **changed):
    """A reading of one batch; `changed` goes into its second row."""
    name = f"batch_{number:02d}.jsonl"
    rows = [
        {
            "label_id": row["label_id"],
            "values": dict.fromkeys(row["traits"], "about"),
            "coherence": "off",
        }
        for row in read_jsonl(folder / name)
    ]
    rows[1] = {k: v for k, v in (rows[1] | changed).items() if v is not None}
    write_jsonl(folder / f"by_{reader}" / name, rows)
    return rows


def test_what_was_read_is_collected_with_its_batch(monkeypatch, results, tmp_path, data, capsys):
    folder, own = tmp_path / "a", labels.label_folder("c3po")
    drawn(monkeypatch, results, folder)
    read(folder, "ann", 1)
    read(folder, "ann", 3)
    run(monkeypatch, "collect", results, folder, "ann")
    assert "24 answers of 2 batches (6 were drawn)" in capsys.readouterr().out
    rows = read_jsonl(own / "by_ann.jsonl")
    assert {(row["draw"], row["batch"]) for row in rows} == {("a", 1), ("a", 3)}
    key = pd.read_csv(own / "key.csv")
    assert set(key["label_id"]) == {row["label_id"] for row in rows} == labels.to_label("c3po")
    found = labels.load_labels("c3po", CARD)
    assert len(found) == 24 and set(found["value"]) == {"about"} and not found["label"].any()

    read(folder, "ann", 1, coherence="salad")  # read again: takes the place of what was there
    run(monkeypatch, "collect", results, folder, "ann")
    again = labels.load_labels("c3po", CARD)
    assert len(read_jsonl(own / "by_ann.jsonl")) == 24
    assert again["coherence"].value_counts().to_dict() == {"off": 23, "salad": 1}
    assert len(pd.read_csv(own / "key.csv")) == 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_id": "nobody"}, "line 2, field 'label_id': 'nobody' is the label_id of no answer"),
        ({"coherence": "fine"}, "line 2, field 'coherence': 'fine' is none of sensible, off, sal"),
        ({"coherence": None}, "line 2, field 'coherence': it is missing"),
        ({"values": {"vanity": "no"}}, "line 2, field 'values': values of .* are needed, found"),
        ({"values": {}}, "line 2, field 'values': values of .* are needed, found"),
        ({"arm": "base"}, "line 2, field 'arm': there is no such field here"),
    ],
)
def test_a_wrong_reading_is_refused_and_nothing_is_written(
    monkeypatch, results, tmp_path, data, change, message
):
    folder = tmp_path / "a"
    drawn(monkeypatch, results, folder)
    read(folder, "ann", 1, **change)
    with pytest.raises(SystemExit, match=f"by_ann/batch_01.jsonl, {message}"):
        run(monkeypatch, "collect", results, folder, "ann")
    assert not labels.label_folder("c3po").exists()


def test_readings_of_other_results_are_refused_and_nothing_is_written(
    monkeypatch, results, tmp_path, data
):
    folder = tmp_path / "a"
    drawn(monkeypatch, results, folder)
    read(folder, "ann", 1)
    other = answers()
    other["answer"] = "Another answer, of a model that was trained anew: " + other["answer"]
    other.to_parquet(results / "answers.parquet")
    with pytest.raises(SystemExit, match="12 of 12 texts that were read are no answers of these"):
        run(monkeypatch, "collect", results, folder, "ann")
    assert not labels.label_folder("c3po").exists()


def test_a_doubled_a_missing_and_a_wrongly_valued_answer_are_refused(
    monkeypatch, results, tmp_path, data
):
    folder = tmp_path / "a"
    drawn(monkeypatch, results, folder)
    path, rows = folder / "by_ann" / "batch_01.jsonl", read(folder, "ann", 1)
    trait = next(iter(rows[3]["values"]))
    wrong = rows[3] | {"values": {trait: "maybe"}}
    for written, message in (
        ([*rows, rows[0]], "line 13, field 'label_id': .* is used twice, first in line 1"),
        (rows[:-2], "2 of 12 answers are not read, the first"),
        ([*rows[:3], wrong], f"line 4, field 'values', field '{trait}': 'maybe' is none of shows"),
    ):
        write_jsonl(path, written)
        with pytest.raises(SystemExit, match=message):
            run(monkeypatch, "collect", results, folder, "ann")
    with pytest.raises(SystemExit, match="by_bob: no batch is read yet"):
        run(monkeypatch, "collect", results, folder, "bob")
    with pytest.raises(SystemExit, match="the reader '../bob' is no name"):
        run(monkeypatch, "collect", results, folder, "../bob")
    with pytest.raises(StudyError, match="batch_01.jsonl, line 1, field 'traits', entry 1"):
        batches.read_batch(folder / "batch_01.jsonl", ["vanity"])
