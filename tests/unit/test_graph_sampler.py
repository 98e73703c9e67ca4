"""The sampler: real edges, both directions, fan-out kept, target edges left out, one seed one draw."""

import warnings

import numpy as np
import pytest

from builders.sampler_contract import make_graph
from onward.errors import DataError
from onward.graph.budgets import Budget, uniform_budget
from onward.graph.sampling_kernel import NeighbourhoodSampler

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric scripts a class at import
    import torch
    from torch_geometric.loader import LinkLoader, NodeLoader
    from torch_geometric.sampler import EdgeSamplerInput, NegativeSampling, NodeSamplerInput

    from onward.graph.sampler import LEADS_TO, LED_FROM, PRODUCT, DirectedSampler, graph_data

NONE = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(3)
    pairs = {(int(u), int(v)) for u, v in rng.integers(0, 60, (700, 2)) if u != v}
    return make_graph(64, sorted(pairs))


def kernel(graph, fans=(5, 4)):
    return NeighbourhoodSampler(graph, uniform_budget(graph, fans))


def test_sampled_edges_exist_and_are_distinct(graph):
    found = kernel(graph).sample(np.arange(10), np.arange(5, 20), NONE, seed=1)
    for edges, numbers in ((found.out_edges, found.out_numbers), (found.in_edges, found.in_numbers)):
        assert (found.nodes[edges[0]] == graph.sources[numbers]).all()
        assert (found.nodes[edges[1]] == graph.out_targets[numbers]).all()
        assert len(np.unique(numbers)) == len(numbers)
    assert len(np.unique(found.nodes)) == len(found.nodes)


def test_seeds_are_found_again_even_when_repeated(graph):
    sources, targets = np.array([7, 3, 7]), np.array([3, 9])
    found = kernel(graph).sample(sources, targets, NONE, seed=1)
    assert found.nodes[found.seed_sources].tolist() == sources.tolist()
    assert found.nodes[found.seed_targets].tolist() == targets.tolist()


def test_roles_alternate():
    """0 -> 1 <- 2 -> 3: s_0 needs t_1, which needs s_2 (and s_0), which at one hop more would need t_3."""
    chain = make_graph(4, [(0, 1), (2, 1), (2, 3)])
    two = kernel(chain, (9, 9)).sample(np.array([0]), NONE, NONE, seed=1)
    assert sorted(two.nodes) == [0, 1, 2]
    assert two.out_numbers.tolist() == [0]
    assert sorted(two.in_numbers) == [0, 1]
    three = kernel(chain, (9, 9, 9)).sample(np.array([0]), NONE, NONE, seed=1)
    assert sorted(three.nodes) == [0, 1, 2, 3]


def test_fan_out_is_kept_product_by_product_and_hop_by_hop(graph):
    rng = np.random.default_rng(0)
    out_fan, in_fan = rng.integers(0, 6, (2, 64)), rng.integers(0, 6, (2, 64))
    seeds = np.arange(8)
    found = NeighbourhoodSampler(graph, Budget(out_fan, in_fan, *np.zeros((2, 2, 64), np.int64))).sample(
        seeds, seeds, NONE, seed=5
    )
    kept = np.bincount(graph.sources[found.out_numbers], minlength=64)
    assert (kept[seeds] == np.minimum(out_fan[0], graph.out_degrees)[seeds]).all()
    assert (kept[8:] <= np.minimum(out_fan[1], graph.out_degrees)[8:]).all()
    kept = np.bincount(graph.out_targets[found.in_numbers], minlength=64)
    assert (kept[seeds] == np.minimum(in_fan[0], graph.in_degrees)[seeds]).all()


def test_excluded_edges_take_no_part_in_either_relation(graph):
    excluded = np.arange(0, graph.edges, 2)
    everything = np.arange(64)
    sampler = kernel(graph, (100, 100))
    found = sampler.sample(everything, everything, excluded, seed=2)
    left = np.setdiff1d(np.arange(graph.edges), excluded)
    assert sorted(found.out_numbers) == sorted(found.in_numbers) == left.tolist()
    again = sampler.sample(everything, everything, NONE, seed=2)
    assert len(again.out_numbers) == graph.edges, "one call's exclusions must not outlive it"


def test_a_hub_whose_edges_are_nearly_all_excluded_still_gives_the_rest():
    star = make_graph(301, [(0, v) for v in range(1, 301)])
    found = kernel(star, (3,)).sample(np.array([0]), NONE, np.arange(298), seed=1)
    assert sorted(found.out_numbers) == [298, 299]


def test_one_seed_one_draw(graph):
    draws = [kernel(graph).sample(np.arange(6), NONE, NONE, seed=seed).out_numbers for seed in (1, 1, 2)]
    assert draws[0].tolist() == draws[1].tolist()
    assert draws[0].tolist() != draws[2].tolist()


def test_a_large_walk_outgrows_its_first_arrays():
    products = 3000
    pairs = [(u, (u + step) % products) for u in range(products) for step in (1, 2)]
    ring = make_graph(products, pairs)
    everything = np.arange(products)
    found = kernel(ring, (2,)).sample(everything, everything, NONE, seed=1)
    assert len(found.out_numbers) == len(found.in_numbers) == len(pairs)


def test_fans_of_another_shape_are_refused(graph):
    two, one = uniform_budget(graph, (2, 2)), uniform_budget(graph, (2,))
    with pytest.raises(DataError, match="in_fan has shape"):
        Budget(two.out_fan, one.in_fan, two.out_walks, two.in_walks)
    with pytest.raises(DataError, match="a budget for 4 products"):
        NeighbourhoodSampler(graph, uniform_budget(make_graph(4, [(0, 1)]), (2,)))


