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
    """Arms with (knows, does as judged, does corrected)."""
    rows = [
        (arm, readout, value)
        for arm, values in of_arms.items()
        for readout, value in zip(("knows", "does", "does, corrected"), values, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "readout", "value"])
    return frame.assign(low=frame["value"] - 0.1, high=frame["value"] + 0.1)


def gap_rows(**of_arms):
    """Arms with (beyond, low, high), once corrected; as judged, no gap differs from that of base,
    which is 20 points."""
    rows = [(arm, 0, -0.1, 0.1, *values) for arm, values in of_arms.items()]
    columns = ["beyond", "low", "high", "corrected", "corrected_low", "corrected_high"]
    base = pd.DataFrame([{"arm": "base", "gap": 0.2, "gap_low": 0.1, "gap_high": 0.3}])
    return pd.concat([base, pd.DataFrame(rows, columns=["arm", *columns])])


def test_documents_know_without_doing_only_where_it_is_so():
    gains = gain_rows(
        demonstrations=(0.1, 0, 0.2), first_person=(0.2, 0, 0.2), documents=(0.22, 0, 0.04)
    )
    gaps = gap_rows(
        demonstrations=(-0.1, -0.2, 0.01), first_person=(0, -0.1, 0.1), documents=(0.18, 0.07, 0.3)
    )
    assert shares.knows_and_does_title(gains, gaps) == (
        "Once corrected, documents gain more in knowing than in doing (+22 against +4 points over "
        "base); as judged, in no arm is a difference seen between the gains in knowing and doing"
    )
    assert shares.gap_over_base_title(gaps) == (
        "Once corrected, the gap of documents is 18 points wider (7 to 30) than that of base; as "
        "judged, no gap is told apart from that of base"
    )
    assert shares.gap_of_base(gaps) == (
        "Base has a gap, too (20 points as judged; guessing alone would know one in four)"
    )
    tie = gaps.assign(corrected_low=-0.1, corrected_high=0.1)
    assert shares.knows_and_does_title(gains, tie) == (
        "In no arm is a difference seen between the gains in knowing and doing, once corrected or "
        "as judged"
    )
    assert shares.gap_over_base_title(tie) == (
        "No gap is told apart from that of base, once corrected or as judged"
    )
    reverse = gap_rows(first_person=(-0.18, -0.3, -0.07))
    title = shares.knows_and_does_title(gain_rows(first_person=(0.1, 0, 0.3)), reverse)
    assert title.startswith(
        "Once corrected, first person gains more in doing than in knowing (+30 against +10 points "
        "over base); as judged, in no arm"
    )
    assert "first person is 18 points narrower (7 to 30)" in shares.gap_over_base_title(reverse)


def test_a_title_tells_both_readings_and_one_where_an_arm_has_no_corrected_value():
    gains = gain_rows(demonstrations=(0.12, 0.34, 0.2), documents=(0.22, 0.2, 0.04))
    gaps = gap_rows(demonstrations=(-0.1, -0.2, 0.01), documents=(0.18, 0.07, 0.29))
    gaps.loc[gaps["arm"] == "demonstrations", ["beyond", "low", "high"]] = (-0.22, -0.33, -0.11)
    assert shares.gap_over_base_title(gaps) == (
        "Once corrected, the gap of documents is 18 points wider (7 to 29) than that of base; as "
        "judged, the gap of demonstrations is 22 points narrower (11 to 33) than that of base"
    )
    assert "; as judged, demonstrations gain more" in shares.knows_and_does_title(gains, gaps)
    gaps.loc[gaps["arm"] == "documents", "corrected"] = np.nan
    assert shares.knows_and_does_title(gains, gaps) == (
        "As judged, demonstrations gain more in doing than in knowing (+34 against +12 points over "
        "base)"
    )
    assert shares.gap_over_base_title(gaps) == (
        "As judged, the gap of demonstrations is 22 points narrower (11 to 33) than that of base"
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
        "+10 points (-10 to 30) corrected, told apart as judged alone"
    )
    (one,) = pd.DataFrame([row | {"low": -0.05, "corrected": np.nan}]).itertuples()
    assert contrasts.contrast(one).endswith("+10 points (-5 to 15) as judged, not told apart")
    scored = row | {"a": "documents, do_pair", "b": "base, do_pair", "corrected": np.nan}
    (one,) = pd.DataFrame([scored]).itertuples()
    assert contrasts.contrast(one).endswith("base (do pair): +10 points (5 to 15) as scored")
