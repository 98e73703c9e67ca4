"""Stage train_gnn: the directed product graph, its dual embeddings, the pair scorer's heads and the ranking."""

from onward.artifacts import Layout, read_arrow, read_table, replacing_directory, write_json, write_text
from onward.diagnosis.direction import ask_direction
from onward.graph.counting import count_in_process
from onward.graph.counts import CountRules
from onward.graph.product_graph import ProductGraph
from onward.model.scorer_training import ScorerSettings, labelled_pairs, train_scorer
from onward.model.training_report import encoder_history, training_metrics
from onward.params import GRAPH_SOURCES, Params
from onward.stages import graph_train
from onward.stages.door import main
from onward.stages.ranking_files import write_ranking
from onward.stages.ranking_training import encoder_of, learn, ranking_lesson
from onward.stages.trained_model import TrainedModel, write_trained_model


def run(layout: Layout, params: Params) -> str:
    """Count and embed what lies before the training window, then fit heads and ranking to what happened within it."""
    if params.run.source in GRAPH_SOURCES:
        return graph_train.run(layout, params)
    seed, threads, before = params.run.seed, params.run.threads, params.run.training_start
    products = read_table(layout.serving / "products.parquet")
    purchases = read_arrow(layout.serving / "purchases.parquet")
    customers = read_table(layout.serving / "customers.parquet")
    edges, nodes = count_in_process(purchases, before, CountRules(**params.graph.model_dump()), threads)
    graph = ProductGraph.from_tables(len(products), edges, nodes)
    bought = purchases.to_pandas()
    lesson = ranking_lesson(params, products, bought, customers)
    encoder = encoder_of(lesson, params, products, bought)
    ranking = learn(lesson.encoded(encoder.embeddings) if params.ranking.encoder_scores else lesson, params)
    direction = ask_direction(bought[bought["purchased_at"] < params.run.clock], products, seed).to_dict()
    impressions, features = (read_table(layout.serving / f"{name}.parquet") for name in ("impressions", "features"))
    labels = read_table(layout.delay / "labels.parquet")
    outcomes = read_table(layout.delay / "outcomes.parquet").rename(columns={"expected_label": "label"})
    fit, selection, held_out = (
        labelled_pairs(rows, impressions[chosen], features[chosen], graph, encoder.embeddings)
        for rows, split in ((labels, "train"), (labels, "selection"), (outcomes.assign(weight=1.0), "selection"))
        for chosen in (impressions["split"] == split,)
    )
    scorer = train_scorer(fit, selection, ScorerSettings(**params.scorer.model_dump()), seed, threads)
    with replacing_directory(layout.model) as folder:
        write_json(folder / "direction.json", direction)
        write_ranking(folder / "ranking", ranking)
        write_trained_model(folder, TrainedModel(graph, encoder.embeddings, scorer.scorer))
    metrics = training_metrics(graph, encoder, scorer, held_out, threads)
    write_json(layout.metrics / "train.json", {**metrics, **ranking.summary(), "direction": direction})
    history = encoder_history(encoder)
    write_text(layout.plots / "encoder_training.csv", history.to_csv(index=False, lineterminator="\n"))
    return (
        f"{graph.edges} edges; encoder: {encoder.epochs[-1].information[0]:.3f} nats a held-out basket pair; "
        f"heads of {scorer.iterations} iterations"
    )


if __name__ == "__main__":
    main("train_gnn", run)
