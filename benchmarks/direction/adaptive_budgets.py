"""Sampling budgets that give products of low degree more neighbours and hubs fewer."""

import numpy as np

from benchmarks.direction.degree_law import DegreeLaw
from onward.graph.budgets import Budget
from onward.graph.edge_sampling import BoolArray
from onward.graph.product_graph import FloatArray, IntArray, ProductGraph


def adaptive_budget(
    graph: ProductGraph,
    fan_out: tuple[int, ...],
    out_law: DegreeLaw,
    in_law: DegreeLaw,
    most_walks: int,
    preference: float,
) -> Budget:
    """As many neighbours in all as `uniform_budget` gives, but more for products of low degree and fewer for hubs.

    A product of degree d is allowed c P(D >= d) neighbours under the law of its degrees, at least one. What its own
    edges cannot fill is filled from a further hop. Where an allowance is smaller than the degree, neighbours whose
    own degree (in the role in which they are heard) is high are preferred, since they carry more information. For
    each hop and role, c is chosen so that the neighbours of all products together are as many as in the uniform
    budget, or hardly fewer. After BLADE (Virinchi and Saladi, WSDM 2023); the form is ours.

    Args:
        graph: the directed product graph.
        fan_out: of the uniform budget whose total is spent.
        out_law: of out-degrees.
        in_law: of in-degrees.
        most_walks: how many neighbours of a further hop a product gets at most; 0 leaves them out.
        preference: weight of a neighbour is (1 + degree) to this power; 0 prefers none.
    """
    fans, walks = [], []
    for degrees, law in ((graph.out_degrees, out_law), (graph.in_degrees, in_law)):
        chance = law.survival(np.maximum(degrees, 1))
        by_hop = [
            _shared_out(chance, degrees, graph.connected, int(np.minimum(degrees, fan).sum()), most_walks)
            for fan in fan_out
        ]
        fans.append(np.stack([fan for fan, _ in by_hop]))
        walks.append(np.stack([walk for _, walk in by_hop]))
    if preference == 0:
        return Budget(fans[0], fans[1], walks[0], walks[1])
    out_weight = np.power(1.0 + graph.in_degrees[graph.out_targets], preference, dtype=np.float64)
    in_weight = np.power(1.0 + graph.out_degrees[graph.in_sources], preference, dtype=np.float64)
    return Budget(fans[0], fans[1], walks[0], walks[1], out_weight, in_weight)


def neighbours_allowed(graph: ProductGraph, budget: Budget) -> IntArray:
    """[hops, 2] neighbours that all products together may be heard by, as sources and as targets."""
    pairs = ((budget.out_fan, budget.out_walks, graph.out_degrees), (budget.in_fan, budget.in_walks, graph.in_degrees))
    return np.stack([(np.minimum(fan, degrees) + walks).sum(axis=1) for fan, walks, degrees in pairs], axis=1)


def _shared_out(
    chance: FloatArray, degrees: IntArray, connected: BoolArray, total: int, most_walks: int
) -> tuple[IntArray, IntArray]:
    """Fan and walks of each product for the largest c whose total is not exceeded, by bisection."""
    # Products of one degree are rounded up or down by turns (the golden ratio spreads them), or totals would leap.
    rounding = np.arange(len(degrees)) * 0.6180339887498949 % 1.0

    def spend(c: float) -> tuple[IntArray, IntArray]:
        allowed = np.maximum(np.floor(c * chance + rounding), 1).astype(np.int64)
        walks = np.where(connected, np.clip(allowed - degrees, 0, most_walks), 0)
        return allowed, walks

    low, high = 0.0, float(degrees.max(initial=1)) / max(float(chance.min(initial=1.0)), 1e-9)
    for _ in range(60):
        middle = (low + high) / 2
        fan, walks = spend(middle)
        if int((np.minimum(fan, degrees) + walks).sum()) <= total:
            low = middle
        else:
            high = middle
    return spend(low)
