import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measure import calibration
from helpers.measure.stats import effective_size, wilson

# Coverage: a few hundred studies in every run, thousands in `make check`
SOME = 300
MANY = pytest.param(2000, marks=pytest.mark.check)
BOTH_DO = [{"id": "x", "a": {"arm": "a", "measure": "do"}, "b": {"arm": "b", "measure": "do"}}]


def slack(studies):
    """How far a share of 95 % may be off: two points, and three standard errors of few studies."""
    return 0.02 if studies >= 2000 else 3 * np.sqrt(0.95 * 0.05 / studies)


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
    assert row["youden"] == pytest.approx(0.5 + 2 / 3 - 1)
    assert -1 <= row["youden_low"] < row["youden"] < row["youden_high"] <= 1


@given(st.floats(0.02, 0.98), st.floats(0.6, 1), st.floats(0.6, 1))
def test_the_correction_undoes_the_errors(true, sensitivity, specificity):
    seen = true * sensitivity + (1 - true) * (1 - specificity)
    found = calibration.corrected(seen, 1e6, sensitivity, 10**6, specificity, 10**6)
    assert found["corrected"] == pytest.approx(true, abs=1e-6)
    assert found["corrected_low"] - 1e-2 < true < found["corrected_high"] + 1e-2


@given(st.floats(0, 1), st.integers(1, 400), st.integers(1, 100), st.integers(1, 100), st.data())
def test_a_corrected_rate_lies_in_its_interval(rate, n, m1, m0, data):
    """Also with few labels of one kind, which move the ends of the interval far."""
    q1, q0 = (data.draw(st.integers(0, m)) / m for m in (m1, m0))
    found = calibration.corrected(rate, n, q1, m1, q0, m0)
    low, value, high = (found[f"corrected{end}"] for end in ("_low", "", "_high"))
    assert np.isnan(value) or low <= value <= high


def test_one_label_proves_no_sensitivity():
    found = calibration.corrected(0.5, 300, 1, 1, 1, 99)
    assert list(found.values()) == pytest.approx([0.5, 0.5, 1])


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


@pytest.mark.parametrize("studies", [SOME, MANY])
def test_intervals_of_corrected_rates_cover_the_truth(studies):
    """400 judged answers and 80 labelled ones with another share of the trait."""
    rng, covered = np.random.default_rng(0), 0
    true, sensitivity, specificity = 0.35, 0.75, 0.9
    for _ in range(studies):
        rate = rng.binomial(400, true * sensitivity + (1 - true) * (1 - specificity)) / 400
        m1 = max(1, rng.binomial(80, 0.5))
        q1, q0 = rng.binomial(m1, sensitivity) / m1, rng.binomial(80 - m1, specificity) / (80 - m1)
        found = calibration.corrected(rate, 400, q1, m1, q0, 80 - m1)
        covered += found["corrected_low"] <= true <= found["corrected_high"]
    assert abs(covered / studies - 0.95) <= slack(studies)


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
    """An arm's answers: the judge's outcomes, and the truth of the first few, which were read."""
    has = rng.random(n) < true
    outcomes = np.where(has, rng.random(n) < sensitivity, rng.random(n) > specificity)
    return outcomes.astype(int), has[:labels].astype(int)


def powered(outcomes, truth):
    """`prediction_powered` on arrays: one seed, one answer per item."""
    rate = float(outcomes.mean())
    n = effective_size(outcomes[None].astype(float), rate, len(outcomes))
    found, label = outcomes[: len(truth)].astype(float), truth.astype(float)
    return calibration.powered(rate, n, found, label, np.arange(len(label)))


def frames(outcomes, truth):
    """The same study as tidy frames: the answers, and those with labels."""
    head = {"arm": "a", "measure": "do", "setting": "everyday", "seed": 0}
    answers = pd.DataFrame({**head, "item": range(len(outcomes)), "outcome": outcomes})
    return answers, answers[: len(truth)].assign(label=truth)


def test_arrays_and_frames_agree():
    drawn = judged_study(np.random.default_rng(5), 0.4, 0.7, 0.9)
    assert calibration.prediction_powered(*frames(*drawn)) == pytest.approx(powered(*drawn))


