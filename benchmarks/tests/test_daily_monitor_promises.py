"""What the daily monitor promises, over worlds of daily sums; benchmarks/drift/monitoring.py does it at full size."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.drift.daily_world import World, draw
from benchmarks.drift.monitoring import SETTINGS, drift
from onward.monitoring.assessment import assess, nowcast_blocks
from onward.monitoring.change_scan import dispersion, level_changes
from onward.monitoring.delays import reference_curves
from onward.monitoring.sequential import e_detector
from tools.testbeds.cut_statistics import since, until

pytestmark = pytest.mark.statistical


def test_a_year_of_looks_seldom_cries_wolf():
    """Ten shops of two months' looks each, every fourth day: at 5 % a year one alarm would be one too many."""
    alarms = []
    for seed in range(10):
        statistics = draw(World(days=160), [seed, 71])
        alarms.extend(assess(until(statistics, days), SETTINGS).verdict == "drifted" for days in range(100, 161, 4))
    assert sum(alarms) == 0


def test_a_drop_in_one_level_is_found_in_a_fortnight_with_its_level():
    found = [drift("positivity drop", seed, horizon=25) for seed in range(500, 508)]
    assert np.median([each["drifted"] or 99 for each in found]) <= 12
    assert np.mean([each["level_right"] is True for each in found]) >= 0.85
    assert np.median([abs(each["since_off"] or 0) for each in found]) <= 3


@pytest.mark.parametrize("kind", ["delay slow-down", "delay stretch", "delay shift"])
def test_a_slow_down_is_not_called_drift(kind):
    found = [drift(kind, seed, horizon=30) for seed in range(600, 604)]
    assert sum(each["drifted"] is not None for each in found) == 0


@pytest.mark.parametrize(
    ("kind", "cause"),
    [("delay slow-down", "delay"), ("engagement outage", "engagement"), ("score shift", "scores"),
     ("label outage", "labels")],
)  # fmt: skip
def test_the_right_cause_is_named(kind, cause):
    assert [drift(kind, seed, horizon=20)["cause"] for seed in range(700, 703)] == [cause] * 3


def test_a_nowcast_covers_what_matures():
    """Five weeks pending, five levels, 16 shops: at 95 % the share covered lies within four standard errors."""
    hits, total, bias = 0, 0, []
    for seed in range(16):
        full = draw(World(days=140, a_day=4000), [seed, 72])
        found = assess(until(full, 110), SETTINGS)
        blocks = np.zeros((4, 110), dtype=bool)
        for week in range(4):
            blocks[week, 110 - 7 * (week + 1) : 110 - 7 * week] = True
        told = nowcast_blocks(found, blocks, 0.95)
        truth = np.stack([full.arrivals.sum(axis=2)[:110][block].sum(axis=0) for block in blocks])
        n = np.stack([full.n[:110][block].sum(axis=0) for block in blocks])
        hits += int(((told.low <= truth / n) & (truth / n <= told.high)).sum())
        total += truth.size
        bias.append((told.rate * n).sum() / truth.sum() - 1)
    # Levels of one shop share a delay curve: the cells are fewer than they seem.
    assert 0.90 <= hits / total <= 0.995
    assert abs(np.mean(bias)) < 0.02


def test_a_nowcast_follows_a_slow_down():
    full = draw(World(days=150, kind="delay slow-down", start=90), [3, 73])
    found = assess(until(full, 120), SETTINGS)
    block = np.zeros((1, 120), dtype=bool)
    block[0, 100:115] = True
    told = nowcast_blocks(found, block, 0.95)
    truth = full.arrivals.sum(axis=2)[100:115].sum() / full.n[100:115].sum()
    rate = (told.rate[0] * full.n[100:115].sum(axis=0)).sum() / full.n[100:115].sum()
    assert rate == pytest.approx(truth, rel=0.06)


def test_overdispersed_counts_do_not_raise_alarms():
    """Customers who repeat make counts three times as variable; the dispersion must notice."""
    alarms = 0
    for seed in range(8):
        statistics = draw(World(days=120, a_day=60_000), [seed, 74])
        rng = np.random.default_rng([seed, 75])
        noise = rng.gamma(100.0, 0.01, statistics.n.shape)
        lumpy = statistics.arrivals * noise[:, :, None]
        statistics = replace(statistics, arrivals=np.round(lumpy))
        phi = dispersion(statistics, reference_curves(statistics).arrived)
        assert phi.min() > 2.0
        changes = level_changes(statistics, phi)
        alarms += any(
            e_detector(changes.change[:, k], changes.error[:, k], 0.2, 0.05, 5, changes.z[:, k]).changed
            for k in range(5)
        )
    assert alarms == 0


def test_history_before_the_scan_does_not_change_who_drifted():
    statistics = draw(World(days=140, kind="positivity drop", start=110), [5, 76])
    words = [assess(since(statistics, start), SETTINGS).verdict for start in (0, 20)]
    assert words == ["drifted", "drifted"]
