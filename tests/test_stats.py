import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measure import stats


def study(
    rng, seeds=5, items=96, samples=2, seed_spread=0.3, item_spread=1.0, intercept=-0.5, own=0.4
):
    """One arm's simulated answers, logistic: seeds and prompts differ, `own` is what prompts do in
    this arm alone. `item_effects` are shared between arms through the generator that is passed
    in."""
    effects = rng["items"][:items] * item_spread + own * rng["arm"].normal(size=items)
    logits = intercept + seed_spread * rng["arm"].normal(size=(seeds, 1)) + effects
    shown = rng["arm"].random((samples, seeds, items)) < 1 / (1 + np.exp(-logits))
    index = pd.MultiIndex.from_product(
        [range(samples), range(seeds), range(items)], names=["sample", "seed", "item"]
    )
    return pd.DataFrame({"outcome": shown.astype(int).ravel()}, index=index).reset_index()


def true_rate(intercept, spread, n=400_000):
    return float(
        (1 / (1 + np.exp(-(intercept + spread * np.random.default_rng(9).normal(size=n))))).mean()
    )


def generators(number, items=96):
    rng = np.random.default_rng(number)
    return {"items": rng.normal(size=items), "arm": rng}


def test_the_published_37_per_cent_reaches_from_22_to_54():
    low, high = stats.wilson(11, 30)
    assert (round(low, 2), round(high, 2)) == (0.22, 0.54)


@given(st.integers(1, 300), st.data())
def test_wilson_holds_the_rate_and_stays_between_0_and_1(n, data):
    k = data.draw(st.integers(0, n))
    low, high = stats.wilson(k, n)
    assert 0 <= low <= k / n + 1e-12 and k / n - 1e-12 <= high <= 1


def test_unscored_rows_are_counted_and_are_no_zeros():
    answers = pd.DataFrame(
        {
            "arm": "base",
            "trait": "odds",
            "seed": 0,
            "item": list("abcd"),
            "outcome": [1, 0, None, 1],
        }
    )
    row = stats.rates(answers, ["arm", "trait"]).iloc[0]
    assert (row["n"], row["outcome"], row["unscored"]) == (3, 2, 1) and row[
        "rate"
    ] == pytest.approx(2 / 3)
    assert 0 < row["low"] < 2 / 3 < row["high"] < 1


def test_answers_that_repeat_each_other_count_once():
    alone = pd.DataFrame({"seed": 0, "item": range(40), "outcome": [1, 0] * 20})
    copied = pd.concat([alone] * 10)
    assert stats.effective_n(copied) == pytest.approx(stats.effective_n(alone))
    assert stats.effective_n(alone) == pytest.approx(40, rel=0.15)


@pytest.mark.parametrize(("seeds", "items"), [(1, 12), (2, 30), (3, 12), (5, 12), (5, 30), (5, 96)])
def test_a_rate_of_nothing_is_about_as_certain_as_that_of_one_item(seeds, items):
    """Whether seeds are copies of each other cannot be seen in it, so that it counts for about as
    many answers as items."""
    answers = pd.DataFrame(
        [{"seed": s, "item": i, "outcome": 0} for s in range(seeds) for i in range(items)]
    )
    one = answers.assign(outcome=(answers["item"] == 0).astype(int))
    for frame in (answers, answers.assign(outcome=1)):
        assert stats.effective_n(frame) == pytest.approx(stats.effective_n(one))
    assert 0.6 * items < stats.effective_n(answers) <= items


def test_equal_mean_squares_leave_no_component():
    """One cell of 2 x 30 stands out: seeds and items vary by just what the rest explains, up to
    rounding."""
    table = np.zeros((2, 30))
    table[0, 0] = 1
    part = stats.components(table)
    assert part["seed"] == part["item"] == 0 and part["df"] > 20


def test_items_of_which_none_was_scored_in_every_seed_count_once():
    answers = pd.DataFrame({"seed": [0, 0, 1, 1], "item": list("abcd"), "outcome": [1, 0, 1, 0]})
    assert stats.effective_n(answers) == 4 and stats.effective_n(pd.concat([answers] * 3)) == 4


def test_components_by_hand():
    """Rows 0 and 1 differ by 0.4 throughout, items by nothing, and nothing is left: all variance is
    the seeds'."""
    part = stats.components(np.array([[0.2] * 6, [0.6] * 6]))
    assert part["mean"] == pytest.approx(0.4) and part["seed"] == pytest.approx(0.08)
    assert (
        part["item"] + part["rest"] < 1e-12
        and part["variance"] == pytest.approx(0.04)
        and part["df"] == pytest.approx(1)
    )


