"""Short lists hold what plain counts put forward, for every relation and at every weight."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.planted_shop import PRODUCTS, gathered, make_purchases
from onward.ranking import candidates as searching
from onward.ranking import relations
from onward.ranking.candidates import CandidateBlocks, CandidateSearch
from onward.ranking.order_score import order_score
from onward.ranking.relations import PairCounts, Relation


@pytest.fixture(scope="module")
def evidence():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        return gathered(make_purchases(0, 60))


def listed(evidence, sources, each):
    found = {int(source): [] for source in sources}
    rows = CandidateSearch.of(evidence).around(sources, each)
    for source, candidate in zip(rows.source.tolist(), rows.candidate.tolist(), strict=True):
        found[source].append(candidate)
    return found


@pytest.mark.parametrize("each", [1, 3, PRODUCTS])
def test_short_lists_are_of_other_candidates_each_once_and_in_order(evidence, each):
    sources = np.arange(PRODUCTS)
    for source, found in listed(evidence, sources, each).items():
        assert found == sorted(set(found))
        assert source not in found
        assert set(found) <= set(evidence.candidates.tolist())
        others = set(evidence.candidates.tolist()) - {source}
        assert len(found) >= min(each, len(others))
        if each == PRODUCTS:
            assert set(found) == others


@pytest.mark.parametrize("weight", [0.0, 1 / 3, 1.0])
def test_the_best_by_counts_is_in_at_every_weight(evidence, weight):
    candidates, found = evidence.candidates, listed(evidence, np.arange(PRODUCTS), 2)
    for relation, share in (
        (evidence.cooccurrence, evidence.popularity.cooccurrence),
        (evidence.after, evidence.popularity.after),
    ):
        for source in range(PRODUCTS):
            others = candidates[candidates != source]
            lift = relation.lifts(np.full(len(others), source), others)[-1]
            score = order_score(np.log(lift), share[others], weight)
            # A product without counts of its own may tie with others of its type.
            assert score[np.isin(others, found[source])].max() == pytest.approx(score.max(), abs=1e-5)


def test_a_longer_short_list_holds_the_shorter_one(evidence):
    short, long = (listed(evidence, np.arange(PRODUCTS), each) for each in (2, 5))
    assert all(set(short[source]) <= set(long[source]) for source in short)


def make_relation(rng, products, typed):
    """Counts at two levels, or one; a third of the products is no candidate, and some have no type."""
    own = np.full(products, -1)
    candidates = np.flatnonzero(rng.random(products) < 2 / 3)
    own[candidates] = np.arange(len(candidates))
    codes = (*((rng.integers(-1, 4, products),) if typed else ()), own)
    counts = []
    for code in codes:
        size = max(int(code.max()) + 1, 1)
        observed = sp.csr_matrix(rng.poisson(0.5, (size, size)).astype(np.float32))
        # Few different margins, so that many candidates tie.
        counts.append(PairCounts(observed, rng.integers(1, 9, size) * 1.0, rng.integers(1, 9, size) * 1.0, 20.0))
    return Relation(codes, tuple(counts), (2.0, 5.0)[-len(codes) :]), candidates


@given(st.integers(0, 2**32), st.integers(3, 40), st.booleans(), st.integers(1, 6), st.integers(1, 3))
@settings(max_examples=60)
def test_what_is_passed_over_would_not_have_been_kept(seed, products, typed, each, block):
    rng = np.random.default_rng(seed)
    relation, candidates = make_relation(rng, products, typed)
    each = min(each, len(candidates) - 1)
    if each < 1:
        return
    share = rng.integers(1, 5, products) / 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "_BLOCK", block)
        found = CandidateBlocks.of(relation, share, candidates).best(np.arange(products), each)
    chance = share[candidates]
    for source in range(products):
        lift = relation.lifts(np.full(len(candidates), source), candidates)[-1]
        excess = np.where(lift > 2.0, chance * (lift - 2.0), lift - 2.0)
        others = np.flatnonzero(candidates != source)
        for way, score in enumerate((lift, excess, chance * lift)):
            best = others[np.lexsort((others, -score[others]))][:each]
            assert found[source].reshape(3, each)[way].tolist() == best.tolist()
