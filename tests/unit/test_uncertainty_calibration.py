import json

import pandas as pd
import pytest

from onward.errors import DataError
from onward.uncertainty.calibration import MonotoneCalibrator
from onward.uncertainty.expected_labels import look_up_expected


def test_pools_what_breaks_the_order():
    calibrator = MonotoneCalibrator.fit([0.1, 0.2, 0.3, 0.4], [0.1, 0.4, 0.2, 0.9])
    assert calibrator.apply([0.1, 0.2, 0.3, 0.4]) == pytest.approx([0.1, 0.3, 0.3, 0.9])


def test_weights_count_as_repeated_rows():
    weighted = MonotoneCalibrator.fit([0.1, 0.2, 0.3], [0, 1, 0], [1, 1, 3])
    repeated = MonotoneCalibrator.fit([0.1, 0.2, 0.3, 0.3, 0.3], [0, 1, 0, 0, 0])
    assert weighted.apply([0.1, 0.2, 0.3]) == pytest.approx(repeated.apply([0.1, 0.2, 0.3]))


def test_a_split_label_equals_two_weighted_rows():
    soft = MonotoneCalibrator.fit([0.1, 0.2, 0.5], [0.3, 0.7, 0.5])
    rows = MonotoneCalibrator.fit([0.1, 0.1, 0.2, 0.2, 0.5, 0.5], [1, 0, 1, 0, 1, 0], [0.3, 0.7, 0.7, 0.3, 0.5, 0.5])
    assert soft.apply([0.1, 0.2, 0.5]) == pytest.approx(rows.apply([0.1, 0.2, 0.5]))


def test_never_claims_certainty_and_is_flat_outside():
    calibrator = MonotoneCalibrator.fit([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1])
    low, high = calibrator.apply([-5.0, 5.0])
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.9)


def test_survives_json():
    calibrator = MonotoneCalibrator.fit([0.1, 0.2, 0.3], [0.0, 0.4, 0.7])
    again = MonotoneCalibrator.from_dict(json.loads(json.dumps(calibrator.to_dict())))
    assert again == calibrator


@pytest.mark.parametrize(
    ("score", "label", "words"),
    [
        ([0.1, 0.2], [0.0, 0.0], "no positives among 2 examples"),
        ([0.1, 0.1], [0.0, 1.0], "1 different scores"),
        ([], [], "0 different scores"),
    ],
)
def test_degenerate_splits_are_refused_with_a_remedy(score, label, words):
    with pytest.raises(DataError, match=words) as caught:
        MonotoneCalibrator.fit(score, label)
    assert "splits.calibrate" in str(caught.value)


def test_only_positives_still_calibrate():
    calibrator = MonotoneCalibrator.fit([0.1, 0.2], [1.0, 1.0])
    assert (calibrator.apply([0.15]) < 1).all()


@pytest.mark.parametrize(
    ("x", "y"), [((0.2, 0.1), (0.1, 0.2)), ((0.1, 0.2), (0.2, 0.1)), ((0.1,), (0.1, 0.2)), ((), ())]
)
def test_knots_that_are_no_rising_map_are_refused(x, y):
    with pytest.raises(DataError, match="non-decreasing"):
        MonotoneCalibrator(x, y)


def test_expected_labels_come_by_impression():
    outcomes = pd.DataFrame({"impression": [3, 1, 2], "expected_label": [0.3, 0.1, 0.2]})
    assert look_up_expected(pd.Series([1, 3]), outcomes).tolist() == [0.1, 0.3]


def test_an_impression_without_outcome_is_named():
    with pytest.raises(DataError, match="1 of 2 impressions"):
        look_up_expected([1, 9], pd.DataFrame({"impression": [1], "expected_label": [0.1]}))
