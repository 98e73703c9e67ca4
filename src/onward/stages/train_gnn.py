"""Stage train_gnn: the directed product graph, its dual embeddings and the pair scorer's heads."""

from onward.artifacts import (
    Layout,
    read_arrow,
    read_table,
    replacing_directory,
    write_arrays,
    write_json,
    write_table,
    write_text,
)
from onward.graph.counting import count_in_process
from onward.graph.counts import CountRules
from onward.graph.product_graph import ProductGraph
from onward.model.product_inputs import product_inputs
from onward.model.scorer_training import ScorerSettings, labelled_pairs, train_scorer
from onward.model.training import EncoderSettings, train_encoder
from onward.model.training_report import encoder_history, training_metrics
from onward.params import GRAPH_SOURCES, Params
from onward.stages import graph_train
from onward.stages.door import main


def run(layout: Layout, params: Params) -> str:
    """Count and embed what lies before the training window, then fit the heads to the labels within it."""
    if params.run.source in GRAPH_SOURCES:
        return graph_train.run(layout, params)
    seed, threads, before = params.run.seed, params.run.threads, params.run.training_start
    products = read_table(layout.serving / "products.parquet")
    purchases = read_arrow(layout.serving / "purchases.parquet")
    edges, nodes = count_in_process(purchases, before, CountRules(**params.graph.model_dump()), threads)
    graph = ProductGraph.from_tables(len(products), edges, nodes)
    inputs = product_inputs(products, purchases.to_pandas().query("purchased_at < @before"), graph.customers)
    encoder = train_encoder(graph, inputs, EncoderSettings(**params.encoder.model_dump()), seed, threads)

    impressions = read_table(layout.serving / "impressions.parquet")
    features = read_table(layout.serving / "features.parquet")
    labels = read_table(layout.delay / "labels.parquet")
    outcomes = read_table(layout.delay / "outcomes.parquet").rename(columns={"expected_label": "label"})
    fit, selection, held_out = (
        labelled_pairs(rows, impressions[chosen], features[chosen], graph, encoder.embeddings)
        for rows, split in ((labels, "train"), (labels, "selection"), (outcomes.assign(weight=1.0), "selection"))
        for chosen in (impressions["split"] == split,)
    )
    scorer = train_scorer(fit, selection, ScorerSettings(**params.scorer.model_dump()), seed, threads)

    with replacing_directory(layout.model) as folder:
        write_table(folder / "edges.parquet", edges)
        write_table(folder / "nodes.parquet", nodes)
        write_arrays(folder / "embeddings.npz", encoder.embeddings.to_arrays())
        write_json(folder / "scorer.json", scorer.scorer.to_manifest())
        for number, text in enumerate(scorer.scorer.heads):
            write_text(folder / "heads" / f"head_{number}.txt", text)
    write_json(layout.metrics / "train.json", training_metrics(graph, encoder, scorer, held_out, threads))
    history = encoder_history(encoder)
    write_text(layout.plots / "encoder_training.csv", history.to_csv(index=False, lineterminator="\n"))
    return f"{graph.edges} edges, held-out MRR {history['mrr'].max():.4f}; heads of {scorer.iterations} iterations"


if __name__ == "__main__":
    main("train_gnn", run)
