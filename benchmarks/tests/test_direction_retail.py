"""What the retail benchmark asks and counts, on made shops."""

import numpy as np

from benchmarks.direction import retail as direction_retail
from benchmarks.direction import which_way
from benchmarks.direction.shops import FOLLOW_DAYS, FRESH_DAYS, Shop
from onward.ranking.catalogue_ranker import RankerSettings
from onward.ranking.purchase_log import PurchaseLog

PRODUCTS = 24


def made_shop(customers=80, days=260):
    """Everybody buys a product now and then, and the next one a few days later."""
    generator = np.random.default_rng(0)
    rows = []
    for customer in range(customers):
        day = int(generator.integers(0, 20))
        while day < days:
            product = int(generator.integers(0, PRODUCTS))
            rows += [
                (customer, product, day),
                (customer, (product + 1) % PRODUCTS, day + int(generator.integers(2, 9))),
            ]
            day += int(generator.integers(9, 30))
    customer, product, day = np.array(rows).T
    log = PurchaseLog.of(customer, product, day, PRODUCTS, FRESH_DAYS)
    vectors = np.eye(PRODUCTS, dtype=np.float32)[:, :8] + 0.1
    return Shop("made", log, vectors, learn=140, test=200, end=230)


def test_queries_want_what_is_new_later_and_counts_end_before_them():
    shop = made_shop()
    asked = direction_retail.ask(shop, shop.test, shop.end, 50)
    assert asked.log.day.max() < shop.test
    assert asked.moment.queries == len(asked.customer) == 50
    for query, wanted in asked.moment.pairs:
        mine = shop.log.customer == asked.customer[query]
        assert wanted not in asked.moment.history[query]
        bought = mine & (shop.log.product == wanted) & shop.log.fresh
        assert ((shop.log.day[bought] > shop.test) & (shop.log.day[bought] < shop.end + FOLLOW_DAYS)).any()


def test_what_was_bought_longer_ago_is_known_by_customer_and_ranks_first():
    shop = made_shop()
    asked = direction_retail.ask(shop, shop.test, shop.end, 40)
    alike, fading = (direction_retail.BoughtBefore(number, np.full(PRODUCTS, 0.01)) for number in (0, 2))
    some = np.array([3, 17, 30])
    scores = alike.method(asked.moment.subset(some))(np.arange(3))
    for row, query in enumerate(some):
        mine = shop.log.where(shop.log.customer == asked.customer[query])
        longer_ago = np.unique(mine.product[mine.day < shop.test - FRESH_DAYS])
        never = np.setdiff1d(np.arange(PRODUCTS), mine.product[mine.day < shop.end - FRESH_DAYS])
        assert (scores[row, longer_ago] > 1).all()
        assert (scores[row, never] == 0.01).all()
    assert (fading.method(asked.moment)(some) <= scores).all()


def test_who_judges_does_not_teach():
    customer = np.repeat(np.arange(30), np.arange(1, 31))
    judging = direction_retail.judges(customer)
    assert 0.1 < judging.mean() < 0.6
    assert not set(customer[judging]) & set(customer[~judging])


def test_later_purchases_change_no_count():
    shop = made_shop()
    cut = shop.log.where(shop.log.day < shop.test + 5)
    early = direction_retail.ask(Shop("cut", cut, shop.vectors, 140, 200, 205), shop.test, 205, 5).moment.graphs
    late = direction_retail.ask(shop, shop.test, shop.end, 5).moment.graphs
    assert all((early[name].adjacency != late[name].adjacency).nnz == 0 for name in early)


def test_counting_finds_the_next_product_and_the_table_holds_the_claims(monkeypatch):
    quick = (RankerSettings(iterations=20, min_rows_in_leaf=5),)
    monkeypatch.setattr(direction_retail, "TAUGHT", 150)
    monkeypatch.setattr(direction_retail, "TESTED", 60)
    monkeypatch.setattr(direction_retail, "PER_PROPOSER", 10)
    monkeypatch.setattr(direction_retail, "SHOP_RANKERS", quick)
    found = direction_retail.retail(made_shop())
    rows = {row["method"]: row for row in found["rows"]}
    assert rows["window counts"]["hr@10"] > rows["reversed edge"]["hr@10"]
    assert direction_retail.BOUGHT_BEFORE in rows
    assert found["gain"]["low"] <= found["gain"]["value"] <= found["gain"]["high"]


def test_pairs_whose_order_is_no_chance_are_found_and_coins_are_not():
    generator = np.random.default_rng(1)
    rows = []
    for customer in range(120):
        first = int(generator.integers(0, 30))
        rows += [(customer, 0, first), (customer, 1, first + 5)]  # always 0, then 1
        rows += [
            (customer, 2 + int(generator.integers(0, 2)), first),
            (customer, 2 + int(generator.integers(0, 2)), first + 5),
        ]
    customer, product, day = np.array(rows).T
    log = PurchaseLog.of(customer, product, day, 4, FRESH_DAYS)
    found = which_way.ordered_pairs(Shop("made", log, np.zeros((4, 1)), 0, 0, 0))
    assert [0, 1] in found.tolist()
    assert not {(2, 3), (3, 2)} & set(map(tuple, found.tolist()))
