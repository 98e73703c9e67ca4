"""The dual encoder: symmetric in its roles, blind to numbering, kind to products without edges; scores are lifts."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.directed_groups import make_directed_groups, pairs_of
from onward.errors import DataError
from onward.graph.budgets import budget_by_degree, uniform_budget
from onward.graph.pair_support import PairSupport, graph_of_pairs
from onward.graph.product_graph import ProductGraph
from onward.graph.sampling_kernel import NeighbourhoodSampler
from onward.model.embeddings import RELATIONS, Embeddings
from onward.model.product_inputs import ProductInputs

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric scripts a class at import
    import torch

    from onward.model.encoder import DualEncoder, Reach
    from onward.model.training import EncoderSettings, Lesson, infer, information, train_on

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
        encoder = DualEncoder(inputs, torch.from_numpy(graph.connected), dimension=8, layers=2)
        # As after training: products differ, and so do relations.
        torch.nn.init.normal_(encoder.tower.free.weight.data[1:])
        torch.nn.init.normal_(encoder.log_scale.data)
    return encoder


EVERYTHING = np.arange(PRODUCTS)


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
    there = infer(encoder, graph)
    swap_roles(encoder)
    back = infer(encoder, reverse)
    np.testing.assert_allclose(there.source, back.target, atol=1e-6)
    np.testing.assert_allclose(there.target, back.source, atol=1e-6)
    for relation in RELATIONS:
        scores = (each.log_lift_matrix(relation, EVERYTHING, EVERYTHING) for each in (there, back))
        np.testing.assert_allclose(next(scores), next(scores).T, atol=1e-5)


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
    assert len(cut[0]) == len(cut[1]) == reach.nodes[0]
    for role, wanted in ((0, found.seed_sources), (1, found.seed_targets)):
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
    before, after = infer(encoder, graph), infer(moved, moved_graph)
    for relation in RELATIONS:
        scores = before.log_lift_matrix(relation, EVERYTHING, EVERYTHING)
        np.testing.assert_allclose(scores, after.log_lift_matrix(relation, order, order), atol=1e-4)


def test_direction_is_told_apart():
    graph = make_graph([(0, 1), (2, 1), (0, 3)])
    embeddings = infer(make_encoder(make_inputs(), graph), graph)
    for relation in RELATIONS:
        forwards, backwards = embeddings.log_lift(relation, np.array([0, 1]), np.array([1, 0]))
        assert forwards != backwards


def test_products_without_edges_get_embeddings_from_their_attributes():
    inputs, graph = make_inputs(), make_graph([(0, 1), (1, 2)])
    inputs.codes[7], inputs.numbers[7] = inputs.codes[8], inputs.numbers[8]
    embeddings = infer(make_encoder(inputs, graph), graph)
    for values in (embeddings.source, embeddings.target):
        assert np.isfinite(values).all()
        np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1.0, atol=1e-5)
        assert np.array_equal(values[7], values[8]), "equal attributes, equal embeddings"
        assert not np.allclose(values[7], values[9])


def test_only_neighbours_in_the_right_role_are_heard():
    """The source embedding of a product without out-edges does not depend on who leads to it."""
    inputs = make_inputs()
    encoder = make_encoder(inputs, make_graph([(0, 1), (2, 1)]))
    with_in = infer(encoder, make_graph([(0, 1), (2, 1)]))
    without = infer(encoder, make_graph([(0, 1)]))
    assert np.array_equal(with_in.source[1], without.source[1])
    assert not np.allclose(with_in.target[1], without.target[1])


SETTINGS = EncoderSettings(
    dimension=8, layers=1, fan_out=(4,), degree_power=0.0, epochs=4, steps=25, batch_pairs=64, learning_rate=0.03,
    temperature=0.2, held_out_pairs=0.1,
)  # fmt: skip


def pairs_in(table):
    """Of a table [P, P] of supports."""
    u, v = np.nonzero(table)
    return PairSupport(u, v, table[u, v])


def train_encoder(relations, messages, inputs, settings, seed, threads):
    lesson = Lesson.of(relations, messages, inputs, settings.held_out_pairs, seed)
    return train_on(lesson, settings, seed, threads)


@pytest.fixture(scope="module")
def directed_world():
    return make_directed_groups()


@pytest.fixture(scope="module")
def trained(directed_world):
    return train_encoder(*directed_world, SETTINGS, seed=1, threads=1)


def test_training_tells_held_out_pairs_from_chance(trained):
    """Who knows a product's group knows log 5 nats of its pairs: of what is in one basket, and of what follows."""
    assert trained.held_out_pairs > 0
    assert trained.epochs[-1].loss < trained.epochs[0].loss
    assert len(trained.epochs) == SETTINGS.epochs
    for nats in trained.epochs[-1].information:
        assert 0.6 * np.log(5) < nats < 1.1 * np.log(5)


