"""Related lists against baselines on a made shop: what is asked, picked, pooled and claimed."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from benchmarks.related import __main__ as benchmark
from benchmarks.related import contest, entries, peers
from benchmarks.related import onward as adapter
from benchmarks.related.clocks import Asked, ClockData
from benchmarks.related.counted import Cosine, Ease, Markov
from benchmarks.related.frontier import Curve, Level, at_own_hits, level, shortfall
from benchmarks.related.pooling import Pool, Sums
from onward.evaluation.listing import best_first, complements
from onward.evaluation.related_log import RelatedLog
from onward.evaluation.related_quality import Outcome
from onward.metrics.intervals import Interval

PRODUCTS = 40
DAYS = ("1970-07-10", "1970-08-01")


def log_of(rows, products=4, fresh_days=1):
    customer, order, product, day = np.array(rows, dtype=np.int64).T
    return RelatedLog.of(customer, order, product, day, products, fresh_days)


def made_clock(day):
    """Orders take three products of one of eight fives; a five holds one product of each of five types."""
    rng = np.random.default_rng(0)
    rows, five = [], rng.integers(8, size=120)
    for customer in range(120):
        for visit in range(30):
            at = 9 * visit + customer % 9
            taken = five[customer] * 5 + rng.choice(5, 3, replace=False)
            rows += [(customer, customer * 100 + visit, product, at) for product in taken]
            five[customer] = (five[customer] + 1) % 8 if rng.random() < 0.7 else rng.integers(8)
    log, types = log_of(rows, PRODUCTS, 10), np.arange(PRODUCTS) % 5
    split = np.array(["train", "selection", "test"])[np.arange(120) % 3]
    customers = pd.DataFrame({"customer": np.arange(120), "split": split})
    return ClockData(
        day=date.fromisoformat(day), known=pd.DataFrame(), products=pd.DataFrame(), candidates=np.arange(PRODUCTS),
        customers=customers, log=log, types=types, test=np.flatnonzero(split == "test"), households=np.arange(120) + 7,
    )  # fmt: skip


FIT = Cosine.fit
"""As it is while a test forbids baselines to be fitted again: the model is fitted every time."""


class Counted:
    """Stands for the model, which needs a pipeline's tables: cosine, and popularity by the weight."""

    def __init__(self, data, seed, threads):
        past = data.log.before(data.windows.clock)
        self.score, self.share, self.types = FIT(Cosine(0.5), past), np.log(past.order_share() + 1e-9), data.types

    def order(self, sources, relation, weight, count):
        return best_first(lambda rows: np.log(self.score(rows) + 1e-3) + weight * self.share, PRODUCTS, count)(sources)

    def recall(self, sources, weights, count):
        return 1.0

    def goes_with(self, sources, count):
        return complements(self.score, self.types, count)(sources)


@pytest.fixture
def made(monkeypatch, tmp_path):
    monkeypatch.setattr(adapter, "onward", Counted)
    monkeypatch.setattr(ClockData, "of", made_clock)
    monkeypatch.setattr(entries, "STORE", tmp_path)
    monkeypatch.setattr(peers, "installed", lambda: False)
    monkeypatch.setattr(entries, "WEIGHTS", (0.0, 0.5, 1.0))
    quick = {"popularity": entries.FAMILIES["popularity"][:2], "cosine": entries.POWERS, "EASE": (Ease(10.0),)}
    monkeypatch.setattr(entries, "FAMILIES", quick)
    return tmp_path


