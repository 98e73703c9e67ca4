"""What the encoder adds, on a made shop: planted gains are found, and nothing is gained over the same."""

import numpy as np
import pytest

from benchmarks.related import encoder
from benchmarks.related import onward as adapter
from benchmarks.related.clocks import ClockData
from benchmarks.related.encoder import ALONE, TARGET, WITH, WITHOUT, Alone, AtClock, Comparison, Figures
from benchmarks.related.frontier import Curve
from benchmarks.tests.made_related_shop import DAYS, FIRST, PRODUCTS, Fitted, made_clock, world


@pytest.fixture
def fits(monkeypatch):
    """Every fit that was asked for; a test may say how much worse the ranking is without the encoder."""
    asked, noise = [], {"with": 0.5, "without": 2.0}

    def onward(data, seed, threads, *, encoded=True):
        asked.append((str(data.day), seed, encoded))
        return Fitted(data, noise["with" if encoded else "without"], encoder_noise=1.0)

    monkeypatch.setattr(adapter, "onward", onward)
    monkeypatch.setattr(ClockData, "of", made_clock)
    monkeypatch.setattr(encoder, "WEIGHTS", (0.0, 1.0))
    return asked, noise


def compared(seeds=(4, 5), samples=40):
    return Comparison([AtClock.of(day, seeds, 1) for day in DAYS], seeds, samples)


def test_what_the_encoder_adds_is_claimed_with_its_low_end_and_shown_by_clock_and_seed(fits, monkeypatch):
    told = []
    monkeypatch.setattr(encoder, "publish", told.append)
    monkeypatch.setattr("benchmarks.related.clocks.CLOCKS", DAYS)
    monkeypatch.setattr("sys.argv", ["encoder", "--samples", "40", "--seeds", "4", "5"])
    encoder.main()
    claims, rows = told[0].claims, told[0].rows
    assert told[0].name == "related_encoder"
    assert 0 < claims["gnn_gain_low"] < claims["gnn_gain"]
    assert claims["gnn_gain"] == pytest.approx(claims["lift_with"] - claims["lift_without"])
    assert claims["lift_with"] > claims["lift_alone"] > claims["lift_without"]
    assert claims["households"] == 40
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert {(row["clock"], row["seed"]) for row in rows} == {
        ("mean", "mean"), *((day, "mean") for day in DAYS), ("mean", "4"), ("mean", "5"),
    }  # fmt: skip
    mean = next(row for row in rows if row["variant"] == WITH and (row["clock"], row["seed"]) == ("mean", "mean"))
    assert (mean["gain"], mean["gain low"]) == (claims["gnn_gain"], claims["gnn_gain_low"])
    assert sorted(fits[0]) == sorted(
        (day, seed, encoded) for day in DAYS for seed in (4, 5) for encoded in (True, False)
    )


def test_nothing_is_gained_over_the_same(fits):
    fits[1]["without"] = fits[1]["with"]
    claims = compared().claims()
    assert [claims[name] for name in ("gnn_gain", "gnn_gain_low", "gnn_gain_relative")] == [0.0, 0.0, 0.0]


def test_lift_at_a_hit_rate_is_the_frontiers_and_seeds_are_averaged_inside_a_draw(fits):
    found = compared()
    figures = found.lift_at(WITH, "basket", TARGET)
    curve = Curve.of(found._sums[WITH, "basket", 5], 1)
    assert figures.value[1, 1] == pytest.approx(np.exp(curve.at(TARGET)[0]))
    assert figures.drawn[1, 1] == pytest.approx(np.exp(curve.at(TARGET)[1]))
    # One seed's luck is another's loss with the same households: the mean of both never moves.
    drawn = np.random.default_rng(0).random(30)
    mirrored = Figures(np.array([[1.0], [3.0]]), np.stack([drawn, 4.0 - drawn])[:, None])
    mean = mirrored.mean()
    assert (mean.value, mean.low, mean.high) == pytest.approx((2.0, 2.0, 2.0))
    assert mirrored.mean(seed=0).low < mirrored.mean(seed=0).high


def test_where_a_variant_never_hits_so_often_nothing_is_claimed(fits, monkeypatch):
    monkeypatch.setattr(encoder, "TARGET", 1.1)
    found = compared(samples=5)
    assert not {"gnn_gain", "gnn_gain_low", "lift_with"} & set(found.claims())
    assert {row["gain"] for row in found.rows()} == {None}


def test_alone_the_encoder_orders_by_its_lift_and_by_the_rankings_popularity(fits):
    data = made_clock(DAYS[0])
    alone = Alone.of(Fitted(data))
    sources = np.array([4, 71])
    related = alone.order(sources, "together", 0.0, 9)
    assert (world(related) == world(sources)[:, None]).all()
    assert not (related == sources[:, None]).any()
    bought = np.bincount(data.known["product"], minlength=len(data.products))[FIRST : FIRST + PRODUCTS]
    probable = alone.order(sources, "after", 1.0, 3)
    # Of equal lifts the more popular one comes first.
    assert (np.diff(bought[probable], axis=1) <= 0).all()


def test_the_three_variants_answer_the_same_queries(fits):
    clock = AtClock.of(DAYS[0], (4,), 1)
    answered = [clock.curves[variant, 4]["basket"][0].answered for variant in (WITH, WITHOUT, ALONE)]
    assert all(np.array_equal(answered[0], each) for each in answered)
    assert len(answered[0]) == len(clock.household)