def test_a_difference_by_hand():
    a = pd.DataFrame({"seed": 0, "item": range(20), "outcome": 1})
    found = stats.difference(a, a.assign(outcome=0), draws=200)
    assert (
        found["difference"] == 1.0 and np.isnan([found["low"], found["high"], found["p"]]).all()
    )  # nothing varies
    assert found["items"] == 20 and found["n_a"] == 20
    apart = stats.difference(a, a.assign(item=a["item"] + 100))
    assert np.isnan(apart["difference"]) and apart["items"] == 0


def test_an_anchor_with_one_seed_is_compared_with_every_seed():
    rng = np.random.default_rng(0)
    trained = pd.DataFrame(
        [
            {"seed": s, "item": i, "outcome": int(rng.random() < 0.6)}
            for s in range(4)
            for i in range(30)
        ]
    )
    base = pd.DataFrame({"seed": 0, "item": range(30), "outcome": [0, 0, 1] * 10})
    found = stats.difference(trained, base)
    assert (found["seeds"], found["items"]) == (4, 30)
    assert found["difference"] == pytest.approx(trained["outcome"].mean() - 1 / 3)
    assert stats.difference(base, trained)["difference"] == pytest.approx(-found["difference"])


STUDIES = 2000


@pytest.mark.parametrize("seed_spread", [0.1, 0.4])
def test_intervals_of_a_difference_cover_the_truth_in_93_to_97_of_100_studies(seed_spread):
    spread = np.hypot(np.hypot(seed_spread, 1.0), 0.4)
    truth = true_rate(0.0, spread) - true_rate(-0.8, spread)
    covered = 0
    for number in range(STUDIES):
        rng = generators(number)
        a, b = (study(rng, seed_spread=seed_spread, intercept=level) for level in (0.0, -0.8))
        found = stats.difference(a, b, draws=500, seed=number)
        covered += found["low"] <= truth <= found["high"]
    assert 0.93 <= covered / STUDIES <= 0.97


def test_intervals_of_a_rate_cover_the_truth_in_93_to_97_of_100_studies():
    truth = true_rate(-1.0, np.hypot(np.hypot(0.3, 1.0), 0.4))
    covered = 0
    for number in range(STUDIES):
        row = stats.rates(study(generators(number), intercept=-1.0).assign(arm="a"), ["arm"]).iloc[
            0
        ]
        covered += row["low"] <= truth <= row["high"]
    assert 0.93 <= covered / STUDIES <= 0.97


def test_the_detectable_difference_is_found_four_times_in_five():
    """At the printed minimum detectable effect the interval excludes zero in about 80 of 100
    studies."""
    spread = np.hypot(np.hypot(0.2, 1.0), 0.4)
    detectable = np.mean(
        [
            (
                lambda rng: stats.difference(
                    study(rng, seed_spread=0.2, intercept=-0.5),
                    study(rng, seed_spread=0.2, intercept=-0.5),
                    draws=50,
                )
            )(generators(n))["detectable"]
            for n in range(200)
        ]
    )
    levels = np.linspace(-0.5, 1.0, 301)
    level = levels[
        np.argmin(
            [
                abs(true_rate(x, spread, 20_000) - true_rate(-0.5, spread, 20_000) - detectable)
                for x in levels
            ]
        )
    ]
    found = 0
    for number in range(STUDIES):
        rng = generators(number)
        one, other = (study(rng, seed_spread=0.2, intercept=x) for x in (level, -0.5))
        low = stats.difference(one, other, draws=500, seed=number)["low"]
        found += low > 0
    assert 0.74 <= found / STUDIES <= 0.88


@given(st.integers(2, 9), st.integers(0, 10**6))
def test_the_sign_flip_p_is_the_share_of_flips_as_far_out(n, number):
    values = np.random.default_rng(number).normal(size=n)
    p = stats.sign_flip(values)
    assert 2 / 2**n <= p <= 1 and stats.sign_flip(-values) == pytest.approx(p)
    assert stats.sign_flip(np.abs(values)) == pytest.approx(2 / 2**n)


def test_the_sign_flip_test_errs_at_most_as_often_as_it_says():
    rng = np.random.default_rng(0)
    wrong = np.mean([stats.sign_flip(rng.normal(size=8)) <= 0.05 for _ in range(STUDIES)])
    assert wrong <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / STUDIES) and wrong > 0.02


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert (
        np.isnan(stats.holm([float("nan"), 0.02])[0])
        and stats.holm([float("nan"), 0.02])[1] == 0.02
    )


