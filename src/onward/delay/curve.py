"""The delay curve: the share of conversions that have arrived by an elapsed time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.delay.outcomes import Flags, Outcomes

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DelayCurve:
    """Sorted delays, in days, of the conversions of matured impressions."""

    delays: Floats

    def share_before(self, elapsed_days: Floats) -> Floats:
        """Estimate P(delay < elapsed | converts), held inside (0, 1) by half a pseudo-conversion at each end.

        >>> DelayCurve(np.array([1.0, 2.0, 2.0])).share_before(np.array([0.5, 2.0, 9.0])).tolist()
        [0.125, 0.375, 0.875]
        """
        return (np.searchsorted(self.delays, elapsed_days, "left") + 0.5) / (len(self.delays) + 1)

    def table(self, window_days: int) -> pd.DataFrame:
        """Tabulate days 0..W, the conversions that came by then, and their share (0 when there are none)."""
        days = np.arange(window_days + 1)
        conversions = np.searchsorted(self.delays, days, "right")
        share = conversions / max(len(self.delays), 1)
        return pd.DataFrame({"days": days, "conversions": conversions, "share_converted_by": share})


def fit_curve(outcomes: Outcomes, eligible: Flags) -> DelayCurve:
    """Collect the delays of the eligible impressions that have matured.

    Younger impressions are left out with their conversions: only the fast ones among them are known.
    """
    return DelayCurve(np.sort(outcomes.delay_days[eligible & outcomes.matured & outcomes.converted]))
