"""A simulated shop's log as a folder of files, in which fewer people buy from one day on."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from onward.data.sources.simulator import simulate
from tools.testbeds.small_shop import write_tables


def write_log(
    folder: Path, settings: dict[str, Any], end: datetime, window_days: int, since: datetime, kept: float
) -> None:
    """Write every table; of the conversions of impressions shown from `since` on, a share `kept` at random remains."""
    log = simulate(**settings, end=end, attribution_days=window_days).log
    impressions, conversions = log.tables["impressions"], log.tables["conversions"]
    shown = dict(zip(impressions["impression_id"].to_pylist(), impressions["shown_at"].to_pylist(), strict=True))
    drifted = np.array([shown[each] >= since for each in conversions["impression_id"].to_pylist()])
    lost = drifted & (np.random.default_rng(5).random(len(drifted)) >= kept)
    write_tables(folder, {**log.tables, "conversions": conversions.filter(pa.array(~lost))})
