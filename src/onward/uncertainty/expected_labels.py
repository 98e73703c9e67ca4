"""What the delay model says each impression's label is worth, row by row."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.errors import DataError


def look_up_expected(impression: npt.ArrayLike, outcomes: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the expected label [n], in [0, 1], of each impression [n].

    Args:
        impression: ids.
        outcomes: columns impression (unique) and expected_label.

    Raises:
        DataError: an impression has no outcome.
    """
    labels = outcomes.set_index("impression")["expected_label"].reindex(np.asarray(impression)).to_numpy(np.float64)
    missing = int(np.count_nonzero(np.isnan(labels)))
    if missing:
        raise DataError(
            f"expected labels: {missing} of {len(labels)} impressions have no outcome; run correct_label_delay again"
        )
    return labels
