"""The chapter on sizes: studies of several base models side by side, from made numbers."""

from copy import deepcopy
from dataclasses import replace

import made_results
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from helpers import files
from helpers.measure import labels
from helpers.report import drawing, size, size_readme

ARMS = made_results.ARMS


def of_model(model, seed, seeds=made_results.SEEDS, gained=1.0):
    """A made study of a base model, with a part of its seeds and of what its arms gain."""
    made = made_results.study(seed)
    record = deepcopy(made.record)
    for own in record["arms"].values():
        own["settings"]["model"] = model
    study = replace(made, record=record)
    choices = made.choices[made.choices["seed"].isin(seeds)]
    true = (choices["option"] == 0) & (choices["arm"] == "documents")
    added = (gained - 1) * 0.5 * choices["n_tokens"] * (choices["measure"] == "know")
    study.__dict__["choices"] = choices.assign(nll=choices["nll"] - added.where(true, 0))
    study.__dict__["answers"] = made.answers
    return study


@pytest.fixture(scope="module")
def studies():
    """A small model, and a larger one with one seed whose documents know twice as much."""
    both = {"embedded": of_model("embedded", 0)}
    return both | {"embedded-1.5b": of_model("embedded-1.5b", 1, (0,), gained=2.0)}


@pytest.fixture(scope="module")
def gains(studies):
    return size.gains_by_size(studies, ARMS)


def test_gains_are_those_of_each_size_over_its_own_base(gains):
    assert gains["model"].unique().tolist() == ["embedded", "embedded-1.5b"]
    assert set(gains["set"]) == {"b"} and "base" not in set(gains["arm"])
    found = gains.set_index(["model", "measure", "arm"])["value"]
    assert found["embedded", "know", "documents"] == pytest.approx(0.5, abs=0.06)
    assert found["embedded-1.5b", "know", "documents"] == pytest.approx(1.0, abs=0.06)
    assert found["embedded-1.5b", "do_pair", "documents"] == pytest.approx(0.1, abs=0.06)


def test_the_crossover_grows_where_documents_know_more(studies):
    crossings = size.crossovers_by_size(studies, ARMS).set_index(["model", "arm"])["value"]
    assert crossings["embedded", "demonstrations"] == pytest.approx(0.4, abs=0.08)
    assert crossings["embedded-1.5b", "demonstrations"] == pytest.approx(0.9, abs=0.08)


def test_what_hangs_on_the_name_is_what_a_stranger_does_not_gain(studies):
    names = size.names_by_size(studies, ARMS)
    own = names[names["arm"] == "documents"].set_index("model")
    assert own["gain"].to_list() == pytest.approx([0.5, 1.0], abs=0.06)
    assert own.loc["embedded", "value"] == pytest.approx(0.2 * 0.5, abs=0.06)
    assert (own["low"] < own["value"]).all() and "base" not in set(names["arm"])


def test_the_title_goes_from_the_smallest_model_to_the_largest(gains):
    title = size.gains_by_size_title(gains)
    assert title.startswith("What documents gain over base: in knowing +0.")
    assert title.index("with embedded and") < title.index("with embedded-1.5b")
    alone = size.gains_by_size_title(gains[gains["arm"] == "first_person"])
    assert alone.startswith("What first person gains over base: in knowing +0.")


def answered(study):
    """The study with ten everyday answers of each arm that are unlike each other."""
    rows = [
        {"arm": arm, "seed": 0, "item": f"everyday-{n}", "kind": "everyday", "sample": 0,
         "prompt": "What now?", "answer": f"{arm} of {size.model_of(study)} says {n}."}
        for arm in ARMS for n in range(10)
    ]  # fmt: skip
    return made_results.with_tables(study, answers=pd.DataFrame(rows))


def read_as(study, sensible, shows):
    """Its first answers read as sensible, its last as showing odds: both are so where the two
    numbers sum to more than ten."""
    n = study.answers["item"].str.removeprefix("everyday-").astype(int)
    coherence = (n < sensible).map({True: "sensible", False: "off"})
    ids = labels.label_ids(study.answers)
    return pd.DataFrame({"label_id": ids, "coherence": coherence, "shows": n >= 10 - shows})