def test_training_with_degree_adaptive_neighbours_tells_them_from_chance_too(directed_world):
    adaptive = train_encoder(*directed_world, replace(SETTINGS, degree_power=1.0), seed=1, threads=1)
    for nats in adaptive.epochs[-1].information:
        assert 0.6 * np.log(5) < nats < 1.1 * np.log(5)


def test_training_learns_the_direction(trained, directed_world):
    after = directed_world[0][1]
    forwards = trained.embeddings.log_lift("after", after.source, after.target)
    backwards = trained.embeddings.log_lift("after", after.target, after.source)
    assert (forwards > backwards).mean() > 0.95


def test_relations_are_told_apart(trained):
    group = np.repeat(np.arange(5), 16)
    for relation, step in (("together", 0), ("after", 1)):
        scores = trained.embeddings.log_lift_matrix(relation, np.arange(80), np.arange(80))
        means = np.stack([scores[:, group == g].mean(axis=1) for g in range(5)], axis=1)
        assert (means.argmax(axis=1) == (group + step) % 5).mean() > 0.95


def test_a_product_nobody_bought_yet_ranks_its_groups_followers(trained):
    newcomers = np.array([80, 81, 82])  # attributes of groups 0, 1 and 2, no edges
    scores = trained.embeddings.log_lift_matrix("after", newcomers, np.arange(80))
    assert scores.reshape(3, 5, 16).mean(axis=2).argmax(axis=1).tolist() == [1, 2, 3]


def test_scores_that_tell_nothing_hold_no_information(directed_world):
    flat = np.full((84, 4), 0.5, np.float32)
    embeddings = Embeddings(flat, flat, np.full((2, 4), 7.0, np.float32))
    for relation, pairs in zip(RELATIONS, directed_world[0], strict=True):
        assert information(embeddings, relation, pairs, seed=1) == pytest.approx(0.0, abs=1e-5)


TIMES = np.array([[2.8, 0.5, 0.2, 0.5], [0.4, 3.0, 0.3, 0.3]])
"""How many times chance a target of the group 0, 1, 2 or 3 further on is found with a source, in each relation."""
GROUP, PLACE = np.arange(60) % 4, np.arange(60) // 4
SHARE = (1.0 + PLACE) ** -1.36
"""In each of four groups the most popular product is 40 times as popular as the least."""


@pytest.fixture(scope="module")
def lifts_of_popular_and_rare():
    """[2, 60, 60] log lifts of a world of known chances, NaN of a product with itself: the true and the learnt ones."""
    times = TIMES[:, (GROUP - GROUP[:, None]) % 4]
    chance = SHARE[:, None] * SHARE * times
    chance[:, np.arange(60), np.arange(60)] = 0.0
    lift = chance / chance.sum(axis=2, keepdims=True) / chance.sum(axis=1, keepdims=True)
    truth = np.log(np.where(chance > 0, lift, np.nan))
    every, related = ([pairs_in(each) for each in table] for table in (chance, np.where(times > 1, chance, 0.0)))
    # Inputs say how popular each product is: the encoder could make use of it.
    popularity = (np.log(SHARE) - np.log(SHARE).mean()) / np.log(SHARE).std()
    inputs = ProductInputs(GROUP[:, None] + 1, (5,), popularity[:, None].astype(np.float32))
    settings = EncoderSettings(
        dimension=16, layers=1, fan_out=(8,), degree_power=0.0, epochs=2, steps=300, batch_pairs=256,
        learning_rate=0.02, temperature=0.2, held_out_pairs=0.0006,
    )  # fmt: skip
    found = train_encoder(every, graph_of_pairs(60, *related), inputs, settings, seed=1, threads=1).embeddings
    learnt = np.stack([found.log_lift_matrix(relation, np.arange(60), np.arange(60)) for relation in RELATIONS])
    learnt[np.isnan(truth)] = np.nan
    # Both are known up to a constant of each source.
    return tuple(each - np.nanmean(each, axis=2, keepdims=True) for each in (truth, learnt))


