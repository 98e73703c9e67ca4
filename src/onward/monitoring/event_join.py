"""Join decisions with what became of them, as known at as_of, down to sums per day and level.

DuckDB reads the decision log file by file and never holds more than a narrow copy of it, so that ten million
decisions pass in a minute. The as-of guard is here and nowhere else: a conversion, an engagement or a decision at or
after as_of is not read.
"""

# ruff: noqa: S608 - SQL is put together from this module's own names, and from paths that are quoted.

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from onward.data.session import arrow, literal, session
from onward.errors import MonitoringError
from onward.monitoring.daily_statistics import SCORE_BINS, TOGETHER_DAYS, DailyStatistics, Floats
from onward.monitoring.delays import reference_curves

_MEMORY = "3GB"
_CATEGORIES = 12
_OTHER = "(other)"
_MOST_SKEWED = 0.01

# Of repeated rows the earliest counts: a conversion is one, however often it was written down.
_EVENTS = """
create temp table converted as
select cast(impression_id as varchar) as impression, min(converted_at) as moment
from conversions where converted_at < {as_of} group by 1;
create temp table engaged as
select cast(impression_id as varchar) as impression, min(happened_at) as moment
from engagements where happened_at < {as_of} group by 1;
"""

_JOINED = """
create temp table joined as
select cast(date_diff('day', {first}, d.time) as smallint) as day, d.level, d.decision = 'show' as shown,
       coalesce(d.category, '') as category, d.probability, hash(d.customer) as customer,
       cast(case when d.level >= 0 then
            greatest(0, least({bins} - 1, floor(4 * ln(d.score / (1 - d.score)) + {bins} / 2))) else -1 end as tinyint)
            as bin,
       cast(case when c.moment > d.time and c.moment <= d.time + interval {window} days
            then date_diff('day', d.time, c.moment) end as tinyint) as lag,
       c.moment is not null and c.moment <= d.time as impossible,
       e.moment is not null and e.moment >= d.time and date_diff('day', d.time, e.moment) <= 1 as engaged
from ({decisions}) d
left join converted c using (impression) left join engaged e using (impression);
"""


def join_events(
    decisions: Sequence[tuple[date, str]] | pa.Table,
    events: Mapping[str, str | pa.Table],
    as_of: date,
    window: int,
    threads: int,
) -> DailyStatistics:
    """Reduce decisions and events to daily statistics.

    Args:
        decisions: day and path of each file of one version's log, consecutive days up to the day before as_of; or the
            rows themselves, with the columns of decision_log.SCHEMA.
        events: "conversions" (impression_id, converted_at) and "engagements" (impression_id, kind, happened_at), each
            an Arrow table or the path of a Parquet file.
        as_of: the first day that is not known.
        window: the attribution window W in days.
        threads: for DuckDB; the sums of probabilities are rounded so that they do not depend on it.

    Raises:
        MonitoringError: there is no decision at all, or a clock is wrong.
    """
    tables = {name: table for name, table in events.items() if isinstance(table, pa.Table)}
    clock = f"timestamp '{as_of} 00:00:00'"
    if isinstance(decisions, pa.Table):
        tables["decided"] = decisions
        first = _first_day(decisions, as_of)
        source = f"select * from decided where time < {clock}"
    else:
        first = decisions[0][0]
        paths = "[" + ", ".join(literal(path) for _, path in decisions) + "]"
        source = f"select * from read_parquet({paths}, hive_partitioning = false)"
    days = (as_of - first).days
    with session(threads, tables) as connection:
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        for name, path in events.items():
            if isinstance(path, str):
                connection.execute(f"create temp view {name} as select * from read_parquet({literal(path)})")
        connection.execute(_EVENTS.format(as_of=clock))
        if not isinstance(decisions, pa.Table):
            _refuse_wrong_clock(connection, decisions)
        connection.execute(_JOINED.format(first=f"date '{first}'", window=window, bins=SCORE_BINS, decisions=source))
        statistics = _sums(connection, first, days, window)
        return statistics.with_spread(*_spread(connection, statistics))


def _first_day(decisions: pa.Table, as_of: date) -> date:
    moment = pc.min(decisions["time"]).as_py()
    if moment is None or moment.date() >= as_of:
        raise MonitoringError(f"no data: there is no decision before {as_of}, so nothing can be assessed")
    first: date = moment.date()
    return first


def _refuse_wrong_clock(connection: Any, decisions: Sequence[tuple[date, str]]) -> None:
    for day, path in decisions:
        row = connection.execute(
            "select count(*), count(*) filter (time is null or cast(time as date) <> ?), min(time), max(time) "
            f"from read_parquet({literal(path)}, hive_partitioning = false)",
            [day],
        ).fetchone()
        if row[1]:
            raise MonitoringError(
                f"clock skew: {row[1]} of {row[0]} decisions logged for {day} carry times from {row[2]} to {row[3]}; "
                "mend the clock of what writes the log"
            )


