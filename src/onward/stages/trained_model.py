"""Reads back what train_gnn wrote; shared by the stages that score."""

from dataclasses import dataclass
from pathlib import Path

from onward.artifacts import read_arrays, read_json, read_table, read_text
from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.model.scorer import PairScorer


@dataclass(frozen=True)
class TrainedModel:
    """All that `scorer_frame` and `PairScorer.predict` need."""

    graph: ProductGraph
    embeddings: Embeddings
    scorer: PairScorer


def read_trained_model(folder: Path) -> TrainedModel:
    """Read the model folder.

    Raises:
        ArtifactError: a file is missing or unreadable.
    """
    embeddings = Embeddings.from_arrays(read_arrays(folder / "embeddings.npz"))
    edges, nodes = read_table(folder / "edges.parquet"), read_table(folder / "nodes.parquet")
    manifest = read_json(folder / "scorer.json")
    heads = [read_text(folder / "heads" / f"head_{i}.txt") for i in range(manifest["heads"])]
    return TrainedModel(
        graph=ProductGraph.from_tables(embeddings.products, edges, nodes),
        embeddings=embeddings,
        scorer=PairScorer.from_manifest(manifest, heads),
    )
