"""The contrasts as numbers: by hand, and from simulated studies whose truth is set."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_studies import NOTHING, gaining, judged, options, read, showing, study, tables

from helpers.measure import comparison, contrasts, margins, stats

GAP = {"id": "g", "question": "?", "role": "primary", "set": "b", "kind": "gap_beyond_base"}
SENSITIVE = GAP | {"id": "s", "kind": "sensitivity", "arms": ["documents"]}
GAP |= {"arms": ["documents"]}
CROSSED = GAP | {"id": "c", "kind": "crossover", "arms": ["documents", "demonstrations"]}


LEVEL = [1.0, 1.0, 1.0, 1.0]
KNOWN = [0.0, 1.0, 1.0, 1.0]
WRONG = [1.0, 0.0, 1.0, 1.0]


def test_a_gap_beyond_base_by_hand():
    """Documents know s1 alone and show s2 alone; base shows s1. So the gaps are 1, -1 and 0 against
    1/4 - 1, 1/4 and 1/4. `about` is no showing."""
    scored = [("base", 0, item, "know", LEVEL) for item in ("s1", "s2", "s3")]
    known = {"s1": KNOWN, "s2": WRONG, "s3": WRONG}
    scored += [("documents", seed, i, "know", n) for seed in range(5) for i, n in known.items()]
    labels = [("documents", 0, "s1", "no"), ("documents", 0, "s2", "shows")]
    labels += [("documents", 0, "s3", "about"), ("base", 0, "s1", "shows")]
    labels += [("base", 0, "s2", "no"), ("base", 0, "s3", "about")]
    found = comparison.contrast_table([GAP], tables(scored, labels)).iloc[0]
    assert found["difference"] == pytest.approx(np.mean([1.75, -1.25, -0.25]))
    assert (found["seeds"], found["items"], found["by"]) == (1, 3, "read")
    assert (found["a"], found["b"]) == ("documents", "base")


def test_what_was_not_read_is_missing_in_a_gap():
    """Seeds without readings do not count, though their options were scored; nor does a scenario
    that was read in one arm alone."""
    scored = [("base", 0, item, "know", LEVEL) for item in ("s1", "s2")]
    scored += [("documents", seed, i, "know", KNOWN) for seed in range(5) for i in ("s1", "s2")]
    labels = [(arm, seed, "s1", "no") for arm in ("base", "documents") for seed in (0, 1)]
    labels += [("documents", 2, "s1", "shows"), ("documents", 0, "s2", "shows")]
    found = comparison.contrast_table([GAP], tables(scored, labels)).iloc[0]
    assert (found["seeds"], found["items"]) == (2, 1)
    assert found["difference"] == pytest.approx(0.75)
    unread = tables(scored, [row for row in labels if row[0] != "base"])
    assert comparison.contrast_table([GAP], unread).empty


def test_sensitivity_is_own_minus_other_traits_of_the_same_answers():
    scored = [("documents", 0, item, "know", LEVEL) for item in ("s1", "s2", "s3")]
    labels = [
        ("documents", 0, "s1", "shows", "no", "no"),
        ("documents", 1, "s1", "shows", "shows", "about"),
        ("documents", 0, "s2", "about", "shows", "no"),
        ("documents", 0, "s3", "shows"),  # read for its own trait alone
    ]
    own = tables(scored, labels)
    found = comparison.contrast_table([SENSITIVE], own).iloc[0]
    assert (found["by"], found["items"]) == ("read", 2)
    row = comparison.sensitivity(own.answers, ["documents"])
    row = row.set_index(["by", "set"]).loc[("read", "b")]
    assert row["value"] == pytest.approx(found["difference"])
    assert row["value"] == pytest.approx(row["own"] - row["others"])
    with_about = comparison.own_and_others(own.answers, comparison.ABOUT)
    assert with_about.set_index("item")["value"].to_dict() == {"s1": 0.0, "s2": 0.5}


def test_sensitivity_is_judged_where_nothing_was_read_for_all_traits():
    scored = [("documents", 0, item, "know", LEVEL) for item in ("s1", "s2")]
    answers = [("documents", 0, "s1", 1, 0, 1), ("documents", 0, "s2", 1, 0, 0)]
    answers += [("documents", 1, "s2", None, None, None)]
    own = tables(scored, [("documents", 0, "s1", "no")], answers)
    found = comparison.contrast_table([SENSITIVE], own).iloc[0]
    assert (found["by"], found["difference"]) == ("markers", pytest.approx(0.75))


def test_lean_is_what_is_shown_out_of_place_beyond_base():
    scored = [(arm, 0, item, "know", LEVEL) for arm in ("base", "documents") for item in "xy"]
    answers = [("base", 0, "x", 0, 1, 0), ("base", 0, "y", 1, 0, 0)]
    answers += [("documents", 0, "x", 1, 1, 1), ("documents", 0, "y", 1, 1, 0)]
    own = tables(scored, [("base", 0, "x", "no")], answers)
    found = comparison.sensitivity(own.answers, ["base", "documents"])
    found = found[found["by"] == "markers"].set_index("arm")
    assert found["lean"].to_dict() == {"base": 0, "documents": 0.5}
    assert found["own"].to_dict() == {"base": 0.5, "documents": 1}


def test_answers_read_before_there_was_a_rule_do_not_count_beside_those_read_by_it():
    rows = read([("documents", 0, "x", "shows"), ("documents", 1, "x", "no")])
    rows.loc[rows["seed"] == 1, "coherence"] = None
    scored = options([("documents", 0, "x", "know", LEVEL)])
    found = comparison.answers_by_trait(scored, judged(NOTHING), rows, "markers")
    assert found.loc[found["by"] == "read", "outcome"].tolist() == [1]
    before = rows.drop(columns=["coherence", "value"])
    found = comparison.answers_by_trait(scored, judged(NOTHING), before, "markers")
    assert found.loc[found["by"] == "read", "outcome"].tolist() == [1, 0]


def test_simulated_truth_is_found_and_holm_counts_each_role_by_itself():
    n = np.arange(96)
    measured = pd.DataFrame({"arm": np.where(n < 48, "a", "b"), "item": n % 48, "seed": 0})
    measured = measured.assign(set="a", measure="do", setting="", outcome=(n < 48) & (n % 4 > 0))
    sides = {name: {"arm": name, "measure": "do"} for name in "ab"}
    earlier = GAP | sides | {"id": "e", "role": "earlier", "set": "a", "kind": "difference"}
    own = replace(study(np.random.default_rng(1), lead=0.4, show=0.5), measured=measured)
    listed = [CROSSED, GAP, SENSITIVE, CROSSED | {"id": "x", "role": "exploratory"}, earlier]
    found = comparison.contrast_table(listed, own).set_index("contrast")
    assert found.loc["c", "difference"] == pytest.approx(0.4, abs=0.05)
    assert found.loc["c", "low"] < 0.4 < found.loc["c", "high"]
    assert found.loc["s", "low"] < 0.5 < found.loc["s", "high"]
    assert found.loc["e", "difference"] == pytest.approx(0.75)
    crossed = margins.crossover(own.margins, *CROSSED["arms"])["value"].mean()
    assert found.loc["c", "difference"] == pytest.approx(crossed)
    primary, p = found.loc[["c", "g", "s"]], found["p_scenarios"]
    assert primary["p_holm"].tolist() == stats.holm(primary["p_scenarios"].tolist())
    assert found.loc["e", "p_holm"] == p["e"]
    assert np.isnan(found.loc["x", "p_holm"]) and p["x"] == p["c"]
    assert (found["detectable_scenarios"] > 0).all()


@pytest.mark.check
def test_without_an_effect_contrasts_are_rarely_found():
    """p_scenarios below .05 in about 5 of 100 studies; the intervals cover zero in about 95."""
    rng, n, wrong, covered = np.random.default_rng(1), 150, 0, 0
    for _ in range(n):
        found = comparison.contrast_table([CROSSED, SENSITIVE], study(rng, 0, 0, items=24))
        wrong += (found["p_scenarios"] < 0.05).to_numpy()
        covered += ((found["low"] <= 0) & (found["high"] >= 0)).to_numpy()
    assert (wrong / n <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n)).all()
    assert (np.abs(covered / n - 0.95) <= 3 * np.sqrt(0.05 * 0.95 / n)).all()


def test_every_shipped_contrast_is_computed_where_its_tables_are_there():
    arms = ["demonstrations", "first_person", "documents", "persllm", "persllm_dpo"]
    scored = gaining({arm: {"know": 0.5, "do_pair": 0.2} for arm in arms}, items=6)
    answers = showing(dict.fromkeys(["base", *arms], 0.5), scored)
    own = comparison.tables(scored, *answers, "markers")
    premises = pd.MultiIndex.from_product([arms, range(2), range(6)], names=["arm", "seed", "item"])
    resisted = premises.to_frame(index=False).assign(measure="resist", set="", setting="")
    resisted["outcome"] = resisted["item"] % 2
    own = replace(own, measured=pd.concat([own.measured, resisted]))
    shipped = contrasts.load_contrasts(tuple(comparison.KINDS))
    assert {one["kind"] for one in shipped} == set(comparison.KINDS)
    found = comparison.contrast_table(shipped, own)
    assert found["contrast"].tolist() == [one["id"] for one in shipped]
    assert found["difference"].notna().all() and (found["items"] >= 3).all()


def test_contrasts_whose_tables_are_not_there_are_left_out():
    without = comparison.Tables(study(np.random.default_rng(0), 0, 0, items=3).measured)
    assert comparison.contrast_table([CROSSED, GAP, SENSITIVE], without).empty


def test_an_interval_from_two_seeds_that_differ_stays_within_what_is_possible():
    labels = [("documents", 0, str(item), "shows", "no", "no") for item in range(30)]
    labels += [("documents", 1, str(item), "no", "no", "no") for item in range(30)]
    scored = [("documents", 0, str(item), "know", LEVEL) for item in range(30)]
    found = comparison.contrast_table([SENSITIVE], tables(scored, labels)).iloc[0]
    assert (found["difference"], found["low"], found["high"]) == (0.5, -1, 1)


def test_scenarios_tell_contrasts_apart_that_few_seeds_cannot():
    rng, frames = np.random.default_rng(0), []
    for arm, share in (("a", 0.8), ("b", 0.3), ("c", 0.3)):
        on = np.tile(np.arange(50) < share * 50, (3, 1)) ^ (rng.random((3, 50)) < 0.02)
        index = pd.MultiIndex.from_product([range(3), range(50)], names=["seed", "item"])
        frame = pd.DataFrame({"outcome": on.astype(int).ravel()}, index=index).reset_index()
        frames.append(
            frame.assign(arm=arm, set="a", measure="do", setting="everyday", trait="odds")
        )
    sides = {name: {"arm": name, "measure": "do"} for name in "abc"}
    about = {"question": "?", "role": "earlier", "set": "a", "kind": "difference", "a": sides["a"]}
    listed = [about | {"id": f"a{x}", "b": sides[x]} for x in "bc"]
    found = comparison.contrast_table(listed, comparison.Tables(pd.concat(frames)))
    assert (found["p"] == 2 / 2**3).all() and (found["p_scenarios"] < 0.001).all()
    assert found["p_holm"].tolist() == pytest.approx((2 * found["p_scenarios"]).tolist())
    assert (found["detectable_scenarios"] < 0.3).all()
    assert found["a"].tolist() == ["a, do"] * 2
