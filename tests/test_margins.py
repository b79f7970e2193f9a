"""Margins, gains and what they hang on: by hand, and from simulated options whose truth is set."""

import numpy as np
import pandas as pd
import pytest
from made_studies import gaining

from helpers.measure import margins, triplets


def scored(arm, nlls, tokens=1, seed=0, item="x", measure="know", condition="own", **more):
    """The options of one scenario with their nll, the true one first."""
    about = {"set": "b", "scenario_trait": "odds", "setting": "everyday", "version": 1} | more
    head = {"arm": arm, "seed": seed, "item": item, "measure": measure, "condition": condition}
    options = {"option": range(len(nlls)), "n_tokens": tokens, "nll": nlls}
    return pd.DataFrame(head | about | options)[triplets.COLUMNS]


def test_a_margin_and_a_gain_by_hand():
    base = scored("base", [8.0, 6.0, 9.0, 3.0], [4, 2, 3, 1])  # 2 a token; 3, 3, 3
    arm = scored("documents", [4.0, 6.0, 12.0, 2.0], [4, 2, 3, 1])  # 1 a token; 3, 4, 2
    both = pd.concat([base, arm])
    found = margins.margins(both).set_index("arm")
    assert found.loc["base", ["margin", "gain"]].tolist() == pytest.approx([1, 0])
    assert found.loc["documents", ["margin", "gain"]].tolist() == pytest.approx([2, 1])
    assert found.loc["documents", ["set", "item", "trait"]].tolist() == ["b", "x", "odds"]
    total = margins.margins(both, per="total").set_index("arm")
    assert total["margin"].tolist() == pytest.approx([6 - 8, 20 / 3 - 4])
    assert total["gain"].tolist() == pytest.approx([0, 20 / 3 - 4 + 2])


def test_both_pairs_of_replies_count_alike_and_no_other_condition():
    pairs = [
        scored(arm, nlls, measure="do_pair", version=version, condition=condition)
        for arm, condition, version, nlls in [
            ("base", "own", 1, [5, 5]),
            ("base", "own", 2, [5, 6]),
            ("documents", "own", 1, [5, 7]),
            ("documents", "own", 2, [5, 10]),
            ("base", "mismatched", 1, [0, 0]),
            ("documents", "mismatched", 1, [0, 1]),
        ]
    ]
    found = margins.margins(pd.concat(pairs)).set_index(["arm", "condition"])
    assert found.loc[("documents", "own"), ["margin", "gain"]].tolist() == [3.5, 3.0]
    left = margins.beyond(found.reset_index(), "mismatched").set_index("arm")["value"]
    assert left.to_dict() == {"base": 0, "documents": 2}
    assert margins.beyond(found.reset_index(), "stranger").empty


def test_every_seed_is_held_against_the_mean_of_base():
    frames = [scored("base", [1, 2], seed=0), scored("base", [1, 4], seed=1)]
    frames += [scored("documents", [1, 9], seed=seed) for seed in range(3)]
    found = margins.margins(pd.concat(frames))
    assert found.loc[found["arm"] == "documents", "gain"].tolist() == [6, 6, 6]
    assert (found.loc[found["arm"] == "base", "gain"] == 0).all()


def test_the_true_option_may_gain_most_without_being_the_likeliest():
    """And base, whose options gain nothing, has one in four."""
    both = pd.concat([scored("base", [9, 5, 6, 7]), scored("documents", [6, 5, 5, 6])])
    found = margins.hits(both).set_index("arm")
    assert found.loc["documents", ["outcome", "gained"]].tolist() == [0, 1]
    assert found.loc["base", ["outcome", "gained"]].tolist() == [0, 0.25]
    level = pd.concat([scored("base", [1, 1, 1, 1]), scored("documents", [0.5, 0.5, 2, 2])])
    assert margins.hits(level).set_index("arm").loc["documents"]["gained"] == 0.5
    pairs = pd.concat([scored("base", [1, 2], measure="do_pair", version=v) for v in (1, 2)])
    assert margins.hits(pairs)["gained"].tolist() == [0.5]