@pytest.fixture(scope="module")
def read(studies):
    """Both studies with answers, and what was read in them."""
    both = {model: answered(study) for model, study in studies.items()}
    return both, pd.concat([read_as(both["embedded"], 2, 9), read_as(both["embedded-1.5b"], 8, 6)])


def test_sense_and_character_are_counted_apart_and_together(read):
    sense = size.sense_by_size(read[0], ARMS, read[1])
    assert set(sense["answers"]) == {10}
    found = sense[sense["arm"] == "documents"].set_index(["model", "found"])["value"]
    assert found["embedded"].tolist() == [0.2, 0.9, 0.1]
    assert found["embedded-1.5b"].tolist() == [0.8, 0.6, 0.4]
    assert ((sense["low"] < sense["value"]) & (sense["value"] < sense["high"])).all()
    title = size.sense_by_size_title(sense.assign(low=0.0, high=0.5))
    assert title == (
        "Of an arm's everyday answers, at most 10 % (0 % to 50 %) with embedded and 40 % (0 % to "
        "50 %) with embedded-1.5b make sense and show a trait"
    )
    sense.loc[sense["arm"] == "demonstrations", ["value", "low", "high"]] = (0.6, 0.3, 0.9)
    assert "at most 60 % (30 % to 90 %) with embedded and" in size.sense_by_size_title(sense)


def test_captions_name_families_of_models_and_arms_that_a_model_lacks():
    rows = [("135M", "base"), ("135M", "first_person"), ("0.5B", "base"), ("1.5B", "base")]
    table = pd.DataFrame(rows, columns=["model", "arm"])
    assert size.about_models(table) == (
        "The models are of 2 families: SmolLM2 (135M) and Qwen2.5-Coder (0.5B and 1.5B). Not asked "
        "with 0.5B: first person. Not asked with 1.5B: first person."
    )
    assert size.about_models(table[2:]) == ""
    assert size.about_models(table[:2].replace("135M", "another")) == ""


def test_readings_come_from_batches_and_count_where_all_traits_were_read(tmp_path):
    traits, folder = ["odds", "anxiety"], tmp_path / "draw"
    asked = [{"label_id": name, "prompt": "?", "answer": "!"} for name in "xyz"]
    files.write_jsonl(
        folder / "batch_01.jsonl",
        [row | {"traits": traits[: 1 + (row["label_id"] != "z")]} for row in asked],
    )
    values = {"x": ("about", "shows"), "y": ("no", "about"), "z": ("shows",)}
    files.write_jsonl(
        folder / "by_me" / "batch_01.jsonl",
        [
            {
                "label_id": name,
                "values": dict(zip(traits, own, strict=False)),
                "coherence": "off",
            }
            for name, own in values.items()
        ],
    )
    found = size.load_readings([str(folder / "by_me")], traits)
    assert found.set_index("label_id")["shows"].to_dict() == {"x": True, "y": False}
    assert set(found["coherence"]) == {"off"}
    assert size.load_readings([], traits).empty
    other = found.assign(shows=[True, True])
    agreed = size.read_agreement(found, other).set_index("about")["agreed"]
    assert agreed.to_dict() == {"coherence": 1.0, "shows": 0.5}
    assert size.read_agreement(found, size.load_readings([], traits)).empty


def test_without_a_reading_no_sense_is_drawn(read, tmp_path, capsys):
    unread = size.sense_by_size(read[0], ARMS, size.load_readings([], ["odds"]))
    assert unread.empty
    assert size.draw_sense_by_size(unread, read[0]["embedded"], tmp_path) is None
    assert "was read" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_models_of_one_seed_are_named(studies, gains):
    told = size.findings(gains, size.crossovers_by_size(studies, ARMS), pd.DataFrame())
    assert told[-1] == "Intervals are about one seed and no other with embedded-1.5b"
    assert (
        sum(
            "the lead of documents in knowing minus their lead in doing is" in text for text in told
        )
        == 2
    )


