"""Baselines on a made shop in which products go together by fives and later purchases follow a chain."""

import numpy as np
import pytest

from onward.evaluation.listing import best_first, complements
from onward.evaluation.related_baselines import (
    RELATED_GRID,
    Cooccurrence,
    Counts,
    Popularity,
    PopularityAmongNew,
    plain,
)
from onward.evaluation.related_comparison import (
    SERVED,
    Backtest,
    Judging,
    Served,
    compare_related,
    related_headline,
    related_table,
)
from onward.evaluation.related_log import RelatedLog
from onward.evaluation.related_quality import intervals_of
from onward.evaluation.related_tuning import RelatedWindows, best_setting, judgement, tune
from onward.reporting.list_quality import name_of
from onward.reporting.related_figure import hits_against_lift

PRODUCTS, CLOCK = 40, 200
WINDOWS = RelatedWindows(CLOCK, 11, 30)


def log_of(rows, products=4, fresh_days=1):
    customer, order, product, day = np.array(rows, dtype=np.int64).T
    return RelatedLog.of(customer, order, product, day, products, fresh_days)


def shop(seed=0, customers=150, visits=14):
    """Each visit takes three products of one of eight fives, small numbers more; often the next five follows."""
    rng = np.random.default_rng(seed)
    rows, five = [], rng.choice(8, customers, p=np.arange(8, 0, -1) / 36)
    for customer in range(customers):
        for visit in range(visits):
            day = 17 * visit + customer % 17
            taken = five[customer] * 5 + rng.choice(5, 3, replace=False)
            rows += [(customer, customer * 100 + visit, product, day) for product in taken]
            five[customer] = (five[customer] + 1) % 8 if rng.random() < 0.7 else rng.integers(8)
    return log_of(rows, PRODUCTS, 10)


def test_each_baseline_counts_what_its_name_says():
    log = log_of(
        [(1, 0, 0, 0), (1, 1, 0, 50), (1, 1, 1, 50), (2, 2, 0, 50), (2, 2, 2, 50), (2, 3, 1, 60), (2, 3, 2, 60)]
    )
    every = np.arange(4)
    assert Popularity(7).fit(log)(every)[0].tolist() == [0, 0.5, 0.5, 0]
    assert Popularity(365).fit(log)(every)[3].tolist() == pytest.approx([3 / 7, 2 / 7, 2 / 7, 0])
    assert PopularityAmongNew(365).fit(log)(every)[0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert Cooccurrence(365, 0.0).fit(log)(every).tolist() == [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0] * 4]
    assert Counts(30, 0.0).fit(log)(every)[0].tolist() == [0, 1, 1, 0]
    assert Counts(30, 0.0).fit(log)(every)[1].tolist() == [0, 0, 0, 0]


def test_popularity_of_what_goes_together_has_a_lift_below_one():
    log = shop()
    judge = judgement(log, np.arange(150), WINDOWS, 5000, 20, 0)
    judged = judge.outcomes(best_first(Popularity(3650).fit(log.before(CLOCK)), PRODUCTS, 5), (5,))
    together = judge.outcomes(best_first(Cooccurrence(3650, 0.0).fit(log.before(CLOCK)), PRODUCTS, 5), (5,))
    assert intervals_of([judged.outcomes["basket", 5]], judge.bootstrap)[0]["lift"].value < 1
    assert intervals_of([together.outcomes["basket", 5]], judge.bootstrap)[0]["lift"].value > 3


def test_settings_are_tuned_on_what_was_known_at_the_clock():
    log, selection = shop(), np.arange(0, 150, 3)
    first = tune(log, selection, WINDOWS, 5000, 0, 1)
    assert {name: len(trials) for name, trials in first.items()} == {
        name: len(each) for name, each in RELATED_GRID.items()
    }
    assert tune(log.before(CLOCK), selection, WINDOWS, 5000, 0, 2) == first
    picked = best_setting(first["cooccurrence"], "basket")
    rates = {trial.setting: trial.hit_rate["basket"] for trial in first["cooccurrence"]}
    assert rates[picked] == max(rates.values()) > max(trial.hit_rate["basket"] for trial in first["popularity"])
    assert WINDOWS.earlier() == RelatedWindows(CLOCK - 41, 11, 30)


def compare(log, served, limit=800):
    types = np.arange(PRODUCTS) // 5
    selection, test = np.arange(0, 150, 3), np.arange(1, 150, 3)
    return compare_related(Backtest(log, types, selection, test, WINDOWS), served, Judging((5, 10), limit, 30, 0, 1))


