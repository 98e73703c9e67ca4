"""Append to the decision log what the version in use decides on the impressions of some days."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from onward.artifacts import read_table, write_table
from onward.daily.completeness import Complete
from onward.daily.places import midnight, read_log
from onward.daily.revisions import Revision, keep_aside, logged_rows
from onward.data.contract import CATEGORY_SEPARATOR, CONTEXT_PREFIX, RawLog
from onward.data.features import build_features
from onward.data.validation import refuse_excess, validate
from onward.deployment.bundle import Bundle
from onward.errors import MonitoringInputError
from onward.monitoring.decision_log import SCHEMA, place
from onward.params import Params

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Scored:
    """What was logged.

    Attributes:
        rows: decisions of each new day, and of each day that was revised.
        kept: days that had been logged before and stay.
        revised: days whose decisions were replaced.
    """

    rows: dict[date, int]
    kept: tuple[date, ...]
    revised: tuple[date, ...] = ()


def score_days(
    params: Params,
    bundle: Bundle,
    version: int,
    folder: Path,
    first: date,
    last: date,
    complete: Complete,
    revision: Revision | None = None,
) -> Scored:
    """Decide on the impressions shown from `first` to `last`, and log each day in a file of its own.

    A day that this version has logged stays as it is: what was decided was decided, whatever came to the source since.
    But a day on which nothing was shown holds no decision, and is looked at again. A file appears whole or not at all,
    so a killed command is simply run again. Days that are not complete are left out; see `Complete.require`.

    Args:
        params: of the source; nothing of the model.
        bundle: the version in use.
        version: its number.
        folder: of the decision log.
        first: a day the bundle has not seen: its own as_of at the earliest.
        last: included.
        complete: until when the source is complete.
        revision: decide anew on days that are logged, too, for this reason; what is replaced is kept aside.

    Raises:
        MonitoringInputError: the days are in the wrong order, or the bundle has learnt from them.
        DataError: the source cannot be read, or too many of its rows are bad.
    """
    learnt = date.fromisoformat(str(bundle.facts["as_of"]))
    if last < first:
        raise MonitoringInputError(f"score: {last} lies before {first}; name the earlier day first")
    if first < learnt:
        raise MonitoringInputError(
            f"score: version {version} has learnt from {first} (it knows everything before {learnt}); its decisions on "
            f"that day would flatter it: begin on {learnt}"
        )
    end = complete.until if last >= complete.until else last + _DAY
    days = [first + timedelta(days=number) for number in range((end - first).days)]
    paths = {day: folder / place(day, version) for day in days}
    empty = {day for day, path in paths.items() if path.exists() and not logged_rows(path)}
    logged = [day for day in days if paths[day].exists()]
    missing = [day for day in days if revision or day in empty or not paths[day].exists()]
    log = read_log(params, missing[0], missing[-1] + _DAY) if missing else None
    # A day that was empty and still is costs nothing but the look.
    asked = [day for day in missing if log and (day not in empty or _shown_on(log, day))]
    if log is None or not asked:
        return Scored({}, tuple(logged))
    decided = decide_log(params, bundle, version, log, asked[0], asked[-1])
    rows = {}
    revised = []
    day_of = decided["time"].dt.date.to_numpy()
    for day in asked:
        part = pa.Table.from_pandas(decided[day_of == day], SCHEMA, preserve_index=False)
        path = paths[day]
        if path.exists():
            # By pandas, to which a score that is missing equals another one.
            if read_table(path).equals(part.to_pandas()):
                continue
            if revision and day not in empty:
                keep_aside(folder, day, version, revision)
                revised.append(day)
        write_table(path, part)
        rows[day] = part.num_rows
    return Scored(rows, tuple(day for day in logged if day not in rows), tuple(revised))


def _shown_on(log: RawLog, day: date) -> bool:
    """Whether the source holds an impression of a day; what is wrong with its times is left to validation."""
    table = log.tables["impressions"]
    times = table["shown_at"] if "shown_at" in table.column_names else None
    if times is None or not pa.types.is_timestamp(times.type) or times.type.tz is not None:
        return True
    first, end = (pa.scalar(midnight(at), pa.timestamp("us")) for at in (day, day + _DAY))
    on_day = pc.and_(pc.greater_equal(times, first), pc.less(times, end))
    return bool(pc.any(on_day).as_py())


def decide_log(params: Params, bundle: Bundle, version: int, log: RawLog, first: date, last: date) -> pd.DataFrame:
    """Decisions on all impressions of a log from first to last, by time and id.

    Raises:
        DataError: too many of the log's rows are bad.
    """
    end = last + timedelta(days=1)
    threads = params.run.threads
    # A source may read past `end`, to build its impressions; what lies there is cut off after validation.
    horizon = max(midnight(end), params.run.horizon) + params.run.window
    valid = validate(log, horizon, params.run.window, threads)
    refuse_excess(valid.counts, params.validation.max_quarantined_share)
    tables = {name: valid.tables[name].to_pandas() for name in ("products", "purchases", "impressions")}
    shown = tables["impressions"]
    purchases = tables["purchases"]
    shown = shown[(shown["shown_at"] >= midnight(first)) & (shown["shown_at"] < midnight(end))]
    shown = shown.sort_values(["shown_at", "impression_id"], kind="stable").reset_index(drop=True)
    purchases = purchases[purchases["purchased_at"] < midnight(end)]
    products = tables["products"].sort_values("product_id").reset_index(drop=True)
    if not len(shown):
        return pd.DataFrame(
            {field.name: pd.Series(dtype="datetime64[us]" if field.name == "time" else object) for field in SCHEMA}
        )
    number = pd.Index(products["product_id"])
    customers = pd.Index(pd.concat([purchases["customer_id"], shown["customer_id"]]).unique())
    orders = pd.factorize(pd.MultiIndex.from_frame(purchases[["customer_id", "order_id"]]))[0]
    source, target = (number.get_indexer(shown[f"{side}_product_id"]) for side in ("source", "target"))
    features = build_features(
        pd.DataFrame({"product": np.arange(len(products)), "category": products["category"]}),
        pd.DataFrame(
            {
                "customer": customers.get_indexer(purchases["customer_id"]),
                "order": orders,
                "product": number.get_indexer(purchases["product_id"]),
                "purchased_at": purchases["purchased_at"],
                # As data/identifiers.py stores them: training saw no more digits.
                "quantity": purchases["quantity"].astype(np.float32),
                "amount": purchases["amount"].astype(np.float32),
            }
        ),
        pd.DataFrame(
            {
                "impression": np.arange(len(shown)),
                "customer": customers.get_indexer(shown["customer_id"]),
                "source": source,
                "target": target,
                "shown_at": shown["shown_at"],
            }
        ),
        shown[[name for name in shown.columns if name.startswith(CONTEXT_PREFIX)]],
        bundle.categories,
    )
    decided = bundle.score(
        features.frame.drop(columns="impression"),
        shown["source_product_id"].tolist(),
        shown["target_product_id"].tolist(),
        threads=threads,
    ).astype({"level": np.int8})[["score", "probability", "uncertainty", "level", "decision"]]
    category = products["category"].fillna("").astype(str).str.split(CATEGORY_SEPARATOR).str[0].to_numpy()
    return pd.DataFrame(
        {
            "impression": shown["impression_id"].astype(str),
            "customer": shown["customer_id"].astype(str),
            "time": shown["shown_at"].astype("datetime64[us]"),
            **decided,
            "category": category[target],
            "version": np.int32(version),
        }
    )
