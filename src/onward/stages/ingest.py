"""Stage ingest: source → validated log → inside ids, split at as_of → features."""

from onward.artifacts import Layout, replacing_directory, write_json, write_table
from onward.data.features import build_features
from onward.data.identifiers import Clocks, encode
from onward.data.sources import read_source
from onward.data.splits import SPLITS, assign_splits
from onward.data.validation import refuse_excess, validate
from onward.params import GRAPH_SOURCES, Params
from onward.stages import graph_ingest
from onward.stages.door import main


def run(layout: Layout, params: Params) -> str:
    """Write serving/, backtest/, quarantine/ and metrics/ingest.json."""
    if params.run.source in GRAPH_SOURCES:
        return graph_ingest.run(layout, params)
    clock, threads = params.run, params.run.threads
    settings = params.sources.model_dump()
    start, end = clock.history_start, clock.horizon
    log = read_source(clock.source, settings, clock.window, start, end, threads, measured=True)
    valid = validate(log, clock.horizon, clock.window, threads)
    notes, shares, salt = log.notes, params.splits.model_dump(exclude={"salt"}), params.splits.salt
    del log
    with replacing_directory(layout.quarantine) as folder:
        for name, table in valid.quarantine.items():
            write_table(folder / f"{name}.parquet", table)
    refuse_excess(valid.counts, params.validation.max_quarantined_share)
    clocks = Clocks(clock.history_start, clock.clock, clock.backtest_end, clock.horizon)
    coded = encode(valid.tables, clocks, lambda ids: assign_splits(ids, shares, salt), SPLITS[-1], threads)
    products, categories = coded.serving["products"].to_pandas(), None
    for place, tables, purchases in (
        (layout.serving, coded.serving, coded.serving["purchases"]),
        (layout.backtest, coded.backtest, coded.purchases),
    ):
        impressions, context = tables["impressions"].to_pandas(), coded.context[place.name].to_pandas()
        features = build_features(products, purchases.to_pandas(), impressions, context, categories)
        categories = categories or features.categories
        with replacing_directory(place) as folder:
            for name, table in tables.items():
                write_table(folder / f"{name}.parquet", table)
            write_table(folder / "features.parquet", features.frame)
            if place == layout.serving:
                write_json(folder / "categories.json", categories)
    counts = {
        name: {"rows_in": count.rows_in, "rows_kept": count.rows_kept, "rows_quarantined": dict(count.quarantined)}
        | coded.destinations[name]
        for name, count in valid.counts.items()
    }
    write_json(layout.metrics / "ingest.json", {"source": clock.source, "tables": counts, "notes": notes})
    shown = counts["impressions"]
    bad = sum(sum(count.quarantined.values()) for count in valid.counts.values())
    return (
        f"{clock.source}: {counts['purchases']['serving']:,} purchases and {shown['serving']:,} impressions known at "
        f"{clock.as_of}, {shown['backtest']:,} impressions to test on, {bad:,} rows in quarantine"
    )


if __name__ == "__main__":
    main("ingest", run)