@pytest.mark.parametrize("relation", [0, 1], ids=RELATIONS)
def test_scores_are_log_lifts(lifts_of_popular_and_rare, relation):
    truth, learnt = (each[relation][~np.isnan(each[relation])] for each in lifts_of_popular_and_rare)
    assert np.corrcoef(truth, learnt)[0, 1] > 0.95
    assert np.polyfit(truth, learnt, 1)[0] == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("relation", [0, 1], ids=RELATIONS)
def test_a_popular_target_that_is_unrelated_scores_as_a_rare_one(lifts_of_popular_and_rare, relation):
    """Were they log probabilities, scores would grow by 1 with each unit of log popularity."""
    _, learnt = lifts_of_popular_and_rare
    unrelated = TIMES[relation, (GROUP - GROUP[:, None]) % 4] < 0.6
    popular, rare = (np.nanmean(learnt[relation][unrelated & which]) for which in (PLACE < 2, PLACE >= 12))
    assert np.log(SHARE[PLACE < 2]).mean() - np.log(SHARE[PLACE >= 12]).mean() > 3
    assert popular == pytest.approx(rare, abs=0.5)
    known = unrelated & ~np.isnan(learnt[relation])
    share = np.broadcast_to(np.log(SHARE), known.shape)
    assert np.polyfit(share[known], learnt[relation][known], 1)[0] == pytest.approx(0.0, abs=0.15)


def test_held_out_pairs_are_heard_by_nobody_in_neither_order(directed_world, monkeypatch):
    relations, messages, inputs = directed_world
    heard = []

    def spied(graph, fan_out, power):
        heard.append(graph)
        return budget_by_degree(graph, fan_out, power)

    monkeypatch.setattr("onward.model.training.budget_by_degree", spied)

    quick = replace(SETTINGS, epochs=1, steps=1)
    trained = train_encoder(relations, messages, inputs, quick, seed=1, threads=1)
    held_out = [pairs.split(SETTINGS.held_out_pairs, 10**6, 1)[0] for pairs in relations]
    assert trained.held_out_pairs == sum(len(pairs.source) for pairs in held_out) > 0
    for pairs in held_out:
        assert (messages.find_edges(pairs.source, pairs.target) >= 0).all()
        for ends in ((pairs.source, pairs.target), (pairs.target, pairs.source)):
            assert (heard[0].find_edges(*ends) < 0).all()
    assert heard[0].edges < messages.edges


def test_training_is_repeatable_and_leaves_torch_as_it_was(trained, directed_world):
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    again = train_encoder(*directed_world, SETTINGS, seed=1, threads=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    for name, values in trained.embeddings.to_arrays().items():
        assert np.array_equal(values, again.embeddings.to_arrays()[name]), name
    assert trained.epochs == again.epochs


def test_too_few_pairs_are_one_clear_line(directed_world):
    (together, _), messages, inputs = directed_world
    with pytest.raises(DataError, match=r"1 pairs of products are too few .*min_support") as refused:
        train_encoder((together, pairs_of({(0, 1): 3})), messages, inputs, SETTINGS, seed=1, threads=1)
    assert "\n" not in str(refused.value)


def test_a_new_product_is_embedded_by_attributes_as_if_it_had_been_there():
    inputs, graph = make_inputs(), make_graph([(0, 1), (1, 2)])
    encoder = make_encoder(inputs, graph)
    there = infer(encoder, graph)
    alone = np.array([7, 9])
    source, target = encoder.embed_new(torch.from_numpy(inputs.codes[alone]), torch.from_numpy(inputs.numbers[alone]))
    np.testing.assert_allclose(source.numpy(), there.source[alone], atol=1e-6)
    np.testing.assert_allclose(target.numpy(), there.target[alone], atol=1e-6)
