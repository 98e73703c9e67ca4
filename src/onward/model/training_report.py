"""What training has to say for itself, as plain values for metrics and plots."""

import numpy as np
import pandas as pd

from onward.graph.product_graph import ProductGraph
from onward.metrics.classification import area_under_curve, log_loss
from onward.model.embeddings import RELATIONS
from onward.model.scorer_training import LabelledPairs, TrainedScorer
from onward.model.training import TrainedEncoder


def training_metrics(
    graph: ProductGraph, encoder: TrainedEncoder, scorer: TrainedScorer, held_out: LabelledPairs, threads: int
) -> dict[str, object]:
    """The content of metrics/train.json; see the summaries below."""
    return {
        "graph": graph_summary(graph),
        "encoder": encoder_summary(encoder),
        "scorer": scorer_summary(scorer, held_out, threads),
    }


def graph_summary(graph: ProductGraph) -> dict[str, int]:
    """Sizes of the graph."""
    return {
        "products": graph.products,
        "connected_products": int(graph.connected.sum()),
        "edges": graph.edges,
        "one_way_edges": int((graph.find_edges(graph.out_targets, graph.sources) < 0).sum()),
    }


def encoder_summary(trained: TrainedEncoder) -> dict[str, object]:
    """What held-out pairs say beyond popularity, in nats a pair, by relation."""
    last = trained.epochs[-1].information
    return {"held_out_pairs": trained.held_out_pairs, "information": dict(zip(RELATIONS, last, strict=True))}


def encoder_history(trained: TrainedEncoder) -> pd.DataFrame:
    """One row an epoch: epoch, loss, and the information of each relation."""
    rows = [
        {"epoch": epoch.number, "loss": epoch.loss, **dict(zip(RELATIONS, epoch.information, strict=True))}
        for epoch in trained.epochs
    ]
    return pd.DataFrame(rows)


def scorer_summary(trained: TrainedScorer, held_out: LabelledPairs, threads: int) -> dict[str, object]:
    """Fit to held-out impressions, by head and of the heads' mean.

    Args:
        trained: the scorer and how it was stopped.
        held_out: one row an impression, with its expected label: a pending one counts as its conversion probability.
        threads: how many LightGBM may use.
    """
    label, weight = held_out.label, held_out.weight
    heads = trained.scorer.predict(held_out.frame, threads)
    columns = {f"head_{head}": column for head, column in enumerate(heads.T)}
    columns["ensemble"] = heads.mean(axis=1)
    fit = {
        name: {"nll": log_loss(label, column, weight), "auc": area_under_curve(label, column, weight)}
        for name, column in columns.items()
    }
    constant = np.full(len(label), np.average(label, weights=weight))
    return {
        "iterations": trained.iterations,
        "selection_loss": {str(end): loss for end, loss in trained.selection_loss},
        "selection_impressions": len(label),
        "selection_constant_nll": log_loss(label, constant, weight),
        "selection": fit,
    }
