import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measure import stats


def generators(number, items=96):
    """Random numbers of one study: what its items do in every arm, and the rest."""
    rng = np.random.default_rng(number)
    return {"items": rng.normal(size=items), "arm": rng}


def study(rng, seeds=5, samples=2, seed_spread=0.3, item_spread=1.0, intercept=-0.5, own=0.4):
    """One arm's simulated outcomes (samples, seeds, items), logistic: seeds and prompts differ,
    `own` is what prompts do in this arm alone. Item effects are shared between the arms of one
    study through the generators."""
    items = len(rng["items"])
    effects = rng["items"] * item_spread + own * rng["arm"].normal(size=items)
    logits = intercept + seed_spread * rng["arm"].normal(size=(seeds, 1)) + effects
    return (rng["arm"].random((samples, seeds, items)) < 1 / (1 + np.exp(-logits))).astype(int)


def answers(outcomes):
    """Simulated outcomes as a tidy frame, a row per answer."""
    index = pd.MultiIndex.from_product(map(range, outcomes.shape), names=["sample", "seed", "item"])
    return pd.DataFrame({"outcome": outcomes.ravel()}, index=index).reset_index()


def rate_interval(outcomes):
    """The rate of simulated outcomes and its interval, as `rates` makes them from a frame."""
    rate = outcomes.mean()
    n = stats.effective_size(outcomes.mean(0), rate, outcomes.size)
    return rate, *stats.wilson(rate * n, n)


def true_rate(intercept, spread, n=100_000):
    effects = spread * np.random.default_rng(9).normal(size=n)
    return float((1 / (1 + np.exp(-(intercept + effects)))).mean())


def spread_of(seed_spread):
    return np.hypot(np.hypot(seed_spread, 1.0), 0.4)


def test_arrays_and_frames_agree():
    rng = generators(3)
    a, b = study(rng), study(rng, intercept=0.5)
    row = stats.rates(answers(a).assign(arm="a"), ["arm"]).iloc[0]
    assert rate_interval(a) == pytest.approx((row["rate"], row["low"], row["high"]))
    frames = stats.difference(answers(a), answers(b))
    arrays = stats.compare(a.mean(0) - b.mean(0))
    assert {name: frames[name] for name in arrays} == pytest.approx(arrays)
    assert frames["n_a"] == a.size


def test_the_published_37_per_cent_reaches_from_22_to_54():
    low, high = stats.wilson(11, 30)
    assert (round(low, 2), round(high, 2)) == (0.22, 0.54)


@given(st.integers(1, 300), st.data())
def test_wilson_holds_the_rate_and_stays_between_0_and_1(n, data):
    k = data.draw(st.integers(0, n))
    low, high = stats.wilson(k, n)
    assert 0 <= low <= k / n + 1e-12 and k / n - 1e-12 <= high <= 1


def test_unscored_rows_are_counted_and_are_no_zeros():
    head = {"arm": "base", "trait": "odds", "seed": 0}
    frame = pd.DataFrame({**head, "item": list("abcd"), "outcome": [1, 0, None, 1]})
    row = stats.rates(frame, ["arm", "trait"]).iloc[0]
    assert (row["n"], row["successes"], row["unscored"]) == (3, 2, 1)
    assert row["rate"] == pytest.approx(2 / 3)
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
    nothing = answers(np.zeros((1, seeds, items), dtype=int))
    one = nothing.assign(outcome=(nothing["item"] == 0).astype(int))
    for frame in (nothing, nothing.assign(outcome=1)):
        assert stats.effective_n(frame) == pytest.approx(stats.effective_n(one))
    assert 0.6 * items < stats.effective_n(nothing) <= items


def test_equal_mean_squares_leave_no_component():
    """One cell of 2 x 30 stands out: seeds and items vary by just what the rest explains, up to
    rounding."""
    table = np.zeros((2, 30))
    table[0, 0] = 1
    part = stats.components(table)
    assert part["seed"] == part["item"] == 0 and part["df"] > 20


def test_items_of_which_none_was_scored_in_every_seed_count_once():
    frame = pd.DataFrame({"seed": [0, 0, 1, 1], "item": list("abcd"), "outcome": [1, 0, 1, 0]})
    assert stats.effective_n(frame) == 4 and stats.effective_n(pd.concat([frame] * 3)) == 4


def test_components_by_hand():
    """Rows 0 and 1 differ by 0.4 throughout, items by nothing, and nothing is left: all variance is
    the seeds'."""
    part = stats.components(np.array([[0.2] * 6, [0.6] * 6]))
    assert part["mean"] == pytest.approx(0.4) and part["seed"] == pytest.approx(0.08)
    assert part["item"] + part["rest"] < 1e-12
    assert part["variance"] == pytest.approx(0.04) and part["df"] == pytest.approx(1)


