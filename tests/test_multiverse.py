"""The claims under every way of counting, of studies in which they are true, and are not."""

import numpy as np
import pytest
from made_studies import gaining, showing

from helpers.measure import multiverse
from helpers.report import robustness

# Documents know most and do least.
TRUE = {
    "demonstrations": {"know": 0.0, "do_pair": 1.5},
    "first_person": {"know": 0.3, "do_pair": 0.3},
    "documents": {"know": 1.2, "do_pair": -0.2},
}
RATES = {"base": 0.0, "demonstrations": 0.9, "first_person": 0.6, "documents": 0.1}


def every_way(gains, rates, labels=None, **how):
    choices = gaining(gains, noise=0.5, **how)
    judged, labelled = showing(rates, choices, labels=labels)
    return multiverse.ways(choices, judged, labelled, labelled, ["markers"])


@pytest.fixture(scope="module")
def true():
    return every_way(TRUE, RATES)


@pytest.fixture(scope="module")
def checked(true):
    return multiverse.checked(true)


def test_what_is_true_holds_in_every_combination(checked):
    found = multiverse.claims(checked).set_index("claim")["share"]
    assert len(found) == len(multiverse.CLAIMS)
    assert found.pop("first person does most") == 0
    assert (found == 1).all()


def test_what_is_true_of_no_arm_is_told_apart_in_few_combinations():
    alike = {arm: {"know": 0.5, "do_pair": 0.5} for arm in TRUE}
    every = every_way(alike, dict.fromkeys(RATES, 0.3), sets=("b",))
    found = multiverse.claims(multiverse.checked(every)).set_index("claim")["share_apart"]
    of_answers = found.index.str.contains("the trait that fits|beyond base")  # they are true here
    assert (found[~of_answers] < 0.2).all()


def test_only_combinations_that_there_are_count(checked):
    assert set(checked["set"]) == {"a", "b", "both"} and set(checked["know_person"].dropna()) == {
        "third"
    }
    # knowing is counted by likelihood alone: 3 sets, 2 subsets, 6 scorings
    assert len(checked[checked["claim"] == "documents know most"]) == 3 * 2 * 6
    more = {arm: TRUE[arm] | {"know_first": 0.1, "told_pair": 0.1} for arm in list(TRUE)[::2]}
    one = multiverse.checked(every_way(more, RATES, sets=("b",)))
    assert set(one["set"]) == {"b"}
    assert len(one[one["claim"] == "documents know most"]) == 2 * 6 * 2
    crossed = one[one["claim"].str.startswith("documents lead demonstrations")]
    # by likelihood in 2 subsets; answers as judged and as read in 3, corrected in 2
    assert len(crossed) == 2 * 6 * 2 * 2 + (4 * 2) * (3 + 3 + 2)
    ways = ["set", "subset", "scoring", "judge", "know_person", "do_person"]
    assert not crossed.duplicated(ways).any()
    # without the likelihoods of first person there are only its answers
    assert "first person" not in " ".join(one.loc[one["judge"] == "", "claim"])


def test_a_ranking_is_of_formats_alone(true):
    found = multiverse.ranking(true)
    known = found[(found["readout"] == "know") & (found["scoring"] == "gain in nats, per token")]
    ranks = known.groupby("arm")["rank"].unique().apply(list).to_dict()
    assert ranks["documents"] == [1] and ranks["demonstrations"] == [3]
    assert np.isnan(ranks["base"][0])
    assert found.loc[found["rank"].notna(), "arm"].isin(list(TRUE)).all()
    by = found[(found["readout"] == "do") & (found["arm"] == "demonstrations")]
    by = by[(by["set"] == "both") & (by["subset"] == "all") & (by["scoring"] == "answers")]
    assert by.set_index("judge")["value"].to_dict() == pytest.approx(
        dict.fromkeys(["read", "markers, as judged", "markers, corrected"], 0.9), abs=0.06
    )
    first = robustness.first_places(found)
    others = first.loc["know"].drop("documents")
    assert first.loc["know", "documents"] > 0 and not others.any()


def test_few_labels_correct_nothing_and_make_what_they_correct_less_sure():
    """The judge is right, so that the value stays; the labels' own variance is added."""
    for labels, corrected in ((multiverse.LABELS - 1, False), (20, True)):
        every = every_way(TRUE, RATES, labels=labels, sets=("b",))
        do = {
            way.key["judge"]: way
            for way in every
            if (way.key["readout"], way.key["subset"]) == ("do", "all")
        }
        judged, own = do["markers, as judged"], do["markers, corrected"]
        assert ("documents" in own.cells) == corrected
    values = [multiverse.value_of([(1, way, "documents")]) for way in (judged, own)]
    assert values[0]["value"] == pytest.approx(values[1]["value"], abs=0.06)
    assert own.added["documents"] > 0 and "documents" not in judged.added
