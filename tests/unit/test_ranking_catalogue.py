"""The catalogue as ranking sees it: levels, attributes that say something, and prices paid."""

import numpy as np
import pandas as pd
import pytest

from onward.data.contract import NO_CATEGORY
from onward.ranking.catalogue import UNKNOWN, read_catalogue, same

NOTHING = pd.DataFrame({"product": [], "quantity": [], "amount": []})
PATHS = ["food > dairy > milk", "food > dairy > milk", "food > dairy > butter", "home", None, "", None]


def catalogue_of(purchases=NOTHING, **columns):
    return read_catalogue(pd.DataFrame({"product": range(7), "category": PATHS, **columns}), purchases)


def test_levels_go_from_the_type_up_and_a_short_path_stands_for_itself():
    catalogue = catalogue_of()
    assert catalogue.products == 7
    assert catalogue.has_types
    everyone = np.arange(7)
    alike = {
        name: [same(getattr(catalogue, name), np.full(7, number), everyone).nonzero()[0].tolist() for number in (0, 3)]
        for name in ("kind", "category", "department")
    }
    assert alike == {"kind": [[0, 1], [3]], "category": [[0, 1, 2], [3]], "department": [[0, 1, 2], [3]]}


def test_a_product_without_a_category_is_like_no_other_not_even_another_without():
    catalogue = catalogue_of()
    for codes in (catalogue.kind, catalogue.category, catalogue.department):
        assert codes[4:].tolist() == [UNKNOWN] * 3
        assert not same(codes, np.array([4, 4, 5]), np.array([5, 6, 4])).any()


@pytest.mark.parametrize("unknown", [None, "", NO_CATEGORY])
def test_a_catalogue_without_categories_has_no_types(unknown):
    products = pd.DataFrame({"product": range(3), "category": pd.Series([unknown] * 3, dtype="str")})
    assert not read_catalogue(products, NOTHING).has_types


def test_an_attribute_that_the_category_determines_or_that_is_a_number_is_left_out():
    catalogue = catalogue_of(
        attr_brand=["own", "other", "own", None, "own", None, None],
        attr_department=["food", "food", "food", "home", "?", "!", None],
        attr_weight=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    )
    assert list(catalogue.attributes) == ["brand"]
    brand = catalogue.attributes["brand"]
    assert same(brand, np.full(7, 0), np.arange(7)).tolist() == [True, False, True, False, True, False, False]


def test_a_price_is_the_mean_paid_for_one_and_unknown_where_nothing_was_paid():
    bought = pd.DataFrame({"product": [0, 0, 1, 2], "quantity": [1.0, 3.0, 2.0, 0.0], "amount": [5.0, 3.0, 0.0, 4.0]})
    price = catalogue_of(bought).log_price
    assert price[0] == pytest.approx(np.log(2.0))
    assert np.isnan(price[1:]).all()