def test_a_difference_by_hand():
    a = pd.DataFrame({"seed": 0, "item": range(20), "outcome": 1})
    found = stats.difference(a, a.assign(outcome=0), draws=200)
    assert found["difference"] == 1.0 and found["items"] == found["n_a"] == 20
    assert np.isnan([found["low"], found["high"], found["p"]]).all()  # nothing varies
    none_shared = stats.difference(a, a.assign(item=a["item"] + 100))
    assert np.isnan(none_shared["difference"]) and none_shared["items"] == 0


def test_an_arm_with_one_seed_is_compared_with_every_seed():
    trained = answers((np.random.default_rng(0).random((1, 4, 30)) < 0.6).astype(int))
    base = pd.DataFrame({"seed": 0, "item": range(30), "outcome": [0, 0, 1] * 10})
    found = stats.difference(trained, base)
    assert (found["seeds"], found["items"]) == (4, 30)
    assert found["difference"] == pytest.approx(trained["outcome"].mean() - 1 / 3)
    assert stats.difference(base, trained)["difference"] == pytest.approx(-found["difference"])


# Coverage: a few hundred studies in every run, thousands in `make check`

SOME = 300
MANY = pytest.param(2000, marks=pytest.mark.check)


def slack(studies):
    """How far a share of 95 % may be off: two points, and three standard errors of few studies."""
    return 0.02 if studies >= 2000 else 3 * np.sqrt(0.95 * 0.05 / studies)


@pytest.mark.parametrize("studies", [SOME, MANY])
@pytest.mark.parametrize("seed_spread", [0.1, 0.4])
def test_intervals_of_a_difference_cover_the_truth(seed_spread, studies):
    spread = spread_of(seed_spread)
    truth = true_rate(0.0, spread) - true_rate(-0.8, spread)
    covered = 0
    for number in range(studies):
        rng = generators(number)
        a, b = (study(rng, seed_spread=seed_spread, intercept=level) for level in (0.0, -0.8))
        found = stats.compare(a.mean(0) - b.mean(0), draws=500, seed=number)
        covered += found["low"] <= truth <= found["high"]
    assert abs(covered / studies - 0.95) <= slack(studies)


@pytest.mark.parametrize("studies", [SOME, MANY])
def test_intervals_of_a_rate_cover_the_truth(studies):
    truth, covered = true_rate(-1.0, spread_of(0.3)), 0
    for number in range(studies):
        _, low, high = rate_interval(study(generators(number), intercept=-1.0))
        covered += low <= truth <= high
    assert abs(covered / studies - 0.95) <= slack(studies)


def compared(number, level, draws):
    rng = generators(number)
    one, other = (study(rng, seed_spread=0.2, intercept=x).mean(0) for x in (level, -0.5))
    return stats.compare(one - other, draws=draws, seed=number)


@pytest.mark.parametrize("studies", [SOME, MANY])
def test_the_detectable_difference_is_found_four_times_in_five(studies):
    """At the printed minimum detectable effect the interval excludes zero in about 80 of 100
    studies."""
    detectable = np.mean([compared(n, -0.5, 50)["detectable"] for n in range(200)])
    levels, spread = np.linspace(-0.5, 1.0, 301), spread_of(0.2)
    rates = np.array([true_rate(level, spread, 5_000) for level in levels])
    level = levels[np.abs(rates - rates[0] - detectable).argmin()]
    found = np.mean([compared(n, level, 500)["low"] > 0 for n in range(studies)])
    assert 0.74 <= found <= 0.88


# The sign-flip test


@given(st.integers(2, 9), st.integers(0, 10**6))
def test_the_sign_flip_p_is_the_share_of_flips_as_far_out(n, number):
    values = np.random.default_rng(number).normal(size=n)
    p = stats.sign_flip(values)
    assert 2 / 2**n <= p <= 1 and stats.sign_flip(-values) == pytest.approx(p)
    assert stats.sign_flip(np.abs(values)) == pytest.approx(2 / 2**n)


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=6))
def test_sums_that_differ_by_rounding_alone_are_ties(numbers):
    signs = np.array(np.meshgrid(*[[1, -1]] * len(numbers))).reshape(len(numbers), -1)
    exact = (np.abs(np.array(numbers) @ signs) >= abs(sum(numbers))).mean()
    assert stats.sign_flip(np.array(numbers) / 60) == pytest.approx(exact)


@pytest.mark.parametrize("studies", [SOME, MANY])
def test_the_sign_flip_test_errs_at_most_as_often_as_it_says(studies):
    rng = np.random.default_rng(0)
    wrong = np.mean([stats.sign_flip(rng.normal(size=8)) <= 0.05 for _ in range(studies)])
    assert 0.02 < wrong <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    unknown, known = stats.holm([float("nan"), 0.02])
    assert np.isnan(unknown) and known == 0.02