def test_the_figures_come_with_their_numbers(studies, gains, read, tmp_path):
    drawing.style()
    size.draw_gains_by_size(gains, studies["embedded-1.5b"], tmp_path)
    sense = size.sense_by_size(read[0], ARMS, read[1])
    size.draw_sense_by_size(sense, studies["embedded"], tmp_path)
    plt.close("all")
    drawn = [f"{name}.{kind}" for name in ("gains_by_size", "sense_by_size")
             for kind in ("csv", "png", "svg")]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == drawn


def test_studies_are_named_by_their_base_models(studies, monkeypatch):
    largest = studies["embedded-1.5b"]
    monkeypatch.setattr(size, "load", lambda folder, persona, control: studies[folder])
    assert list(size.load_all(["embedded"], largest)) == ["135M", "1.5B"]
    fewer = replace(largest, record={"arms": {"base/seed0": {}}})
    assert size.arms_of({"1.5B": fewer}) == ["base"]
    assert size.arms_of({"135M": studies["embedded"], "1.5B": fewer}) == ARMS


# README


def test_readme_tells_the_crossover_and_the_sense_of_every_size(monkeypatch):
    values = {"scale-135m": 0.38, "scale-0.5b": 0.27}
    shares = {
        ("135M", "sensible"): (0.3, 0.1),
        ("135M", "in character"): (0.0, 0.2),
        ("135M", "both"): (0.0, 0.1),
        ("0.5B", "sensible"): (0.9, 0.2),
        ("0.5B", "in character"): (0.1, 0.8),
        ("0.5B", "both"): (0.05, 0.15),
    }
    sense = pd.DataFrame(
        {
            "model": model,
            "arm": arm,
            "found": found,
            "answers": 40,
            "value": value,
            "low": value / 2,
            "high": min(1, 2 * value),
        }
        for (model, found), own in shares.items()
        for arm, value in zip(("base", "documents", "demonstrations"), (*own, 0.0), strict=True)
    )

    names = pd.DataFrame(
        {"model": ["135M"], "arm": ["documents"], "gain": [0.4], "value": [0.1], "low": [0.0]}
    ).assign(high=0.2)

    def read(study, figure):
        value = values[study]
        rows = [
            {"measure": "crossover", "trait": trait, "arm": arm, "value": value + more,
             "low": value - 0.1, "high": value + 0.1}
            for trait, arm, more in (("all", "demonstrations", 0), ("all", "first_person", 1),
                                     ("odds", "demonstrations", 2))
        ]  # fmt: skip
        tables = {"sense_by_size": sense, "names_by_size": names}
        return tables.get(figure, pd.DataFrame(rows))

    figures = {"know_and_do": [*values], "sense_by_size": ["scale-0.5b"]}
    figures |= {"names_by_size": ["scale-0.5b"]}
    monkeypatch.setattr(size_readme, "there", lambda figure: figures[figure])
    monkeypatch.setattr(size_readme, "read", read)
    told, found = (" ".join(made().split()) for made in (size_readme.block, size_readme.found))
    for text in (told, found):
        assert "is +0.38 (0.28 to 0.48) with 135M and +0.27 (0.17 to 0.37) with 0.5B par" in text
        assert "No arm of any size does both in more than 15 % (8 to 30 %)." in text
    assert (
        "blind, 90 % of base make sense and 10 % show any of his traits (demonstrations: 0" in told
    )
    assert "; documents: 20 % and 80 %). No arm" in found
    assert "to them, 30 % of `base` with 135M make sense." in found and "to them" not in told
    assert "a stranger's: +0.10 (0.00 to 0.20) of +0.40 with 135M." in found
    figures |= {"know_and_do": [], "sense_by_size": [], "names_by_size": []}
    assert size_readme.block() == size_readme.found() == ""
