"""Over many shops, nine in ten batches of new customers' pairs lie in the ranges that were fitted to others."""

import numpy as np
import pytest

from builders.doubtful_shop import AS_SAID, CATEGORY, World
from onward.evaluation.range_coverage import range_coverage
from onward.uncertainty.pair_batches import batches_of, ways_to_batch
from onward.uncertainty.range_fitting import PROMISED, fit_range

pytestmark = pytest.mark.statistical

SHOPS = 24


def held_out(world, seed):
    """Coverage by way on new customers, of what converted and of the truth, and the width beside the chance."""
    pairs, _ = world.pairs(0)
    ranges = fit_range(pairs, CATEGORY, lambda held: AS_SAID, seed)
    new, truth = world.pairs(1)
    low, high = ranges.interval(new.score, new.uncertainty)
    ways = ways_to_batch(new.source, new.target, CATEGORY, new.level, new.score)
    batches = {name: batches_of(keys, new.score, ranges.conversions) for name, keys in ways.items()}
    converted, true = (
        {
            name: found["coverage"]["value"]
            for name, found in range_coverage(outcome, low, high, new.customer, batches, 2, seed).items()
        }
        for outcome in (new.label, truth)
    )
    return converted, true, (high - low).sum() / new.score.sum()


@pytest.mark.parametrize(("off", "told"), [(0.0, False), (0.3, False), (0.3, True)])
def test_the_promise_holds_whichever_way_batches_are_taken_and_costs_what_it_must(off, told):
    found = [held_out(World(seed, off, told), seed) for seed in range(SHOPS)]
    for way in found[0][0]:
        rates = np.array([converted[way] for converted, _, _ in found])
        # Four standard errors below the promise would be a broken one.
        assert rates.mean() > PROMISED - 4 * rates.std() / np.sqrt(SHOPS), way
        assert np.mean([true[way] for _, true, _ in found]) >= rates.mean(), way
    # The widest way decides; the others hold more than they must, yet no range is as wide as anything would do.
    assert min(np.mean([converted[way] for converted, _, _ in found]) for way in found[0][0]) < 0.97
    assert np.mean([width for _, _, width in found]) < 1.6
