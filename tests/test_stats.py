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


SIZES = [(1, 1, 12), (2, 1, 30), (3, 2, 12), (5, 1, 12), (5, 2, 30), (5, 1, 96), (5, 2, 96)]


def scattered(shown, seeds, samples, items):
    """Simulated outcomes of which `shown` are 1, no two of one item before every item has one."""
    outcomes = np.zeros((items, samples * seeds), dtype=int)
    for number in range(shown):
        outcomes[number % items, (number // items + number) % (samples * seeds)] = 1
    return outcomes.T.reshape(samples, seeds, items)


@pytest.mark.parametrize(("seeds", "samples", "items"), SIZES)
def test_the_upper_end_rises_with_the_rate_from_nothing_on(seeds, samples, items):
    """One more answer that shows it never takes the upper end down, nothing at all included. The
    lower ends of the opposite rates fall just so."""
    n = seeds * samples * items
    shown = [scattered(number, seeds, samples, items) for number in range(min(n, 24))]
    ends = [rate_interval(outcomes)[2] for outcomes in shown]
    assert (np.diff(ends) > 0).all()
    others = [rate_interval(1 - outcomes)[1] for outcomes in shown]
    assert others == pytest.approx([1 - end for end in ends])


@pytest.mark.parametrize(("seeds", "samples", "items"), SIZES)
def test_a_rate_of_nothing_counts_as_if_answers_to_one_item_were_half_alike(seeds, samples, items):
    """How alike they are cannot be seen in it, but soon in a rate that is not 0."""
    nothing, n = answers(scattered(0, seeds, samples, items)), seeds * samples * items
    for frame in (nothing, nothing.assign(outcome=1)):
        assert stats.effective_n(frame) == pytest.approx(n / (1 + (n / items - 1) / 2))
    assert stats.largest_size(0.5, n, items) > 0.7 * n


@pytest.mark.parametrize("shown", [[], [0], [0, 5]])
def test_one_unscored_answer_changes_little(shown):
    """Neither the upper end of 0 of 60, nor the effective number where one or two items always show
    it, hangs on a single answer that is missing."""
    frame = answers(np.zeros((1, 5, 12)))
    frame.loc[frame["item"].isin(shown), "outcome"] = 1
    whole = stats.rates(frame.assign(arm="a"), ["arm"]).iloc[0]
    for unscored in (0, 5, 59):
        less = frame.assign(outcome=frame["outcome"].mask(frame.index == unscored))
        found = stats.rates(less.assign(arm="a"), ["arm"]).iloc[0]
        assert found["high"] == pytest.approx(whole["high"], abs=0.025)
        assert found["effective_n"] == pytest.approx(whole["effective_n"], rel=0.15)
    if not shown:
        assert whole["high"] == pytest.approx(0.161, abs=0.001)


def test_equal_mean_squares_leave_no_component():
    """One cell of 2 x 30 stands out: seeds and items vary by just what the rest explains, up to
    rounding."""
    table = np.zeros((2, 30))
    table[0, 0] = 1
    part = stats.components(table)
    assert part["seed"] == part["item"] == 0 and part["df"] > 20


def test_items_that_no_two_seeds_share_are_the_units():
    frame = pd.DataFrame({"seed": [0, 0, 1, 1], "item": list("abcd"), "outcome": [1, 0, 1, 0]})
    alone = stats.effective_n(frame.assign(seed=0))
    assert stats.effective_n(frame) == stats.effective_n(pd.concat([frame] * 3)) == alone


def test_components_by_hand():
    """Rows 0 and 1 differ by 0.4 throughout, items by nothing, and nothing is left: all variance is
    the seeds'."""
    part = stats.components(np.array([[0.2] * 6, [0.6] * 6]))
    assert part["mean"] == pytest.approx(0.4)
    assert part["seed"] == part["variance"] == pytest.approx(0.04)
    assert part["item"] + part["rest"] < 1e-12 and part["df"] == pytest.approx(1)


def test_components_of_a_table_without_gaps_are_those_of_the_mean_squares():
    table = np.random.default_rng(1).normal(size=(4, 9))
    table += np.arange(4)[:, None] + 2 * np.arange(9)
    part, mean = stats.components(table), table.mean()
    seed, item = table.mean(1) - mean, table.mean(0) - mean
    rest = ((table - mean - seed[:, None] - item) ** 2).sum() / 24
    of_seed, of_item = 9 * (seed @ seed) / 3, 4 * (item @ item) / 8
    assert part["seed"] == pytest.approx((of_seed - rest) / 36)
    assert part["item"] == pytest.approx((of_item - rest) / 36)
    assert part["rest"] == pytest.approx(rest / 36)


def test_components_of_a_table_with_gaps_are_right_on_average():
    """Henderson's third method has no bias, whichever cells are missing."""
    rng = np.random.default_rng(2)
    gone, found = rng.random((5, 20)) < 0.4, []
    for _ in range(800):
        table = rng.normal(size=(5, 20)) + rng.normal(size=(5, 1)) + 2 * rng.normal(size=20)
        found.append(stats.components(np.where(gone, np.nan, table)))
    variance = np.var([part["mean"] for part in found])
    assert np.mean([part["variance"] for part in found]) == pytest.approx(variance, rel=0.15)


def test_a_difference_by_hand():
    a = pd.DataFrame({"seed": 0, "item": range(20), "outcome": 1})
    found = stats.difference(a, a.assign(outcome=0), draws=200)
    assert found["difference"] == 1.0 and found["items"] == found["n_a"] == 20
    assert np.isnan(found["p"])
    none_shared = stats.difference(a, a.assign(item=a["item"] + 100))
    assert np.isnan(none_shared["difference"]) and none_shared["items"] == 0


def test_all_against_none_has_an_interval():
    """Though nothing varies in it; and with a few exceptions it is no narrower."""
    none = answers(np.zeros((1, 5, 12), dtype=int))
    lows = []
    for exceptions in range(4):
        every = answers(1 - scattered(exceptions, 5, 1, 12))
        found = stats.difference(every, none, draws=200)
        assert found["low"] < found["difference"] == pytest.approx(1 - exceptions / 60)
        assert found["difference"] <= found["high"] <= 1 and found["p"] == 2 / 2**5
        lows.append(found["low"])
    assert 0.7 < lows[0] < 0.85 and (np.diff(lows) < 0).all()
    alike = stats.difference(none, none, draws=200)
    assert alike["low"] == -alike["high"] and 0.1 < alike["high"] < 0.4


def test_a_newcombe_interval_is_that_of_the_paper():
    """Method 10, 56/70 against 48/80 (Newcombe 1998, table II, a)."""
    assert stats.newcombe(56 / 70, 70, 48 / 80, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_numbers_that_are_no_rates_have_no_interval_where_nothing_varies():
    a = answers(np.full((1, 2, 5), 0.5))
    assert np.isnan(stats.difference(a, a.assign(outcome=0.1))["low"])


def test_an_unscored_answer_takes_no_scenario_away():
    """So 3 unscored answers of 480 hardly move a difference."""
    rng = generators(1)
    a, b = answers(study(rng, samples=1, intercept=1.0)), answers(study(rng, samples=1))
    whole = stats.difference(a, b)
    gone = b.index[b["outcome"] == 1][[0, 8, 19]]
    less = stats.difference(a, b.assign(outcome=b["outcome"].mask(b.index.isin(gone))))
    assert less["items"] == whole["items"] == 96
    for name in ("difference", "low", "high"):
        assert less[name] == pytest.approx(whole[name], abs=0.01)


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
@pytest.mark.parametrize("unscored", [0.02, 0.3])
def test_intervals_with_unscored_answers_cover_the_truth(unscored, studies):
    spread = spread_of(0.3)
    truth, covered = true_rate(0.0, spread) - true_rate(-0.8, spread), 0
    for number in range(studies):
        rng = generators(number)
        table = study(rng, intercept=0.0).mean(0) - study(rng, intercept=-0.8).mean(0)
        table[rng["arm"].random(table.shape) < unscored] = np.nan
        found = stats.compare(table, draws=500, seed=number)
        covered += found["low"] <= truth <= found["high"]
    assert abs(covered / studies - 0.95) <= slack(studies)


@pytest.mark.parametrize("studies", [SOME, MANY])
@pytest.mark.parametrize(("items", "intercept"), [(96, -1.0), (30, -1.0)])
def test_intervals_of_a_rate_cover_the_truth(items, intercept, studies):
    truth, covered = true_rate(intercept, spread_of(0.3)), 0
    for number in range(studies):
        _, low, high = rate_interval(study(generators(number, items), intercept=intercept))
        covered += low <= truth <= high
    assert abs(covered / studies - 0.95) <= slack(studies)


@pytest.mark.parametrize("studies", [SOME, MANY])
@pytest.mark.parametrize(("items", "intercept"), [(96, -4.0), (12, -4.0), (12, 0.0)])
def test_with_few_items_or_a_rare_trait_intervals_are_rather_too_wide(items, intercept, studies):
    """12 items hardly tell how alike their answers are, and a rare trait neither."""
    truth, covered = true_rate(intercept, spread_of(0.3)), 0
    for number in range(studies):
        _, low, high = rate_interval(study(generators(number, items), intercept=intercept))
        covered += low <= truth <= high
    assert covered / studies >= 0.95 - slack(studies)


@pytest.mark.parametrize("studies", [SOME, MANY])
@pytest.mark.parametrize("seed_spread", [0.0, 0.1])
def test_of_two_seeds_scenarios_alone_tell_too_little(seed_spread, studies):
    """Where two seeds differ, an interval over their scenarios alone misses what holds over seeds
    in a quarter of studies. That one over both is often long is the price: two seeds hardly tell
    whether they differ."""
    rng, alone, both, longer = np.random.default_rng(0), 0, 0, 0
    for number in range(studies):
        table = rng.normal(0, seed_spread, (2, 1)) + rng.normal(0, 0.35, 96)
        table += rng.normal(0, 0.5, (2, 96))
        means, found = table.mean(0), stats.compare(table, draws=500, seed=number)
        reach = 1.985 * means.std(ddof=1) / np.sqrt(96)
        alone += abs(means.mean()) <= reach
        both += found["low"] <= 0 <= found["high"]
        longer += found["high"] - found["low"] > 4 * reach
    if seed_spread:
        assert alone / studies < 0.82 and both / studies > 0.83
    else:
        assert abs(alone / studies - 0.95) <= slack(studies)
        assert abs(both / studies - 0.95) <= slack(studies) and 0.12 < longer / studies < 0.3


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


@pytest.mark.parametrize("studies", [SOME, MANY])
def test_scenarios_flip_as_often_as_they_say(studies):
    """Items as units, 12 of them: without a difference p < 0.05 in at most 5 %, and with the
    detectable one in about 80 % (a little fewer here, as so few items hardly tell their spread)."""
    rng = np.random.default_rng(3)
    tables = rng.normal(size=(studies, 1, 12)) + 0.3 * rng.normal(size=(studies, 5, 12))
    wrong = np.mean([stats.sign_flip(table.mean(0)) <= 0.05 for table in tables])
    assert 0.02 < wrong <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)
    sizes = [stats.over_scenarios(table)["detectable_scenarios"] for table in tables[:100]]
    found = np.mean([stats.sign_flip(table.mean(0) + np.mean(sizes)) <= 0.05 for table in tables])
    assert 0.7 <= found <= 0.88


def test_scenarios_tell_what_five_seeds_cannot():
    table = 0.5 + np.random.default_rng(0).normal(size=(5, 96))
    assert stats.compare(table, draws=50)["p"] == 2 / 2**5
    assert stats.over_scenarios(table)["p_scenarios"] < 0.001
    two = np.abs(table[:, :2])
    two[0, 0] = np.nan
    assert stats.over_scenarios(two)["p_scenarios"] == 0.5
    assert np.isnan(stats.over_scenarios(table[:, :1])["p_scenarios"])


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    unknown, known = stats.holm([float("nan"), 0.02])
    assert np.isnan(unknown) and known == 0.02
