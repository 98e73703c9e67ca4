"""Stage ingest: source → validated log → inside ids, split at as_of → features."""

from duckdb import DuckDBPyConnection

from onward.artifacts import (
    CHUNK,
    replacing_directory,
    scratch_directory,
    write_batches,
    write_json,
    write_table,
)
from onward.choices import GRAPH_SOURCES
from onward.data.features import build_features
from onward.data.identifiers import Clocks, EncodedLog, encode
from onward.data.session import arrow, batches, session
from onward.data.sources import find_source
from onward.data.splits import SPLITS, assign_splits
from onward.data.stored_purchases import StoredPurchases
from onward.data.validation import judge, quarantine, refuse_excess
from onward.layout import Layout, LogFiles
from onward.params import Params
from onward.stages.runner import main


def run(layout: Layout, params: Params) -> str:
    """Write serving/, backtest/, quarantine/ and metrics/ingest.json."""
    if params.run.source in GRAPH_SOURCES:
        # Here, since it brings scikit-learn, whose import takes longer than most of this stage on a small shop.
        from onward.stages import graph_ingest

        return graph_ingest.run(layout, params)
    clock = params.run
    threads = params.run.threads
    settings = params.sources.model_dump()
    start, end = clock.history_start, clock.horizon
    shares = params.splits.model_dump(exclude={"salt"})
    salt = params.splits.salt
    log = find_source(clock.source, settings, clock.window, start, end, threads, known=clock.clock)
    with scratch_directory(layout.serving.parent) as spill, session(threads, spill=spill) as connection:
        counts = judge(connection, log, end, clock.window)
        with replacing_directory(layout.quarantine) as folder:
            for name in counts:
                write_batches(folder / f"{name}.parquet", batches(connection, quarantine(log, name), CHUNK))
        refuse_excess(counts, params.validation.max_quarantined_share)
        clocks = Clocks(start, clock.clock, clock.backtest_end, end)
        coded = encode(connection, clocks, lambda ids: assign_splits(ids, shares, salt), SPLITS[-1])
        _write_sides(layout, connection, coded, clocks)
    became = {
        name: {"rows_in": count.rows_in, "rows_kept": count.rows_kept, "rows_quarantined": dict(count.quarantined)}
        | coded.destinations[name]
        for name, count in counts.items()
    }
    write_json(layout.metric("ingest"), {"source": clock.source, "tables": became, "notes": log.notes})
    shown = became["impressions"]
    bad = sum(sum(count.quarantined.values()) for count in counts.values())
    return (
        f"{clock.source}: {became['purchases']['serving']:,} purchases and {shown['serving']:,} impressions known at "
        f"{clock.as_of}, {shown['backtest']:,} impressions to test on, {bad:,} rows in quarantine"
    )


def _write_sides(layout: Layout, connection: DuckDBPyConnection, coded: EncodedLog, clocks: Clocks) -> None:
    """Write serving/ and backtest/, the latter's features by the codes of the former."""
    products = arrow(connection, coded.serving["products"]).to_pandas()
    categories = None
    for place, tables, end in (
        (layout.serving, coded.serving, clocks.as_of),
        (layout.backtest, coded.backtest, clocks.horizon),
    ):
        impressions = arrow(connection, tables["impressions"]).to_pandas()
        context = arrow(connection, coded.context[place.name]).to_pandas()
        features = build_features(products, StoredPurchases(connection, end), impressions, context, categories)
        categories = categories or features.categories
        with replacing_directory(place) as folder:
            for name, query in tables.items():
                write_batches(folder / f"{name}.parquet", batches(connection, query, CHUNK))
            write_table(LogFiles(folder).features, features.frame)
            if place == layout.serving:
                write_json(LogFiles(folder).categories, categories)


if __name__ == "__main__":
    main("ingest", run)