@pytest.mark.parametrize("studies", [SOME, MANY])
@pytest.mark.parametrize(("true", "sensitivity"), [(0.4, 0.7), (0.4, 0.1), (0.02, 0.7)])
def test_prediction_powered_rates_cover_the_truth(true, sensitivity, studies):
    """Where the trait is rare and labels mostly agree, the interval may be too wide, not too
    narrow."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(studies):
        drawn = judged_study(rng, true, sensitivity, 0.95)
        _, low, high = calibration.interval(*powered(*drawn))
        covered += low <= true <= high
    most = 0.95 + slack(studies) if true == 0.4 else 1
    assert 0.95 - slack(studies) <= covered / studies <= most


def test_labels_of_one_prompt_count_together():
    """The labels of four seeds that agree prompt by prompt tell no more than those of one; where
    seeds differ as prompts do, four times as many labels tell more."""
    rng = np.random.default_rng(3)
    label, found = (rng.random(90) < 0.4).astype(float), (rng.random(90) < 0.4).astype(float)
    once = calibration.labels_variance(found, label, np.arange(90), 0.5)
    four = [np.tile(values, 4) for values in (found, label, np.arange(90))]
    assert calibration.labels_variance(*four, 0.5) == pytest.approx(once)
    apart = calibration.labels_variance(*four[:2], np.arange(360), 0.5)
    assert apart == pytest.approx(once / 4, rel=0.03)


@pytest.mark.parametrize("studies", [SOME, MANY])
def test_rates_read_in_several_seeds_cover_the_truth(studies):
    """Scenarios invite a trait more or less, so that two seeds' answers to one are alike; each
    answer is labelled."""
    rng, covered = np.random.default_rng(6), 0
    for _ in range(studies):
        share = rng.beta(0.4, 0.8, 90)  # a third, on average
        label = (rng.random((2, 90)) < share).ravel().astype(float)
        found = np.where(label, rng.random(180) < 0.6, rng.random(180) < 0.1).astype(float)
        n = effective_size(found.reshape(2, 90), float(found.mean()), 180)
        given = float(found.mean()), n, found, label, np.tile(np.arange(90), 2)
        _, low, high = calibration.interval(*calibration.powered(*given))
        covered += low <= 1 / 3 <= high
    assert 0.95 - slack(studies) <= covered / studies


def test_a_poor_judge_is_no_worse_than_none():
    """One that answers at random leaves the interval as wide as the labels alone have it; a good
    one makes it narrower."""
    rng = np.random.default_rng(4)
    for quality, most in ((0.5, 1.01), (0.95, 0.75)):
        drawn = [judged_study(rng, 0.4, quality, quality) for _ in range(200)]
        errors = np.mean([powered(*one)[1] for one in drawn])
        alone = np.mean([np.sqrt(truth.var() / (len(truth) - 2)) for _, truth in drawn])
        assert errors < most * alone


def test_the_weight_of_a_judge_is_its_share_in_the_labels():
    label = np.repeat([0.0, 1.0], 20)
    assert calibration.tuning(0.5, 1e9, label, label) == pytest.approx(1)
    assert calibration.tuning(0.5, 1e9, 1 - label, label) == 0
    assert calibration.tuning(0.0, 300, 0 * label, label) == 0
    assert 0.3 < calibration.tuning(0.5, 40, label, label) < 0.7  # as many labels as answers


def test_saying_and_doing_are_corrected_arm_by_arm():
    answers, labelled = frames(*judged_study(np.random.default_rng(0), 0.4, 0.7, 0.9))
    others = answers.assign(arm="b", measure="say")
    table = calibration.over_traits(pd.concat([answers, others]), labelled)
    assert table[["arm", "measure", "labels"]].values.tolist() == [["a", "do", 60]]
    expected = calibration.prediction_powered(answers, labelled)[0]
    assert table["corrected"].iloc[0] == pytest.approx(expected)
    without_judge, judge = labelled["label"].mean(), answers["outcome"].mean()
    by_all = without_judge + judge - labelled["outcome"].mean()
    assert min(without_judge, by_all) <= expected <= max(without_judge, by_all)


@pytest.mark.parametrize("studies", [SOME, MANY])
def test_corrected_differences_cover_the_truth(studies):
    """Two arms whose judge misses more in one of them: the judged difference is off, the corrected
    one is not."""
    rng, covered, judged = np.random.default_rng(2), 0, []
    for _ in range(studies):
        a, b = judged_study(rng, 0.4, 0.5, 0.95), judged_study(rng, 0.4, 0.9, 0.95)
        _, low, high = calibration.independent_difference(powered(*a), powered(*b))
        covered += low <= 0 <= high
        judged.append(a[0].mean() - b[0].mean())
    assert abs(covered / studies - 0.95) <= slack(studies) and np.mean(judged) < -0.1


def test_a_contrast_is_the_difference_of_its_corrected_sides():
    rng = np.random.default_rng(2)
    a, b = judged_study(rng, 0.4, 0.5, 0.95), judged_study(rng, 0.4, 0.9, 0.95)
    (of_a, labels_a), (of_b, labels_b) = frames(*a), frames(*b)
    measured = pd.concat([of_a, of_b.assign(arm="b")])
    labelled = pd.concat([labels_a, labels_b.assign(arm="b")])
    row = calibration.correct_contrasts(BOTH_DO, measured, labelled).iloc[0]
    expected = calibration.independent_difference(powered(*a), powered(*b))
    assert tuple(row[["corrected", "corrected_low", "corrected_high"]]) == pytest.approx(expected)


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
    answers, labelled = frames(*judged_study(np.random.default_rng(0), 0.4, 0.7, 0.9))
    both = pd.concat([answers, answers.assign(arm="b")])
    assert calibration.correct_contrasts(BOTH_DO, both, labelled).empty
    gap = [{"id": "y", "a": {"arm": "a", "measure": "know"}, "b": {"arm": "a", "measure": "do"}}]
    known = answers.assign(measure="know", outcome=1)
    row = calibration.correct_contrasts(gap, pd.concat([answers, known]), labelled).iloc[0]
    corrected = calibration.over_traits(answers, labelled)["corrected"].iloc[0]
    assert row["corrected"] == pytest.approx(1 - corrected)


@pytest.mark.parametrize("measure", ["know", "know_you", "say_pair", "do_pair_everyday"])
def test_what_is_scored_by_likelihood_is_no_judgement_to_correct(measure):
    answers, labelled = frames(*judged_study(np.random.default_rng(0), 0.4, 0.7, 0.9))
    scored = answers.assign(measure=measure.removesuffix("_everyday"), setting="everyday")
    value, error = calibration.estimate(scored, labelled, "a", measure)
    assert value == scored["outcome"].mean() and error > 0
    sides = {name: {"arm": "a", "measure": name} for name in (measure, "do")}
    contrast = {"id": "x", "a": sides[measure], "b": sides["do"]}
    both = pd.concat([answers, scored])
    assert list(calibration.correct_contrasts([contrast], both, labelled)["contrast"]) == ["x"]
    assert calibration.estimate(answers, labelled[:0], "a", "do") is None


def test_a_gap_beyond_that_of_base_is_corrected_in_both_arms():
    """Both arms know everything; `documents` does nothing and `base` does all, which the judge sees
    in half of the answers alone."""
    n, frames_of, labels_of = 60, [], []
    for arm, truth in (("base", 1), ("documents", 0)):
        head = {"arm": arm, "setting": "everyday", "seed": 0, "item": range(n)}
        seen = truth * (np.arange(n) % 2)
        do = pd.DataFrame({**head, "measure": "do", "outcome": seen})
        frames_of += [do, pd.DataFrame({**head, "measure": "know", "outcome": 1})]
        labels_of.append(do[:40].assign(label=truth))
    measured, labelled = pd.concat(frames_of), pd.concat(labels_of)
    arms = ["base", "documents", "first_person"]
    found = calibration.corrected_gaps_over_base(measured, labelled, arms)
    assert found["arm"].tolist() == ["documents"]
    assert found["corrected"].iloc[0] == pytest.approx(1)
    assert found["corrected_low"].iloc[0] > 0.5
