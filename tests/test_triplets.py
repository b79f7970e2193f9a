import numpy as np
import pandas as pd
import pytest

from helpers.measure import comparison, stats, triplets

OPTION = {"seed": 0, "scenario_trait": "odds", "setting": "everyday"}


def test_the_likeliest_option_wins_per_token_and_the_name_by_its_probability():
    rows = [
        ("know", 0, 4, 8.0),
        ("know", 1, 2, 5.0),
        ("identity", 0, 1, 1.0),
        ("identity", 1, 1, 1.0),
    ]
    choices = pd.DataFrame(rows, columns=["measure", "option", "n_tokens", "nll"])
    chosen = triplets.choose(choices.assign(arm="a", item="x", **OPTION)).set_index("measure")
    # 2 nats a token against 2.5, although the sum is larger
    assert chosen.loc["know", "outcome"] == 1
    assert chosen.loc["identity", "probability"] == pytest.approx(0.5)


def test_a_study_of_everyday_prompts_alone_has_no_triplets_and_no_fault():
    options = ["arm", "item", "measure", "option", "n_tokens", "nll", *OPTION]
    answer = {"arm": "base", "item": "e", "kind": "everyday", "sample": 0, "incoherent": ""}
    about = {"seed": 0, "scenario_trait": "", "setting": "", "markers_odds": 1}
    judged, choices = pd.DataFrame([answer | about]), pd.DataFrame(columns=options)
    measured = triplets.measures(judged, triplets.choose(choices), "markers")
    assert measured.empty and triplets.side(measured, "base", "know").empty
    assert stats.rates(measured, ["arm", "trait"]).empty


def test_known_and_not_expressed_is_counted_scenario_by_scenario():
    rows = [
        ("s1", "know", 1),
        ("s2", "know", 1),
        ("s3", "know", 0),
        ("s1", "do", 1),
        ("s2", "do", 0),
        ("s3", "do", 1),
    ]
    measured = pd.DataFrame(rows, columns=["item", "measure", "outcome"])
    measured = measured.assign(arm="a", seed=0, trait="odds", setting="everyday")
    do = stats.rates(measured[measured["measure"] == "do"], ["arm", "trait"])
    row = triplets.knowing(measured, do).iloc[0]
    assert row["unexpressed"] == pytest.approx(1 / 3)
    assert row["know"] == pytest.approx(2 / 3) and row["gap"] == pytest.approx(0)


def shares(arm, measure, share, items=50, seeds=3):
    """`share` of the items have outcome 1 in every seed, but for a little noise."""
    rng = np.random.default_rng(len(arm + measure))
    on = np.tile(np.arange(items) < share * items, (seeds, 1)) ^ (rng.random((seeds, items)) < 0.02)
    index = pd.MultiIndex.from_product([range(seeds), range(items)], names=["seed", "item"])
    frame = pd.DataFrame({"outcome": on.astype(int).ravel()}, index=index).reset_index()
    return frame.assign(arm=arm, measure=measure, setting="everyday", trait="odds")


def test_a_gap_is_held_against_that_of_base():
    """Base has a gap of 0.2 and `a` one of 0.6; `b` has that of base, and is not told apart."""
    rates = {"base": (0.3, 0.1), "documents": (0.8, 0.2), "demonstrations": (0.5, 0.3)}
    measured = pd.concat(
        shares(arm, measure, share)
        for arm, both in rates.items()
        for measure, share in zip(("know", "do"), both, strict=True)
    )
    found = triplets.gaps_over_base(measured, list(rates)).set_index("arm")
    assert list(found.index) == ["documents", "demonstrations"]
    assert found.loc["documents", "difference"] == pytest.approx(0.4, abs=0.05)
    assert found.loc["documents", "low"] > 0
    assert found.loc["demonstrations", "low"] < 0 < found.loc["demonstrations", "high"]


def test_a_gap_is_what_its_columns_give_where_answers_are_unscored():
    """The difference of the two means, whatever an item has lost of its answers."""
    know, do = shares("base", "know", 0.5), shares("base", "do", 0.2)
    do["outcome"] = do["outcome"].mask(do.index.isin([1, 60, 120]))
    found = triplets.gaps(pd.concat([know, do]), ["arm"]).iloc[0]
    apart = know["outcome"].mean() - do["outcome"].mean()
    assert found["gap"] == pytest.approx(apart, abs=0.005)


def test_a_study_of_set_b_alone_is_measured_on_it_and_decides_no_contrast_of_set_a():
    asked = {"arm": "documents", "item": "x", "condition": "own", "version": 1, **OPTION}
    rows = [("know", 0, 1.0), ("know", 1, 2.0), ("do_pair", 0, 1.0), ("do_pair", 1, 2.0)]
    choices = pd.DataFrame(rows, columns=["measure", "option", "nll"])
    choices = choices.assign(**asked, set="b", n_tokens=1)
    answer = {"arm": "documents", "item": "x", "kind": "do", "sample": 0, "incoherent": ""}
    judged = pd.DataFrame([answer | OPTION | {"markers_odds": 0}])
    measured = triplets.measures(judged, triplets.choose(choices), "markers")
    assert set(measured["set"]) == {"b"} and {"know", "do"} <= set(measured["measure"])

    sides = {
        "a": {"arm": "documents", "measure": "know"},
        "b": {"arm": "documents", "measure": "do"},
    }
    tables = comparison.Tables(measured=measured, margins=None, hits=None, answers=None)
    assert comparison.of_sides({"set": "a"} | sides, tables) == {}
    assert comparison.of_sides({"set": "b"} | sides, tables)["difference"] == 1
