"""Train the dual encoder on the edges of the product graph: one plain loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
import torch.utils.deterministic
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.loader import LinkLoader
from torch_geometric.sampler import NegativeSampling

from onward.errors import DataError
from onward.graph.budgets import Budget, uniform_budget
from onward.graph.product_graph import IntArray, ProductGraph
from onward.graph.sampler import LEADS_TO, LED_FROM, PRODUCT, DirectedSampler, graph_data
from onward.graph.together import pairs_within
from onward.model.embeddings import Embeddings
from onward.model.encoder import DualEncoder, Reach
from onward.model.link_ranking import RankingQuality, ranking_quality
from onward.model.losses import degree_matched, log_expected_counts, sampled_softmax
from onward.model.product_inputs import ProductInputs

# Enough to tell epochs apart (standard error of the hit rate below .007); ranking more only costs time.
_MOST_HELD_OUT = 5000


@dataclass(frozen=True)
class EncoderSettings:
    """What the loop may vary; see params.yaml for the meaning of each."""

    dimension: int
    layers: int
    fan_out: tuple[int, ...]
    epochs: int
    batch_edges: int
    learning_rate: float
    temperature: float
    uniform_negatives: int
    held_out_edges: float


@dataclass(frozen=True)
class Variant:
    """What the default leaves as it is; every other choice is there to be compared with it.

    Attributes:
        encoder: which encoder is trained.
        budget: how much of each neighbourhood a batch hears, given the graph and the fan-out of the settings.
        reversed_negatives: whether u <- v of a one-way edge u -> v is a negative.
        matched_negatives: whether each edge meets a target as popular as its own.
        log_q: whether logits are corrected for how candidates were drawn.
        together: [P, k] undirected neighbours as a second relation, -1 where there are fewer; None leaves it out.
    """

    encoder: type[DualEncoder] = DualEncoder
    budget: Callable[[ProductGraph, tuple[int, ...]], Budget] = uniform_budget
    reversed_negatives: bool = True
    matched_negatives: bool = False
    log_q: bool = True
    together: IntArray | None = None


DEFAULT = Variant()


@dataclass(frozen=True)
class Epoch:
    """One pass over the edges: mean loss, and how the held-out edges rank after it."""

    number: int
    loss: float
    held_out: RankingQuality


@dataclass(frozen=True)
class TrainedEncoder:
    """The encoder and embeddings of the best epoch, the story of all epochs, and what ranking by popularity reaches.

    `by_fresh_customers` ranks targets by customers who bought them new, `by_in_degree` by edges that lead to them.
    """

    encoder: DualEncoder
    embeddings: Embeddings
    epochs: tuple[Epoch, ...]
    best_epoch: int
    held_out_edges: int
    by_fresh_customers: RankingQuality
    by_in_degree: RankingQuality


def train_encoder(
    graph: ProductGraph,
    inputs: ProductInputs,
    settings: EncoderSettings,
    seed: int,
    threads: int,
    variant: Variant = DEFAULT,
) -> TrainedEncoder:
    """Learn embeddings that rank held-out edges; the epoch that ranks them best is kept.

    Held-out edges take no part in training. The returned embeddings are inferred over all edges, held-out included.

    Raises:
        DataError: the graph has too few edges to hold any out.
    """
    held_out, kept = _hold_out(graph, settings.held_out_edges, seed)
    source, target = graph.sources[held_out], graph.out_targets[held_out]
    with reproducible(seed, threads):
        connected, together = torch.from_numpy(kept.connected), variant.together
        encoder = variant.encoder(inputs, connected, settings.dimension, settings.layers, together=together is not None)
        optimizer = torch.optim.Adam(encoder.parameters(), lr=settings.learning_rate)
        objective = _Objective(kept, settings.temperature, settings.uniform_negatives, variant)
        loader = _loader(kept, settings, seed, variant)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * len(loader))
        console = Console(stderr=True)
        epochs: list[Epoch] = []
        best_state = encoder.state_dict()
        for number in range(1, settings.epochs + 1):
            losses = []
            encoder.train()
            name = f"epoch {number}/{settings.epochs}"
            for batch in track(loader, name, console=console, transient=True, disable=not console.is_terminal):
                loss = objective(encoder, batch)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
            found = infer(encoder, kept, settings.temperature, together)
            quality = ranking_quality(found.relevance_matrix, kept, source, target)
            if not epochs or quality.mrr > max(epoch.held_out.mrr for epoch in epochs):
                best_state = {name: value.clone() for name, value in encoder.state_dict().items()}
            epochs.append(Epoch(number, float(np.mean(losses)), quality))
            console.print(f"{name}: loss {epochs[-1].loss:.4f}, held-out MRR {quality.mrr:.4f}", highlight=False)
        encoder.load_state_dict(best_state)
        embeddings = infer(encoder, graph, settings.temperature, together)
    return TrainedEncoder(
        encoder=encoder,
        embeddings=embeddings,
        epochs=tuple(epochs),
        best_epoch=max(epochs, key=lambda epoch: (epoch.held_out.mrr, -epoch.number)).number,
        held_out_edges=len(held_out),
        by_fresh_customers=_rank_constant(kept.fresh_customers, kept, source, target),
        by_in_degree=_rank_constant(kept.in_degrees, kept, source, target),
    )


def infer(
    encoder: DualEncoder, graph: ProductGraph, temperature: float, together: IntArray | None = None
) -> Embeddings:
    """Embeddings of the whole catalogue, layer by layer over all edges, without sampling or dropout."""
    encoder.eval()
    edges = torch.from_numpy(np.stack([graph.sources, graph.out_targets]))
    everything = np.arange(graph.products)
    pairs = None if together is None else torch.from_numpy(pairs_within(together, everything))
    with torch.no_grad():
        source, target, bias = encoder(torch.from_numpy(everything), edges, edges.flip(0), pairs)
    return Embeddings(source.numpy(), target.numpy(), bias.numpy(), temperature)


class _Objective:
    """The loss of a batch of edges: targets of other edges and drawn products are everybody's negatives."""

    def __init__(self, graph: ProductGraph, temperature: float, negatives: int, variant: Variant) -> None:
        self._graph = graph
        self._temperature = temperature
        self._negatives = negatives
        self._variant = variant
        self._in_degrees = torch.from_numpy(graph.in_degrees)
        self._in_batch_share = torch.from_numpy(graph.in_degrees / max(graph.edges, 1)).float()
        self._uniform_share = torch.from_numpy(graph.connected / max(int(graph.connected.sum()), 1)).float()

    def __call__(self, encoder: DualEncoder, batch: HeteroData) -> Tensor:
        nodes = batch[PRODUCT].n_id
        u, v, drawn = batch[PRODUCT].src_index, batch[PRODUCT].dst_pos_index, batch[PRODUCT].dst_neg_index
        together = self._together(nodes, u, v)
        edges = batch[LEADS_TO].edge_index, batch[LED_FROM].edge_index
        source, target, bias = encoder(nodes, *edges, together, _reach(batch) if together is None else None)
        source = source / self._temperature
        # Batches are shuffled: the first targets are as good a sample as all, and the matrix stays small.
        in_batch = v[: self._negatives]
        candidates = torch.cat([in_batch, drawn])
        products = nodes[candidates]
        log_expected = log_expected_counts(
            self._in_batch_share[products], self._uniform_share[products], len(in_batch), len(drawn)
        )
        if not self._variant.log_q:
            log_expected = torch.zeros_like(log_expected)

        def unless_an_edge(ends: Tensor, to: Tensor) -> Tensor:
            exists = torch.from_numpy(self._graph.find_edges(nodes[ends].numpy(), nodes[to].numpy()) >= 0)
            logits: Tensor = (source[ends] * target[to]).sum(1) + bias[to]
            return logits.masked_fill(exists | (ends == to), -torch.inf)

        backward = unless_an_edge(v, u)
        if not self._variant.reversed_negatives:
            backward = torch.full_like(backward, -torch.inf)
        matched = None
        if self._variant.matched_negatives:
            alike = degree_matched(self._in_degrees[nodes[v]], self._in_degrees[products])
            matched = unless_an_edge(u, candidates[alike])
        return sampled_softmax(
            positive=(source[u] * target[v]).sum(1) + bias[v],
            candidates=torch.addmm(bias[candidates] - log_expected, source[u], target[candidates].T),
            accidental=v[:, None] == candidates,
            reversed_pair=backward,
            matched=matched,
        )

    def _together(self, nodes: Tensor, u: Tensor, v: Tensor) -> Tensor | None:
        """Undirected pairs within the batch, but for those that the batch is asked about."""
        if self._variant.together is None:
            return None
        products = nodes.numpy()
        pairs = pairs_within(self._variant.together, products)
        ends = products[pairs]
        keys = np.minimum(*ends) * self._graph.products + np.maximum(*ends)
        asked = np.minimum(products[u], products[v]) * self._graph.products + np.maximum(products[u], products[v])
        return torch.from_numpy(pairs[:, ~np.isin(keys, asked)])


