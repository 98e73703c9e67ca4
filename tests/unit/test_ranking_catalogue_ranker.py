from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from onward.boosting import Bags
from onward.errors import ArtifactError, DataError
from onward.ranking.catalogue_ranker import OFF_THE_LIST, Examples, Question, Ranker, RankerSettings, propose_candidates
from onward.ranking.link_ranks import rank_links

QUERIES, CANDIDATES = 60, 40
GENERATOR = np.random.default_rng(0)
TRUTH = GENERATOR.random((QUERIES, CANDIDATES))
FLAT = np.empty((QUERIES, 0), dtype=np.float32)


def table(values):
    return lambda queries: values[queries].copy()


def question(per_proposer=8, excluded=None):
    noise = np.random.default_rng(1)
    return Question(
        methods={
            "hint": table(TRUTH + noise.normal(0, 0.3, TRUTH.shape)),
            "other hint": table(TRUTH + noise.normal(0, 0.3, TRUTH.shape)),
            "noise": table(noise.random(TRUTH.shape)),
        },
        proposers=("hint", "other hint"),
        excluded=sp.csr_matrix((QUERIES, CANDIDATES)) if excluded is None else excluded,
        query_facts=FLAT,
        candidate_facts=np.arange(CANDIDATES, dtype=np.float32)[:, None],
        per_proposer=per_proposer,
    )


def best_answers():
    return sp.csr_matrix((np.ones(QUERIES), (np.arange(QUERIES), TRUTH.argmax(1))), shape=TRUTH.shape)


def test_a_short_list_is_the_union_of_what_proposers_rank_best():
    asked = question(per_proposer=5)
    rows = next(iter(propose_candidates(asked, np.array([7, 3]))))
    assert set(rows.query) == {3, 7}
    for query in (3, 7):
        expected = {
            int(v) for name in asked.proposers for v in np.argsort(-asked.methods[name](np.array([query]))[0])[:5]
        }
        assert set(rows.candidate[rows.query == query].tolist()) == expected


def test_features_are_scores_then_places_then_facts():
    rows = next(iter(propose_candidates(question(), np.array([5]))))
    values, places = rows.features[:, :3], rows.features[:, 3:6]
    assert places.argsort(0).tolist() == (-values).argsort(0).tolist()
    assert np.expm1(places.min(0)) == pytest.approx(np.zeros(3))
    assert rows.features[:, 6].tolist() == rows.candidate.tolist()


def test_the_excluded_are_never_listed():
    excluded = sp.csr_matrix(TRUTH > 0.5)
    asked = question(per_proposer=30, excluded=excluded)
    for rows in propose_candidates(asked, np.arange(QUERIES)):
        assert (TRUTH[rows.query, rows.candidate] <= 0.5).all()


@pytest.mark.parametrize("objective", ["binary", "lambdarank"])
def test_the_ranker_beats_each_score_and_leaves_the_rest_behind(objective):
    asked, answers = question(), best_answers()
    settings = RankerSettings(iterations=40, min_rows_in_leaf=5, negative_share=1.0, objective=objective)
    examples = Examples.of(asked, answers, settings.negative_share, seed=0)
    assert 0.5 < examples.covered <= 1.0
    assert examples.lists.sum() == len(examples.label)
    method = Ranker.fit(examples, settings).method(asked)
    scores = method(np.arange(QUERIES))
    assert ((scores > OFF_THE_LIST).sum(1) <= 16).all()
    pairs = np.stack([np.arange(QUERIES), TRUTH.argmax(1)], axis=1)
    found, hint = (
        rank_links(each, pairs, asked.excluded).metrics()["mrr@10"].mean() for each in (method, asked.methods["hint"])
    )
    assert found > hint


def test_bags_are_averaged_and_read_back_as_they_were():
    asked = question()
    settings = RankerSettings(iterations=20, min_rows_in_leaf=5, negative_share=1.0, bags=3)
    examples = Examples.of(asked, best_answers(), settings.negative_share, seed=0)
    bags = Ranker.fit(examples, settings).bags
    alone = [
        Ranker.fit(examples, replace(settings, bags=1, seed=bag)).bags.raw_score(examples.features, 1)
        for bag in range(3)
    ]
    assert not np.array_equal(alone[0], alone[1])
    assert np.array_equal(bags.raw_score(examples.features, 1), np.mean(alone, axis=0))
    texts = {"other_0.txt": "of another", **bags.texts("lists")}
    again = Bags.restore(texts, "lists")
    assert len(again.trees) == 3
    assert np.array_equal(again.raw_score(examples.features, 1), bags.raw_score(examples.features, 1))
    with pytest.raises(ArtifactError, match="no trees of pairs; another version wrote it"):
        Bags.restore(texts, "pairs")


def test_lists_without_an_answer_teach_nothing():
    answers = best_answers()
    answers.data[0] = 0
    answers.eliminate_zeros()
    examples = Examples.of(question(), answers, 1.0, seed=0)
    assert examples.label.sum() == len(examples.lists) < QUERIES


def test_a_ranker_without_any_answer_is_refused():
    examples = Examples(np.zeros((3, 2), np.float32), np.zeros(3, np.bool_), np.array([3]), 0.0)
    with pytest.raises(DataError, match="no short list holds an answer"):
        Ranker.fit(examples, RankerSettings())
