import numpy as np
import pandas as pd

from onward.evaluation.listing import NOTHING
from onward.evaluation.related_backtest import ProductBacktest, compare_as_served
from onward.evaluation.related_comparison import SERVED, Judging, Served
from onward.evaluation.related_tuning import RelatedWindows

WINDOWS = RelatedWindows(120, 11, 30)


def purchases(seed=0, customers=60):
    """Products 0, 5, 10, 15 and 20 are never candidates; 2k and 2k + 1 of the others are always bought together."""
    rng = np.random.default_rng(seed)
    goods = np.array([product for product in range(24) if product % 5]).reshape(-1)[:18].reshape(9, 2)
    rows = []
    for customer in range(customers):
        for visit in range(25):
            taken = [*goods[rng.integers(9)], *([5 * int(rng.integers(5))] if customer == 0 else [])]
            rows += [(customer, customer * 100 + visit, int(product), 6 * visit + customer % 6) for product in taken]
    table = pd.DataFrame(rows, columns=["customer", "order", "product", "day"])
    table["purchased_at"] = pd.Timestamp("1970-01-01") + pd.to_timedelta(table.pop("day"), unit="D")
    return table, dict(zip(goods[:, 0], goods[:, 1], strict=True)) | dict(zip(goods[:, 1], goods[:, 0], strict=True))


def judge(table, order, goes_with):
    clock = pd.Timestamp("1970-01-01") + pd.Timedelta(days=WINDOWS.clock)
    known, later = table[table["purchased_at"] < clock], table[table["purchased_at"] >= clock]
    category = pd.Series([f"SHOP > TYPE {product}" for product in range(24)])
    selection = np.arange(1, 60, 2)
    later = later[later["customer"] % 2 == 0]
    on = ProductBacktest.of(known, later, category, selection, WINDOWS, min_customers=10, fresh_days=20)
    return compare_as_served(
        on, Served(order, (0.0,), goes_with), Judging((1,), limit=500, samples=20, seed=0, threads=1)
    )


def test_lists_in_product_numbers_are_judged_among_candidates():
    table, partner = purchases()
    asked = []

    def lists(sources, *_):
        asked.extend(sources.tolist())
        return np.array([[partner[int(source)], 5, NOTHING] for source in sources])

    told = judge(table, lists, lists)
    served = told["methods"][0]
    assert told["candidates"] == 18
    assert not {source for source in asked if source % 5 == 0}
    assert served["method"] == SERVED
    assert served["basket"]["hr@1"]["value"] == 1.0
    assert told["goes_with"][0]["basket"]["hr@1"]["value"] == 1.0
    assert served["basket"]["hr@10"]["value"] == 1.0
    assert served["coverage"] == 1.0


def test_what_is_no_candidate_takes_a_place_and_hits_nothing():
    table, partner = purchases()
    told = judge(table, *(lambda sources, *_: np.array([[5, partner[int(source)]] for source in sources]),) * 2)
    served = told["methods"][0]["basket"]
    assert (served["hr@1"]["value"], served["hr@10"]["value"], served["mrr@10"]["value"]) == (0.0, 1.0, 0.5)
