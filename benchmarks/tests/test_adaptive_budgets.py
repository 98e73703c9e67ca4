"""Samplers of adaptive budgets keep the contract of all samplers, and spend their total where degrees are low."""

import numpy as np
import pytest

from benchmarks.direction.adaptive_budgets import adaptive_budget, neighbours_allowed
from benchmarks.direction.degree_law import fit_degree_law
from builders.sampler_contract import FAN_OUT, NONE, SamplerContract, long_tailed_graph
from onward.graph.budgets import uniform_budget
from onward.graph.sampling_kernel import NeighbourhoodSampler


@pytest.fixture(scope="module")
def graph():
    return long_tailed_graph()


def laws(graph):
    return fit_degree_law(graph.out_degrees, d_min=1), fit_degree_law(graph.in_degrees, d_min=1)


class AdaptiveContract(SamplerContract):
    """Inherited by every sampler of an adaptive budget."""

    def test_the_total_is_that_of_the_uniform_budget(self, graph):
        uniform = neighbours_allowed(graph, uniform_budget(graph, FAN_OUT))
        ours = neighbours_allowed(graph, self.budget(graph))
        assert (ours <= uniform).all()
        assert (ours > 0.97 * uniform).all()


class TestAdaptive(AdaptiveContract):
    def budget(self, graph):
        return adaptive_budget(graph, FAN_OUT, *laws(graph), most_walks=6, preference=0.5)


class TestAdaptiveWithoutPreferenceOrFurtherHop(AdaptiveContract):
    def budget(self, graph):
        return adaptive_budget(graph, FAN_OUT, *laws(graph), most_walks=0, preference=0.0)


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
        budget = adaptive_budget(graph, (3,), *laws(graph), most_walks=0, preference=preference)
        kernel = NeighbourhoodSampler(graph, budget)
        draws = [kernel.sample(np.array([hub]), NONE, NONE, seed=seed).out_numbers for seed in range(200)]
        degrees.append(graph.in_degrees[graph.out_targets[np.concatenate(draws)]].mean())
    assert degrees[1] > 1.2 * degrees[0]
