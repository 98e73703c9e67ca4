"""A small encoder of sampled walks, trained by the answers they lead to: where a source leads, by what was read of it.

A target's evidence is the sum of its walks of a kind, each weighed by learnt powers of the degrees it passes, over the
sum of all walks of that kind. A gate, learnt for each bucket of the source's out-degree, mixes the three kinds with the
targets' popularity. It knows no attributes and has no vector of a product: all it hears of a product are messages.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numba import njit
from torch import Tensor, nn

from benchmarks.direction.thinned_graphs import Question
from benchmarks.direction.walks import ALTERNATING, KINDS, NOBODY, REVERSED, SIBLING, Queries, Rows, Small, Walks
from onward.ranking.chains import Floats
from onward.ranking.directed_graph import DirectedGraph, Ints
from onward.ranking.link_ranks import target_ranks

BUCKETS = ("0", "1–2", "3–5", "6–15", "16+")
_FIRST_OF_BUCKETS = (1, 3, 6, 16)
LOW_BUCKETS = 3
"""Out-degrees of 5 and less."""
LEARNING_RATE = 0.05

Sampler = Callable[[Queries, int], Walks]
"""Walks of queries with a seed."""


def bucket_of(degree: Ints) -> Ints:
    """[q] bucket of each out-degree."""
    return np.digitize(degree, _FIRST_OF_BUCKETS)


class WalkEncoder(nn.Module):
    """Weights of walks and gates of kinds; 29 numbers are learnt.

    Args:
        rows: the graph whose degrees weigh walks.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.tensor([0.0, 0.0, 1.0, -1.0]).repeat(len(BUCKETS), 1))
        # Of a kind: what powers of w's in-degree, x's out-degree and v's in-degree divide a walk's weight.
        self.powers = nn.Parameter(torch.tensor([1.0, 1.0, 0.5]).repeat(KINDS, 1))
        self.log_in = torch.from_numpy(np.log1p(rows.in_degrees)).float()
        self.log_out = torch.from_numpy(np.log1p(rows.out_degrees)).float()
        self.popularity = (rows.in_degrees + 1.0) / (rows.in_degrees.sum() + rows.nodes)

    def trust(self, degree: Ints) -> Floats:
        """[q, 2] what the gates give to SIBLING and ALTERNATING walks."""
        with torch.no_grad():
            shares = torch.softmax(self.gates, dim=1)[:, SIBLING:KINDS].double().numpy()
        found: Floats = shares[bucket_of(degree)]
        return found

    def gate(self, nothing: Tensor, degree: Ints) -> Tensor:
        """[q, KINDS + 1] shares of kinds, and of popularity last; a kind without walks, [q, KINDS], has none."""
        popular = torch.zeros(len(degree), 1, dtype=torch.bool)
        gates = self.gates[torch.from_numpy(bucket_of(degree))]
        return torch.softmax(gates.masked_fill(torch.cat([nothing, popular], dim=1), -1e9), dim=1)

    def forward(self, walks: Walks, degree: Ints) -> tuple[Tensor, Tensor]:
        """[m] chance that each walk gives its target, and [q] chance that popularity decides; together 1 a query."""
        kind, middle, last, target, query = (
            torch.from_numpy(each.astype(np.int64))
            for each in (walks.kind, walks.through[:, 0], walks.through[:, 1], walks.target, walks.query)
        )
        powers = self.powers[kind]
        passed = torch.stack(
            [
                torch.where(middle != NOBODY, self.log_in[middle], 0.0),
                torch.where(last != NOBODY, self.log_out[last], 0.0),
                self.log_in[target],
            ],
            dim=1,
        )
        weight = torch.exp(torch.from_numpy(np.log(walks.weight)).float() - (powers * passed).sum(dim=1))
        of_kind = query * KINDS + kind
        total = torch.zeros(len(degree) * KINDS).index_add(0, of_kind, weight)
        gate = self.gate(total.view(-1, KINDS) == 0, degree)
        chance = weight / total[of_kind] * gate[:, :KINDS].reshape(-1)[of_kind]
        return chance, gate[:, KINDS]


@dataclass(frozen=True)
class Trained:
    """An encoder, and how many edges a query of its training read in the mean."""

    encoder: WalkEncoder
    touched: float


@dataclass(frozen=True)
class Answers:
    """Of every query the rank of its answer, 1 for the best, and the edges it read."""

    rank: Floats
    touched: Ints


def train(rows: Rows, asked: Question, sampler: Sampler, steps: int, batch: int, seed: int) -> Trained:
    """Learn from sources whose answer is in the graph, but left out by walks; the loss is minus its log chance."""
    encoder = WalkEncoder(rows)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=LEARNING_RATE)
    generator = np.random.default_rng(seed)
    touched, asked_for = 0, 0
    for _ in range(steps):
        drawn = generator.choice(len(asked.source), min(batch, len(asked.source)), replace=False)
        source, answer = asked.source[drawn], asked.answer[drawn]
        degree = rows.out_degrees[source] - 1
        walks = sampler(Queries(source, answer, degree, encoder.trust(degree)), int(generator.integers(2**31)))
        chance, popular = encoder(walks, degree)
        right = torch.from_numpy(walks.target == answer[walks.query])
        query = torch.from_numpy(walks.query.astype(np.int64))
        found = torch.zeros(len(source)).index_add(0, query[right], chance[right])
        prior = torch.from_numpy(encoder.popularity[answer]).float()
        loss = -torch.log(found + popular * prior).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        touched += int(walks.touched.sum())
        asked_for += len(source)
    return Trained(encoder, touched / asked_for)


