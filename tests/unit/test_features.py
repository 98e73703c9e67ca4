import numpy as np
import pandas as pd
import pytest

from onward.data.event_index import EventIndex
from onward.data.features import MAX_CATEGORIES, OTHER, build_features, encode_categories
from onward.errors import DataError

PRODUCTS = pd.DataFrame({"product": [0, 1, 2], "category": ["Food > Tea", "Food > Milk", None]})
PURCHASES = pd.DataFrame(
    {
        "customer": [0, 0],
        "order": [0, 0],
        "product": [0, 2],
        "purchased_at": pd.to_datetime(["2024-05-01 10:00:00", "2024-05-01 10:00:00"]),
        "quantity": [1.0, 2.0],
        "amount": [3.99, 0.3],
    }
)
IMPRESSIONS = pd.DataFrame(
    {
        "impression": [5, 6],
        "customer": [0, 1],
        "source": [0, 0],
        "target": [2, 1],
        "shown_at": pd.to_datetime(["2024-05-01 22:00:00", "2024-05-02 10:00:00"]),
    }
)
CONTEXT = pd.DataFrame({"context_rank": [1, 2], "context_slot": ["mail", None], "note": ["not", "context"]})


def build(context=CONTEXT, categories=None, impressions=IMPRESSIONS, purchases=PURCHASES):
    return build_features(PRODUCTS, purchases, impressions, context, categories)


def test_columns_are_float32_and_the_impression_comes_first():
    frame = build().frame
    assert frame.columns[0] == "impression"
    assert frame["impression"].tolist() == [5, 6]
    assert set(frame.dtypes.iloc[1:]) == {np.dtype(np.float32)}
    assert frame["customer_spend_1d"].tolist() == pytest.approx([4.29, 0.0])
    assert frame["target_price_90d"].iloc[0] == pytest.approx(0.15)


def test_what_never_happened_is_missing_or_zero():
    stranger = build().frame.iloc[1]
    assert np.isnan(stranger[["customer_days_since_visit", "customer_tenure_days", "target_days_since"]]).all()
    assert (stranger[["customer_visits_90d", "target_purchases", "target_category_purchases"]] == 0).all()


def test_a_log_without_purchases_still_has_features():
    frame = build(purchases=PURCHASES.iloc[:0]).frame
    assert (frame["target_sales_28d"] == 0).all()
    assert frame["source_price_90d"].isna().all()


def test_no_impressions_give_no_rows_but_all_columns():
    full = build()
    empty = build(context=CONTEXT.iloc[:0], impressions=IMPRESSIONS.iloc[:0], categories=full.categories)
    assert empty.frame.columns.tolist() == full.frame.columns.tolist()
    assert empty.frame.empty


def test_context_comes_through_as_number_or_code():
    table = build()
    assert table.frame["context_rank"].tolist() == [1.0, 2.0]
    assert table.categories["cat_context_slot"] == ["mail"]
    assert table.frame["cat_context_slot"].iloc[0] == 0.0
    assert np.isnan(table.frame["cat_context_slot"].iloc[1])
    assert "note" not in table.frame


def test_a_product_without_category_has_no_code_and_matches_no_category():
    frame = build().frame
    assert np.isnan(frame["cat_target_category"].iloc[0])
    assert np.isnan(frame["cat_target_department"].iloc[0])
    assert frame["same_category"].iloc[0] == 0.0
    assert frame["target_category_28d"].iloc[0] == 1.0


def test_fitted_codes_are_applied_and_not_refitted():
    fitted = build().categories
    later = IMPRESSIONS.iloc[::-1].assign(source=[1, 1])
    table = build(categories=fitted, impressions=later, context=CONTEXT.assign(context_slot=["web", "mail"]))
    assert table.categories == fitted
    assert fitted["cat_source_category"] == ["Food > Tea"]
    assert table.frame["cat_source_category"].isna().all()
    assert np.isnan(table.frame["cat_context_slot"].iloc[0])
    assert table.frame["cat_context_slot"].iloc[1] == 0.0


def test_an_empty_number_column_stays_a_number_whatever_its_type():
    fitted = build().categories
    empty = CONTEXT.assign(context_rank=pd.Series([None, None], dtype="object"))
    assert build(context=empty, categories=fitted).frame["context_rank"].isna().all()


def test_a_number_that_became_text_is_refused_in_one_line():
    with pytest.raises(DataError, match=r"impressions\.context_rank: text, but a number"):
        build(context=CONTEXT.assign(context_rank=["a", "b"]), categories=build().categories)


def test_context_of_another_length_is_refused_in_one_line():
    with pytest.raises(DataError, match="1 rows for 2 impressions"):
        build(context=CONTEXT.iloc[:1])


def test_rare_values_share_the_last_code():
    values = pd.Series([f"v{number:04d}" for number in range(400)] + ["v0399"])
    codes, known = encode_categories(values)
    assert len(known) == MAX_CATEGORIES
    assert known[0] == "v0399"
    assert known[-1] == OTHER
    assert codes.max() == MAX_CATEGORIES - 1
    assert encode_categories(pd.Series(["never seen"]), known)[0].tolist() == [MAX_CATEGORIES - 1]


def test_codes_do_not_depend_on_the_order_of_rows():
    values = pd.Series(["b", "c", "a", "c"])
    assert encode_categories(values)[1] == encode_categories(values.iloc[::-1])[1] == ["c", "a", "b"]


def test_sums_of_the_past_are_exact_whatever_else_the_index_holds():
    rng = np.random.default_rng(0)
    seconds, amounts = rng.integers(0, 100, 50), rng.gamma(2.0, 2.0, 50).astype(np.float32)
    alone = EventIndex.of(np.full(50, 7), seconds, {"spend": amounts})
    crowd = EventIndex.of(
        np.r_[np.full(50, 7), np.full(50, 3)], np.r_[seconds, seconds], {"spend": np.r_[amounts, amounts * 1e6]}
    )
    asked = np.arange(0, 110, 10)
    totals = [index.before(np.full(11, 7), asked).total("spend") for index in (alone, crowd)]
    assert (totals[0] == totals[1]).all()


def test_pairs_with_huge_ids_do_not_overflow():
    entity = np.array([2**62, 2**62 + 1, 2**62])
    past = EventIndex.of(entity, np.array([0, 5, 10**9])).before(np.array([2**62, 2**62 + 1, 5]), np.full(3, 10**9 + 1))
    assert past.count().tolist() == [2.0, 1.0, 0.0]
