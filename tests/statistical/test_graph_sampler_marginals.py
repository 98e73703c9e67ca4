"""Every neighbour is equally likely, whichever way the kernel draws."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

from onward.graph.product_graph import ProductGraph
from onward.graph.sampling_kernel import NeighbourhoodSampler

pytestmark = pytest.mark.statistical


@pytest.mark.parametrize(
    ("degree", "fan", "excluded"), [(12, 5, 0), (12, 5, 4), (200, 3, 0), (200, 3, 20), (200, 3, 190)]
)
def test_inclusion_is_uniform_over_allowed_edges(degree, fan, excluded):
    edges = pd.DataFrame({"source": 0, "target": range(1, degree + 1)})
    for name in ("support", "reverse_support", "expected", "score"):
        edges[name] = 1.0
    nodes = pd.DataFrame({"product": [0], "customers": [1], "fresh_customers": [1]})
    star = ProductGraph.from_tables(degree + 1, edges, nodes)
    every = np.full((1, degree + 1), fan)
    sampler = NeighbourhoodSampler(star, every, every)
    left_out = np.arange(0, excluded)
    draws = 8000
    counts = np.zeros(degree)
    for seed in range(draws):
        picked = sampler.sample(np.array([0]), np.empty(0, np.int64), left_out, seed=seed * 7919).out_numbers
        assert len(picked) == fan
        counts[picked] += 1
    allowed = counts[excluded:]
    assert counts[:excluded].sum() == 0
    # Fixed-size samples vary less than the multinomial that chi-square assumes, so this is the safe side.
    assert chisquare(allowed, np.full(len(allowed), draws * fan / len(allowed))).pvalue > 1e-4
