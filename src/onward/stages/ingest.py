"""Stage ingest: source → validated log → inside ids, split at as_of → features."""

from onward.artifacts import replacing_directory, write_json, write_table
from onward.choices import GRAPH_SOURCES
from onward.data.features import build_features
from onward.data.identifiers import Clocks, encode
from onward.data.sources import read_source
from onward.data.splits import SPLITS, assign_splits
from onward.data.validation import refuse_excess, validate
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
    log = read_source(clock.source, settings, clock.window, start, end, threads, known=clock.clock)
    valid = validate(log, clock.horizon, clock.window, threads)
    notes = log.notes
    shares = params.splits.model_dump(exclude={"salt"})
    salt = params.splits.salt
    del log
    with replacing_directory(layout.quarantine) as folder:
        for name, table in valid.quarantine.items():
            write_table(folder / f"{name}.parquet", table)
    refuse_excess(valid.counts, params.validation.max_quarantined_share)
    clocks = Clocks(clock.history_start, clock.clock, clock.backtest_end, clock.horizon)
    coded = encode(valid.tables, clocks, lambda ids: assign_splits(ids, shares, salt), SPLITS[-1], threads)
    products = coded.serving["products"].to_pandas()
    categories = None
    for place, tables, purchases in (
        (layout.serving, coded.serving, coded.serving["purchases"]),
        (layout.backtest, coded.backtest, coded.purchases),
    ):
        impressions = tables["impressions"].to_pandas()
        context = coded.context[place.name].to_pandas()
        features = build_features(products, purchases.to_pandas(), impressions, context, categories)
        categories = categories or features.categories
        with replacing_directory(place) as folder:
            for name, table in tables.items():
                write_table(folder / f"{name}.parquet", table)
            write_table(LogFiles(folder).features, features.frame)
            if place == layout.serving:
                write_json(LogFiles(folder).categories, categories)
    counts = {
        name: {"rows_in": count.rows_in, "rows_kept": count.rows_kept, "rows_quarantined": dict(count.quarantined)}
        | coded.destinations[name]
        for name, count in valid.counts.items()
    }
    write_json(layout.metric("ingest"), {"source": clock.source, "tables": counts, "notes": notes})
    shown = counts["impressions"]
    bad = sum(sum(count.quarantined.values()) for count in valid.counts.values())
    return (
        f"{clock.source}: {counts['purchases']['serving']:,} purchases and {shown['serving']:,} impressions known at "
        f"{clock.as_of}, {shown['backtest']:,} impressions to test on, {bad:,} rows in quarantine"
    )


if __name__ == "__main__":
    main("ingest", run)
