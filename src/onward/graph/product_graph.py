"""The directed product graph, as arrays that can be walked forwards and backwards.

Edge u -> v means that v is bought after u. Product ids are dense over *all* products, so that a product without
edges keeps its row. The reverse relation is stored explicitly: a walk that only knows out-edges can never find
who leads to a product.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.errors import DataError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

EDGE_COLUMNS = ("source", "target", "support", "reverse_support", "expected", "score")
NODE_COLUMNS = ("product", "customers", "fresh_customers")


@dataclass(frozen=True)
class ProductGraph:
    """A directed graph over products 0..P-1 with E edges, in compressed rows both ways.

    Edges are numbered 0..E-1 by ascending (source, target); every per-edge array follows that order.

    Attributes:
        out_offsets: [P + 1] where the out-edges of each product begin.
        out_targets: [E] target of each edge.
        in_offsets: [P + 1] where the in-edges of each product begin in the reverse relation.
        in_sources: [E] source of each edge, ordered by (target, source).
        in_edges: [E] number of each edge, in the order of `in_sources`.
        support: [E] customers who bought v new after u.
        reverse_support: [E] customers who bought u new after v (0 when below the least support).
        expected: [E] support expected were the two purchases independent.
        score: [E] shrunk lift.
        customers: [P] customers who bought the product.
        fresh_customers: [P] customers who bought it new.
    """

    out_offsets: IntArray
    out_targets: IntArray
    in_offsets: IntArray
    in_sources: IntArray
    in_edges: IntArray
    support: FloatArray
    reverse_support: FloatArray
    expected: FloatArray
    score: FloatArray
    customers: FloatArray
    fresh_customers: FloatArray

    @property
    def products(self) -> int:
        """Number of products P, with or without edges."""
        return len(self.out_offsets) - 1

    @property
    def edges(self) -> int:
        """Number of directed edges E."""
        return len(self.out_targets)

    @cached_property
    def out_degrees(self) -> IntArray:
        """[P] number of out-edges of each product."""
        return np.diff(self.out_offsets)

    @cached_property
    def in_degrees(self) -> IntArray:
        """[P] number of in-edges of each product."""
        return np.diff(self.in_offsets)

    @property
    def sources(self) -> IntArray:
        """[E] source of each edge, ascending."""
        return np.repeat(np.arange(self.products, dtype=np.int64), self.out_degrees)

    def sources_of(self, numbers: IntArray) -> IntArray:
        """Source of each edge of the given numbers."""
        return np.searchsorted(self.out_offsets, numbers, side="right") - 1

    @property
    def connected(self) -> npt.NDArray[np.bool_]:
        """[P] whether a product has any edge, in or out."""
        return (self.out_degrees + self.in_degrees) > 0

    @classmethod
    def from_tables(cls, products: int, edges: pd.DataFrame, nodes: pd.DataFrame) -> "ProductGraph":
        """Build the graph from tables of counts, whose rows may come in any order.

        Args:
            products: P; ids outside 0..P-1 are refused.
            edges: one row a directed edge, columns EDGE_COLUMNS.
            nodes: one row a product that was bought, columns NODE_COLUMNS; products left out count 0.

        Raises:
            DataError: an id is out of range or an edge comes twice.
        """
        _refuse_unknown(products, edges, ("source", "target"), "edges")
        _refuse_unknown(products, nodes, ("product",), "nodes")
        source = edges["source"].to_numpy(np.int64)
        target = edges["target"].to_numpy(np.int64)
        order = np.lexsort((target, source))
        source, target = source[order], target[order]
        if (repeated := int((np.diff(source * products + target) == 0).sum())) > 0:
            raise DataError(f"graph edges: {repeated} pairs come twice; delete the model folder and run `dvc repro`")
        backwards = np.lexsort((source, target))

        def per_edge(name: str) -> FloatArray:
            return edges[name].to_numpy(np.float64)[order]

        def per_product(name: str) -> FloatArray:
            values = np.zeros(products)
            values[nodes["product"].to_numpy(np.int64)] = nodes[name].to_numpy(np.float64)
            return values

        return cls(
            out_offsets=_offsets(source, products),
            out_targets=target,
            in_offsets=_offsets(target, products),
            in_sources=source[backwards],
            in_edges=backwards.astype(np.int64),
            support=per_edge("support"),
            reverse_support=per_edge("reverse_support"),
            expected=per_edge("expected"),
            score=per_edge("score"),
            customers=per_product("customers"),
            fresh_customers=per_product("fresh_customers"),
        )

    @classmethod
    def from_edges(cls, products: int, source: IntArray, target: IntArray, support: FloatArray) -> "ProductGraph":
        """The graph of edges of which nothing but a support is known; all other counts are 0.

        Args:
            products: P.
            source: [E] product ids.
            target: [E] product ids.
            support: [E] how often each was seen.
        """
        unknown = dict.fromkeys(("reverse_support", "expected", "score"), 0.0)
        edges = pd.DataFrame({"source": source, "target": target, "support": support, **unknown})
        return cls.from_tables(products, edges, pd.DataFrame(columns=list(NODE_COLUMNS)))

    def edge_table(self) -> pd.DataFrame:
        """The edges as a table with columns EDGE_COLUMNS, ordered by (source, target)."""
        return pd.DataFrame(
            {
                "source": self.sources.astype(np.int32),
                "target": self.out_targets.astype(np.int32),
                "support": self.support,
                "reverse_support": self.reverse_support,
                "expected": self.expected,
                "score": self.score,
            }
        )

    def node_table(self) -> pd.DataFrame:
        """The products as a table with columns NODE_COLUMNS, ordered by product."""
        return pd.DataFrame(
            {
                "product": np.arange(self.products, dtype=np.int32),
                "customers": self.customers,
                "fresh_customers": self.fresh_customers,
            }
        )

    def find_edges(self, source: IntArray, target: IntArray) -> IntArray:
        """Number of the edge source -> target for each pair, -1 where there is none.

        >>> edges = pd.DataFrame({"source": [0, 0], "target": [2, 1], "support": 3, "reverse_support": 0,
        ...                       "expected": 1.0, "score": 2.0})
        >>> nodes = pd.DataFrame({"product": [0], "customers": [5], "fresh_customers": [4]})
        >>> graph = ProductGraph.from_tables(3, edges, nodes)
        >>> graph.find_edges(np.array([0, 2]), np.array([2, 0])).tolist()
        [1, -1]
        """
        keys = np.asarray(source, dtype=np.int64) * self.products + np.asarray(target, dtype=np.int64)
        if self.edges == 0:
            return np.full(len(keys), -1, dtype=np.int64)
        position = np.minimum(np.searchsorted(self._keys, keys), self.edges - 1)
        return np.where(self._keys[position] == keys, position, -1)

    @cached_property
    def _keys(self) -> IntArray:
        return self.sources * self.products + self.out_targets

    def without_edges(self, removed: IntArray) -> "ProductGraph":
        """The same products without the edges of the given numbers; counts of products stay."""
        kept = np.ones(self.edges, dtype=bool)
        kept[removed] = False
        return ProductGraph.from_tables(self.products, self.edge_table()[kept], self.node_table())


def _offsets(ids: IntArray, products: int) -> IntArray:
    return np.concatenate(([0], np.cumsum(np.bincount(ids, minlength=products)))).astype(np.int64)


def _refuse_unknown(products: int, table: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    for column in columns:
        ids = table[column].to_numpy(np.int64)
        unknown = int(((ids < 0) | (ids >= products)).sum())
        if unknown > 0:
            raise DataError(
                f"graph {name}: {unknown} values of {column} are not products 0..{products - 1}; "
                "rebuild products and graph together with `dvc repro`"
            )
