"""The baseline that doubts by dropout: a spread source like any other, but for benchmarks only."""

import numpy as np
import pytest

from benchmarks.doubt.dropout_head import DropoutHead, DropoutPasses
from onward.errors import DataError
from onward.uncertainty.sources import Scored
from onward.uncertainty.spread import disagreement_of_heads
from onward.uncertainty.spread_choice import spread_to_dict


def learnt(seed=0):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(6000, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    chance = 1.0 / (1.0 + np.exp(-2.0 * np.nan_to_num(values[:, 0]) + 2.0))
    label = (rng.random(6000) < chance) * 1.0
    return values, chance, DropoutHead.train(values, label, np.ones(6000), epochs=15, batch=256, seed=seed)


def test_dropout_passes_learn_disagree_and_repeat():
    values, chance, head = learnt()
    passes = head.predict(values, 20, seed=1)
    assert passes.shape == (6000, 20)
    assert np.corrcoef(passes.mean(axis=1), chance)[0, 1] > 0.9
    assert (head.predict(values, 20, seed=1) == passes).all()
    assert (passes.std(axis=1) > 0).all()
    _, _, again = learnt()
    assert np.allclose(again.predict(values[:50], 3, seed=1), head.predict(values[:50], 3, seed=1), atol=1e-6)


def test_dropout_is_one_of_the_sources():
    values, _, head = learnt()
    nothing = np.zeros(6000)
    rows = Scored(nothing[:, None], nothing, np.zeros(6000, int), nothing, nothing[:, None], values)
    spread = DropoutPasses(head, passes=5).fit(rows, nothing).uncertainty(rows)
    assert (spread == disagreement_of_heads(head.predict(values, 5))).all()


def test_dropout_cannot_be_deployed():
    with pytest.raises(DataError, match="DropoutPasses cannot be deployed"):
        spread_to_dict(DropoutPasses(None))
