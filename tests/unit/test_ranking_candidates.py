"""Short lists hold what plain counts put forward, for every relation and at every weight."""

import numpy as np
import pytest

from builders.planted_shop import PRODUCTS, gathered, make_purchases
from onward.ranking import relations
from onward.ranking.candidates import generate_candidates
from onward.ranking.order_score import order_score


@pytest.fixture(scope="module")
def evidence():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        return gathered(make_purchases(0, 60))


def listed(evidence, sources, each):
    found = {int(source): [] for source in sources}
    rows = generate_candidates(evidence, sources, each)
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
