"""The fitted model of pairs: what is counted of them, what is embedded, and the heads that score them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from onward.graph.product_graph import ProductGraph
from onward.model.embeddings import Embeddings
from onward.model.scorer import PairScorer

SCORER_FILE = "scorer.json"


@dataclass(frozen=True)
class PairModel:
    """All that `scorer_frame` and `PairScorer.predict` need.

    Attributes:
        graph: counts of the directed product graph.
        embeddings: of all products.
        scorer: the boosted heads.
    """

    graph: ProductGraph
    embeddings: Embeddings
    scorer: PairScorer

    def to_files(self) -> dict[str, Any]:
        """The model as tables, arrays, plain values and text, by name of file."""
        return {
            "edges.parquet": self.graph.edge_table(),
            "nodes.parquet": self.graph.node_table(),
            "embeddings.npz": self.embeddings.to_arrays(),
            SCORER_FILE: self.scorer.to_manifest(),
            **{_head(number): text for number, text in enumerate(self.scorer.heads)},
        }

    @classmethod
    def from_files(cls, files: Mapping[str, Any]) -> Self:
        """Rebuild what `to_files` gave."""
        embeddings = Embeddings.from_arrays(files["embeddings.npz"])
        manifest = files[SCORER_FILE]
        heads = [files[_head(number)] for number in range(manifest["heads"])]
        return cls(
            ProductGraph.from_tables(embeddings.products, files["edges.parquet"], files["nodes.parquet"]),
            embeddings,
            PairScorer.from_manifest(manifest, heads),
        )


def _head(number: int) -> str:
    return f"heads/head_{number}.txt"
