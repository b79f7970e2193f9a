"""Chapter formats/06, knowing and doing as shares of scenarios: frames and titles."""

import made_results
import numpy as np
import pandas as pd
import pytest

from helpers.files import ROOT, StudyError
from helpers.report import (
    contrasts,
    shares,
)

ARMS = made_results.ARMS


# Frames


def test_the_gap_beyond_that_of_base_is_what_was_reported(gaps):
    columns = ["beyond", "low", "high", "corrected", "corrected_low", "corrected_high", "items"]
    reported = pd.read_csv(ROOT / "figures/reference/gap_over_base.csv").set_index("arm")
    own = gaps.set_index("arm")
    assert own.loc["documents", columns].to_numpy(float) == pytest.approx(
        reported.loc["documents", columns].to_numpy(float), abs=1e-4
    )
    assert np.isnan(own.loc["base", "beyond"])


def test_a_study_without_labels_has_no_corrected_gains(measured, labelled):
    none = labelled.iloc[:0]
    assert set(shares.knows_and_does(measured, none, ARMS)["readout"]) == {"knows", "does"}
    gaps = shares.gap_over_base(measured, none, ARMS)
    assert gaps["corrected"].isna().all()


def test_a_study_without_triplets_says_so(study):
    everyday = study.judged[study.judged["kind"] == "everyday"]
    other = made_results.with_tables(study, judged=everyday, choices=study.choices.iloc[:0])
    with pytest.raises(StudyError, match="has no triplets"):
        shares.measured(other, ARMS)


# Titles: a case that is clear, one that is not, and a tie


def gain_rows(**of_arms):
    rows = [
        (arm, readout, value)
        for arm, values in of_arms.items()
        for readout, value in zip(("knows", "does"), values, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "readout", "value"])
    return frame.assign(low=frame["value"] - 0.1, high=frame["value"] + 0.1)


def gap_rows(**of_arms):
    """Arms with (beyond, low, high); base has a gap of 20 points."""
    rows = [(arm, *values) for arm, values in of_arms.items()]
    base = pd.DataFrame([{"arm": "base", "gap": 0.2, "gap_low": 0.1, "gap_high": 0.3}])
    gaps = pd.concat([base, pd.DataFrame(rows, columns=["arm", "beyond", "low", "high"])])
    of_corrected = {"corrected": "beyond", "corrected_low": "low", "corrected_high": "high"}
    return gaps.assign(**{name: gaps[own] for name, own in of_corrected.items()})


def test_documents_know_without_doing_only_where_it_is_so():
    gains = gain_rows(demonstrations=(0.1, 0.2), first_person=(0.2, 0.2), documents=(0.22, 0.04))
    gaps = gap_rows(
        demonstrations=(-0.1, -0.2, 0.01), first_person=(0, -0.1, 0.1), documents=(0.18, 0.07, 0.3)
    )
    assert shares.knows_and_does_title(gains, gaps) == (
        "Documents gain more in knowing than in doing (+22 against +4 points over base); "
        "no difference is seen in the other arms"
    )
    assert shares.gap_over_base_title(gaps) == (
        "Base has a gap, too (20 points; one in four is known by guessing); "
        "as judged, the gap of documents is 18 points wider (7 to 30); "
        "once corrected, the gap of documents is 18 points wider (7 to 30)"
    )
    tie = gaps.assign(low=-0.1, high=0.1, corrected_low=-0.1, corrected_high=0.1)
    assert shares.knows_and_does_title(gains, tie) == (
        "In no arm is a difference seen between the gains in knowing and in doing"
    )
    assert shares.gap_over_base_title(tie).endswith("no other gap is told apart from that of base")
    reverse = gap_rows(first_person=(-0.18, -0.3, -0.07))
    assert shares.knows_and_does_title(gain_rows(first_person=(0.1, 0.3)), reverse) == (
        "First person gains more in doing than in knowing (+30 against +10 points over base)"
    )
    assert "first person is 18 points narrower (7 to 30)" in shares.gap_over_base_title(reverse)


def test_intervals_as_judged_and_as_corrected_may_disagree():
    gains = gain_rows(demonstrations=(0.12, 0.24), documents=(0.22, 0.04))
    corrected = {"arm": "demonstrations", "readout": "does, corrected", "value": 0.29}
    gains = pd.concat([gains, pd.DataFrame([corrected])])
    gaps = gap_rows(demonstrations=(-0.11, -0.22, 0.01), documents=(0.18, 0.07, 0.29))
    gaps["corrected_low"], gaps["corrected_high"] = [np.nan, -0.3, -0.02], [np.nan, -0.03, 0.28]
    assert shares.knows_and_does_title(gains, gaps) == (
        "Documents gain more in knowing than in doing (+22 against +4 points over base, as "
        "judged); demonstrations gain more in doing than in knowing (+29 against +12 points over "
        "base, once corrected)"
    )
    assert shares.gap_over_base_title(gaps).endswith(
        "; as judged, the gap of documents is 18 points wider (7 to 29); "
        "once corrected, the gap of demonstrations is 11 points narrower (3 to 30)"
    )


def test_who_knows_most_is_a_tie_where_the_interval_includes_zero():
    row = {"a": "documents", "b": "first_person", "difference": 0.04, "low": -0.05, "high": 0.13}
    assert shares.most_knowing_title(pd.DataFrame([row])) == (
        "The two arms that know most: documents minus first person +4 points (-5 to 13), "
        "not told apart"
    )
    assert "told apart" not in shares.most_knowing_title(pd.DataFrame([row | {"low": 0.01}]))


def test_a_contrast_is_answered_as_judged_and_corrected():
    row = {"question": "Is it so?", "a": "documents, know", "b": "documents, do"}
    row |= {"difference": 0.1, "low": 0.05, "high": 0.15}
    row |= {"corrected": 0.1, "corrected_low": -0.1, "corrected_high": 0.3}
    (one,) = pd.DataFrame([row]).itertuples()
    assert contrasts.contrast(one) == (
        "Is it so? documents (know) minus documents (do): +10 points (5 to 15) as judged, "
        "+10 points (-10 to 30) corrected, not told apart once corrected"
    )
    (one,) = pd.DataFrame([row | {"low": -0.05, "corrected": np.nan}]).itertuples()
    assert contrasts.contrast(one).endswith("+10 points (-5 to 15) as judged, not told apart")
