"""Stage evaluate: the only reader of what came after as_of; it judges the model beside the baselines."""

import pandas as pd

from onward.artifacts import Layout, read_json, read_table, write_json, write_table, write_text
from onward.evaluation import backtest as judged
from onward.params import GRAPH_SOURCES, Params
from onward.stages import graph_evaluate
from onward.stages.door import main
from onward.stages.related import judge_related
from onward.stages.trained_model import read_doubt, read_trained_model


def run(layout: Layout, params: Params) -> str:
    """Score the matured test impressions, rank the test queries, write rows, results and the headline."""
    if params.run.source in GRAPH_SOURCES:
        return graph_evaluate.run(layout, params)
    clock, asked, model = params.run, params.evaluation, read_trained_model(layout.model)
    conversions = read_table(layout.backtest / "conversions.parquet")
    impressions = read_table(layout.backtest / "impressions.parquet")
    later = read_table(layout.backtest / "purchases.parquet", ["purchased_at"])
    log_end = judged.end_of_log(later["purchased_at"], conversions["converted_at"])
    rows = judged.label_matured(impressions, conversions, clock.window, log_end)
    judged.refuse_empty(rows, clock.clock, clock.backtest_end, clock.window, log_end)
    features = read_table(layout.backtest / "features.parquet").iloc[rows.index].drop(columns="impression")
    products = read_table(layout.serving / "products.parquet", ["product_id", "category"])
    doubt = read_doubt(layout.uncertainty)
    scored, groups = judged.score_rows(
        rows, features, products["category"], model.graph, model.embeddings, model.scorer, doubt, clock.threads
    )
    searches = read_json(layout.thresholds / "searches.json")
    shown = judged.decide_all(searches, scored["score"].to_numpy(), scored["level"].to_numpy(), clock.seed)
    results = judged.summarise(scored, shown, asked.bootstrap_samples, clock.seed)
    results["deployed_policy"] = read_json(layout.thresholds / "policy.json")["search"]
    results["rows"] = {"shown": len(impressions), "matured": len(rows)}
    results |= judged.summarise_groups(scored, groups, doubt.repair, asked.bootstrap_samples, clock.seed)

    related = judge_related(layout, params, model.embeddings)
    results["related"] = related.results
    predictions = judged.predictions(scored, products["product_id"].to_numpy(), shown, results["deployed_policy"])
    gate_rows = pd.concat([predictions[list(judged.GATE_COLUMNS)], features], axis=1)

    write_table(layout.evaluation / "predictions.parquet", predictions)
    write_table(layout.evaluation / "gate_rows.parquet", gate_rows)
    for name, table in related.tables.items():
        write_table(layout.evaluation / f"{name}.parquet", table)
    write_json(layout.evaluation / "results.json", results)
    write_json(layout.metrics / "evaluation.json", judged.headline(results))
    for name, table in judged.plots(results).items():
        write_text(layout.plots / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    return judged.describe(results)


if __name__ == "__main__":
    main("evaluate", run)
