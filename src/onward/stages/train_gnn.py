"""Stage train_gnn: the directed product graph, its dual embeddings, the pair scorer's heads and the ranking."""

from concurrent.futures import ThreadPoolExecutor

from onward.artifacts import read_arrow, read_json, read_table, replacing_directory, write_csv, write_files, write_json
from onward.choices import GRAPH_SOURCES
from onward.diagnosis.direction import diagnose_direction
from onward.graph.counting import count_in_process, count_on_spark
from onward.graph.counts import CountRules
from onward.graph.product_graph import ProductGraph
from onward.layout import Layout
from onward.model.pair_model import PairModel
from onward.model.scorer_training import ScorerSettings, labelled_pairs, train_scorer
from onward.model.trained_on import TrainedOn
from onward.model.training_report import encoder_history, training_metrics
from onward.params import Params
from onward.ranking.ranking_files import ranking_to_files
from onward.stages import graph_train
from onward.stages.ranking_training import encoder_of, learn, ranking_training_data
from onward.stages.runner import main


def run(layout: Layout, params: Params) -> str:
    """Count and embed what lies before the training window, then fit heads and ranking to what happened within it."""
    if params.run.source in GRAPH_SOURCES:
        return graph_train.run(layout, params)
    seed = params.run.seed
    threads = params.run.threads
    before = params.run.training_start
    log = layout.serving_log
    products = read_table(log.products)
    purchases = read_arrow(log.purchases)
    customers = read_table(log.customers)
    bought = purchases.to_pandas()
    rules = CountRules(**params.graph.model_dump())
    # Edges are counted, and the log is asked for its direction, while the ranking counts and the encoder learns:
    # neither reads what the other makes.
    with ThreadPoolExecutor(1) as beside:
        if params.counting.backend == "spark":
            counted = beside.submit(count_on_spark, log.purchases, before, rules, params.counting.spark_master)
        else:
            counted = beside.submit(count_in_process, purchases, before, rules, threads)
        known = bought[bought["purchased_at"] < params.run.clock]
        directed = beside.submit(diagnose_direction, known, products, seed)
        lesson = ranking_training_data(params, products, bought, customers)
        graph = ProductGraph.from_tables(len(products), *counted.result())
        encoder = encoder_of(lesson, params, products, bought)
    ranking = learn(lesson.encoded(encoder.embeddings) if params.ranking.encoder_scores else lesson, params)
    direction = directed.result().to_dict()
    impressions = read_table(log.impressions)
    features = read_table(log.features)
    labels = read_table(layout.labels)
    outcomes = read_table(layout.outcomes).rename(columns={"expected_label": "label"})
    fit, selection, held_out = (
        labelled_pairs(rows, impressions[chosen], features[chosen], graph, encoder.embeddings)
        for rows, split in ((labels, "train"), (labels, "selection"), (outcomes.assign(weight=1.0), "selection"))
        for chosen in (impressions["split"] == split,)
    )
    scorer = train_scorer(fit, selection, ScorerSettings(**params.scorer.model_dump()), seed, threads)
    with replacing_directory(layout.model) as folder:
        write_json(folder / layout.direction_answer.name, direction)
        trained_on = TrainedOn.of(params.run.as_of.isoformat(), products, read_json(log.categories))
        write_json(folder / layout.trained_on.name, trained_on.to_dict())
        write_files(folder / "ranking", ranking_to_files(ranking))
        write_files(folder, PairModel(graph, encoder.embeddings, scorer.scorer).to_files())
    metrics = training_metrics(graph, encoder, scorer, held_out, threads)
    write_json(layout.metric("train"), {**metrics, **ranking.summary(), "direction": direction})
    history = encoder_history(encoder)
    write_csv(layout.plot("encoder_training"), history)
    return (
        f"{graph.edges} edges; encoder: {encoder.epochs[-1].information[0]:.3f} nats a held-out basket pair; "
        f"heads of {scorer.iterations} iterations"
    )


if __name__ == "__main__":
    main("train_gnn", run)
