"""Train the dual encoder on pairs that happened: one plain loop, in one process or in several.

A pair is drawn as often as it happened, and its rivals are the targets of the other pairs of its batch, drawn by their
own popularity therefore. Nothing corrects for that: the softmax is smallest where the score of u and v is
log P(v | u) / P(v), up to a constant of u, so that scores are lifts and not popularity (van den Oord et al. 2018,
arXiv 1807.03748; Levy and Goldberg 2014).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData
from torch_geometric.loader import LinkLoader

from onward.graph.budgets import budget_by_degree
from onward.graph.pair_support import PairSupport
from onward.graph.product_graph import ProductGraph
from onward.graph.sampler import LEADS_TO, LED_FROM, PRODUCT, DirectedSampler, graph_data
from onward.model.embeddings import RELATIONS, Embeddings
from onward.model.encoder import DualEncoder, Reach
from onward.model.one_cycle import OneCycle
from onward.model.process_group import ALONE, ProcessGroup
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
    degree_power: float
    epochs: int
    steps: int
    batch_pairs: int
    learning_rate: float
    temperature: float
    held_out_pairs: float


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


@dataclass(frozen=True)
class Lesson:
    """What the loop learns from.

    Attributes:
        learnt: pairs of each of `RELATIONS`, in that order.
        held_out: likewise; these take no part in training, in neither order.
        heard: along whose edges products hear each other in training: those of held-out pairs are left out.
        messages: all edges, which the embeddings hear in the end.
        inputs: attributes of the same products.
    """

    learnt: tuple[PairSupport, ...]
    held_out: tuple[PairSupport, ...]
    heard: ProductGraph
    messages: ProductGraph
    inputs: ProductInputs

    @classmethod
    def of(
        cls, relations: Sequence[PairSupport], messages: ProductGraph, inputs: ProductInputs, share: float, seed: int
    ) -> "Lesson":
        """Hold out a share of the pairs of each relation.

        Raises:
            DataError: a relation has too few pairs to hold any out.
        """
        halves = [pairs.split(share, _MOST_HELD_OUT, seed) for pairs in relations]
        held_out, learnt = (tuple(half) for half in zip(*halves, strict=True))
        return cls(learnt, held_out, _without(messages, held_out), messages, inputs)


@dataclass(frozen=True)
class Progress:
    """Where the loop stands after an epoch: all that it needs to go on as if it had never stopped.

    Attributes:
        epochs: those that are finished.
        encoder: weights.
        cycle: moments and rates.
        draws: state of what draws pairs.
        noise: state of torch's generator, by process.
    """

    epochs: tuple[Epoch, ...]
    encoder: dict[str, Any]
    cycle: tuple[dict[str, Any], ...]
    draws: dict[str, Any]
    noise: list[Tensor]


def train_on(
    lesson: Lesson,
    settings: EncoderSettings,
    seed: int,
    threads: int,
    *,
    architecture: Callable[..., DualEncoder] = DualEncoder,
    group: ProcessGroup = ALONE,
    resumed: Progress | None = None,
    keep: Callable[[Progress], None] | None = None,
) -> TrainedEncoder:
    """Learn embeddings whose scaled dot products are the log lifts of both relations.

    Args:
        lesson: pairs, edges and attributes.
        settings: of the loop; the pairs of a batch are shared evenly by the processes.
        seed: of everything drawn.
        threads: of torch, in each process.
        architecture: what makes the encoder.
        group: the processes that train together, all of which call this with the same arguments.
        resumed: where a loop that was broken off stood.
        keep: called after every epoch.
    """
    heard = lesson.heard
    generator = np.random.default_rng([seed, Stream.ENCODER_STEPS])
    console = Console(stderr=True, quiet=group.rank > 0)
    with reproducible(seed, threads):
        connected = torch.from_numpy(heard.connected)
        encoder = architecture(
            lesson.inputs, connected, settings.dimension, settings.layers, temperature=settings.temperature
        )
        cycle = OneCycle(encoder, settings.learning_rate, settings.epochs * settings.steps)
        sampler = DirectedSampler(heard, budget_by_degree(heard, settings.fan_out, settings.degree_power), seed)
        if group.size > 1:
            # Else all processes would hide the same products' free vectors.
            torch.manual_seed(seed + group.rank)
        epochs: list[Epoch] = []
        if resumed is not None:
            epochs = list(resumed.epochs)
            encoder.load_state_dict(resumed.encoder)
            cycle.resume(resumed.cycle)
            generator.bit_generator.state = resumed.draws
            torch.set_rng_state(resumed.noise[group.rank])
        embed = group.averaging(encoder)
        for number in range(len(epochs) + 1, settings.epochs + 1):
            losses = []
            encoder.train()
            name = f"epoch {number}/{settings.epochs}"
            batches = _batches(heard, sampler, lesson.learnt, settings, generator, group)
            quiet = not console.is_terminal or console.quiet
            for batch in track(batches, name, console=console, transient=True, disable=quiet):
                loss = _loss(encoder, embed, batch, group)
                cycle.step(loss)
                losses.append(loss.item())
            embedded = infer(encoder, heard)
            told = tuple(
                information(embedded, relation, pairs, seed)
                for relation, pairs in zip(RELATIONS, lesson.held_out, strict=True)
            )
            epochs.append(Epoch(number, group.mean(float(np.mean(losses))), told))
            figures = ", ".join(f"{relation} {nats:.3f}" for relation, nats in zip(RELATIONS, told, strict=True))
            console.print(f"{name}: nats a held-out pair beyond popularity: {figures}", highlight=False)
            if keep is not None:
                noise = group.collect(torch.get_rng_state())
                draws = dict(generator.bit_generator.state)
                keep(Progress(tuple(epochs), encoder.state_dict(), cycle.state(), draws, noise))
        embeddings = infer(encoder, lesson.messages)
    return TrainedEncoder(encoder, embeddings, tuple(epochs), sum(len(pairs.source) for pairs in lesson.held_out))


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


def _loss(encoder: DualEncoder, embed: nn.Module, batch: HeteroData, group: ProcessGroup) -> Tensor:
    """Both relations' softmax of each pair's target among the targets of its batch, those of other processes too."""
    edges = batch[LEADS_TO].edge_index, batch[LED_FROM].edge_index
    source, target = embed(batch[PRODUCT].n_id, *edges, _reach(batch))
    by_relation = batch[LEADS_TO].edge_label_index.chunk(len(RELATIONS), dim=1)
    losses = [
        functional.cross_entropy(
            encoder.log_lifts(relation, source[u], group.gather(target[v])),
            torch.arange(len(u)) + group.rank * len(u),
        )
        for relation, (u, v) in enumerate(by_relation)
    ]
    return torch.stack(losses).sum()


def _batches(
    graph: ProductGraph,
    sampler: DirectedSampler,
    relations: Sequence[PairSupport],
    settings: EncoderSettings,
    generator: np.random.Generator,
    group: ProcessGroup,
) -> LinkLoader:
    """This process's part of an epoch: as many pairs of each relation, one after the other, with what products hear."""
    drawn = [np.stack(pairs.draw(settings.steps * settings.batch_pairs, generator)) for pairs in relations]
    by_step = np.stack([pairs.reshape(2, settings.steps, settings.batch_pairs) for pairs in drawn], axis=2)
    own = by_step[..., group.part(settings.batch_pairs)]
    if group.size > 1:
        sampler.hide(by_step.transpose(1, 0, 2, 3).reshape(settings.steps, 2, -1))
    return LinkLoader(
        graph_data(graph),
        sampler,
        edge_label_index=(LEADS_TO, torch.from_numpy(own.reshape(2, -1))),
        batch_size=own.shape[2] * own.shape[3],
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
