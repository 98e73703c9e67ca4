"""The direction benchmarks on made data: every part runs, and the table holds what the claims quote."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.direction import dirlink as direction_dirlink
from benchmarks.direction import sequences as direction_sequences
from benchmarks.harness import trials
from onward.ranking import sequence_blend
from onward.ranking.blend import BlendSettings
from onward.ranking.catalogue_ranker import RankerSettings
from onward.ranking.directed_graph import attribute_vectors
from onward.ranking.link_settings import LinkSettings
from onward.ranking.link_split import random_split
from onward.ranking.sequence_blend import TrainingMoment
from onward.ranking.sequence_moments import QueryMoment
from onward.ranking.whole_graph import WholeGraphEncoder

NODES = 90


def made_graph():
    generator = np.random.default_rng(0)
    group = np.arange(NODES) % 3
    chance = np.where(group[None, :] == (group[:, None] + 1) % 3, 0.4, 0.02)
    edges = np.argwhere(generator.random((NODES, NODES)) < chance)
    words = sp.csr_matrix(generator.random((NODES, 12)) < np.where(np.arange(12) % 3 == group[:, None], 0.6, 0.1))
    return edges[edges[:, 0] != edges[:, 1]], NODES, attribute_vectors(words, 8)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(direction_dirlink, "Kept", partial(trials.Kept, store=tmp_path))
    encoder = WholeGraphEncoder(dimension=8, coordinates=16, hops=2, rows=30, candidates=30)
    rankers = (RankerSettings(iterations=20, min_rows_in_leaf=5), RankerSettings(iterations=20, objective="lambdarank"))
    settings = LinkSettings(((9.0, encoder),), (BlendSettings(iterations=20, bags=1),), rankers, learnt_edges=100)
    monkeypatch.setattr(direction_dirlink, "SETTINGS", settings)
    monkeypatch.setattr(sequence_blend, "RANKERS", rankers)


def test_graph_parts_fill_the_claims(quick):
    split = random_split(made_graph(), "made", 0, 0.1, 0.2)
    table = direction_dirlink.Table()
    encoder = direction_dirlink.encoders_of(split.graph)[direction_dirlink.pick_encoder(split)["picked"]]
    table.add("Photo", direction_dirlink.existence(split, encoder, direction=True))
    table.add("Photo catalogue", direction_dirlink.catalogue(split, encoder))
    found = direction_dirlink.claims(table)
    assert found["photo_hits100_blend"] > 30
    assert found["photo_hr10_blend_filtered"] >= found["photo_hr10_blend"] > 0
    assert {"popularity", "EASE", "encoder", "blend"} <= {row["method"] for row in table.rows()}


@pytest.mark.parametrize("query", ["previous item", "history"])
def test_sequences_are_ranked_and_no_statistic_sees_the_last_two(quick, tmp_path, query):
    generator = np.random.default_rng(1)
    users = tuple((generator.integers(0, 30) + np.arange(generator.integers(5, 9))) % 30 for _ in range(120))
    vectors = attribute_vectors(sp.csr_matrix(generator.random((30, 9)) < 0.4), 4)
    everyone = np.arange(len(users))
    learning, test = (QueryMoment.of(users, 30, everyone, vectors, back) for back in (2, 1))
    assert test.graphs["near"].baskets.sum() == sum(len(user) - 2 for user in users)
    assert learning.graphs["near"].baskets.sum() == sum(len(user) - 3 for user in users)
    assert all((history == user[:-1]).all() for history, user in zip(test.history, users, strict=True))
    store = partial(trials.Trials, "sequences", store=tmp_path)
    before, now = (sequence_blend.fit_all(moment) for moment in (learning, test))
    work = partial(direction_sequences.Work, TrainingMoment.of(learning, before), test, now)
    rows = {row["method"]: row for row in direction_sequences.compare(query, store(), "made", work, 10)}
    assert list(rows.values()) == direction_sequences.compare(query, store(), "made", None, 10)  # nothing is left to do
    # Each item leads to the next: whoever counts direction finds it, whoever does not cannot.
    assert rows["Markov"]["hr@5"] > 0.9
    assert rows["blend"]["hr@5"] > 0.9
    assert rows["popularity"]["hr@5"] < 0.6
