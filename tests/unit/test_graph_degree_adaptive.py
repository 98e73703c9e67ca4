"""Samplers of degree-adaptive budgets keep the contract of all, and spend their total where degrees are low."""

import numpy as np
import pytest

from builders.sampler_contract import FAN_OUT, NONE, SamplerContract, long_tailed_graph
from onward.graph.budgets import budget_by_degree, degree_adaptive_budget, uniform_budget
from onward.graph.sampling_kernel import NeighbourhoodSampler

POWER = 1.0


@pytest.fixture(scope="module")
def graph():
    return long_tailed_graph()


def neighbours_allowed(graph, budget):
    """[hops, 2] neighbours that all products together may be heard by, as sources and as targets."""
    pairs = ((budget.out_fan, budget.out_walks, graph.out_degrees), (budget.in_fan, budget.in_walks, graph.in_degrees))
    return np.stack([(np.minimum(fan, degrees) + walks).sum(axis=1) for fan, walks, degrees in pairs], axis=1)


class AdaptiveContract(SamplerContract):
    """Inherited by every sampler of an adaptive budget."""

    def test_the_total_is_that_of_the_uniform_budget(self, graph):
        uniform = neighbours_allowed(graph, uniform_budget(graph, FAN_OUT))
        ours = neighbours_allowed(graph, self.budget(graph))
        assert (ours <= uniform).all()
        assert (ours > 0.97 * uniform).all()


class TestAdaptive(AdaptiveContract):
    def budget(self, graph):
        return degree_adaptive_budget(graph, FAN_OUT, POWER, most_walks=6, preference=0.5)


class TestAdaptiveWithoutPreferenceOrFurtherHop(AdaptiveContract):
    def budget(self, graph):
        return degree_adaptive_budget(graph, FAN_OUT, POWER, most_walks=0, preference=0.0)


def test_adaptive_gives_more_where_there_is_less(graph):
    uniform, adaptive = uniform_budget(graph, FAN_OUT), TestAdaptive().budget(graph)
    for fan, walks, even, degrees in (
        (adaptive.out_fan[0], adaptive.out_walks[0], uniform.out_fan[0], graph.out_degrees),
        (adaptive.in_fan[0], adaptive.in_walks[0], uniform.in_fan[0], graph.in_degrees),
    ):
        heard = np.minimum(fan, degrees) + walks
        order = np.argsort(degrees, kind="stable")
        assert (np.diff(fan[order]) <= 1).all(), "but for rounding by turns"
        lowest, hubs = (degrees > 0) & (degrees <= 2), degrees >= np.quantile(degrees, 0.95)
        assert (heard[lowest] > np.minimum(even, degrees)[lowest]).all(), "a further hop fills what edges cannot"
        assert (heard[hubs] < even[hubs]).all()
        assert (heard >= 1)[degrees > 0].all()


def test_adaptive_prefers_neighbours_of_high_degree(graph):
    hub = int(np.argmax(graph.out_degrees))
    degrees = []
    for preference in (0.0, 1.0):
        budget = degree_adaptive_budget(graph, (3,), POWER, most_walks=0, preference=preference)
        kernel = NeighbourhoodSampler(graph, budget)
        draws = [kernel.sample(np.array([hub]), NONE, NONE, seed=seed).out_numbers for seed in range(200)]
        degrees.append(graph.in_degrees[graph.out_targets[np.concatenate(draws)]].mean())
    assert degrees[1] > 1.2 * degrees[0]


def test_power_0_is_the_uniform_budget_and_more_power_gives_hubs_less(graph):
    uniform = uniform_budget(graph, FAN_OUT)
    same = budget_by_degree(graph, FAN_OUT, 0.0)
    assert np.array_equal(same.out_fan, uniform.out_fan)
    assert same.out_weight is None
    hub = int(np.argmax(graph.out_degrees))
    fans = [int(budget_by_degree(graph, FAN_OUT, power).out_fan[0, hub]) for power in (0.0, 0.25, 0.5, 1.0)]
    assert fans == sorted(fans, reverse=True)
    assert fans[0] > fans[-1] >= 1
