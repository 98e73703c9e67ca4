"""What the encoder is told of a product."""

import numpy as np
import pandas as pd

from onward.model.product_inputs import product_inputs


def products(**columns):
    path = ["food > fruit > apple"] * 6 + ["food > bread"] * 6 + [None]
    return pd.DataFrame({"product": range(13), "category": path, **columns})


PURCHASES = pd.DataFrame({"product": [0, 0, 1], "quantity": [1.0, 3.0, 1.0], "amount": [2.0, 6.0, 0.0]})


def test_category_levels_are_codes_shared_by_products_alike():
    inputs = product_inputs(products(), PURCHASES, np.arange(13.0))
    assert inputs.products == 13
    assert inputs.codes.shape == (13, 3)
    assert len(np.unique(inputs.codes[:12, 0])) == 1
    assert (inputs.codes[:6] == inputs.codes[0]).all()
    assert inputs.codes[0, 1] != inputs.codes[6, 1]
    assert (inputs.codes[12] == 0).all()
    assert all(inputs.codes[:, i].max() < size for i, size in enumerate(inputs.cardinalities))


def test_numbers_are_finite_and_standardised():
    inputs = product_inputs(products(attr_weight=np.arange(13.0)), PURCHASES, np.arange(13.0))
    assert inputs.numbers.shape == (13, 4)
    assert np.isfinite(inputs.numbers).all()
    np.testing.assert_allclose(inputs.numbers[:, 0].mean(), 0.0, atol=1e-6)
    np.testing.assert_allclose(inputs.numbers[:, 3].std(), 1.0, atol=1e-6)


def test_attributes_join_unless_another_column_determines_them():
    brand = ["a", "b"] * 6 + [None]
    told = product_inputs(products(attr_brand=brand), PURCHASES, np.zeros(13))
    assert told.codes.shape == (13, 4)
    assert told.codes[0, 3] != told.codes[1, 3]
    repeated = ["fruit"] * 6 + ["bread"] * 6 + [None]
    assert product_inputs(products(attr_category=repeated), PURCHASES, np.zeros(13)).codes.shape == (13, 3)


def test_rare_values_have_no_code_of_their_own():
    rare = ["x"] + ["y"] * 6 + ["z"] * 6
    codes = product_inputs(products(attr_brand=rare), PURCHASES, np.zeros(13)).codes
    assert codes[0, 3] == 0
    assert codes[1, 3] > 0
