"""Scores over a grid of pairs and contexts, against the bundle's own scores of the rows that the grid stands for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from builders.tiny_bundle import make_bundle
from onward.errors import DataError
from onward.uncertainty.evidential import Density, FittedBeta
from onward.uncertainty.group_repair import GroupRepair

SOURCE, TARGET = np.array([0, 2, 2, 4, 1]), np.array([2, 3, 0, 5, 1])


def repaired(bundle):
    repair = GroupRepair({"department=home": -1.0, "visits=none": 0.5, "buyers=1 to 99": 0.2})
    spread = FittedBeta(None, 2.0, 1.0, 3.0, 0.5)
    return replace(bundle, uncertainty=replace(bundle.uncertainty, repair=repair, spread=spread))


def by_density(bundle):
    """Its uncertainty depends on where the pair lies among the embeddings."""
    rng = np.random.default_rng(0)
    place = np.concatenate([bundle.model.embeddings.source, bundle.model.embeddings.target], axis=1)
    density = Density.fit(place + rng.normal(size=place.shape).astype(np.float32), 2, 1, 0)
    return replace(bundle, uncertainty=replace(bundle.uncertainty, spread=FittedBeta(density, 0.0, 1.0, 3.0, 0.5)))


@pytest.mark.parametrize("change", [lambda bundle: bundle, repaired, by_density])
def test_a_pair_is_scored_as_the_mean_of_its_rows_to_the_last_bit(change):
    bundle = change(make_bundle())
    count = len(bundle.contexts)
    of_pair = pd.DataFrame(bundle.typical._state.columns(SOURCE, TARGET))
    rows = pd.concat(
        [
            bundle.contexts.iloc[np.tile(np.arange(count), len(SOURCE))].reset_index(drop=True),
            of_pair.iloc[np.repeat(np.arange(len(SOURCE)), count)].reset_index(drop=True),
        ],
        axis=1,
    )
    wanted = bundle.predict(rows, np.repeat(SOURCE, count), np.repeat(TARGET, count))
    scores = bundle.typical.scores(SOURCE, TARGET)
    for name in ("score", "uncertainty", "probability"):
        mean = getattr(wanted, name).reshape(len(SOURCE), count).mean(axis=1)
        np.testing.assert_array_equal(getattr(scores, name), mean)
    ends = bundle.uncertainty.ranges.interval(wanted.probability, wanted.uncertainty)
    for name, end in zip(("low", "high"), ends, strict=True):
        np.testing.assert_array_equal(getattr(scores, name), end.reshape(len(SOURCE), count).mean(axis=1))
    assert (scores.low <= scores.probability).all()
    assert (scores.probability <= scores.high).all()


def test_contexts_of_the_callers_take_the_place_of_the_references():
    bundle = make_bundle()
    one = bundle.contexts.iloc[[3]]
    features = one.assign(target_sales_7d=np.float32(15), cat_target_category=np.float32(1))
    wanted = bundle.predict(features, np.array([0]), np.array([2]))
    scores = bundle.typical.scores(np.array([0]), np.array([2]), situations=bundle.typical.situations(one))
    np.testing.assert_array_equal(scores.probability, wanted.probability)
    assert scores.probability != bundle.typical.scores(np.array([0]), np.array([2])).probability


def test_contexts_without_a_feature_are_refused():
    bundle = make_bundle()
    with pytest.raises(DataError, match="customer_visits_28d"):
        bundle.typical.situations(bundle.contexts.drop(columns="customer_visits_28d"))