def test_what_selection_households_see_ends_at_the_clock_and_what_baselines_count_before_their_queries():
    data = made_clock(DAYS[0])
    select, judge = Asked.to_select(data, 0), Asked.to_judge(data, 0)
    clock = data.windows.clock
    assert clock == (date.fromisoformat(DAYS[0]) - date(1970, 1, 1)) // timedelta(days=1)
    assert (select.past.day.max() < clock - 41, judge.past.day.max() < clock) == (True, True)
    assert set(judge.plain.queries.customer.tolist()) <= set(data.test.tolist())
    assert set(select.plain.queries.customer.tolist()) <= set(data.selection.tolist())
    changed = log_of([(0, 0, 0, clock)], PRODUCTS)
    later = RelatedLog.of(
        *(np.concatenate([getattr(data.log.before(clock), name), getattr(changed, name)])
          for name in ("customer", "order", "product", "day")), PRODUCTS, 10,
    )  # fmt: skip
    again = Asked.to_select(ClockData(**{**vars(data), "log": later}), 0)
    assert np.array_equal(again.plain.queries.source, select.plain.queries.source)
    assert all(
        np.array_equal(again.plain.queries.answers[relation].product, answers.product)
        for relation, answers in select.plain.queries.answers.items()
    )


def test_the_benchmark_claims_what_is_planted(made, monkeypatch):
    told, drawn = [], made / "picture.svg"
    monkeypatch.setattr(benchmark, "publish", told.append)
    monkeypatch.setattr(benchmark, "CLOCKS", DAYS)
    monkeypatch.setattr("benchmarks.related.clocks.CLOCKS", DAYS)
    monkeypatch.setattr(benchmark, "PICTURE", drawn)
    monkeypatch.setattr("sys.argv", ["related", "--samples", "40"])
    benchmark.main()
    claims, rows = told[0].claims, told[0].rows
    assert claims["lift10_basket"] > 2
    assert claims["goes_with_hr10"] > 0.5
    assert claims["peers_missing"] == 1.0
    assert claims["households"] == 40
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert {row["clock"] for row in rows} == {"mean", *DAYS}
    assert {row["setting"] for row in rows if row["method"] in entries.PEERS} == {peers.MISSING}
    assert drawn.read_text().startswith("<?xml")
    missing = {"frontier_shortfall", "hr10_basket_gain_low", "hr10_later_gain_low", "served_orders_beaten"} - set(
        claims
    )
    assert not missing
    monkeypatch.setattr(Cosine, "fit", lambda *_: pytest.fail("lists of a baseline were made again"))
    benchmark.main()
    assert told[1].claims == claims
    assert told[1].rows == rows


def test_selection_households_pick_and_not_those_that_judge(made):
    at = contest.AtClock.of(DAYS[0], 0, 1)
    both = at.baselines["cosine"]
    swapped = {
        setting: entries.Entry(entry.outcomes, {kind: -rate for kind, rate in entry.hit_rate.items()}, entry.variety)
        for setting, entry in both.items()
    }
    rates = {setting: entry.hit_rate["basket"] for setting, entry in both.items()}
    assert rates[at.picked("cosine", "basket")] == max(rates.values())
    turned = contest.AtClock(at.day, at.judge, {**at.baselines, "cosine": swapped}, at.ours, at.recall)
    assert rates[turned.picked("cosine", "basket")] == min(rates.values())
    assert turned.best("basket") != "cosine"


def test_a_method_gains_exactly_nothing_over_itself(made):
    found = contest.Contest([contest.AtClock.of(day, 0, 1) for day in DAYS], 30, 0)
    sums = found.sums(found.best("basket"), "basket")
    for clock in (None, 0, 1):
        gain = sums.gain(sums, "hr", clock)
        assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)


def test_cosine_divides_by_a_power_of_the_targets_orders():
    log = log_of([(1, 0, 0, 1), (1, 0, 1, 1), (1, 1, 1, 2), (1, 2, 1, 3), (1, 2, 2, 3), (1, 3, 2, 4)])
    scores = Cosine(0.5).fit(log)(np.array([1, 0]))
    assert scores[0].tolist() == pytest.approx([1 / 3**0.5, 0, 1 / (3 * 2) ** 0.5, 0])
    assert Cosine(0.0).fit(log)(np.array([1]))[0].tolist() == pytest.approx([1 / 3**0.5, 0, 1 / 3**0.5, 0])
    assert scores[1].tolist() == pytest.approx([0, 1 / 3**0.5, 0, 0])


