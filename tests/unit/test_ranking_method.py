import numpy as np

from onward.ranking.method import score_pairs


def test_scores_of_pairs_are_those_of_the_whole_table_however_it_is_cut(monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 9, (40, 40)).astype(float)
    source, product = rng.integers(0, 20, 90), rng.integers(20, 40, 90)

    def method(rows):
        return scores[rows].copy()

    assert (score_pairs(method, source, product, 40) == scores[source, product]).all()
    monkeypatch.setattr("onward.ranking.method._BLOCK_CELLS", 80)
    assert (score_pairs(method, source, product, 40) == scores[source, product]).all()
