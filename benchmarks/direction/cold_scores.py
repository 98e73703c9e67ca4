"""Scores that can speak of a node without edges, by its attributes: what cold start is made of, and its rivals.

Each keeps the contract of `LinkScore`: fitted to a graph, it scores all ordered pairs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from onward.ranking.chains import Chain
from onward.ranking.directed_graph import DirectedGraph, propagation
from onward.ranking.link_scores import DualSvd, SmoothedEdges

_BATCH = 512
_RATE = 0.01


@dataclass(frozen=True)
class ReachedAlike:
    """What is alike what u reaches in 2·hops + 1 alternating steps, by attributes."""

    neighbours: int = 20
    hops: int = 1

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        alike = SmoothedEdges("target", self.neighbours).fit(graph).matrices[-1]
        step = propagation(graph.adjacency, 0.0)
        back = step.T.tocsr()
        return Chain((step, *((back, step) * self.hops), alike))


@dataclass(frozen=True)
class AlikePopular:
    """Mean in-degree of the nodes most alike v: how popular v may become."""

    neighbours: int = 20

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        alike = SmoothedEdges("source", self.neighbours).fit(graph).matrices[0]
        likely = np.asarray(alike @ graph.in_degrees.astype(np.float32)).reshape(1, -1)
        return Chain((np.ones((graph.nodes, 1), np.float32), likely))


@dataclass(frozen=True)
class AttributeTowers:
    """Two linear towers on attributes alone, of u and of its targets' mean, and of v; softmax over the batch's targets.

    A target's mean tells the answer where v itself is in it: half of the time it is left out.

    Attributes:
        steps: of training.
        dropout: of inputs.
        dimension: of both towers.
        temperature: of the softmax.
    """

    steps: int = 300
    dropout: float = 0.3
    dimension: int = 64
    temperature: float = 0.07

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        generator = _seeded()
        own, around = _attributes(graph)
        towers = nn.Linear(2 * own.shape[1], self.dimension), nn.Linear(own.shape[1], self.dimension)
        optimizer = torch.optim.Adam([*towers[0].parameters(), *towers[1].parameters()], _RATE, weight_decay=1e-4)
        for _ in range(self.steps):
            u, v = torch.from_numpy(graph.edges[generator.integers(0, len(graph.edges), _BATCH)]).T
            heard = around[u] * (torch.rand(len(u), 1) < 0.5)
            source = towers[0](functional.dropout(torch.cat([own[u], heard], dim=1), self.dropout))
            target = towers[1](functional.dropout(own[v], self.dropout))
            logits = functional.normalize(source) @ functional.normalize(target).T / self.temperature
            _step(optimizer, functional.cross_entropy(logits, torch.arange(len(u))))
        with torch.no_grad():
            source = functional.normalize(towers[0](torch.cat([own, around], dim=1)))
            target = functional.normalize(towers[1](own))
        return _chain(source, target)


@dataclass(frozen=True)
class DropoutNet:
    """A network from a target's latent factors, hidden at random, and its attributes to its factors.

    It learns what the factors of the graph's own decomposition say of pairs, and to say it of a node whose factors are
    not there (Volkovs, Yu and Poutanen, "DropoutNet", NeurIPS 2017).

    Attributes:
        hidden: share of targets whose factors are hidden, a step.
        steps: of training.
        rank: of the decomposition.
        width: of the hidden layer.
    """

    hidden: float = 0.5
    steps: int = 400
    rank: int = 64
    width: int = 128

    def fit(self, graph: DirectedGraph) -> Chain:
        """See `LinkScore`."""
        generator = _seeded()
        asking, answering = DualSvd(self.rank, prior=1.0).fit(graph).matrices
        scale = float(np.abs(answering).std()) + 1e-12
        source = torch.from_numpy(np.ascontiguousarray(asking)) * scale
        target = torch.from_numpy(np.ascontiguousarray(answering.T)) / scale
        own, _ = _attributes(graph)
        network = nn.Sequential(
            nn.Linear(target.shape[1] + own.shape[1], self.width), nn.Tanh(), nn.Linear(self.width, target.shape[1])
        )
        optimizer = torch.optim.Adam(network.parameters(), _RATE)
        known = np.flatnonzero(graph.in_degrees > 0)
        asks = np.flatnonzero(graph.out_degrees > 0)
        unit = float((source[asks] @ target[known[:_BATCH]].T).std()) + 1e-12
        for _ in range(self.steps):
            v = torch.from_numpy(generator.choice(known, _BATCH))
            u = torch.from_numpy(generator.choice(asks, _BATCH))
            seen = target[v] * (torch.rand(len(v), 1) >= self.hidden)
            guessed = network(torch.cat([seen, own[v]], dim=1))
            wanted = source[u] @ target[v].T
            _step(optimizer, ((source[u] @ guessed.T - wanted) / unit).square().mean())
        with torch.no_grad():
            seen = target * torch.from_numpy(graph.in_degrees > 0)[:, None]
            return _chain(source, network(torch.cat([seen, own], dim=1)))


def _attributes(graph: DirectedGraph) -> tuple[Tensor, Tensor]:
    """[N, F] attributes of each node, and the mean of its targets', rows of length 1."""
    own = np.asarray(graph.attributes, np.float32)
    around = np.asarray(propagation(graph.adjacency, 0.0) @ own, np.float32)
    seen, heard = (functional.normalize(torch.from_numpy(each)) for each in (own, around))
    return seen, heard


def _seeded() -> np.random.Generator:
    torch.manual_seed(0)
    return np.random.default_rng(0)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()


def _chain(source: Tensor, target: Tensor) -> Chain:
    return Chain((source.numpy().astype(np.float32), np.ascontiguousarray(target.T.numpy(), np.float32)))
