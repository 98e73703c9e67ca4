import numpy as np
import pytest

from onward.errors import DataError
from onward.uncertainty.spread import disagreement_of_heads, mean_of_heads


def test_heads_that_agree_leave_no_doubt():
    assert mean_of_heads(np.full((3, 4), 0.02)) == pytest.approx([0.02] * 3)
    assert disagreement_of_heads(np.full((3, 4), 0.02)) == pytest.approx([0.0] * 3, abs=1e-12)


def test_doubling_the_odds_counts_the_same_at_any_rate():
    odds = np.array([[0.01, 0.02], [1.0, 2.0]])
    assert disagreement_of_heads(odds / (1 + odds)) == pytest.approx([np.log(2) / 2] * 2)


def test_certain_heads_stay_finite():
    assert mean_of_heads([[0.0, 1.0]]) == pytest.approx([0.5])
    assert np.isfinite(disagreement_of_heads([[0.0, 1.0]])).all()


@pytest.mark.parametrize("summary", [mean_of_heads, disagreement_of_heads])
@pytest.mark.parametrize(
    ("heads", "words"),
    [
        (np.zeros(3), "shape"),
        (np.zeros((3, 1)), "2 or more heads"),
        (np.array([[0.1, np.nan]]), "1 of 2 values"),
        (np.array([[0.1, 1.5]]), "1 of 2 values"),
    ],
)
def test_what_is_no_ensemble_is_refused(summary, heads, words):
    with pytest.raises(DataError, match=words):
        summary(heads)
