"""How many neighbours a product may be heard by.

A budget says, for each product, hop and role, how many edges a sample keeps at most, how many products of a further
hop are added to them, and which neighbours are preferred. In and out degrees have budgets of their own. A budget is
uniform, or degree-adaptive (BLADE; Virinchi and Saladi, WSDM 2023): as many edges in all, fewer of them around hubs.
"""

from dataclasses import dataclass

import numpy as np

from onward.errors import DataError
from onward.graph.edge_sampling import BoolArray
from onward.graph.product_graph import FloatArray, IntArray, ProductGraph

MOST_WALKS = 8
"""Products of a further hop that a product of few edges hears at most."""
PREFERENCE = 0.5
"""A neighbour is preferred by its own degree to this power: what is connected more has more to say."""


@dataclass(frozen=True)
class Budget:
    """What a sample may take; see the module's docstring.

    Attributes:
        out_fan: [hops, P] how many out-edges a product in the source role keeps at most.
        in_fan: [hops, P] the same for in-edges and the target role.
        out_walks: [hops, P] how many targets two steps away are added for a product in the source role.
        in_walks: [hops, P] the same for sources and the target role.
        out_weight: [E] preference among out-edges, in the graph's order; None prefers none.
        in_weight: [E] preference among in-edges, in the order of the reverse relation.
    """

    out_fan: IntArray
    in_fan: IntArray
    out_walks: IntArray
    in_walks: IntArray
    out_weight: FloatArray | None = None
    in_weight: FloatArray | None = None

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit together.

        Raises:
            DataError: they do not.
        """
        expected = self.out_fan.shape
        for name in ("in_fan", "out_walks", "in_walks"):
            if (shape := getattr(self, name).shape) != expected:
                raise DataError(
                    f"budget: {name} has shape {shape}, expected {expected} (hops, products) as out_fan has"
                )


def uniform_budget(graph: ProductGraph, fan_out: tuple[int, ...]) -> Budget:
    """The same fan-out for every product, one number a hop, every neighbour equally likely."""
    fan = np.repeat(np.array(fan_out, dtype=np.int64)[:, None], graph.products, axis=1)
    return Budget(fan, fan, np.zeros_like(fan), np.zeros_like(fan))


def budget_by_degree(graph: ProductGraph, fan_out: tuple[int, ...], power: float) -> Budget:
    """The uniform budget at power 0, a degree-adaptive one above.

    Args:
        graph: the directed product graph.
        fan_out: of the uniform budget, one number a hop.
        power: β of `degree_adaptive_budget`.
    """
    return degree_adaptive_budget(graph, fan_out, power) if power > 0.0 else uniform_budget(graph, fan_out)


def degree_adaptive_budget(
    graph: ProductGraph,
    fan_out: tuple[int, ...],
    power: float,
    most_walks: int = MOST_WALKS,
    preference: float = PREFERENCE,
) -> Budget:
    """As many neighbours in all as `uniform_budget` gives, but more for products of low degree and fewer for hubs.

    A product of degree d is allowed c d^-β neighbours, at least one: where degrees follow a power law, that is BLADE's
    share P(D >= d) of its radius. What its own edges cannot fill is filled from a further hop. Where an allowance is
    smaller than the degree, neighbours whose own degree (in the role in which they are heard) is high are preferred.
    For each hop and role, c is chosen so that the neighbours of all products together are as many as in the uniform
    budget, or hardly fewer. After BLADE (Virinchi and Saladi, WSDM 2023); the form is ours.

    Args:
        graph: the directed product graph.
        fan_out: of the uniform budget whose total is spent.
        power: β.
        most_walks: how many neighbours of a further hop a product gets at most; 0 leaves them out.
        preference: weight of a neighbour is (1 + degree) to this power; 0 prefers none.
    """
    fans, walks = [], []
    for degrees in (graph.out_degrees, graph.in_degrees):
        share = np.power(np.maximum(degrees, 1), -power, dtype=np.float64)
        by_hop = [
            _shared_out(share, degrees, graph.connected, int(np.minimum(degrees, fan).sum()), most_walks)
            for fan in fan_out
        ]
        fans.append(np.stack([fan for fan, _ in by_hop]))
        walks.append(np.stack([walk for _, walk in by_hop]))
    if preference == 0.0:
        return Budget(fans[0], fans[1], walks[0], walks[1])
    out_weight = np.power(1.0 + graph.in_degrees[graph.out_targets], preference, dtype=np.float64)
    in_weight = np.power(1.0 + graph.out_degrees[graph.in_sources], preference, dtype=np.float64)
    return Budget(fans[0], fans[1], walks[0], walks[1], out_weight, in_weight)


def _shared_out(
    share: FloatArray, degrees: IntArray, connected: BoolArray, total: int, most_walks: int
) -> tuple[IntArray, IntArray]:
    """Fan and walks of each product for the largest c whose total is not exceeded, by bisection."""
    # Products of one degree are rounded up or down by turns (the golden ratio spreads them), or totals would leap.
    rounding = np.arange(len(degrees)) * 0.6180339887498949 % 1.0

    def spend(c: float) -> tuple[IntArray, IntArray]:
        allowed = np.maximum(np.floor(c * share + rounding), 1).astype(np.int64)
        walks = np.where(connected, np.clip(allowed - degrees, 0, most_walks), 0)
        return allowed, walks

    low, high = 0.0, float(degrees.max(initial=1)) / max(float(share.min(initial=1.0)), 1e-9)
    for _ in range(60):
        middle = (low + high) / 2
        fan, walks = spend(middle)
        if int((np.minimum(fan, degrees) + walks).sum()) <= total:
            low = middle
        else:
            high = middle
    return spend(low)