def _sums(connection: Any, first: date, days: int, window: int) -> DailyStatistics:
    top = connection.execute("select count(*), coalesce(max(level), -1), sum(impossible) from joined").fetchone()
    if not top[0]:
        raise MonitoringError("no data: the decision log holds no decision; is anything served? see `onward score`")
    levels = int(top[1]) + 1
    impossible = int(top[2])
    if not levels:
        raise MonitoringError(f"none of {top[0]} decisions was scored; is the version made for this catalogue?")
    converted = connection.execute("select count(*) from converted").fetchone()[0]
    if impossible > _MOST_SKEWED * max(int(converted), 1):
        raise MonitoringError(
            f"clock skew: {impossible} conversions are older than the impression that they follow; "
            "compare the clocks of the shop and of the decision log"
        )

    def filled(query: str, *shape: int) -> Floats:
        result = np.zeros(shape)
        rows = arrow(connection, query)
        index = tuple(column.to_numpy().astype(np.int64) for column in rows.columns[:-1])
        result[index] = rows.columns[-1].to_numpy().astype(np.float64)
        return result

    scored = "from joined where level >= 0"
    k = levels
    w = window + 1
    # Rounded: the order in which threads add probabilities must not show.
    predicted = "round(sum(probability), 6)"
    names = [
        row[0]
        for row in connection.execute(
            f"select category from joined group by 1 order by count(*) desc, 1 limit {_CATEGORIES}"
        ).fetchall()
    ]
    connection.register("named", pa.table({"category": names, "number": pa.array(range(len(names)), pa.int16())}))
    of_category = (
        f"from (select j.*, coalesce(n.number, {len(names)}) as c from joined j left join named n using (category) "
        "where level >= 0)"
    )
    c = len(names) + 1
    return DailyStatistics(
        first=first,
        n=filled(f"select day, level, count(*) {scored} group by all", days, k),
        shown=filled(f"select day, level, count(*) {scored} and shown group by all", days, k),
        unscored=filled("select day, count(*) from joined where level < 0 group by all", days),
        predicted=filled(f"select day, level, {predicted} {scored} group by all", days, k),
        predicted_shown=filled(f"select day, level, {predicted} {scored} and shown group by all", days, k),
        arrivals=filled(f"select day, level, lag, count(*) {scored} and lag is not null group by all", days, k, w),
        arrivals_shown=filled(
            f"select day, level, lag, count(*) {scored} and shown and lag is not null group by all", days, k, w
        ),
        engaged=filled(f"select day, level, count(*) {scored} and engaged group by all", days, k),
        scores=filled(f"select day, level, bin, count(*) {scored} group by all", days, k, SCORE_BINS),
        categories=(*names, _OTHER),
        category_predicted=filled(f"select day, c, {predicted} {of_category} group by all", days, c),
        category_arrivals=filled(
            f"select day, c, lag, count(*) {of_category} where lag is not null group by all", days, c, w
        ),
        spread=np.ones(levels),
        impossible=impossible,
    )


def _spread(connection: Any, statistics: DailyStatistics) -> tuple[Floats, float]:
    """Variance of conversions when a customer is one draw, over that of independent rows; 1 or more.

    Of each level's sum over all days, and of the sum over all levels in the last TOGETHER_DAYS: what makes one
    customer buy more than another lasts, so the longer the sum, the larger its spread.

    The residual of a row is its conversion, if known, minus its chance to be known by now: probability times the
    level's ratio of conversions to predictions, times the share of conversions that has arrived at its age.
    """
    curves = reference_curves(statistics)
    lag = np.minimum(statistics.ages - 1, statistics.window)
    factor = curves.rate[None, :] * curves.arrived[:, lag].T
    day, level = np.indices(factor.shape)
    table = pa.table(
        {
            "day": pa.array(day.ravel(), pa.int16()),
            "level": pa.array(level.ravel(), pa.int8()),
            "factor": factor.ravel(),
        }
    )
    connection.register("factors", table)
    connection.execute(
        f"""create temp table residuals as
           select level, customer, day >= {statistics.days - TOGETHER_DAYS} as recent,
                  sum((lag is not null)::double - least(probability * factor, 1)) as total,
                  sum(least(probability * factor, 1) * (1 - least(probability * factor, 1))) as expected
           from joined join factors using (day, level) group by all"""
    )
    sums = "sum(total) as total, sum(expected) as expected from residuals"
    ratio = "sum(total * total) / nullif(sum(expected), 0)"
    rows = connection.execute(
        f"select level, {ratio} from (select level, {sums} group by level, customer) group by level"
    ).fetchall()
    spread = np.ones(statistics.levels)
    for level_number, value in rows:
        spread[level_number] = max(1.0, round(float(value or 1.0), 4))
    row = connection.execute(f"select {ratio} from (select {sums} where recent group by customer)").fetchone()
    return spread, max(1.0, round(float(row[0] or 1.0), 4))
