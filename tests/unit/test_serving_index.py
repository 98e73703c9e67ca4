import numpy as np
import pytest

from builders.tiny_bundle import make_bundle
from onward.errors import DataError
from onward.serving.index import EmbeddingIndex
from onward.serving.similar_products import NEXT, SimilarProducts


def draw_vectors(count: int, seed: int, clusters: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 16))
    if clusters is not None:
        vectors = rng.normal(size=(clusters, 16))[rng.integers(0, clusters, count)] + 0.3 * vectors
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def best(vectors: np.ndarray, query: np.ndarray, count: int, allowed: np.ndarray | None = None) -> list[int]:
    scores = vectors @ query
    numbers = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    return numbers[np.lexsort((numbers, -scores[numbers]))][:count].tolist()


def indexes(vectors):
    """A small catalogue's, and a large one's."""
    return EmbeddingIndex.of(vectors), EmbeddingIndex.of(vectors, exact_products=500)


@pytest.mark.parametrize("clusters", [None, 40])
def test_both_ways_name_the_nearest(clusters):
    vectors, queries = draw_vectors(6000, 1, clusters), draw_vectors(30, 2)
    exact, scan = indexes(vectors)
    hits = 0
    for query in queries:
        assert exact.top(query, 20)[0].tolist() == best(vectors, query, 20)
        numbers, scores = scan.top(query, 20)
        hits += len(set(numbers.tolist()) & set(best(vectors, query, 20)))
        np.testing.assert_allclose(scores, vectors[numbers] @ query, atol=2e-3)
        assert (np.diff(scores) <= 0).all()
    assert hits >= 0.99 * 20 * len(queries)


@pytest.mark.parametrize("share", [0.002, 0.1, 0.95])
def test_a_filter_is_kept_to_and_costs_no_recall(share):
    vectors, rng = draw_vectors(6000, 3), np.random.default_rng(4)
    allowed = rng.random(6000) < share
    for query in draw_vectors(10, 5):
        wanted = best(vectors, query, 20, allowed)
        for index in indexes(vectors):
            numbers, _ = index.top(query, 20, allowed)
            assert allowed[numbers].all()
            assert len(set(numbers.tolist()) & set(wanted)) >= min(len(wanted), 20) - 1


def test_a_filter_that_leaves_nothing_answers_nothing():
    vectors = draw_vectors(1000, 1)
    for index in indexes(vectors):
        numbers, scores = index.top(vectors[0], 5, np.zeros(1000, np.bool_))
        assert (len(numbers), len(scores)) == (0, 0)


def test_vectors_of_any_length_and_none_at_all_are_indexed():
    vectors = draw_vectors(2000, 7) * np.random.default_rng(7).uniform(0.01, 30.0, (2000, 1)).astype(np.float32)
    vectors[5] = 0.0
    _, scan = indexes(vectors)
    query = draw_vectors(1, 8)[0] * 7.0
    assert scan.top(query, 10)[0].tolist() == best(vectors, query, 10)
    assert len(scan.top(np.zeros(16, np.float32), 10)[0]) == 10


def test_a_large_catalogue_takes_less_memory_than_its_vectors():
    vectors = draw_vectors(2000, 9)
    assert indexes(vectors)[1].nbytes < 0.9 * vectors.nbytes


def test_vectors_that_are_no_numbers_are_refused():
    vectors = draw_vectors(10, 1)
    vectors[3, 2] = np.nan
    with pytest.raises(DataError, match="1 of 10 vectors"):
        EmbeddingIndex.of(vectors)


def test_a_product_is_not_among_those_that_are_like_it():
    embeddings = make_bundle().model.embeddings
    similar = SimilarProducts(embeddings)
    numbers = np.arange(6)
    alike = embeddings.alike(np.full(6, 2), numbers)
    assert list(similar.of(2, 3)) == [number for number in np.argsort(-alike).tolist() if number != 2][:3]
    lifts = embeddings.log_lift("after", np.full(6, 2), numbers)
    wanted = [number for number in np.argsort(-lifts).tolist() if number != 2]
    assert list(similar.of(2, 9, NEXT)) == wanted
    allowed = np.isin(numbers, [0, 2, 4])
    assert list(similar.of(2, 9, NEXT, allowed)) == [number for number in wanted if number in {0, 4}]
