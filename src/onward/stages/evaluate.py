"""Stage evaluate: the only reader of what came after as_of; it judges the model beside the baselines."""

import pandas as pd

from onward.artifacts import StoredFiles, read_json, read_table, write_csv, write_json, write_table
from onward.choices import GRAPH_SOURCES
from onward.evaluation import backtest as judged
from onward.layout import Layout
from onward.model.pair_model import PairModel
from onward.params import Params
from onward.stages.related import judge_related
from onward.stages.runner import main
from onward.uncertainty.uncertainty_model import UncertaintyModel


def run(layout: Layout, params: Params) -> str:
    """Score the matured test impressions, rank the test queries, write rows, results and the headline."""
    if params.run.source in GRAPH_SOURCES:
        # Here, since it brings torch, whose import takes longer than most of this stage on a small shop.
        from onward.stages import graph_evaluate

        return graph_evaluate.run(layout, params)
    clock = params.run
    settings = params.evaluation
    model = PairModel.from_files(StoredFiles(layout.model))
    later = layout.backtest_log
    conversions = read_table(later.conversions)
    impressions = read_table(later.impressions)
    purchased_at = read_table(later.purchases, ["purchased_at"])["purchased_at"]
    log_end = judged.end_of_log(purchased_at, conversions["converted_at"])
    rows = judged.label_matured(impressions, conversions, clock.window, log_end)
    judged.refuse_empty(rows, clock.clock, clock.backtest_end, clock.window, log_end)
    features = read_table(later.features).iloc[rows.index].drop(columns="impression")
    products = read_table(layout.serving_log.products, ["product_id", "category"])
    uncertainty = UncertaintyModel.from_files(StoredFiles(layout.uncertainty))
    scored, groups = judged.score_rows(
        rows, features, products["category"], model.graph, model.embeddings, model.scorer, uncertainty, clock.threads
    )
    searches = read_json(layout.searches)
    shown = judged.decide_all(searches, scored["score"].to_numpy(), scored["level"].to_numpy(), clock.seed)
    results = judged.summarise(scored, shown, settings.bootstrap_samples, clock.seed)
    results["deployed_policy"] = read_json(layout.policy)["search"]
    results["rows"] = {"shown": len(impressions), "matured": len(rows)}
    least = uncertainty.ranges.conversions
    results["ranges"] = judged.summarise_ranges(
        scored, products["category"], least, settings.bootstrap_samples, clock.seed
    )
    results |= judged.summarise_groups(scored, groups, uncertainty.repair, settings.bootstrap_samples, clock.seed)

    related = judge_related(layout, params, model.embeddings)
    results["related"] = related.results
    predictions = judged.predictions(scored, products["product_id"].to_numpy(), shown, results["deployed_policy"])
    gate_rows = pd.concat([predictions[list(judged.GATE_COLUMNS)], features], axis=1)

    write_table(layout.predictions, predictions)
    write_table(layout.gate_rows, gate_rows)
    write_table(layout.judged_lists, related.lists)
    write_table(layout.gate_answers, related.gate_answers)
    write_table(layout.gate_chance, related.gate_chance)
    write_json(layout.results, results)
    write_json(layout.metric("evaluation"), judged.headline(results))
    for name, table in judged.plots(results).items():
        write_csv(layout.plot(name), table)
    return judged.describe(results)


if __name__ == "__main__":
    main("evaluate", run)
