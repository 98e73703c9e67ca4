"""The neighbourhood sampler behind PyTorch Geometric's own interface, so that its loaders drive it.

The products are one node type; edges are two relations over it: what is bought after, and its explicit reverse.
Messages flow along both, see model/encoder.py. PyG: https://pytorch-geometric.readthedocs.io (BaseSampler).
"""

import zlib

import numpy as np
import torch
from torch_geometric.data import HeteroData
from torch_geometric.sampler import (
    BaseSampler,
    EdgeSamplerInput,
    HeteroSamplerOutput,
    NegativeSampling,
    NodeSamplerInput,
)

from onward.graph.budgets import Budget
from onward.graph.product_graph import IntArray, ProductGraph
from onward.graph.sampling_kernel import Neighbourhood, NeighbourhoodSampler

PRODUCT = "product"
LEADS_TO = (PRODUCT, "leads_to", PRODUCT)
LED_FROM = (PRODUCT, "led_from", PRODUCT)

_NO_EDGES = np.empty(0, dtype=np.int64)


def graph_data(graph: ProductGraph) -> HeteroData:
    """The graph as PyG's loaders want it: LEADS_TO from u to v, LED_FROM from v to u, edges in the graph's order."""
    data = HeteroData()
    forwards = torch.from_numpy(np.stack([graph.sources, graph.out_targets]))
    data[PRODUCT].num_nodes = graph.products
    data[LEADS_TO].edge_index = forwards
    data[LED_FROM].edge_index = forwards.flip(0)
    return data


class DirectedSampler(BaseSampler):  # type: ignore[misc]  # torch_geometric is not typed for mypy
    """Samples both relations around nodes or edges; see `NeighbourhoodSampler` for what is drawn.

    Each batch is drawn from a seed of its own: `seed` and a checksum of the batch's content. So a batch gives the
    same subgraph in whatever order and by whatever worker it is loaded, and a counter need not be shared.
    """

    def __init__(self, graph: ProductGraph, budget: Budget, seed: int) -> None:
        """Prepare to sample.

        Args:
            graph: the directed product graph.
            budget: how much is kept of each neighbourhood.
            seed: fixes every draw.
        """
        self._graph = graph
        self._sampler = NeighbourhoodSampler(graph, budget)
        self._seed = seed
        self._batches: IntArray | None = None

    def hide(self, batches: IntArray) -> None:
        """From now on, for a part of every batch: whole batches [steps, 2, n] take no part in message passing.

        The parts are of one size, and their edges are numbered step by step.
        """
        self._batches = batches

    def sample_from_nodes(self, index: NodeSamplerInput, **_: object) -> HeteroSamplerOutput:
        """Sample around products, each wanted in both roles."""
        nodes = index.node.numpy()
        neighbourhood = self._sampler.sample(nodes, nodes, _NO_EDGES, self._batch_seed(nodes))
        return _output(neighbourhood, (index.input_id, index.time))

    def sample_from_edges(
        self, index: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> HeteroSamplerOutput:
        """Sample around edges u -> v, which themselves take no part in message passing, in either relation.

        A source is wanted as a source, a target as a target. Triplet sampling adds products drawn uniformly or by
        `dst_weight`, wanted as targets; the loss shares them over the batch.
        """
        sources, targets = index.row.numpy(), index.col.numpy()
        batch_seed = self._batch_seed(np.concatenate([sources, targets]))
        negatives = _NO_EDGES
        if neg_sampling is not None:
            amount = len(sources) * neg_sampling.amount
            weight = torch.ones(self._graph.products) if neg_sampling.dst_weight is None else neg_sampling.dst_weight
            allowed = torch.cumsum(weight.double(), 0).numpy()
            draws = np.random.default_rng(batch_seed).random(amount) * allowed[-1]
            negatives = np.searchsorted(allowed, draws, side="right")
        hidden = (sources, targets)
        if self._batches is not None:
            hidden = self._batches[int(index.input_id[0]) // len(sources)]
        edges = self._graph.find_edges(*hidden)
        neighbourhood = self._sampler.sample(
            sources, np.concatenate([targets, negatives]), edges[edges >= 0], batch_seed
        )
        source = torch.from_numpy(neighbourhood.seed_sources)
        target = torch.from_numpy(neighbourhood.seed_targets[: len(targets)])
        if neg_sampling is None:
            return _output(neighbourhood, (index.input_id, torch.stack([source, target]), index.label, index.time))
        negative = torch.from_numpy(neighbourhood.seed_targets[len(targets) :])
        return _output(neighbourhood, (index.input_id, source, target, negative, index.time))

    def _batch_seed(self, content: IntArray) -> int:
        return zlib.crc32(np.ascontiguousarray(content).tobytes(), zlib.crc32(str(self._seed).encode()))


def _output(neighbourhood: Neighbourhood, metadata: tuple[object, ...]) -> HeteroSamplerOutput:
    sources_of_in, targets_of_in = torch.from_numpy(neighbourhood.in_edges)
    sources_of_out, targets_of_out = torch.from_numpy(neighbourhood.out_edges)
    # A target is fed along LEADS_TO, so its in-edges are that relation's sample; a source along LED_FROM.
    return HeteroSamplerOutput(
        node={PRODUCT: torch.from_numpy(neighbourhood.nodes)},
        row={LEADS_TO: sources_of_in, LED_FROM: targets_of_out},
        col={LEADS_TO: targets_of_in, LED_FROM: sources_of_out},
        edge={
            LEADS_TO: torch.from_numpy(neighbourhood.in_numbers),
            LED_FROM: torch.from_numpy(neighbourhood.out_numbers),
        },
        num_sampled_nodes={PRODUCT: np.diff(neighbourhood.nodes_by_hop, prepend=0).tolist()},
        num_sampled_edges={
            LEADS_TO: np.diff(neighbourhood.in_by_hop).tolist(),
            LED_FROM: np.diff(neighbourhood.out_by_hop).tolist(),
        },
        metadata=metadata,
    )
