import numpy as np
import pandas as pd

from onward.reporting.well_known import LEAST_OF_A_TYPE, MOST_OF_A_DEPARTMENT, well_known_products


def catalogue(seed=0, size=600):
    rng = np.random.default_rng(seed)
    types = [f"d{d} > c{d}{c} > t{d}{c}{t}" for d in range(6) for c in range(4) for t in range(3)]
    paths = pd.Series(rng.choice(types, size))
    return paths, rng.integers(0, 50, size).astype(float), rng.random(size) < 0.8


def test_no_category_comes_twice_no_department_crowds_and_every_product_has_lists():
    for seed in range(20):
        paths, customers, listed = catalogue(seed)
        picked = well_known_products(paths, customers, listed)
        steps = paths[picked].str.split(" > ")
        assert len(picked) == 8
        assert steps.str[1].is_unique
        assert steps.str[0].value_counts().max() <= MOST_OF_A_DEPARTMENT
        assert listed[picked].all()
        assert (np.diff(customers[picked]) <= 0).all()
        assert customers[picked[0]] >= np.sort(customers[listed])[-5]


def test_thin_types_are_left_out_while_others_do():
    paths = pd.Series(["a > b > thin"] * (LEAST_OF_A_TYPE - 1) + ["a > c > wide"] * LEAST_OF_A_TYPE)
    customers = np.arange(len(paths), 0.0, -1.0)
    assert well_known_products(paths, customers, np.ones(len(paths), dtype=bool), 1) == [LEAST_OF_A_TYPE - 1]


def test_a_source_without_categories_shows_its_most_bought_products():
    paths = pd.Series([None] * 12, dtype="object")
    customers = np.array([3.0, 9, 9, 1, 0, 5, 7, 8, 2, 4, 6, 10])
    assert well_known_products(paths, customers, customers != 10, 5) == [1, 2, 7, 6, 10]
    assert well_known_products(paths, customers, np.zeros(12, dtype=bool)) == []
