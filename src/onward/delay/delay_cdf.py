"""G(x, e): the probability that a conversion has arrived by elapsed time e."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.boosting import Boosting, Floats, Inputs
from onward.delay.boosting import fit_boosting, predict_boosting
from onward.delay.curve import DelayCurve
from onward.delay.pending_probability import categorical_columns


@dataclass(frozen=True)
class DelayCdf:
    """The delay curve, and boosted deviations of its log-odds by x and e."""

    curve: DelayCurve
    text: str
    threads: int

    def predict(self, inputs: Inputs, elapsed_days: Floats) -> Floats:
        """Predict G [n] from features and elapsed time side by side, [n, f + 1]."""
        return predict_boosting(self.text, inputs, self.threads, _log_odds(self.curve, elapsed_days))


def fit_delay_cdf(
    inputs: Inputs,
    features: Sequence[str],
    elapsed_days: Floats,
    arrived: npt.NDArray[np.bool_],
    curve: DelayCurve,
    boosting: Boosting,
) -> DelayCdf:
    """Learn G from matured conversions at pretended clocks.

    Boosting starts at the delay curve. With few conversions no split reaches min_rows_in_leaf and the curve is
    all there is; with many the trees tell quick shoppers from slow ones. No second code path for small data.
    """
    offset = _log_odds(curve, elapsed_days)
    text = fit_boosting(inputs, arrived, categorical_columns(features), boosting, offset)
    return DelayCdf(curve, text, boosting.threads)


def _log_odds(curve: DelayCurve, elapsed_days: Floats) -> Floats:
    share = curve.share_before(elapsed_days)
    odds: Floats = np.log(share) - np.log1p(-share)
    return odds
