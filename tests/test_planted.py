"""The positive control, with simulated judges whose errors are known."""

import numpy as np
import pandas as pd
import pytest

from helpers.measure import planted


def read(sensitivity, specificity, shows=240, none=400, judge="markers"):
    """Answers that were read: of `documents` some that show the trait, of base some that do not;
    and answers that no mixture may take: of another trait, of another kind, unscored."""
    rng, n = np.random.default_rng(3), shows + none
    label = (np.arange(n) < shows).astype(int)
    right = np.where(label == 1, sensitivity, specificity)
    outcome = np.where(rng.random(n) < right, label, 1 - label).astype(float)
    arm = np.where(label == 1, "documents", "base")
    own = pd.DataFrame({"arm": arm, "kind": "do", "trait": "odds", "outcome": outcome})
    own = own.assign(label=label, scenario_trait="odds", judge=judge)
    wrong = own.assign(outcome=1 - label)
    unscored = own.assign(outcome=np.nan)
    return pd.concat([own, wrong.assign(trait="anxiety"), wrong.assign(kind="say"), unscored])


def by_method(frame):
    found = planted.planted(frame, ["markers"], draws=120)
    return {method: own.set_index("planted") for method, own in found.groupby("method")}


def test_planted_shares_come_back_corrected_from_a_judge_that_errs():
    found = by_method(read(0.6, 0.9))
    shares = pd.Series(planted.SHARES, index=planted.SHARES)
    judged = found[planted.JUDGED]["value"]
    assert judged.to_numpy() == pytest.approx(shares * 0.6 + (1 - shares) * 0.1, abs=0.03)
    assert found[planted.JUDGED].loc[0.5, "covered"] < 0.2
    for method in (planted.BY_ERRORS, planted.BY_LABELS):
        own = found[method]
        assert own["value"].to_numpy() == pytest.approx(shares, abs=0.03)
        assert (own["covered"] > 0.9).all()
        assert (own["low"] < shares).all() and (own["high"] > shares).all()
    # 10 %: limited by the 200 answers of base, 50 %: by the 120 that show it
    assert found[planted.JUDGED]["n"].tolist() == [220, 264, 240]


def test_the_share_is_planted_exactly_however_few_answers_there_are():
    for shows, none in ((20, 20), (27, 41), (240, 400)):
        shown, silent = np.ones(shows), np.zeros(none)
        for share in planted.SHARES:
            table = planted.mixed(shown, silent, share, np.random.default_rng(0))
            judged = table[table["method"] == planted.JUDGED]["value"]  # by a judge without errors
            assert judged.to_list() == [share]


def test_a_perfect_judge_needs_no_correction():
    found = by_method(read(1, 1))
    for own in found.values():
        assert own["value"].to_numpy() == pytest.approx(planted.SHARES, abs=0.01)


def test_a_judge_that_tells_nothing_brings_back_nothing_but_the_labels():
    found = by_method(read(0.5, 0.5))
    assert found[planted.JUDGED]["value"].to_numpy() == pytest.approx([0.5] * 3, abs=0.05)
    assert found[planted.BY_ERRORS]["covered"].fillna(1).min() > 0.8
    labels = found[planted.BY_LABELS]
    assert labels["value"].to_numpy() == pytest.approx(planted.SHARES, abs=0.05)


def test_without_answers_of_both_sorts_there_is_nothing_to_mix():
    assert planted.planted(read(1, 1, none=2 * planted.LEAST - 1), ["markers"]).empty
    assert planted.planted(read(1, 1), ["classifier"]).empty
    assert list(planted.planted(read(1, 1), [])) == planted.COLUMNS
