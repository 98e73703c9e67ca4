"""The ranking as stages keep it: the same scores after a trip through files, and lists for every product."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from builders.planted_shop import (
    CLOCK,
    FRESH_DAYS,
    PRODUCTS,
    RULES,
    TREES,
    TYPE,
    WINDOW_START,
    embeddings_of,
    lesson_of,
    make_products,
    make_purchases,
)
from onward.artifacts import StoredFiles, write_files, write_json
from onward.errors import ArtifactError
from onward.layout import Layout
from onward.params import read_params
from onward.ranking import relations
from onward.ranking.evidence import feature_names, pair_features
from onward.ranking.fitting import Learners, fit_ranking
from onward.ranking.ranking_files import ranking_from_files, ranking_to_files
from onward.ranking.ranking_model import RankingModel
from onward.stages.ranking import trained_ranking
from onward.stages.ranking_training import learn, ranking_training_data
from onward.stages.served_lists import served_lists

LOG = make_purchases(0, 60)
EVERYONE = np.arange(PRODUCTS)
TREES_OF_NINE = replace(TREES, iterations=9)


@pytest.fixture(autouse=True, scope="module")
def _fewer_pairs_to_fit_on():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        yield


def fitted_with(embeddings):
    lesson = lesson_of(make_products(), LOG, Learners(np.arange(0, 45), np.arange(45, 60)), seed=3)
    return fit_ranking(lesson if embeddings is None else lesson.encoded(embeddings), TREES_OF_NINE, 3, 1)


@pytest.fixture(scope="module", params=[True, False], ids=["encoded", "plain"])
def fitted(request):
    return fitted_with(embeddings_of() if request.param else None)


@pytest.fixture(scope="module")
def params(request):
    """The repository's params, with the small shop's clock, counts and trees."""
    known = read_params(request.config.rootpath / "params.yaml")
    run = {"as_of": CLOCK.date(), "training_days": (CLOCK - WINDOW_START).days, "seed": 3, "threads": 1}
    graph = {"min_customers": RULES.min_customers, "follow_days": RULES.follow_days, "fresh_days": FRESH_DAYS}
    counted = {name: getattr(RULES, name) for name in ("min_support", "follow_visits", "recent_days")}
    trees = {field.name: getattr(TREES_OF_NINE, field.name) for field in fields(TREES)}
    ranking = {**counted, "popularity_prior": RULES.popularity_prior, **trees, "list_length": 4}
    changed = {"run": run, "graph": graph, "ranking": ranking}
    return known.model_copy(update={
        name: getattr(known, name).model_copy(update=values) for name, values in changed.items()
    })  # fmt: skip


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path)
    write_json(layout.model / "direction.json", {"yes": True})
    return layout


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_ranking_says_the_same_after_a_trip_through_files(fitted, tmp_path):
    write_files(tmp_path, ranking_to_files(fitted))
    before = RankingModel(fitted.evidence, fitted.lifts, 20, 1)
    after = ranking_from_files(StoredFiles(tmp_path), embeddings_of(), 20, 1)
    u, v = (each.ravel() for each in np.indices((PRODUCTS, PRODUCTS)))
    assert feature_names(after.evidence) == feature_names(before.evidence)
    np.testing.assert_array_equal(pair_features(after.evidence, u, v), pair_features(before.evidence, u, v))
    for (one,), (other,) in [(tuple(model.scored(EVERYONE, backwards=True)) for model in (before, after))]:
        for field in fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
    for relation in ("together", "after"):
        np.testing.assert_array_equal(before.order(EVERYONE, relation, 0.3, 9), after.order(EVERYONE, relation, 0.3, 9))


def test_the_same_ranking_has_the_same_bytes_and_they_are_plain(fitted, tmp_path):
    for name in ("one", "two"):
        write_files(tmp_path / name, ranking_to_files(fitted))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert {path.suffix for path in (tmp_path / "one").iterdir()} == {".json", ".npz", ".parquet", ".txt"}


@pytest.mark.parametrize("missing", ["together_1.parquet", "products.npz", "lift_after.txt", "ranking.json"])
def test_a_missing_part_is_named(fitted, tmp_path, missing):
    write_files(tmp_path, ranking_to_files(fitted))
    (tmp_path / missing).unlink()
    with pytest.raises(ArtifactError, match=missing):
        ranking_from_files(StoredFiles(tmp_path), embeddings_of(), 20, 1)


def test_the_stage_learns_from_training_customers_stopped_by_selection_customers(params):
    customers = pd.DataFrame({"customer": range(60), "split": np.where(np.arange(60) < 45, "train", "selection")})
    lesson = ranking_training_data(params, make_products(), LOG, customers).encoded(embeddings_of())
    learnt, fitted = learn(lesson, params), fitted_with(embeddings_of())
    assert learnt.lifts == fitted.lifts
    assert learnt.summary() == fitted.summary()


def test_lists_are_made_for_every_product_that_has_any(fitted, layout, params):
    write_files(layout.model / "ranking", ranking_to_files(fitted))
    shown = pd.DataFrame({"source": [0, 3, 0], "target": [6, 12, 6]})
    made = served_lists(layout, params, embeddings_of(), make_products(), shown, LOG)
    assert made.weight == params.ranking.popularity_weight
    assert made.follow_days == params.graph.follow_days
    assert len(made.seen) == 2
    assert (made.stands_for >= 0).all()
    model = trained_ranking(layout, params, embeddings_of())
    assert made.stands_for[model.evidence.candidates].tolist() == model.evidence.candidates.tolist()
    for product in EVERYONE:
        lists = made.of(int(product), 10)
        for name in ("goes_with", "after", "before"):
            assert len(lists[name]) <= params.ranking.list_length
        assert len(lists["goes_with"]) + len(lists["after"]) >= 3
        for rows in lists.values():
            assert product not in rows["other"].tolist()
        assert (TYPE[lists["instead"]["other"]] == TYPE[product]).all()