def test_ease_is_the_closed_form():
    rng = np.random.default_rng(0)
    lines = np.argwhere(rng.random((60, 6)) < 0.4)
    log = log_of([(1, order, product, order) for order, product in lines], products=6)
    held = np.zeros((60, 6))
    held[lines[:, 0], lines[:, 1]] = 1
    precision = np.linalg.inv(held.T @ held + 3.0 * np.eye(6))
    expected = -precision / np.diag(precision)
    found = Ease(3.0).fit(log)(np.arange(6))
    off = ~np.eye(6, dtype=bool)
    assert found[off] == pytest.approx(expected[off], abs=1e-5)
    assert found[[4, 1]][0] == pytest.approx(Ease(3.0).fit(log)(np.array([4, 1]))[0])


def test_markov_is_the_next_shopping_day():
    log = log_of([(1, 0, 0, 0), (1, 1, 1, 9), (1, 2, 2, 10)])
    assert Markov(fresh_only=False, backoff=0.0).fit(log)(np.array([0]))[0].tolist() == [0, 1, 0, 0]


def test_the_package_ranks_as_it_scores_and_names_nothing_unlike():
    pytest.importorskip("implicit")
    data = made_clock(DAYS[0])
    past = data.log.before(data.windows.clock)
    for setting in (peers.NearestItems("cosine", "order"), peers.NearestItems("bm25", "customer", 100.0, 0.8)):
        scores = setting.fit(past)(np.arange(PRODUCTS))
        assert (scores[:, :] > -np.inf).any(axis=1).all()
    ours = Cosine(0.5).fit(past)(np.arange(PRODUCTS))
    theirs = peers.NearestItems("cosine", "order").fit(past)(np.arange(PRODUCTS))
    together = (ours > 0) & ~np.eye(PRODUCTS, dtype=bool)
    assert theirs[together] == pytest.approx(ours[together], rel=1e-5)
    for ask in ("similar", "continue"):
        scores = peers.LeastSquares(ask, 16, 0.1, 5.0).fit(past)(np.arange(PRODUCTS))
        np.fill_diagonal(scores, -np.inf)
        assert (scores.argmax(axis=1) // 5 == np.arange(PRODUCTS) // 5).mean() > 0.8


def sums_of(hit_rate, lift, samples=5):
    """One setting at each of K clocks with the same figures in every resample: of one query, one hit expected."""
    total = np.array([[1.0, hits, 0.0, 0.0, more, 1.0] for hits, more in zip(hit_rate, lift, strict=True)])
    return Sums(total, np.repeat(total[None], samples, axis=0))


def test_lift_between_two_settings_is_straight_in_its_logarithm():
    curve = Curve.of([sums_of([0.4], [2.0]), sums_of([0.2], [8.0])], 0)
    value, drawn = curve.at(0.3)
    assert np.exp(value) == pytest.approx(4.0)
    assert np.exp(drawn) == pytest.approx(np.full(5, 4.0))
    assert np.exp(curve.at(0.1)[0]) == pytest.approx(8.0)  # it hits more often than that, and lifts as much
    assert (curve.reaches(0.4), curve.reaches(0.41)) == (True, False)


def test_settings_beaten_in_both_are_no_part_of_a_rival():
    settings = [sums_of([0.2], [8.0]), sums_of([0.3], [1.0]), sums_of([0.4], [2.0]), sums_of([0.4], [2.0])]
    curve = Curve.of(settings, 0).unbeaten()
    assert curve.hit_rate.tolist() == [0.2, 0.4, 0.4]
    assert curve.drawn_hit_rate.shape == (5, 3)
    nothing = Curve.of([sums_of([0.2], [0.0]), sums_of([0.1], [1.0])], 0)
    assert nothing.hit_rate.tolist() == [0.1]


def test_the_best_baseline_of_each_clock_is_the_rival_there():
    ours = [sums_of([0.2, 0.2], [8.0, 8.0]), sums_of([0.4, 0.4], [2.0, 2.0])]
    rivals = {"one": [sums_of([0.3, 0.3], [2.0, 5.0])], "other": [sums_of([0.35, 0.2], [3.2, 9.0])]}
    found = level(ours, rivals, 0.3, [0, 1])
    assert found.rivals == {0: "other", 1: "one"}
    assert found.relative.value == pytest.approx((4 / 3.2 - 1 + 4 / 5 - 1) / 2)
    assert found.relative.low == pytest.approx(found.relative.value)
    assert level(ours, rivals, 0.3, [1]).relative.value == pytest.approx(-0.2)


def test_where_only_a_baseline_hits_so_often_all_is_lost_and_where_none_does_nothing_is_said():
    ours, rivals = [sums_of([0.4], [2.0])], {"one": [sums_of([0.5], [1.0])]}
    lost, unsaid = level(ours, rivals, 0.45, [0]), level(ours, rivals, 0.6, [0])
    assert (lost.relative.value, unsaid.relative, unsaid.rivals) == (-1.0, None, {})
    assert shortfall([unsaid, Level(0.1, Interval(0.2, 0.1, 0.3), {})]) == 0.0
    assert shortfall([unsaid, Level(0.1, Interval(0.2, -0.04, 0.3), {}), lost]) == 1.0


def test_a_list_as_served_is_held_against_baselines_that_hit_as_often_at_each_clock():
    served = sums_of([0.2, 0.3], [6.0, 4.0])
    rivals = {
        "one": [sums_of([0.1, 0.1], [8.0, 8.0]), sums_of([0.3, 0.3], [2.0, 2.0])],
        "less": [sums_of([0.1, 0.1], [99.0, 99.0])],
    }
    found = at_own_hits(served, rivals, [0, 1])
    assert found.value == pytest.approx((6 / 4 - 1 + 4 / 2 - 1) / 2)
    assert (found.low, found.high) == pytest.approx((found.value, found.value))
    assert at_own_hits(sums_of([0.5], [1.0]), rivals, [0]) is None


def outcome(hits):
    hits, ones = np.array(hits, dtype=np.float64), np.ones(len(hits))
    return Outcome(ones, hits, ones, hits, hits, hits)


def test_means_over_clocks_weigh_clocks_alike_and_draw_a_household_with_all_its_queries():
    households = [np.array([1, 2]), np.array([1, 2, 2, 2])]
    pool = Pool.of(households, 200, 0)
    sums = pool.sums([outcome([1, 0]), outcome([0, 1, 1, 1])])
    assert sums.interval("hr", 0).value == 0.5
    assert sums.interval("hr", None).value == pytest.approx((0.5 + 0.75) / 2)
    # Whoever hits at one clock misses at the other: drawn together, the mean of the clocks hardly moves.
    pool = Pool.of([np.arange(50), np.arange(50)], 200, 0)
    mirrored = pool.sums([outcome(np.arange(50) % 2), outcome(1 - np.arange(50) % 2)])
    assert mirrored.interval("hr", None).low == mirrored.interval("hr", None).high == 0.5
    assert mirrored.interval("hr", 0).low < 0.45


def test_only_settings_that_turn_one_knob_lie_on_one_curve():
    names = {
        entries.curve(name, setting)
        for name, settings in (entries.FAMILIES | entries.PEERS).items()
        for setting in settings
    }
    assert {"cosine", "ALS (implicit), similar", "ALS (implicit), continue"} <= names
    assert len([name for name in names if name.startswith("BM25")]) == 4
    assert entries.shown(Cosine(0.5)) == "power 0.5"
    assert "k1" not in entries.shown(peers.NearestItems("cosine", "order"))
