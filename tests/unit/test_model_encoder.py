"""The dual encoder: symmetric in its roles, blind to numbering, kind to products without edges."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.errors import DataError
from onward.graph.budgets import uniform_budget
from onward.graph.product_graph import ProductGraph
from onward.graph.sampling_kernel import NeighbourhoodSampler
from onward.graph.together import together_neighbours
from onward.model.product_inputs import ProductInputs

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric scripts a class at import
    import torch

    from onward.model.encoder import DualEncoder, Reach
    from onward.model.losses import degree_matched, log_expected_counts, sampled_softmax
    from onward.model.training import EncoderSettings, Variant, infer, train_encoder

PRODUCTS = 12


def make_graph(pairs, products=PRODUCTS):
    edges = pd.DataFrame({"source": [u for u, _ in pairs], "target": [v for _, v in pairs]}, dtype=np.int64)
    for name in ("support", "reverse_support", "expected", "score"):
        edges[name] = 1.0
    nodes = pd.DataFrame({"product": range(products), "customers": 1, "fresh_customers": range(products)})
    return ProductGraph.from_tables(products, edges, nodes)


def make_inputs(products=PRODUCTS, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (products, 2))
    return ProductInputs(codes, (3, 3), rng.normal(size=(products, 2)).astype(np.float32))


def make_encoder(inputs, graph, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DualEncoder(inputs, torch.from_numpy(graph.connected), dimension=8, layers=2)


def swap_roles(encoder):
    state = encoder.state_dict()
    other = {"source": "target", "target": "source"}
    swapped = {}
    for name, value in state.items():
        parts = name.split(".")
        for i, part in enumerate(parts):
            for role, opposite in other.items():
                if role in part:
                    parts[i] = part.replace(role, opposite)
                    break
        swapped[".".join(parts)] = value.clone()
    encoder.load_state_dict(swapped)


PAIRS = st.sets(
    st.tuples(st.integers(0, PRODUCTS - 1), st.integers(0, PRODUCTS - 1)).filter(lambda pair: pair[0] != pair[1]),
    min_size=1,
    max_size=30,
)


@settings(max_examples=15, deadline=None)
@given(PAIRS)
def test_reversing_every_edge_swaps_the_roles(pairs):
    """With the weights of the two roles swapped as well, sources become targets and nothing else changes."""
    graph, reverse = make_graph(sorted(pairs)), make_graph(sorted((v, u) for u, v in pairs))
    inputs = make_inputs()
    encoder = make_encoder(inputs, graph)
    there = infer(encoder, graph, 0.1)
    swap_roles(encoder)
    back = infer(encoder, reverse, 0.1)
    np.testing.assert_allclose(there.source, back.target, atol=1e-6)
    np.testing.assert_allclose(there.target, back.source, atol=1e-6)
    assert np.array_equal(there.bias, back.bias)


@settings(max_examples=10, deadline=None)
@given(PAIRS, PAIRS)
def test_reversing_every_edge_swaps_the_roles_beside_an_undirected_relation(pairs, alike):
    graph, reverse = make_graph(sorted(pairs)), make_graph(sorted((v, u) for u, v in pairs))
    both_ways = sorted(alike | {(v, u) for u, v in alike})
    together = together_neighbours(PRODUCTS, pd.DataFrame(both_ways, columns=["left", "right"]))
    encoder = DualEncoder(make_inputs(), torch.from_numpy(graph.connected), dimension=8, layers=2, together=True)
    there = infer(encoder, graph, 0.1, together)
    swap_roles(encoder)
    back = infer(encoder, reverse, 0.1, together)
    np.testing.assert_allclose(there.source, back.target, atol=1e-6)
    np.testing.assert_allclose(there.target, back.source, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(PAIRS, st.integers(1, 3), st.integers(1, 3), st.data())
def test_seeds_are_embedded_alike_with_and_without_what_lies_beyond_their_reach(pairs, hops, layers, data):
    """Each in the roles that it was asked for: fewer rows are computed, none that the answer rests on is missing."""
    graph = make_graph(sorted(pairs))
    products = st.lists(st.integers(0, PRODUCTS - 1), min_size=1, max_size=5)
    sources, targets = (np.array(data.draw(products)) for _ in range(2))
    kernel = NeighbourhoodSampler(graph, uniform_budget(graph, (2,) * hops))
    found = kernel.sample(sources, targets, np.empty(0, np.int64), seed=data.draw(st.integers(0, 99)))
    reach = Reach(*(tuple(by_hop.tolist()) for by_hop in (found.nodes_by_hop, found.in_by_hop, found.out_by_hop)))
    assert (reach.nodes[-1], reach.leads_to[-1], reach.led_from[-1]) == (
        len(found.nodes), len(found.in_numbers), len(found.out_numbers),
    )  # fmt: skip
    encoder = DualEncoder(make_inputs(), torch.from_numpy(graph.connected), dimension=8, layers=layers).eval()
    edges = torch.from_numpy(found.in_edges), torch.from_numpy(found.out_edges).flip(0)
    with torch.no_grad():
        whole = encoder(torch.from_numpy(found.nodes), *edges)
        cut = encoder(torch.from_numpy(found.nodes), *edges, reach=reach)
    assert len(cut[0]) == len(cut[1]) == len(cut[2]) == reach.nodes[0]
    for role, wanted in ((0, found.seed_sources), (1, found.seed_targets), (2, found.seed_targets)):
        np.testing.assert_allclose(cut[role][wanted], whole[role][wanted], atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(PAIRS, st.permutations(range(PRODUCTS)))
def test_numbering_of_products_changes_no_score(pairs, order):
    order = np.array(order)  # product p becomes order[p]
    inputs, graph = make_inputs(), make_graph(sorted(pairs))
    back = np.argsort(order)
    moved_inputs = ProductInputs(inputs.codes[back], inputs.cardinalities, inputs.numbers[back])
    moved_graph = make_graph(sorted((int(order[u]), int(order[v])) for u, v in pairs))
    encoder, moved = make_encoder(inputs, graph), make_encoder(moved_inputs, moved_graph)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    free, rows, moved_rows = state["tower.free.weight"].clone(), encoder.tower.free_rows, moved.tower.free_rows
    state["tower.free.weight"][moved_rows[torch.from_numpy(order)]] = free[rows]
    moved.load_state_dict(state)
    everything = np.arange(PRODUCTS)
    scores = infer(encoder, graph, 0.1).relevance_to_all(everything)
    again = infer(moved, moved_graph, 0.1).relevance_to_all(order)[:, order]
    np.testing.assert_allclose(scores, again, atol=1e-4)


def test_direction_is_told_apart():
    graph = make_graph([(0, 1), (2, 1), (0, 3)])
    embeddings = infer(make_encoder(make_inputs(), graph), graph, 0.1)
    forwards, backwards = embeddings.relevance(np.array([0]), np.array([1])), embeddings.relevance([1], [0])
    assert forwards[0] != backwards[0]


def test_products_without_edges_get_embeddings_from_their_attributes():
    inputs, graph = make_inputs(), make_graph([(0, 1), (1, 2)])
    inputs.codes[7], inputs.numbers[7] = inputs.codes[8], inputs.numbers[8]
    embeddings = infer(make_encoder(inputs, graph), graph, 0.1)
    for values in (embeddings.source, embeddings.target):
        assert np.isfinite(values).all()
        np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1.0, atol=1e-5)
        assert np.array_equal(values[7], values[8]), "equal attributes, equal embeddings"
        assert not np.allclose(values[7], values[9])


def test_only_neighbours_in_the_right_role_are_heard():
    """The source embedding of a product without out-edges does not depend on who leads to it."""
    inputs = make_inputs()
    encoder = make_encoder(inputs, make_graph([(0, 1), (2, 1)]))
    with_in = infer(encoder, make_graph([(0, 1), (2, 1)]), 0.1)
    without = infer(encoder, make_graph([(0, 1)]), 0.1)
    assert np.array_equal(with_in.source[1], without.source[1])
    assert not np.allclose(with_in.target[1], without.target[1])


def test_loss_is_the_full_softmax_when_the_sample_is_the_catalogue():
    logits = torch.tensor([[1.0, 2.0, -1.0, 0.5]])
    log_expected = log_expected_counts(torch.zeros(4), torch.full((4,), 0.25), in_batch=0, uniform=4)
    own = torch.tensor([[False, True, False, False]])
    loss = sampled_softmax(logits[:, 1], logits - log_expected, own, torch.tensor([-torch.inf]))
    assert loss.item() == pytest.approx(-torch.log_softmax(logits, 1)[0, 1].item(), abs=1e-6)


def test_loss_with_one_reversed_pair_is_a_logistic_loss():
    nothing = torch.zeros((1, 1))
    loss = sampled_softmax(torch.tensor([2.0]), nothing, torch.tensor([[True]]), torch.tensor([0.5]))
    assert loss.item() == pytest.approx(np.log1p(np.exp(0.5 - 2.0)), abs=1e-6)


def test_corrected_sum_over_samples_is_unbiased():
    """E[sum over the sample of exp(logit) / expected count] = sum over the catalogue of exp(logit)."""
    rng = np.random.default_rng(1)
    logits, share = rng.normal(size=50), rng.dirichlet(np.ones(50) / 2)
    expected = log_expected_counts(torch.from_numpy(share), torch.full((50,), 1 / 50), in_batch=20, uniform=10)
    terms = np.exp(logits - expected.numpy())
    sums = [terms[rng.choice(50, 20, p=share)].sum() + terms[rng.integers(50, size=10)].sum() for _ in range(4000)]
    error = np.std(sums) / np.sqrt(len(sums))
    assert abs(np.mean(sums) - np.exp(logits).sum()) < 4 * error


SETTINGS = EncoderSettings(
    dimension=8,
    layers=2,
    fan_out=(4, 4),
    epochs=15,
    batch_edges=64,
    learning_rate=0.03,
    temperature=0.2,
    uniform_negatives=32,
    held_out_edges=0.1,
)


@pytest.fixture(scope="module")
def directed_world():
    """Products of group g lead to group g + 1, never back: learnable from attributes and edges."""
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(5), 16)
    pairs = {(int(u), int(rng.choice(np.flatnonzero(group == group[u] + 1)))) for u in range(64) for _ in range(12)}
    graph = make_graph(sorted(pairs), products=84)
    codes = np.concatenate([group + 1, [1, 2, 3, 0]])[:, None]
    return graph, ProductInputs(codes, (6,), np.zeros((84, 1), np.float32))


@pytest.fixture(scope="module")
def trained(directed_world):
    return train_encoder(*directed_world, SETTINGS, seed=1, threads=1)


def test_training_beats_popularity_and_keeps_the_best_epoch(trained):
    best = trained.epochs[trained.best_epoch - 1]
    assert best.held_out.mrr == max(epoch.held_out.mrr for epoch in trained.epochs)
    assert best.held_out.mrr > 1.5 * max(trained.by_in_degree.mrr, trained.by_fresh_customers.mrr)
    assert trained.epochs[-1].loss < trained.epochs[0].loss
    assert trained.held_out_edges > 0


def test_training_learns_the_direction(trained, directed_world):
    graph, _ = directed_world
    embeddings = trained.embeddings
    forwards = embeddings.relevance(graph.sources, graph.out_targets)
    backwards = embeddings.relevance(graph.out_targets, graph.sources)
    assert (forwards > backwards).mean() > 0.95


def test_a_product_nobody_bought_yet_ranks_its_groups_followers(trained):
    newcomer = np.array([80])  # attributes of group 0, no edges
    scores = trained.embeddings.relevance_matrix(newcomer, np.arange(80))[0]
    means = [scores[16 * g : 16 * (g + 1)].mean() for g in range(5)]
    assert np.argmax(means) == 1


def test_training_is_repeatable_and_leaves_torch_as_it_was(trained, directed_world):
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    again = train_encoder(*directed_world, SETTINGS, seed=1, threads=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    for name, values in trained.embeddings.to_arrays().items():
        assert np.array_equal(values, again.embeddings.to_arrays()[name]), name
    assert trained.epochs == again.epochs


def test_too_few_edges_is_one_clear_line():
    with pytest.raises(DataError, match=r"1 edges are too few .*min_support"):
        train_encoder(make_graph([(0, 1)]), make_inputs(), SETTINGS, seed=1, threads=1)


def test_a_new_product_is_embedded_by_attributes_as_if_it_had_been_there():
    inputs, graph = make_inputs(), make_graph([(0, 1), (1, 2)])
    encoder = make_encoder(inputs, graph)
    there = infer(encoder, graph, 0.1)
    alone = np.array([7, 9])
    source, target, bias = encoder.embed_new(
        torch.from_numpy(inputs.codes[alone]), torch.from_numpy(inputs.numbers[alone])
    )
    np.testing.assert_allclose(source.numpy(), there.source[alone], atol=1e-6)
    np.testing.assert_allclose(target.numpy(), there.target[alone], atol=1e-6)
    np.testing.assert_allclose(bias.numpy(), there.bias[alone], atol=1e-6)


def test_the_undirected_relation_feeds_each_role_by_itself():
    inputs, graph = make_inputs(), make_graph([(0, 1), (1, 2)])
    encoder = DualEncoder(inputs, torch.from_numpy(graph.connected), 8, 1, together=True)
    neighbours = np.full((PRODUCTS, 2), -1)
    without = infer(encoder, graph, 0.1, neighbours)
    neighbours[5, 0], neighbours[6, 0] = 6, 5
    with_it = infer(encoder, graph, 0.1, neighbours)
    moved = [p for p in range(PRODUCTS) if not np.allclose(with_it.source[p], without.source[p])]
    assert moved == [p for p in range(PRODUCTS) if not np.allclose(with_it.target[p], without.target[p])] == [5, 6]


@pytest.mark.parametrize(
    "changed",
    [
        {"reversed_negatives": False},
        {"matched_negatives": True},
        {"log_q": False},
        {"together": np.array([[(p + 1) % 84] for p in range(84)])},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_variant_learns_and_differs_from_the_default(changed, trained, directed_world):
    variant = train_encoder(*directed_world, SETTINGS, seed=1, threads=1, variant=Variant(**changed))
    assert not np.array_equal(variant.embeddings.source, trained.embeddings.source)
    assert variant.epochs[variant.best_epoch - 1].held_out.mrr > 1.2 * trained.by_in_degree.mrr


def test_degree_matched_candidates_are_as_popular_as_their_positives():
    rng = np.random.default_rng(0)
    candidates, wanted = (torch.from_numpy(np.sort(rng.zipf(2.0, size))) for size in (400, 100))
    found = candidates[degree_matched(wanted, candidates)]
    nearest = (candidates[None, :] - wanted[:, None]).abs().amin(1)
    assert (nearest == 0).float().mean() > 0.8
    assert ((found - wanted).abs()[nearest == 0] == 0).all()


def test_a_matched_negative_is_one_more_term_of_the_softmax():
    nothing = torch.zeros((1, 1))
    loss = sampled_softmax(
        torch.tensor([2.0]), nothing, torch.tensor([[True]]), torch.tensor([0.5]), torch.tensor([1.0])
    )
    assert loss.item() == pytest.approx(np.log1p(np.exp(0.5 - 2.0) + np.exp(1.0 - 2.0)), abs=1e-6)
