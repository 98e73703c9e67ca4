"""Runs the counts: on DuckDB in this process, or on Spark where one machine is outgrown; what they find is the same."""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from onward.errors import EngineError, ParamsError
from onward.graph.counts import CountRules, directed_counts

_SPARK = {"spark.app.name": "onward", "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_REASON = 300


def count_in_process(
    purchases: pa.Table, before: datetime, rules: CountRules, threads: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Edges and nodes of `directed_counts` as tables in memory, ordered by their keys.

    Args:
        purchases: customer, product, purchased_at.
        before: only purchases strictly earlier count.
        rules: what counts.
        threads: how many DuckDB may use; the result does not depend on it.
    """
    connection = ibis.duckdb.connect(threads=threads)
    try:
        table = ibis.memtable(purchases.select(["customer", "product", "purchased_at"]))
        counts = directed_counts(table, before, rules)
        return connection.to_pandas(counts.edges), connection.to_pandas(counts.nodes)
    finally:
        connection.disconnect()


def count_on_spark(
    purchases: Path, before: datetime, rules: CountRules, master: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Like `count_in_process`, by Spark, which reads the purchases itself; only the counts come back.

    Args:
        purchases: Parquet with customer, product, purchased_at, in a folder that Spark's executors see too.
        before: only purchases strictly earlier count.
        rules: what counts.
        master: `local[2]` for two threads of this machine, or a cluster's address (`spark://host:7077`, `yarn`).

    Raises:
        ParamsError: Spark is not installed.
        EngineError: there is no Java, or Spark failed.
    """
    try:
        # An extra that few install, and that takes a second to import.
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ParamsError(
            "counting.backend: spark is not installed; `pip install -c constraints.txt -e '.[spark]'`, or write duckdb"
        ) from error
    try:
        with TemporaryDirectory(prefix="onward-spark-") as warehouse:
            own: dict[str, Any] = {**_SPARK, "spark.sql.warehouse.dir": warehouse}
            session = SparkSession.builder.master(master).config(map=own).getOrCreate()
            session.sparkContext.setLogLevel("ERROR")
            connection = ibis.pyspark.connect(session)
            try:
                table = connection.read_parquet(purchases.resolve().as_uri(), table_name="purchases")
                counts = directed_counts(table, before, rules)
                # By way of Arrow: Spark's own way to pandas is not made for the pandas of today.
                queries = (connection.compile(each) for each in (counts.edges, counts.nodes))
                edges, nodes = (session.sql(query).toArrow().to_pandas() for query in queries)
                return edges, nodes
            finally:
                connection.disconnect()
    except (PySparkException, Py4JError) as error:
        reason = " ".join(str(error).split())[:_REASON]
        raise EngineError(
            f"counting: Spark at {master} failed ({reason}); mend it, or write `counting.backend: duckdb`"
        ) from error
