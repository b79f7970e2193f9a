import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measure import calibration
from helpers.measure.stats import wilson


def test_agreement_by_hand():
    """40 both yes, 30 both no, 30 apart (20 and 10): kappa and AC1 worked out on paper."""
    a = np.repeat([1, 0, 1, 0], [40, 30, 20, 10])
    b = np.repeat([1, 0, 0, 1], [40, 30, 20, 10])
    found = calibration.agreement(a, b)
    assert found["agreed"] == pytest.approx(0.7)
    assert found["kappa"] == pytest.approx(
        (0.7 - 0.5) / 0.5
    )  # 0.6 x 0.5 + 0.4 x 0.5 agree by chance
    by_chance = 2 * 0.55 * 0.45
    assert found["ac1"] == pytest.approx((0.7 - by_chance) / (1 - by_chance))


def test_ac1_stays_meaningful_where_nearly_all_agree():
    a = np.array([0] * 98 + [1, 0])
    b = np.array([0] * 98 + [0, 1])
    found = calibration.agreement(a, b)
    assert found["kappa"] < 0 and found["ac1"] > 0.97
    assert (
        np.isnan(calibration.agreement([0, 0], [0, 0])["kappa"])
        and calibration.agreement([0, 0], [0, 0])["ac1"] == 1
    )


def test_errors_by_hand():
    row = calibration.errors([1, 1, 0, 0, 0], [1, 0, 1, 0, 0], list("abcde"))
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
    for arguments in (
        (0.5, 100, 0.5, 50, 0.55, 50),
        (0.5, 100, 0.9, 0, 0.9, 50),
        (0.5, 0, 0.9, 50, 0.9, 50),
    ):
        assert all(np.isnan(value) for value in calibration.corrected(*arguments).values())


def test_a_rate_that_no_share_explains_is_not_corrected():
    # 15 % false alarms on the labelled answers, and 3 % of the others judged to show the trait
    assert all(
        np.isnan(value) for value in calibration.corrected(0.03, 300, 0.9, 50, 0.85, 100).values()
    )
    assert calibration.corrected(0.14, 300, 0.9, 50, 0.85, 100)["corrected"] == 0


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
        {
            "arm": ["base", "documents"],
            "trait": "odds",
            "rate": [0.2, 0.4],
            "effective_n": [100.0, 100.0],
        }
    )
    labelled = pd.DataFrame(
        {
            "arm": "documents",
            "trait": "odds",
            "outcome": [1] * 8 + [0] * 12,
            "label": [1] * 10 + [0] * 10,
            "label_id": range(20),
        }
    )
    table = calibration.correct_rates(rates, calibration.per_arm(labelled, ["arm", "trait"]))
    assert np.isnan(table["corrected"].iloc[0]) and table["corrected"].iloc[1] == pytest.approx(
        0.4 / 0.8
    )
    empty = calibration.correct_rates(
        rates, calibration.per_arm(labelled.iloc[:0], ["arm", "trait"])
    )
    assert empty["corrected"].isna().all()


def test_judgements_of_one_answer_count_as_one():
    """Every answer judged for eight traits alike: intervals as wide as those of one trait."""
    rng = np.random.default_rng(3)
    once = pd.DataFrame(
        {
            "label_id": range(60),
            "arm": "a",
            "outcome": rng.integers(0, 2, 60),
            "label": rng.integers(0, 2, 60),
        }
    )
    one, eight = (
        calibration.per_arm(frame, ["arm"]).iloc[0] for frame in (once, pd.concat([once] * 8))
    )
    for name in ("sensitivity", "specificity", "ac1"):
        assert eight[name] == pytest.approx(one[name])
        for end in ("low", "high"):
            assert eight[f"{name}_{end}"] == pytest.approx(one[f"{name}_{end}"], abs=0.03)
    right = calibration.errors([1] * 80, [1] * 80, np.repeat(range(10), 8))
    assert right["sensitivity_low"] == pytest.approx(wilson(10, 10)[0])


def judged_study(rng, true, sensitivity, specificity, n=300, labels=60):
    """An arm's answers, some of them labelled."""
    has = rng.random(n) < true
    shown = np.where(has, rng.random(n) < sensitivity, rng.random(n) > specificity).astype(int)
    answers = pd.DataFrame(
        {
            "arm": "a",
            "measure": "do",
            "setting": "everyday",
            "seed": 0,
            "item": range(n),
            "outcome": shown,
        }
    )
    return answers, answers[:labels].assign(label=has[:labels].astype(int))


