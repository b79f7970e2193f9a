import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import stats


def frame(rates, items=20, samples=2, seed=0, spread=0.0):
    """Simulated answers: a row per seed, item and sample; `rates` maps seed -> true rate, `spread` varies it by prompt."""
    rng = np.random.default_rng(seed)
    rows = []
    effects = np.random.default_rng(seed // 2).normal(
        size=items
    )  # of the prompts, the same in both arms and every seed
    for s, rate in rates.items():
        for item in range(items):
            p = float(np.clip(rate + spread * effects[item], 0, 1))
            rows += [{"seed": s, "item": item, "sample": k, "shown": int(rng.random() < p)} for k in range(samples)]
    return pd.DataFrame(rows)


def test_the_published_37_per_cent_reaches_from_22_to_54():
    low, high = stats.wilson(11, 30)
    assert (round(low, 2), round(high, 2)) == (0.22, 0.54)


@given(st.integers(1, 300), st.data())
def test_wilson_holds_the_rate_and_stays_between_0_and_1(n, data):
    k = data.draw(st.integers(0, n))
    low, high = stats.wilson(k, n)
    assert 0 <= low <= k / n + 1e-12 and k / n - 1e-12 <= high <= 1


def test_unscored_rows_are_counted_and_are_no_zeros():
    table = stats.rates(
        pd.DataFrame({"arm": "base", "trait": "odds", "seed": 0, "shown": [1, 0, None, 1]}), ["arm", "trait"]
    )
    row = table.iloc[0]
    assert (row["n"], row["shown"], row["unscored"]) == (3, 2, 1) and row["rate"] == pytest.approx(2 / 3)


def test_a_difference_by_hand():
    a, b = frame({0: 1.0}), frame({0: 0.0})
    found = stats.difference(a, b, draws=200)
    assert (found["difference"], found["low"], found["high"]) == (1.0, 1.0, 1.0)
    assert found["items"] == 20 and found["n_a"] == 40
    with pytest.raises(ValueError, match="share no seed"):
        stats.difference(a, b.assign(seed=5))


def test_the_interval_of_a_difference_covers_the_truth_and_excludes_zero_when_it_should():
    covered = 0
    for study in range(120):
        a, b = (frame({s: r for s in range(4)}, items=30, samples=3, seed=2 * study + k, spread=0.1)
                for k, r in enumerate((0.6, 0.4)))  # fmt: skip
        found = stats.difference(a, b, draws=300, seed=study)
        truth = 0.2
        covered += found["low"] <= truth <= found["high"]
    assert covered / 120 > 0.9


def test_mean_nats_weighs_tokens_and_not_texts():
    scores = pd.DataFrame({"arm": "base", "text": "documents", "seed": 0, "unit": ["a", "b"], "nll": [10.0, 10.0],
                           "n_tokens": [10, 2]})  # fmt: skip
    row = stats.mean_nats(scores, ["arm", "text"]).iloc[0]
    assert row["nats"] == pytest.approx(20 / 12) and row["perplexity"] == pytest.approx(np.exp(20 / 12))
    assert row["texts"] == 2


def test_published_rates_have_an_interval_only_where_the_count_is_known():
    table = stats.published_rates([{"arm": "documents", "trait": "anxiety", "rate": 0.37, "shown": 11, "n": 30},
                                   {"arm": "first_person", "trait": "odds", "rate": 0.93}])  # fmt: skip
    assert table["low"].round(2).tolist()[0] == 0.22 and np.isnan(table["low"].iloc[1])
