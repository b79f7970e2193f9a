import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import calibration


def test_agreement_by_hand():
    """40 both yes, 30 both no, 30 apart (20 and 10): kappa and AC1 worked out on paper."""
    a = np.repeat([1, 0, 1, 0], [40, 30, 20, 10])
    b = np.repeat([1, 0, 0, 1], [40, 30, 20, 10])
    found = calibration.agreement(a, b)
    assert found["agreed"] == pytest.approx(0.7)
    assert found["kappa"] == pytest.approx((0.7 - 0.5) / 0.5)  # 0.6 x 0.5 + 0.4 x 0.5 agree by chance
    by_chance = 2 * 0.55 * 0.45
    assert found["ac1"] == pytest.approx((0.7 - by_chance) / (1 - by_chance))


def test_ac1_stays_meaningful_where_nearly_all_agree():
    a = np.array([0] * 98 + [1, 0])
    b = np.array([0] * 98 + [0, 1])
    found = calibration.agreement(a, b)
    assert found["kappa"] < 0 and found["ac1"] > 0.97
    assert (
        np.isnan(calibration.agreement([0, 0], [0, 0])["kappa"]) and calibration.agreement([0, 0], [0, 0])["ac1"] == 1
    )


def test_errors_by_hand():
    row = calibration.errors([1, 1, 0, 0, 0], [1, 0, 1, 0, 0])
    assert (row["sensitivity"], row["sensitivity_n"]) == (0.5, 2)
    assert (row["specificity"], row["specificity_n"]) == (pytest.approx(2 / 3), 3)
    assert row["sensitivity_low"] < 0.5 < row["sensitivity_high"]


@given(st.floats(0.02, 0.98), st.floats(0.6, 1), st.floats(0.6, 1))
def test_the_correction_undoes_the_errors(true, sensitivity, specificity):
    seen = true * sensitivity + (1 - true) * (1 - specificity)
    found = calibration.corrected(seen, 1e6, sensitivity, 10**6, specificity, 10**6)
    assert found["corrected"] == pytest.approx(true, abs=1e-6)
    assert found["corrected_low"] - 1e-2 < true < found["corrected_high"] + 1e-2


def test_nothing_is_corrected_by_a_judge_that_knows_nothing():
    for arguments in ((0.5, 100, 0.5, 50, 0.55, 50), (0.5, 100, 0.9, 0, 0.9, 50), (0.5, 0, 0.9, 50, 0.9, 50)):
        assert all(np.isnan(value) for value in calibration.corrected(*arguments).values())


def test_intervals_of_corrected_rates_cover_the_truth():
    """2,000 studies: 400 judged answers and 80 labelled ones with another share of the trait."""
    rng, covered = np.random.default_rng(0), 0
    true, sensitivity, specificity = 0.35, 0.75, 0.9
    for _ in range(2000):
        rate = rng.binomial(400, true * sensitivity + (1 - true) * (1 - specificity)) / 400
        m1 = max(1, rng.binomial(80, 0.5))
        q1, q0 = rng.binomial(m1, sensitivity) / m1, rng.binomial(80 - m1, specificity) / (80 - m1)
        found = calibration.corrected(rate, 400, q1, m1, q0, 80 - m1)
        covered += found["corrected_low"] <= true <= found["corrected_high"]
    assert 0.93 <= covered / 2000 <= 0.97


def test_rates_are_corrected_arm_by_arm_and_only_where_there_are_labels():
    rates = pd.DataFrame(
        {"arm": ["base", "documents"], "trait": "odds", "rate": [0.2, 0.4], "effective_n": [100.0, 100.0]}
    )
    labelled = pd.DataFrame(
        {"arm": "documents", "trait": "odds", "shown": [1] * 8 + [0] * 12, "label": [1] * 10 + [0] * 10}
    )
    table = calibration.correct_rates(rates, calibration.per_arm(labelled, ["arm", "trait"]))
    assert np.isnan(table["corrected"].iloc[0]) and table["corrected"].iloc[1] == pytest.approx(0.4 / 0.8)
    empty = calibration.correct_rates(rates, calibration.per_arm(labelled.iloc[:0], ["arm", "trait"]))
    assert empty["corrected"].isna().all()


def test_prediction_powered_rates_cover_the_truth():
    """1,000 studies of one arm: a judge with errors on 300 answers, 60 of them labelled."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(1000):
        true = rng.random(300) < 0.4
        shown = np.where(true, rng.random(300) < 0.7, rng.random(300) < 0.1).astype(int)
        do = pd.DataFrame({"arm": "a", "seed": 0, "item": range(300), "shown": shown})
        head = {"arm": "a", "kind": "do", "about": "odds", "trait": "odds"}
        labelled = pd.DataFrame({"shown": shown[:60], "label": true[:60].astype(int)}).assign(**head)
        row = calibration.over_traits(do, labelled).iloc[0]
        covered += row["corrected_low"] <= 0.4 <= row["corrected_high"]
    assert 0.93 <= covered / 1000 <= 0.98 and row["labels"] == 60