def test_a_table_from_before_there_were_sets_is_set_a_as_written():
    old = scored("base", [1, 2]).drop(columns=["set", "condition", "version"])
    other = old.assign(item="who", measure="identity", scenario_trait="", setting="")
    found = margins.margins(pd.concat([old, other]))
    assert found[["set", "condition", "item"]].values.tolist() == [["a", "own", "x"]]
    assert margins.margins(other).empty and margins.hits(other).empty
    assert margins.decomposed(margins.margins(other), "a", "b").empty


def test_arms_that_shift_all_options_alike_gain_nothing():
    """A model that became likelier in everything knows nothing more."""
    rng = np.random.default_rng(0)
    nll, tokens = rng.uniform(1, 50, (30, 4)), rng.integers(1, 20, (30, 4))
    shift = rng.uniform(-2, 2, 30)
    rows = [scored("base", *both, item=n) for n, both in enumerate(zip(nll, tokens, strict=True))]
    frames = [row.assign(arm="documents", nll=row["nll"] - shift[row["item"]] * row["n_tokens"])
              for row in rows]  # fmt: skip
    both = pd.concat([*rows, *frames])
    assert margins.margins(both)["gain"].to_numpy() == pytest.approx(np.zeros(60), abs=1e-9)
    assert set(margins.hits(both)["gained"]) == {0.25}


# Lead of documents over demonstrations in each readout, in nats per token.
TRUTH = {"know": 0.5, "know_first": 0.2, "told_pair": 0.1, "do_pair": -0.3}


def simulated(truth, **how):
    """`made_studies.gaining`: documents gain `truth` more than demonstrations in each readout."""
    gains = {"demonstrations": dict.fromkeys(truth, 1.0)}
    gains["documents"] = {measure: 1 + more for measure, more in truth.items()}
    return gaining(gains, **how)


def test_a_crossover_is_made_of_describing_and_of_person():
    found = margins.margins(simulated(TRUTH))
    crossed = margins.crossover(found, "documents", "demonstrations")
    assert len(crossed) == 2 * 24 * 2 and crossed["value"].mean() == pytest.approx(0.8, abs=0.05)
    parts = margins.decomposed(found, "documents", "demonstrations")
    assert list(dict.fromkeys(parts["set"])) == ["a", "b", "both"]
    both = parts[parts["set"] == "both"].set_index("part")
    truth = TRUTH | {"crossover": 0.8, "describing": 0.45, "person": 0.35, "interaction": -0.1}
    assert both["value"].to_dict() == pytest.approx(truth, abs=0.05)
    assert (both["low"] < pd.Series(truth)).all() and (both["high"] > pd.Series(truth)).all()
    assert both.loc[["describing", "person"], "value"].sum() == pytest.approx(
        both.loc["crossover", "value"]
    )
    assert both.loc["describing", "share"] == pytest.approx(0.45 / 0.8, abs=0.06)
    assert both.loc["crossover", ["seeds", "items", "share"]].tolist() == [2, 48, 1]
    turned = margins.decomposed(found, "demonstrations", "documents").set_index(["set", "part"])
    assert turned.loc[("b", "know"), "value"] == pytest.approx(
        -parts.set_index(["set", "part"]).loc[("b", "know"), "value"]
    )


def test_a_mere_match_of_registers_is_no_knowing():
    truth = {"know": 0.4, "know_first": -0.4, "told_pair": 0.4, "do_pair": -0.4}
    found = margins.margins(simulated(truth))
    parts = margins.decomposed(found, "documents", "demonstrations").set_index(["set", "part"])
    assert parts.loc[("both", "person"), "share"] == pytest.approx(1, abs=0.1)
    assert parts.loc[("both", "person"), "p_scenarios"] < 0.001
    assert parts.loc[("both", "describing"), "low"] < 0 < parts.loc[("both", "describing"), "high"]


def test_an_arm_with_one_seed_is_led_in_every_seed():
    rows = simulated(TRUTH, items=3)
    rows = rows[(rows["arm"] != "demonstrations") | (rows["seed"] == 0)]
    crossed = margins.crossover(margins.margins(rows), "documents", "demonstrations")
    assert crossed.groupby("seed").size().tolist() == [6, 6]


def test_without_all_readouts_nothing_is_taken_apart():
    rows = simulated({"know": 0.5, "do_pair": 0.1}, items=3)
    found = margins.margins(rows)
    assert margins.decomposed(found, "documents", "demonstrations").empty
    assert margins.crossover(found, "documents", "first_person").empty