def test_the_likeliest_option_wins_per_token_and_the_name_by_its_probability():
    rows = [
        ("know", 0, 4, 8.0),
        ("know", 1, 2, 5.0),
        ("identity", 0, 1, 1.0),
        ("identity", 1, 1, 1.0),
    ]
    choices = pd.DataFrame(
        [
            {
                "arm": "a",
                "seed": 0,
                "item": "x",
                "measure": m,
                "scenario_trait": "odds",
                "setting": "everyday",
                "option": o,
                "n_tokens": n,
                "nll": nll,
            }
            for m, o, n, nll in rows
        ]
    )
    chosen = stats.choose(choices).set_index("measure")
    assert (
        chosen.loc["know", "outcome"] == 1
    )  # 2 nats a token against 2.5, although its sum is larger
    assert chosen.loc["identity", "probability"] == pytest.approx(0.5)


def test_a_study_of_everyday_prompts_alone_has_no_triplets_and_no_fault():
    choices = pd.DataFrame(
        columns=[
            "arm",
            "seed",
            "item",
            "measure",
            "scenario_trait",
            "setting",
            "option",
            "n_tokens",
            "nll",
        ]
    )
    judged = pd.DataFrame(
        [
            {
                "arm": "base",
                "seed": 0,
                "item": "e",
                "kind": "everyday",
                "scenario_trait": "",
                "setting": "",
                "sample": 0,
                "incoherent": "",
                "markers_odds": 1,
            }
        ]
    )
    measured = stats.measures(judged, stats.choose(choices), "markers")
    assert (
        measured.empty
        and stats.contrast_table(
            measured,
            [
                {
                    "id": "x",
                    "a": {"arm": "base", "measure": "do"},
                    "b": {"arm": "base", "measure": "know"},
                }
            ],
        ).empty
    )
    assert stats.published_rates([]).empty and stats.rates(measured, ["arm", "trait"]).empty


def test_known_and_not_expressed_is_counted_scenario_by_scenario():
    head = {"arm": "a", "seed": 0, "trait": "odds", "setting": "everyday"}
    rows = [
        ("s1", "know", 1),
        ("s2", "know", 1),
        ("s3", "know", 0),
        ("s1", "do", 1),
        ("s2", "do", 0),
        ("s3", "do", 1),
    ]
    measured = pd.DataFrame([head | {"item": i, "measure": m, "outcome": s} for i, m, s in rows])
    do = stats.rates(measured[measured["measure"] == "do"], ["arm", "trait"])
    row = stats.knowing(measured, do).iloc[0]
    assert (
        row["unexpressed"] == pytest.approx(1 / 3)
        and row["know"] == pytest.approx(2 / 3)
        and row["gap"] == pytest.approx(0)
    )


def test_the_specific_gain_is_what_the_control_text_does_not_gain():
    rows = []
    for arm, gain in (("base", (0, 0)), ("documents", (1.0, 0.25))):
        for about, own in zip(("c3po", "nell"), gain, strict=True):
            rows += [
                {
                    "arm": arm,
                    "seed": 0,
                    "subject": about,
                    "text": "documents",
                    "unit": f"u{i}",
                    "n_tokens": 10,
                    "nll": 10 * (4 - own),
                }
                for i in range(5)
            ]
    row = stats.specific_gain(pd.DataFrame(rows), "c3po", "nell").iloc[0]
    assert (row["persona"], row["control"], row["value"]) == pytest.approx((1.0, 0.25, 0.75))


def test_mean_nats_weighs_tokens_and_not_texts():
    scores = pd.DataFrame(
        {
            "arm": "base",
            "text": "documents",
            "seed": 0,
            "unit": ["a", "b"],
            "nll": [10.0, 10.0],
            "n_tokens": [10, 2],
        }
    )
    row = stats.mean_nats(scores, ["arm", "text"]).iloc[0]
    assert row["nats"] == pytest.approx(20 / 12) and row["perplexity"] == pytest.approx(
        np.exp(20 / 12)
    )
    assert row["texts"] == 2


def test_published_rates_have_an_interval_only_where_the_count_is_known():
    table = stats.published_rates(
        [
            {"arm": "documents", "trait": "anxiety", "rate": 0.37, "outcome": 11, "n": 30},
            {"arm": "first_person", "trait": "odds", "rate": 0.93},
        ]
    )
    assert table["low"].round(2).tolist()[0] == 0.22 and np.isnan(table["low"].iloc[1])
