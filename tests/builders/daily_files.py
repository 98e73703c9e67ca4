"""A decision log and its events on disk, drawn row by row, small enough for tests."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from onward.artifacts import write_table
from onward.monitoring.decision_log import SCHEMA, place
from onward.params import Params, read_params

ROOT = Path(__file__).resolve().parents[2]
FIRST = date(2017, 3, 1)
LEVELS, WINDOW = 2, 7


def draw_rows(days: int = 60, a_day: int = 300, seed: int = 0, drop_from: int | None = None) -> dict[str, pd.DataFrame]:
    """Decisions, conversions and engagements; in level 1 half of the conversions are lost from `drop_from` on."""
    rng = np.random.default_rng(seed)
    n = days * a_day
    day = np.repeat(np.arange(days), a_day)
    probability = rng.uniform(0.05, 0.25, n)
    level = rng.integers(0, LEVELS, n)
    rate = np.where((level == 1) & (day >= (drop_from if drop_from is not None else days)), 0.5, 1.0) * probability
    time = pd.Series(datetime.combine(FIRST, datetime.min.time()) + pd.to_timedelta(day, "D")) + pd.to_timedelta(
        np.sort(rng.integers(0, 86_400, (days, a_day)), axis=1).ravel(), "s"
    )
    impression = pd.Series([f"i{number:06}" for number in range(n)])
    converted = rng.random(n) < rate
    delay = pd.to_timedelta(rng.uniform(0.01, WINDOW, n) * 86_400, "s")
    engaged = rng.random(n) < 0.3
    decisions = pd.DataFrame({
        "impression": impression, "customer": [f"c{number}" for number in rng.integers(0, 400, n)],
        "time": time.astype("datetime64[us]"), "score": probability * 0.8, "probability": probability,
        "uncertainty": rng.uniform(0, 1, n), "level": level.astype(np.int8),
        "decision": np.where(probability > 0.15, "show", "don't show"),
        "category": np.where(rng.random(n) < 0.5, "food", "toys"), "version": np.int32(3),
    })  # fmt: skip
    return {
        "decisions": decisions,
        "conversions": pd.DataFrame(
            {"impression_id": impression, "converted_at": (time + delay).astype("datetime64[us]")}
        )[converted].reset_index(drop=True),
        "engagements": pd.DataFrame({
            "impression_id": impression, "kind": "visit",
            "happened_at": (time + pd.Timedelta(hours=1)).astype("datetime64[us]"),
        })[engaged].reset_index(drop=True),
    }  # fmt: skip


def lay_out(root: Path, rows: dict[str, pd.DataFrame], version: int = 3) -> Path:
    """Write the log and the events of a parquet source; returns the log's folder."""
    for name in ("conversions", "engagements"):
        write_table(root / "data" / "log" / f"{name}.parquet", rows[name])
    decisions = rows["decisions"]
    folder = root / "monitoring" / "decisions"
    for day, part in decisions.groupby(decisions["time"].dt.date):
        write_table(folder / place(day, version), pa.Table.from_pandas(part, SCHEMA, preserve_index=False))
    return folder


def params_of(root: Path) -> Params:
    """The project's params, reading a folder and with a window of a week."""
    text = (ROOT / "params.yaml").read_text()
    text = text.replace("source: complete_journey ", "source: parquet ").replace(
        "attribution_days: 28", f"attribution_days: {WINDOW}"
    )
    path = root / "params.yaml"
    path.write_text(text)
    return read_params(path)


def day_number(number: int) -> date:
    """The day that many days after the first."""
    return FIRST + timedelta(days=number)