def answer(
    rows: Rows, encoder: WalkEncoder, asked: Question, sampler: Sampler, known: DirectedGraph, batch: int, seed: int
) -> Answers:
    """Rank each answer among all products but the source and its other targets in `known`; ties at the mean rank."""
    generator = np.random.default_rng(seed)
    order = np.argsort(encoder.popularity)
    ranks, touched = [], []
    for start in range(0, len(asked.source), batch):
        source, wanted = asked.source[start : start + batch], asked.answer[start : start + batch]
        degree = rows.out_degrees[source]
        queries = Queries(source, np.full(len(source), NOBODY), degree, encoder.trust(degree))
        walks = sampler(queries, int(generator.integers(2**31)))
        with torch.no_grad():
            chance, popular = (each.double().numpy() for each in encoder(walks, degree))
        ranks.append(
            _ranks(
                walks.query, walks.target, chance, popular, encoder.popularity, encoder.popularity[order],
                source, wanted, known.adjacency.indptr, known.adjacency.indices,
            )
        )  # fmt: skip
        touched.append(walks.touched)
    return Answers(np.concatenate(ranks), np.concatenate(touched))


def full_answers(rows: Rows, encoder: WalkEncoder, asked: Question, known: DirectedGraph, batch: int) -> Answers:
    """The same by every edge there is, as sums over all walks; a row is read once, u's own among them."""
    out, back = (
        sp.csr_matrix((np.ones(len(ends)), ends, offsets), (rows.nodes, rows.nodes))
        for offsets, ends in ((rows.out_offsets, rows.out_targets), (rows.in_offsets, rows.in_sources))
    )
    with torch.no_grad():
        powers = encoder.powers.double().numpy()
        inward, outward = encoder.log_in.double().numpy(), encoder.log_out.double().numpy()
    ranks, touched = [], []
    for start in range(0, len(asked.source), batch):
        source, wanted = asked.source[start : start + batch], asked.answer[start : start + batch]
        one = np.arange(len(source))
        middle, siblings = out[source], back[source]
        last = sp.csr_matrix(middle @ sp.diags_array(np.exp(-powers[ALTERNATING, 0] * inward)) @ back)
        whole = middle.sum(axis=1) + siblings.sum(axis=1)
        read = middle @ rows.in_degrees + sp.csr_matrix((last + siblings) > 0) @ rows.out_degrees
        touched.append(np.asarray(read).ravel() + np.asarray(whole).ravel())
        first = {REVERSED: siblings}
        for kind, through in ((SIBLING, siblings), (ALTERNATING, last)):
            first[kind] = through @ sp.diags_array(np.exp(-powers[kind, 1] * outward)) @ out
        degree = rows.out_degrees[source]
        evidence = np.zeros((KINDS, len(source), rows.nodes))
        for kind, reached in first.items():
            evidence[kind] = reached.toarray() * np.exp(-powers[kind, 2] * inward)
            for row, u in enumerate(source):
                evidence[kind, row, middle.indices[middle.indptr[row] : middle.indptr[row + 1]]] = 0.0
                evidence[kind, row, u] = 0.0
        total = evidence.sum(axis=2).T
        gate = encoder.gate(torch.from_numpy(total == 0), degree).detach().double().numpy()
        scores = np.einsum("kqn,qk->qn", evidence, gate[:, :KINDS] / np.maximum(total, 1e-300))
        scores += gate[:, KINDS:] * encoder.popularity
        pairs = np.stack([one, wanted], axis=1)
        barred = sp.csr_matrix(known.adjacency[source] + sp.csr_matrix((np.ones(len(one)), (one, source)), last.shape))
        ranks.append(target_ranks(scores.__getitem__, pairs, barred))
    return Answers(np.concatenate(ranks), np.concatenate(touched))


@njit(cache=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _ranks(
    query: Small,
    target: Small,
    chance: Floats,
    popular: Floats,
    popularity: Floats,
    ascending: Floats,
    source: Ints,
    wanted: Ints,
    known_offsets: Small,
    known_targets: Small,
) -> Floats:
    nodes = len(popularity)
    ranks, evidence = np.empty(len(source)), np.zeros(nodes)
    reached, barred = np.full(nodes, -1, np.int64), np.full(nodes, -1, np.int64)
    met, at = np.empty(nodes, np.int64), 0
    for number in range(len(source)):
        many = 0
        while at < len(query) and query[at] == number:
            v = target[at]
            if reached[v] != number:
                reached[v], evidence[v], met[many] = number, 0.0, v
                many += 1
            evidence[v] += chance[at]
            at += 1
        asked, prior = wanted[number], popular[number]
        score = prior * popularity[asked] + (evidence[asked] if reached[asked] == number else 0.0)
        # As if popularity alone spoke for all; then those are taken back of which more is known.
        better = nodes - np.searchsorted(prior * ascending, score, side="right")
        level = nodes - better - np.searchsorted(prior * ascending, score, side="left")
        barred[asked], barred[source[number]] = number, number
        for v in (asked, source[number]):
            alone = prior * popularity[v]
            better -= alone > score
            level -= alone == score
        for place in range(known_offsets[source[number]], known_offsets[source[number] + 1]):
            v = known_targets[place]
            if barred[v] != number:
                barred[v] = number
                alone = prior * popularity[v]
                better -= alone > score
                level -= alone == score
        for place in range(many):
            v = met[place]
            if barred[v] != number:
                alone = prior * popularity[v]
                better += (alone + evidence[v] > score) - (alone > score)
                level += (alone + evidence[v] == score) - (alone == score)
        ranks[number] = 1.0 + better + level / 2.0
    return ranks
