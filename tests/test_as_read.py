import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measure import calibration, labels, reading


def answers():
    """Twelve answers of two arms to one odds and one anxiety scenario."""
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "set": "a",
            "item": f"{trait}-1",
            "kind": "do",
            "scenario_trait": trait,
            "setting": "everyday",
            "sample": 0,
            "prompt": trait,
            "answer": f"{arm} {trait} {seed}",
        }
        for arm in ("base", "documents")
        for trait in ("odds", "anxiety")
        for seed in range(3)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(label_id=labels.label_ids(frame))


def labelled(values, coherence, reader="ann", trait=None, batches=None):
    """Labels of the answers, one each, of the own trait unless another is named."""
    frame = answers()
    given = pd.DataFrame({"reader": reader, "label_id": frame["label_id"]})
    given = given.assign(trait=trait or frame["scenario_trait"], value=values, coherence=coherence)
    batch = batches if batches is not None else 1
    return given.assign(label=(given["value"] == "shows").astype(int), draw="a", batch=batch)


VALUES = ["shows", "about", "no", "no", "shows", "shows"] + ["about", "about", "no"] * 2
SENSE = ["sensible", "off", "off"] * 2 + ["salad"] * 6


def test_rates_by_hand_in_both_ways_of_counting():
    read = reading.as_read(answers(), labelled(VALUES, SENSE))
    found = reading.read_rates(reading.own_trait(read), ["arm"]).set_index(["arm", "counts"])
    assert found["rate"].to_dict() == {
        ("base", "shows"): 0.5,
        ("documents", "shows"): 0,
        ("base", "shows or about"): pytest.approx(4 / 6),
        ("documents", "shows or about"): pytest.approx(4 / 6),
    }
    assert found.loc[("base", "shows"), ["sensible", "off", "salad"]].tolist() == pytest.approx(
        [1 / 3, 2 / 3, 0]
    )
    assert found.loc[("documents", "shows"), ["sensible", "off", "salad"]].tolist() == [0, 0, 1]
    by_trait = reading.read_rates(read, ["arm", "trait"])
    assert len(by_trait) == 8 and (by_trait["n"] == 3).all()


def test_only_what_was_read_by_the_rule_counts_and_other_traits_are_no_own_trait():
    own = labelled(VALUES, SENSE)
    others = labelled(["shows"] * 12, SENSE, reader="bob", trait="complaint")
    old = labelled(["shows"] * 12, None, reader="old", trait="expertise")
    read = reading.as_read(answers(), pd.concat([own, others, old]))
    assert set(read["trait"]) == {"odds", "anxiety", "complaint"} and len(read) == 24
    assert len(reading.own_trait(read)) == 12
    nothing = reading.as_read(answers(), own[:0])
    assert nothing.columns.tolist() == [*reading.ANSWER, "trait", "value", "coherence"]
    assert reading.read_rates(nothing, ["arm"]).empty


def test_agreement_of_two_readings_per_arm():
    second = labelled(["no"] * 6 + VALUES[6:], ["off"] * 6 + SENSE[6:], reader="bob")
    both = reading.read_twice(answers(), pd.concat([labelled(VALUES, SENSE), second]))
    found = reading.read_agreement(both, ["arm"]).set_index(["arm", "about"])
    assert set(found["first_reader"]) == {"ann"} and set(found["second_reader"]) == {"bob"}
    assert found["n"].eq(6).all() and found.loc["documents", "agreed"].eq(1).all()
    assert found.loc["base", "agreed"].to_dict() == {
        "shows": pytest.approx(0.5),
        "shows or about": pytest.approx(2 / 6),
        "coherence": pytest.approx(4 / 6),
    }
    alone = reading.read_twice(answers(), labelled(VALUES, SENSE))
    assert reading.read_agreement(alone, ["arm"]).empty


def test_agreement_over_three_categories_by_hand():
    found = calibration.agreement(["x", "y", "z", "z"], ["x", "y", "z", "x"])
    shares = np.array([3, 2, 3]) / 8
    by_chance = (shares * (1 - shares)).sum() / 2
    assert found["ac1"] == pytest.approx((0.75 - by_chance) / (1 - by_chance))


@given(st.lists(st.tuples(*[st.sampled_from("xyz")] * 2), min_size=1))
def test_agreement_is_symmetric_and_one_where_all_agree(pairs):
    a, b = zip(*pairs, strict=True)
    found, turned = calibration.agreement(a, b), calibration.agreement(b, a)
    assert found == pytest.approx(turned, nan_ok=True) and found["ac1"] <= 1
    assert calibration.agreement(a, a)["ac1"] == 1


def many(shift, seed, batches=12, size=20):
    """Answers in batches, and labels whose rate rises by `shift` from the first to the last."""
    rng = np.random.default_rng(seed)
    n = batches * size
    frame = pd.DataFrame({"arm": ["base", "documents"] * (n // 2), "label_id": map(str, range(n))})
    batch = np.repeat(np.arange(batches), size) + 1
    chance = 0.2 + 0.3 * (frame["arm"] == "documents") + shift * (batch - 1) / max(1, batches - 1)
    value = np.where(rng.random(n) < chance, "shows", "no")
    made = {"reader": "ann", "trait": "odds", "value": value, "coherence": "off", "draw": "a"}
    return frame, frame[["label_id"]].assign(**made, batch=batch)


def test_a_standard_that_moves_is_found_and_one_that_stays_is_not():
    found = reading.drift(*many(0.4, seed=1)).set_index("about")
    assert found.loc["shows", "p_change"] < 0.01 and found.loc["shows", "p_batches"] < 0.05
    assert 0.2 < found.loc["shows", "change"] < 0.6
    assert found.loc["shows", ["n", "batches"]].tolist() == [240, 12]
    assert np.isnan(found.loc["salad", "p_change"])  # nothing varies
    p = [reading.drift(*many(0, seed), draws=200).set_index("about") for seed in range(30)]
    for name in ("p_change", "p_batches"):
        assert 0 <= np.mean([part.loc["shows", name] < 0.1 for part in p]) <= 0.3
    assert reading.drift(*many(0, 1, batches=1)).set_index("about")["p_change"].isna().all()


def test_a_batch_that_stands_out_is_found_without_a_trend():
    frame, given = many(0, seed=2)
    given.loc[given["batch"] == 6, "value"] = "shows"
    found = reading.drift(frame, given).set_index("about")
    assert found.loc["shows", "p_batches"] < 0.01
