import numpy as np
import pandas as pd

from onward.evaluation.related_log import RelatedLog, candidates_known, log_of_lines
from onward.evaluation.related_queries import related_queries


def log_of(rows, products=10, fresh_days=60):
    customer, order, product, day = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return RelatedLog.of(customer, order, product, day, products, fresh_days)


def ask(log, start=100, end=111, customers=(1, 2), limit=100, seed=0):
    return related_queries(log, np.array(customers), start, end, 30, limit, seed)


def told(queries, relation):
    found = queries.answers[relation]
    return sorted(
        (int(queries.order[q]), int(queries.source[q]), int(product))
        for q, product in zip(found.query, found.product, strict=True)
    )


def test_the_same_order_and_what_is_new_on_later_days_are_judged_apart():
    log = log_of([
        (1, 0, 9, 0),  # the log begins
        (1, 1, 5, 60),  # 60 days before day 120: not long enough ago
        (1, 2, 6, 59),  # 61 days before: new again
        (1, 10, 0, 100), (1, 10, 1, 100), (1, 10, 1, 100),  # the order, one line twice
        (1, 11, 2, 100),  # another order of that day: neither together nor later
        (1, 12, 5, 120), (1, 12, 6, 120), (1, 12, 0, 120),
        (1, 13, 7, 130),  # the last day that counts
        (1, 14, 8, 131),  # a day too late for the order of day 100
        (2, 15, 3, 105),  # somebody else
        (3, 16, 4, 105),  # who is not asked
    ])  # fmt: skip
    queries = ask(log)
    assert sorted(zip(queries.order.tolist(), queries.source.tolist(), strict=True)) == [
        (10, 0), (10, 1), (11, 2), (15, 3),
    ]  # fmt: skip
    assert told(queries, "basket") == [(10, 0, 1), (10, 1, 0)]
    assert told(queries, "later") == [(order, u, v) for order, u in ((10, 0), (10, 1), (11, 2)) for v in (6, 7)]


def test_only_products_of_other_types_are_relevant_to_complements():
    log = log_of([(1, 0, 9, 0), (1, 10, 0, 100), (1, 10, 1, 100), (1, 10, 2, 100), (1, 11, 3, 105)])
    queries = ask(log, end=101).of_other_types(np.array([0, 0, 1, 0, 2, 2, 2, 2, 2, 2]))
    assert told(queries, "basket") == [(10, 0, 2), (10, 1, 2), (10, 2, 0), (10, 2, 1)]
    assert told(queries, "later") == [(10, 2, 3)]


def test_every_line_is_as_likely_and_the_seed_alone_decides():
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, 40, 3000) for _ in range(4)], axis=1)
    rows[:, 1] = rows[:, 0] * 100 + rows[:, 3]  # an order is a customer's day
    log = log_of(rows, products=40, fresh_days=5)
    lines = len(ask(log, 10, 40, range(40), limit=10_000).source)
    first, again, other = (ask(log, 10, 40, range(40), 200, seed) for seed in (1, 1, 2))
    assert len(first.source) == len(other.source) == 200 < lines
    assert (first.source == again.source).all()
    assert (first.order == again.order).all()
    assert told(first, "later") == told(again, "later") != told(other, "later")


def test_nothing_asked_nothing_answered():
    queries = ask(log_of([(1, 0, 1, 5)]))
    assert len(queries.source) == len(queries.answers["basket"].query) == len(queries.answers["later"].query) == 0
    alone = ask(log_of([(1, 0, 1, 100)]))
    assert (len(alone.source), told(alone, "basket"), told(alone, "later")) == (1, [], [])


def test_what_comes_at_or_after_a_day_is_not_before_it():
    log = log_of([(1, 0, 1, 5), (1, 1, 2, 70), (2, 2, 2, 71)], products=3)
    assert log.before(71).product.tolist() == [1, 2]
    assert log.before(71).purchases.product.tolist() == [1, 2]
    assert log.order_share().tolist() == [0, 1 / 3, 2 / 3]
    assert log.new_share().tolist() == [0, 0, 1]
    assert log.before(0).order_share().tolist() == [0, 0, 0]


def test_candidates_have_enough_customers_and_other_lines_are_left_out():
    table = pd.DataFrame(
        [
            (1, 7, 2, "2017-01-01 08:00"),
            (1, 7, 2, "2017-01-01 08:00"),
            (2, 8, 4, "2017-01-02"),
            (1, 9, 4, "2017-01-03"),
        ],
        columns=["customer", "order", "product", "purchased_at"],
    ).astype({"purchased_at": "datetime64[us]"})
    candidates = candidates_known(table["customer"].to_numpy(), table["product"].to_numpy(), 6, 2)
    assert candidates.tolist() == [4]
    log = log_of_lines(table, candidates, 6, 60)
    assert (log.customer.tolist(), log.order.tolist(), log.product.tolist()) == ([2, 1], [8, 9], [0, 0])
    assert (log.day[1] - log.day[0], log.products) == (1, 1)
