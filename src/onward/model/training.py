"""Train the dual encoder on pairs that happened: one plain loop.

A pair is drawn as often as it happened, and its rivals are the targets of the other pairs of its batch, drawn by their
own popularity therefore. Nothing corrects for that: the softmax is smallest where the score of u and v is
log P(v | u) / P(v), up to a constant of u, so that scores are lifts and not popularity (van den Oord et al. 2018,
arXiv 1807.03748; Levy and Goldberg 2014).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData
from torch_geometric.loader import LinkLoader

from onward.graph.budgets import Budget, uniform_budget
from onward.graph.pair_support import PairSupport
from onward.graph.product_graph import ProductGraph
from onward.graph.sampler import LEADS_TO, LED_FROM, PRODUCT, DirectedSampler, graph_data
from onward.model.embeddings import RELATIONS, Embeddings
from onward.model.encoder import DualEncoder, Reach
from onward.model.product_inputs import ProductInputs
from onward.model.reproducible import reproducible
from onward.random_streams import Stream

# Standard error of the information below 0.02; more only costs time.
_MOST_HELD_OUT = 5000
_RIVALS = 1000


@dataclass(frozen=True)
class EncoderSettings:
    """What the loop may vary; see params.yaml for the meaning of each."""

    dimension: int
    layers: int
    fan_out: tuple[int, ...]
    epochs: int
    steps: int
    batch_pairs: int
    learning_rate: float
    temperature: float
    held_out_pairs: float


@dataclass(frozen=True)
class Variant:
    """What the default leaves as it is; every other choice is there to be compared with it.

    Attributes:
        encoder: which encoder is trained.
        budget: how much of each neighbourhood a batch hears, given the graph and the fan-out of the settings.
    """

    encoder: type[DualEncoder] = DualEncoder
    budget: Callable[[ProductGraph, tuple[int, ...]], Budget] = uniform_budget


DEFAULT = Variant()


@dataclass(frozen=True)
class Epoch:
    """So many steps: mean loss of a batch, and what held-out pairs say after them.

    Attributes:
        number: from 1.
        loss: mean over steps, of both relations together.
        information: by relation, see `information`.
    """

    number: int
    loss: float
    information: tuple[float, ...]


@dataclass(frozen=True)
class TrainedEncoder:
    """The encoder, its embeddings over all edges, and the story of all epochs."""

    encoder: DualEncoder
    embeddings: Embeddings
    epochs: tuple[Epoch, ...]
    held_out_pairs: int


def train_encoder(
    relations: Sequence[PairSupport],
    messages: ProductGraph,
    inputs: ProductInputs,
    settings: EncoderSettings,
    seed: int,
    threads: int,
    variant: Variant = DEFAULT,
) -> TrainedEncoder:
    """Learn embeddings whose scaled dot products are the log lifts of both relations.

    Held-out pairs take no part in training, in neither order. The returned embeddings hear all edges of `messages`.

    Args:
        relations: pairs of each of `RELATIONS`, in that order.
        messages: along whose edges products hear each other.
        inputs: attributes of the same products.
        settings: of the loop.
        seed: of everything drawn.
        threads: of torch.
        variant: of what is compared with the default.

    Raises:
        DataError: a relation has too few pairs to hold any out.
    """
    halves = [pairs.split(settings.held_out_pairs, _MOST_HELD_OUT, seed) for pairs in relations]
    held_out, learnt = [half[0] for half in halves], [half[1] for half in halves]
    heard = _without(messages, held_out)
    generator = np.random.default_rng([seed, Stream.ENCODER_STEPS])
    console = Console(stderr=True)
    with reproducible(seed, threads):
        connected = torch.from_numpy(heard.connected)
        encoder = variant.encoder(
            inputs, connected, settings.dimension, settings.layers, temperature=settings.temperature
        )
        optimizer = torch.optim.Adam(encoder.parameters(), lr=settings.learning_rate)
        total = settings.epochs * settings.steps
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=total)
        sampler = DirectedSampler(heard, variant.budget(heard, settings.fan_out), seed)
        epochs: list[Epoch] = []
        for number in range(1, settings.epochs + 1):
            losses = []
            encoder.train()
            name = f"epoch {number}/{settings.epochs}"
            batches = _batches(heard, sampler, learnt, settings, generator)
            for batch in track(batches, name, console=console, transient=True, disable=not console.is_terminal):
                loss = _loss(encoder, batch)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
            embedded = infer(encoder, heard)
            told = tuple(
                information(embedded, relation, pairs, seed)
                for relation, pairs in zip(RELATIONS, held_out, strict=True)
            )
            epochs.append(Epoch(number, float(np.mean(losses)), told))
            figures = ", ".join(f"{relation} {nats:.3f}" for relation, nats in zip(RELATIONS, told, strict=True))
            console.print(f"{name}: nats a held-out pair beyond popularity: {figures}", highlight=False)
        embeddings = infer(encoder, messages)
    return TrainedEncoder(encoder, embeddings, tuple(epochs), sum(len(pairs.source) for pairs in held_out))


def information(embeddings: Embeddings, relation: str, pairs: PairSupport, seed: int) -> float:
    """Nats a pair that the lifts say beyond popularity: E[f(u, v) - log E_w exp f(u, w)], w drawn by popularity.

    0 is chance; it never exceeds the mutual information of u and v (Donsker and Varadhan; as in arXiv 1807.03748).

    Args:
        embeddings: of all products.
        relation: one of `RELATIONS`.
        pairs: held-out pairs, each as telling as its support.
        seed: of the rivals w.
    """
    rivals = pairs.draw(_RIVALS, np.random.default_rng([seed, Stream.ENCODER_RIVALS]))[1]
    own = embeddings.log_lift(relation, pairs.source, pairs.target).astype(np.float64)
    against = embeddings.log_lift_matrix(relation, pairs.source, rivals).astype(np.float64)
    chance = np.logaddexp.reduce(against, axis=1) - np.log(_RIVALS)
    return float(np.average(own - chance, weights=pairs.support))


def infer(encoder: DualEncoder, graph: ProductGraph) -> Embeddings:
    """Embeddings of the whole catalogue, layer by layer over all edges, without sampling or dropout."""
    encoder.eval()
    edges = torch.from_numpy(np.stack([graph.sources, graph.out_targets]))
    with torch.no_grad():
        source, target = encoder(torch.arange(graph.products), edges, edges.flip(0))
        scale = torch.exp(encoder.log_scale)
    return Embeddings(source.numpy(), target.numpy(), scale.numpy())


def _loss(encoder: DualEncoder, batch: HeteroData) -> Tensor:
    """Both relations' softmax of each pair's target among the targets of its batch."""
    edges = batch[LEADS_TO].edge_index, batch[LED_FROM].edge_index
    source, target = encoder(batch[PRODUCT].n_id, *edges, _reach(batch))
    by_relation = batch[LEADS_TO].edge_label_index.chunk(len(RELATIONS), dim=1)
    losses = [
        functional.cross_entropy(encoder.log_lifts(relation, source[u], target[v]), torch.arange(len(u)))
        for relation, (u, v) in enumerate(by_relation)
    ]
    return torch.stack(losses).sum()


def _batches(
    graph: ProductGraph,
    sampler: DirectedSampler,
    relations: Sequence[PairSupport],
    settings: EncoderSettings,
    generator: np.random.Generator,
) -> LinkLoader:
    """An epoch of batches: as many pairs of each relation, one after the other, with what their products hear."""
    drawn = [np.stack(pairs.draw(settings.steps * settings.batch_pairs, generator)) for pairs in relations]
    by_step = np.stack([pairs.reshape(2, settings.steps, settings.batch_pairs) for pairs in drawn], axis=2)
    return LinkLoader(
        graph_data(graph),
        sampler,
        edge_label_index=(LEADS_TO, torch.from_numpy(by_step.reshape(2, -1))),
        batch_size=len(relations) * settings.batch_pairs,
    )


def _without(graph: ProductGraph, held_out: Sequence[PairSupport]) -> ProductGraph:
    """The graph without the edges of held-out pairs, in either order."""
    ends = [(pairs.source, pairs.target) for pairs in held_out]
    numbers = np.concatenate([graph.find_edges(*way) for u, v in ends for way in ((u, v), (v, u))])
    return graph.without_edges(np.unique(numbers[numbers >= 0]))


def _reach(batch: HeteroData) -> Reach:
    nodes, forth, back = (
        tuple(accumulate(by_hop, initial=initial))
        for by_hop, initial in (
            (batch[PRODUCT].num_sampled_nodes, None),
            (batch[LEADS_TO].num_sampled_edges, 0),
            (batch[LED_FROM].num_sampled_edges, 0),
        )
    )
    return Reach(nodes, forth, back)