@pytest.mark.parametrize(("true", "most"), [(0.4, 0.97), (0.02, 1)])
def test_prediction_powered_rates_cover_the_truth(true, most):
    """2,000 studies of one arm. Where the trait is rare and labels mostly agree, the interval may
    be too wide, not too narrow."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(2000):
        _, low, high = calibration.interval(
            *calibration.prediction_powered(*judged_study(rng, true, 0.7, 0.95))
        )
        covered += low <= true <= high
    assert 0.93 <= covered / 2000 <= most


def test_saying_and_doing_are_corrected_arm_by_arm():
    answers, labelled = judged_study(np.random.default_rng(0), 0.4, 0.7, 0.9)
    others = answers.assign(arm="b", measure="say")
    table = calibration.over_traits(pd.concat([answers, others]), labelled)
    assert table[["arm", "measure", "labels"]].values.tolist() == [["a", "do", 60]]
    off = labelled["label"].mean() - labelled["outcome"].mean()
    assert table["corrected"].iloc[0] == pytest.approx(answers["outcome"].mean() + off)


def test_corrected_contrasts_cover_the_truth():
    """500 studies of two arms whose judge misses more in one of them: the judged difference is off,
    the corrected one is not."""
    rng, covered, uncorrected = np.random.default_rng(2), 0, []
    contrast = [{"id": "x", "a": {"arm": "a", "measure": "do"}, "b": {"arm": "b", "measure": "do"}}]
    for _ in range(500):
        (a, of_a), (b, of_b) = judged_study(rng, 0.4, 0.5, 0.95), judged_study(rng, 0.4, 0.9, 0.95)
        measured, labelled = (
            pd.concat([a, b.assign(arm="b")]),
            pd.concat([of_a, of_b.assign(arm="b")]),
        )
        row = calibration.correct_contrasts(contrast, measured, labelled).iloc[0]
        covered += row["corrected_low"] <= 0 <= row["corrected_high"]
        uncorrected.append(a["outcome"].mean() - b["outcome"].mean())
    assert 0.92 <= covered / 500 <= 0.98 and np.mean(uncorrected) < -0.1


def test_a_contrast_read_whole_is_that_of_the_labels():
    """A judge that says the opposite of the labels changes nothing where every answer was
    labelled."""
    n = np.arange(40)
    side_a, side_b = (
        pd.DataFrame(
            {
                "arm": arm,
                "measure": "resist",
                "seed": n % 2,
                "item": n // 2,
                "label": label,
                "outcome": 1 - label,
            }
        )
        for arm, label in (("a", (n % 4 < 2).astype(int)), ("b", (n % 8 < 1).astype(int)))
    )
    contrast = [
        {"id": "x", "a": {"arm": "a", "measure": "resist"}, "b": {"arm": "b", "measure": "resist"}}
    ]
    row = calibration.correct_contrasts(contrast, pd.concat([side_a, side_b]), side_a).iloc[0]
    assert (
        row["corrected"] == pytest.approx(20 / 40 - 5 / 40)
        and row["corrected_low"] < 15 / 40 < row["corrected_high"]
    )
    one_unread = side_b.assign(label=side_b["label"].mask(n == 3))
    assert calibration.correct_contrasts(contrast, pd.concat([side_a, one_unread]), side_a).empty


def test_a_contrast_without_labels_is_not_corrected():
    answers, labelled = judged_study(np.random.default_rng(0), 0.4, 0.7, 0.9)
    contrast = [{"id": "x", "a": {"arm": "a", "measure": "do"}, "b": {"arm": "b", "measure": "do"}}]
    both = pd.concat([answers, answers.assign(arm="b")])
    assert calibration.correct_contrasts(contrast, both, labelled).empty
    gap = [{"id": "y", "a": {"arm": "a", "measure": "know"}, "b": {"arm": "a", "measure": "do"}}]
    known = answers.assign(measure="know", outcome=1)
    row = calibration.correct_contrasts(gap, pd.concat([answers, known]), labelled).iloc[0]
    corrected = calibration.over_traits(answers, labelled)["corrected"].iloc[0]
    assert row["corrected"] == pytest.approx(1 - corrected)
