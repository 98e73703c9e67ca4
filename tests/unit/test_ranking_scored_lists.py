"""What a judge is told is what is served: the same lists as those that are made for the bundle."""

import numpy as np
import pandas as pd
import pytest

from builders.planted_shop import PRODUCTS, fit, make_purchases, model_of
from onward.ranking import relations
from onward.ranking.list_names import COLUMNS, GOES_WITH
from onward.ranking.ranking_model import RankingModel
from onward.ranking.related_lists import ListSettings, related_lists
from onward.ranking.scored_lists import ScoredLists

SOURCES = np.array([0, 3, 12, 27])
EVERYONE = np.arange(PRODUCTS)


@pytest.fixture(scope="module")
def model():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        return model_of(fit(make_purchases(0, 60), iterations=10))


@pytest.fixture(params=[True, False], ids=["directed", "undirected"])
def settings(request):
    return ListSettings(5, 0.25, request.param)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
@pytest.mark.parametrize(("relation", "name"), [("basket", "together"), ("later", "after")])
def test_an_order_is_that_of_the_ranking_model(model, settings, relation, name, weight):
    asked = ScoredLists(model, settings)
    for sources in (SOURCES, EVERYONE, SOURCES):
        found = asked.order(sources, relation, weight)
        assert found.shape == (len(sources), asked.deepest)
        np.testing.assert_array_equal(found, model.order(sources, name, weight, asked.deepest))


def test_complements_and_the_table_are_the_lists_that_are_served(model, settings):
    asked = ScoredLists(model, settings)
    assert tuple(asked.table.columns) == COLUMNS
    assert asked.table.empty
    for sources in (EVERYONE, SOURCES):
        asked.order(sources, "basket", 0.5)  # must leave no trace
        found, served = asked.goes_with(sources), related_lists(model, sources, settings)
        pd.testing.assert_frame_equal(asked.table, served)
        assert found.shape == (len(sources), asked.deepest)
        mine = served[served["list"] == GOES_WITH]
        assert len(mine) > len(sources)
        for source, row in zip(sources, found, strict=True):
            others = mine.loc[mine["product"] == source, "other"].tolist()
            assert row.tolist() == others + [-1] * (asked.deepest - len(others))


def test_sources_are_scored_once_however_often_they_are_asked_about(model, settings, monkeypatch):
    scored, calls = RankingModel.scored, []

    def counted(self, sources, *, backwards):
        calls.append((sources.tolist(), backwards))
        return scored(self, sources, backwards=backwards)

    monkeypatch.setattr(RankingModel, "scored", counted)
    asked = ScoredLists(model, settings)
    for weight in (0.0, 0.5):
        for relation in ("basket", "later"):
            asked.order(SOURCES, relation, weight)
    asked.goes_with(SOURCES.copy())
    assert calls == [(SOURCES.tolist(), settings.directed)]


@pytest.mark.parametrize("deepest", [2, 70])
def test_a_judge_is_given_as_many_entries_as_it_looks_at_and_no_more(model, deepest):
    settings = ListSettings(80, 0.25, directed=True)
    asked, served = ScoredLists(model, settings, deepest), related_lists(model, SOURCES, settings)
    np.testing.assert_array_equal(asked.order(SOURCES, "basket", 0.25), model.order(SOURCES, "together", 0.25, deepest))
    found = asked.goes_with(SOURCES)
    assert found.shape == (len(SOURCES), deepest)
    for source, row in zip(SOURCES, found, strict=True):
        mine = served.loc[(served["list"] == GOES_WITH) & (served["product"] == source), "other"].tolist()
        assert row[row >= 0].tolist() == mine[:deepest]
