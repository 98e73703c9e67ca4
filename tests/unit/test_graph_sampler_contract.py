"""The uniform sampler keeps the contract, and walks do what they promise."""

import numpy as np
import pytest

from builders.sampler_contract import FAN_OUT, NONE, SamplerContract, long_tailed_graph, make_graph
from onward.graph.budgets import Budget, uniform_budget
from onward.graph.sampling_kernel import NO_EDGE, NeighbourhoodSampler


@pytest.fixture(scope="module")
def graph():
    return long_tailed_graph()


class TestUniform(SamplerContract):
    def budget(self, graph):
        return uniform_budget(graph, FAN_OUT)


def test_a_walk_never_uses_an_edge_that_is_left_out():
    """0 -> 1 -> 2 and 3 -> 0, 3 -> 4: from source 0 walks end at 2 (onwards) and 4 (a sibling)."""
    chain = make_graph(5, [(0, 1), (1, 2), (3, 0), (3, 4)])
    one, walks = np.ones((1, 5), np.int64), np.full((1, 5), 3)
    kernel = NeighbourhoodSampler(chain, Budget(one, one, walks, walks))
    walked = {}
    for left_out in (None, (0, 1), (1, 2), (3, 0), (3, 4)):
        excluded = NONE if left_out is None else chain.find_edges(*np.array(left_out)[:, None])
        samples = [kernel.sample(np.array([0]), NONE, excluded, seed=seed) for seed in range(40)]
        ends = [sample.nodes[sample.out_edges[1][sample.out_numbers == NO_EDGE]] for sample in samples]
        walked[left_out] = set(np.concatenate(ends).tolist())
    assert walked == {None: {2, 4}, (0, 1): {4}, (1, 2): {4}, (3, 0): {2}, (3, 4): {2}}


def test_walks_of_the_two_roles_mirror_each_other():
    """Reversing every edge turns what a source hears of into what a target hears of."""
    pairs = [(0, 1), (1, 2), (3, 0), (3, 4), (2, 0)]
    one, walks = np.ones((1, 5), np.int64), np.full((1, 5), 8)
    there, back = (
        NeighbourhoodSampler(make_graph(5, way), Budget(one, one, walks, walks))
        for way in (pairs, [(v, u) for u, v in pairs])
    )
    for product in range(5):
        seed = np.array([product])
        ahead = [there.sample(seed, NONE, NONE, seed=i) for i in range(30)]
        behind = [back.sample(NONE, seed, NONE, seed=i) for i in range(30)]
        heard = {int(p) for sample in ahead for p in sample.nodes[sample.out_edges[1]]}
        assert heard == {int(p) for sample in behind for p in sample.nodes[sample.in_edges[0]]}