def test_link_loader_batches_hold_both_relations_without_their_own_edges(graph):
    edges = torch.from_numpy(np.stack([graph.sources, graph.out_targets]))
    sampler = DirectedSampler(graph, uniform_budget(graph, (50, 50)), seed=1)
    loader = LinkLoader(
        graph_data(graph), sampler, (LEADS_TO, edges), neg_sampling=NegativeSampling("triplet"), batch_size=32
    )
    for number, batch in enumerate(loader):
        asked = edges[:, number * 32 : (number + 1) * 32]
        products = batch[PRODUCT].n_id
        assert products[batch[PRODUCT].src_index].tolist() == asked[0].tolist()
        assert products[batch[PRODUCT].dst_pos_index].tolist() == asked[1].tolist()
        assert len(batch[PRODUCT].dst_neg_index) == asked.shape[1]
        target_edges = set(map(tuple, asked.T.tolist()))
        forwards = products[batch[LEADS_TO].edge_index]
        backwards = products[batch[LED_FROM].edge_index].flip(0)
        for sampled in (forwards, backwards):
            found = set(map(tuple, sampled.T.tolist()))
            assert found
            assert not found & target_edges
            assert found <= set(map(tuple, edges.T.tolist()))


def test_a_part_of_a_batch_hides_the_whole_batchs_edges(graph):
    drawn = np.random.default_rng(5).permutation(graph.edges)[:24]
    pairs = np.stack([graph.sources, graph.out_targets])[:, drawn]
    batches = pairs.reshape(2, 3, 8).transpose(1, 0, 2)
    sampler = DirectedSampler(graph, uniform_budget(graph, (60,)), seed=1)
    sampler.hide(batches)
    own = torch.from_numpy(batches[..., 4:].transpose(1, 0, 2).reshape(2, -1).copy())
    loader = LinkLoader(graph_data(graph), sampler, edge_label_index=(LEADS_TO, own), batch_size=4)
    for step, batch in enumerate(loader):
        hidden = set(map(tuple, batches[step].T.tolist()))
        products = batch[PRODUCT].n_id
        for edges in (products[batch[LEADS_TO].edge_index], products[batch[LED_FROM].edge_index].flip(0)):
            heard = set(map(tuple, edges.T.tolist()))
            assert heard
            assert not heard & hidden


def test_link_loader_without_negatives_gives_edge_labels(graph):
    sampler = DirectedSampler(graph, uniform_budget(graph, (3,)), seed=1)
    edges = torch.from_numpy(np.stack([graph.sources, graph.out_targets]))[:, :10]
    batch = next(iter(LinkLoader(graph_data(graph), sampler, (LEADS_TO, edges), batch_size=10)))
    assert batch[PRODUCT].n_id[batch[LEADS_TO].edge_label_index].tolist() == edges.tolist()


def test_node_loader_puts_its_seeds_first(graph):
    sampler = DirectedSampler(graph, uniform_budget(graph, (3, 3)), seed=1)
    loader = NodeLoader(graph_data(graph), sampler, input_nodes=(PRODUCT, torch.arange(20, 30)), batch_size=10)
    batch = next(iter(loader))
    assert batch[PRODUCT].n_id[:10].tolist() == list(range(20, 30))
    assert batch[LEADS_TO].edge_index.shape[1] > 0
    assert batch[LED_FROM].edge_index.shape[1] > 0


def test_a_batch_is_the_same_whoever_loads_it_and_when(graph):
    def draw(sampler, nodes):
        return sampler.sample_from_nodes(NodeSamplerInput(None, torch.tensor(nodes))).edge[LEADS_TO].tolist()

    first, second = (DirectedSampler(graph, uniform_budget(graph, (3,)), seed=1) for _ in "ab")
    draw(second, [9])
    assert draw(first, [1, 2]) == draw(second, [1, 2])
    other = DirectedSampler(graph, uniform_budget(graph, (3,)), seed=2)
    assert draw(first, [1, 2, 3, 4]) != draw(other, [1, 2, 3, 4])


def test_sources_are_wanted_as_sources_only_and_targets_as_targets_only():
    """0 -> 1 -> 2 -> 3 and the pair (1, 2): who leads to 1, and what 2 leads to, is not asked."""
    chain = make_graph(5, [(0, 1), (1, 2), (2, 3), (1, 4), (4, 2)])
    sampler = DirectedSampler(chain, uniform_budget(chain, (9,)), seed=1)
    output = sampler.sample_from_edges(EdgeSamplerInput(None, torch.tensor([1]), torch.tensor([2])))
    heard = {
        relation: {(int(chain.sources[edge]), int(chain.out_targets[edge])) for edge in output.edge[relation].tolist()}
        for relation in (LEADS_TO, LED_FROM)
    }
    assert heard == {LED_FROM: {(1, 4)}, LEADS_TO: {(4, 2)}}


def test_negatives_follow_their_weights_and_number(graph):
    sampler = DirectedSampler(graph, uniform_budget(graph, (3,)), seed=1)
    weight = torch.zeros(64, dtype=torch.bool)
    weight[[0, 5]] = True
    wanted = EdgeSamplerInput(None, torch.tensor([1, 2]), torch.tensor([3, 4]))
    output = sampler.sample_from_edges(wanted, NegativeSampling("triplet", amount=50, dst_weight=weight))
    drawn = output.node[PRODUCT][output.metadata[3]]
    assert len(drawn) == 100
    assert set(drawn.tolist()) == {0, 5}
