"""Each neighbour is picked as often as theory says, whichever way the kernel draws."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, chisquare

from onward.graph.budgets import Budget
from onward.graph.product_graph import ProductGraph
from onward.graph.sampling_kernel import NO_EDGE, NeighbourhoodSampler

pytestmark = pytest.mark.statistical

NOTHING = np.empty(0, np.int64)


def make_graph(products, pairs):
    edges = pd.DataFrame({"source": [u for u, _ in pairs], "target": [v for _, v in pairs]})
    for name in ("support", "reverse_support", "expected", "score"):
        edges[name] = 1.0
    nodes = pd.DataFrame({"product": [0], "customers": [1], "fresh_customers": [1]})
    return ProductGraph.from_tables(products, edges, nodes)


def make_sampler(graph, fan, weight=None, walks=0):
    fans = np.full((1, graph.products), fan)
    further = np.full((1, graph.products), walks)
    in_weight = None if weight is None else weight[graph.in_edges]
    return NeighbourhoodSampler(graph, Budget(fans, fans, further, further, weight, in_weight))


def inclusion_counts(sampler, draws, excluded=NOTHING, edges=None):
    counts = np.zeros(edges)
    sizes = set()
    for seed in range(draws):
        picked = sampler.sample(np.array([0]), NOTHING, excluded, seed=seed * 7919).out_numbers
        counts[picked] += 1
        sizes.add(len(picked))
    return counts, sizes


@pytest.mark.parametrize(
    ("degree", "fan", "excluded"), [(12, 5, 0), (12, 5, 4), (200, 3, 0), (200, 3, 20), (200, 3, 190)]
)
def test_inclusion_is_uniform_over_allowed_edges(degree, fan, excluded):
    star = make_graph(degree + 1, [(0, v) for v in range(1, degree + 1)])
    draws = 8000
    counts, sizes = inclusion_counts(make_sampler(star, fan), draws, np.arange(excluded), degree)
    allowed = counts[excluded:]
    assert sizes == {fan}
    assert counts[:excluded].sum() == 0
    # Fixed-size samples vary less than the multinomial that chi-square assumes, so this is the safe side.
    assert chisquare(allowed, np.full(len(allowed), draws * fan / len(allowed))).pvalue > 1e-4


def successive_inclusion(weights, fan):
    """P(held) of each item when `fan` are drawn one by one in proportion to the weights of those left: every order."""
    chances = np.zeros(len(weights))
    for order in permutations(range(len(weights)), fan):
        left, chance = weights.sum(), 1.0
        for item in order:
            chance *= weights[item] / left
            left -= weights[item]
        chances[list(order)] += chance
    return chances


def distance(counts, chances, draws):
    """Sum over items of the squared standard score: below a chi-square of as many degrees, items being dependent."""
    return float(((counts - draws * chances) ** 2 / (draws * chances * (1 - chances))).sum())


@pytest.mark.parametrize("excluded", [0, 2])
def test_weighted_inclusion_is_that_of_successive_sampling_by_keys(excluded):
    weight = np.array([9.0, 4.0, 1.0, 1.0, 2.0, 0.5, 3.0])
    star = make_graph(8, [(0, v) for v in range(1, 8)])
    draws = 20_000
    counts, sizes = inclusion_counts(make_sampler(star, 3, weight), draws, np.arange(excluded), 7)
    chances = successive_inclusion(weight[excluded:], 3)
    assert sizes == {3}
    assert counts[:excluded].sum() == 0
    assert chi2.sf(distance(counts[excluded:], chances, draws), 7 - excluded) > 1e-4
    naive = np.minimum(3 * weight[excluded:] / weight[excluded:].sum(), 1)
    assert np.abs(naive - chances).max() > 0.05, "else this would not tell the scheme from one by size"


def test_weighted_inclusion_is_that_of_successive_sampling_by_repeated_draws():
    """A hub of 60 edges in six classes of ten: two drawn, the chance is known by class."""
    weight = np.repeat([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], 10)
    hub = make_graph(61, [(0, v) for v in range(1, 61)])
    draws = 30_000
    counts, sizes = inclusion_counts(make_sampler(hub, 2, weight), draws, NOTHING, 60)
    share = weight / weight.sum()
    second = np.array([sum(share[j] * share[i] / (1 - share[j]) for j in range(60) if j != i) for i in range(60)])
    assert sizes == {2}
    assert chi2.sf(distance(counts, share + second, draws), 60) > 1e-4


def test_walks_end_where_two_steps_lead():
    """0 -> {1, 2}, 1 -> {3, 4}, 2 -> 5; 6 -> {0, 7}: half of the walks go on from a follower, half to a sibling."""
    graph = make_graph(8, [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (6, 0), (6, 7)])
    sampler = make_sampler(graph, 9, walks=1)
    draws = 40_000
    ends = np.zeros(8)
    for seed in range(draws):
        found = sampler.sample(np.array([0]), NOTHING, NOTHING, seed=seed * 104_729)
        walked = found.out_numbers == NO_EDGE
        assert walked.sum() <= 1
        ends[found.nodes[found.out_edges[1][walked]]] += 1
    one = np.array([0, 0, 0, 1 / 8, 1 / 8, 1 / 4, 0, 1 / 4])
    chances = one * (1 + (1 - one.sum()))  # a second walk follows one that came home
    assert ends[[0, 1, 2, 6]].sum() == 0
    reached = [3, 4, 5, 7]
    assert chi2.sf(distance(ends[reached], chances[reached], draws), 4) > 1e-4
