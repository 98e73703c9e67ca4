"""Runs the counts on DuckDB in this process."""

from datetime import datetime

import ibis
import pandas as pd
import pyarrow as pa

from onward.graph.counts import CountRules, directed_counts


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