def _reach(batch: HeteroData) -> Reach:
    found, forth, back = (
        tuple(accumulate(by_hop, initial=initial))
        for by_hop, initial in (
            (batch[PRODUCT].num_sampled_nodes, None),
            (batch[LEADS_TO].num_sampled_edges, 0),
            (batch[LED_FROM].num_sampled_edges, 0),
        )
    )
    return Reach(found, forth, back)


def _loader(graph: ProductGraph, settings: EncoderSettings, seed: int, variant: Variant) -> LinkLoader:
    # Products without edges are no negatives: being never a positive, they would only teach that they are unwanted.
    negatives = NegativeSampling("triplet", dst_weight=torch.from_numpy(graph.connected))
    return LinkLoader(
        graph_data(graph),
        DirectedSampler(graph, variant.budget(graph, settings.fan_out), seed, settings.uniform_negatives),
        edge_label_index=(LEADS_TO, torch.from_numpy(np.stack([graph.sources, graph.out_targets]))),
        neg_sampling=negatives,
        batch_size=settings.batch_edges,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
    )


def _hold_out(graph: ProductGraph, share: float, seed: int) -> tuple[IntArray, ProductGraph]:
    count = min(round(share * graph.edges), _MOST_HELD_OUT)
    if count < 1:
        raise DataError(
            f"encoder: {graph.edges} edges are too few to hold out a share of {share:g}; "
            "lower graph.min_support or graph.min_customers"
        )
    held_out = np.sort(np.random.default_rng([seed, 1]).choice(graph.edges, count, replace=False))
    return held_out, graph.without_edges(held_out)


def _rank_constant(popularity: np.ndarray, graph: ProductGraph, source: IntArray, target: IntArray) -> RankingQuality:
    return ranking_quality(lambda u, v: np.tile(popularity[v].astype(np.float32), (len(u), 1)), graph, source, target)


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Fixed seed, threads and algorithms inside; what was before, afterwards."""
    before, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(mode=True)
        # Filling fresh memory guards against reading it unset; it costs a tenth of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set on the module
        try:
            yield
        finally:
            torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]  # set on the module
            torch.set_num_threads(before)
            torch.use_deterministic_algorithms(mode=deterministic)