def served_by(method):
    lister = best_first(method, PRODUCTS, 10)
    return Served(lambda sources, *_: lister(sources), (0.0,), complements(method, np.arange(PRODUCTS) // 5, 10))


def test_served_lists_stand_beside_every_baseline_and_gain_nothing_over_themselves():
    log = shop()
    told = compare(log, served_by(Popularity(3650).fit(log.before(CLOCK))))
    best = told["best_baseline"]["basket"]
    assert best == "cooccurrence"
    assert [row["method"] for row in told["methods"]] == [SERVED, *RELATED_GRID]
    assert told["methods"][0]["gain"]["basket"]["hr@10"]["high"] < 0
    assert [row["method"] for row in told["goes_with"]] == [SERVED, *RELATED_GRID]
    assert {row["breaches"] for row in told["goes_with"]} == {0}
    again = Cooccurrence(**told["picked"]["basket"]["cooccurrence"]).fit(log.before(CLOCK))
    gain = compare(log, served_by(again))["methods"][0]["gain"]["basket"]
    assert gain == {name: {"value": 0.0, "low": 0.0, "high": 0.0} for name in ("hr@10", "lift@10")}


def test_breaches_of_complements_are_counted_as_served():
    log = shop()
    method = Popularity(3650).fit(log.before(CLOCK))
    told = compare(log, Served(lambda *_: pytest.fail("no weight was asked"), (), best_first(method, PRODUCTS, 10)))
    assert told["goes_with"][0]["breaches"] > 0


def test_each_relation_is_judged_by_the_lists_made_for_it_at_each_weight():
    log, asked = shop(), []
    method = Popularity(3650).fit(log.before(CLOCK))

    def order(sources, relation, weight):
        asked.append((relation, weight))
        return best_first(Cooccurrence(3650, 0.0).fit(log.before(CLOCK)) if weight else method, PRODUCTS, 10)(sources)

    told = compare(log, Served(order, (0.0, 1.0), complements(method, np.arange(PRODUCTS) // 5, 10)))
    assert sorted(asked) == [("basket", 0.0), ("basket", 1.0), ("later", 0.0), ("later", 1.0)]
    low, high = (row["basket"]["lift@10"]["value"] for row in told["methods"][:2])
    assert low < high
    headline = related_headline(told)
    assert headline["orders"]["served at weight 1"]["basket"]["lift10"]["value"] == high
    assert set(headline["goes_with"]) == {SERVED, *RELATED_GRID}
    table = related_table(told)
    assert len(table) == 2 * (2 + len(RELATED_GRID)) + 1 + len(RELATED_GRID)
    assert table.loc[(table["weight"] == 1) & (table["relevant"] == "basket"), "lift_value"].tolist() == [high]


def test_turned_round_in_time_what_follows_leads():
    log = shop()
    back = RelatedLog.of(log.customer, log.order, log.product, -log.day, PRODUCTS, 10)
    every = np.arange(PRODUCTS)
    together = (Cooccurrence(3650, 0.0).fit(each)(every) for each in (log, back))
    assert np.array_equal(*together)
    forward, backward = (Counts(30, 0.0).fit(each)(every).reshape(8, 5, 8, 5).sum((1, 3)) for each in (log, back))
    after = (np.arange(8) + 1) % 8
    assert (forward[np.arange(8), after] > forward[after, np.arange(8)]).all()
    assert (backward[np.arange(8), after] < backward[after, np.arange(8)]).all()


def test_no_queries_no_rows():
    log = shop(visits=5)
    told = compare(log, served_by(Popularity(3650).fit(log)))
    assert (told["queries"], told["methods"], told["goes_with"]) == (0, [], [])
    assert related_headline(told) == {"orders": {}, "goes_with": {}}
    assert len(related_table(told)) == 0


def test_a_log_that_ends_before_anything_later_is_told_judges_baskets_alone():
    log = shop()
    windows = RelatedWindows.of(CLOCK, 14, 28, 30)
    told = compare_related(
        Backtest(log, np.arange(PRODUCTS) // 5, np.arange(75), np.arange(75, 150), windows),
        served_by(Popularity(3650).fit(log.before(CLOCK))),
        Judging((10,), 500, 10, 0, 2),
    )
    assert told["answered"]["basket"] > 100
    assert told["answered"]["later"] == 0
    (row, *_) = told["methods"]
    assert row["basket"]["hr@10"]["value"] > 0.0
    assert row["later"]["hr@10"]["value"] is None


def test_every_setting_is_plain_and_ranks_an_empty_past():
    empty = log_of([(1, 0, 0, 5)]).before(0)
    for settings in RELATED_GRID.values():
        assert len(set(settings)) == len(settings)
        for setting in settings:
            assert plain(setting)
            assert (setting.fit(empty)(np.arange(4)) == 0).all()


def test_the_picture_shows_every_method_and_says_their_figures():
    log = shop()
    rows = compare(log, served_by(Popularity(3650).fit(log.before(CLOCK))))["methods"]
    svg = str(hits_against_lift("basket", rows))
    assert all(f">{name_of(row)}<" in svg for row in rows if row["method"] != SERVED)
    served = rows[0]["basket"]
    assert f"Onward, weight 0 {served['hr@10']['value']:.1%}, {served['lift@10']['value']:.2f} times chance" in svg
    assert svg == str(hits_against_lift("basket", rows))
    assert "<svg" in str(hits_against_lift("later", []))


@pytest.mark.parametrize(("top_k", "cuts"), [((5, 70, 20), (5, 10, 20, 70)), ((3,), (3, 10))])
def test_lists_are_judged_at_every_cut_asked_for_and_at_ten(top_k, cuts):
    log, how = shop(), Judging(top_k, 200, 10, 0, 1)
    method = Popularity(3650).fit(log.before(CLOCK))
    lister = best_first(method, PRODUCTS, how.cuts[-1])
    served = Served(lambda sources, *_: lister(sources), (0.0,), lister)
    on = Backtest(log, np.arange(PRODUCTS) // 5, np.arange(0, 150, 3), np.arange(1, 150, 3), WINDOWS)
    judged = compare_related(on, served, how)["methods"][0]["basket"]
    assert how.cuts == cuts
    assert {name for name in judged if name.startswith("hr@")} == {f"hr@{cut}" for cut in cuts}
