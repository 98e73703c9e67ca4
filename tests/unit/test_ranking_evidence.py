"""Evidence of a clock, and the features of pairs that it gives."""

from dataclasses import replace

import numpy as np
import pytest

from builders.planted_shop import PRODUCTS, RULES, TYPE, embeddings_of, gathered, make_products, make_purchases
from onward.ranking import relations
from onward.ranking.evidence import feature_names, level_codes, pair_features


@pytest.fixture(autouse=True, scope="module")
def _fewer_pairs_to_fit_on():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        yield


@pytest.fixture(scope="module")
def evidence():
    return gathered(make_purchases(0, 60))


def every_pair():
    return tuple(each.ravel() for each in np.indices((PRODUCTS, PRODUCTS)))


def columns_of(evidence, u, v):
    features = pair_features(evidence, u, v)
    return dict(zip(feature_names(evidence), features.T, strict=True))


def test_every_column_has_a_name_of_its_own(evidence):
    names = feature_names(evidence)
    u, v = every_pair()
    features = pair_features(evidence, u, v)
    assert features.shape == (len(u), len(names))
    assert features.dtype == np.float32
    assert len(set(names)) == len(names)
    assert "same_attribute_brand" in names


def test_what_is_not_known_is_nan_and_never_infinite(evidence):
    u, v = every_pair()
    found = columns_of(evidence, u, v)
    unsold = np.isnan(evidence.catalogue.log_price)
    for name, values in found.items():
        unknown = {"source_price": unsold[u], "target_price": unsold[v], "price_difference": unsold[u] | unsold[v]}
        np.testing.assert_array_equal(~np.isfinite(values), unknown.get(name, np.zeros(len(u), bool)), err_msg=name)


def test_a_pair_and_its_turn_mirror_each_other(evidence):
    u, v = every_pair()
    there, back = columns_of(evidence, u, v), columns_of(evidence, v, u)
    levels = ("category", "type", "product")
    alike = [f"together_{level}" for level in levels]
    alike += ["together_count", "together_expected", "shared_customers", "same_type", "same_attribute_brand"]
    turned = [(f"after_{level}", f"before_{level}") for level in levels]
    turned += [(f"next_visit_{level}", f"visit_before_{level}") for level in levels]
    turned += [(f"source_{name}", f"target_{name}") for name in ("price", "popularity", "new", "trend")]
    turned += [("after_count", "before_count")]
    for one, other in [*((name, name) for name in alike), *turned]:
        np.testing.assert_allclose(there[one], back[other], rtol=1e-5, atol=1e-6, err_msg=one)
    np.testing.assert_allclose(there["price_difference"], -back["price_difference"])


def test_columns_say_what_their_names_say(evidence):
    u, v = every_pair()
    found = columns_of(evidence, u, v)
    np.testing.assert_array_equal(found["same_type"], TYPE[u] == TYPE[v])
    np.testing.assert_array_equal(found["same_category"], TYPE[u] // 2 == TYPE[v] // 2)
    np.testing.assert_array_equal(found["same_department"], TYPE[u] // 4 == TYPE[v] // 4)
    np.testing.assert_array_equal(found["same_attribute_brand"], u % 4 == v % 4)
    own = evidence.cooccurrence.codes[-1]
    counted = np.zeros(len(u))
    known = (own[u] >= 0) & (own[v] >= 0)
    counted[known] = evidence.cooccurrence.counts[-1].observed.toarray()[own[u[known]], own[v[known]]]
    np.testing.assert_allclose(found["together_count"], np.log1p(counted), rtol=1e-6)
    for name, relation in (("together", evidence.cooccurrence), ("after", evidence.after)):
        np.testing.assert_allclose(found[f"{name}_product"], np.log(relation.lifts(u, v)[-1]), rtol=1e-5, atol=1e-6)


def test_without_types_a_products_own_counts_are_all_there_is():
    bare = make_products().assign(category=None)[["product", "category"]]
    evidence = gathered(make_purchases(0, 40), products=bare)
    assert [len(each.counts) for each in (evidence.cooccurrence, evidence.after, evidence.next_visit)] == [1, 1, 1]
    u, v = every_pair()
    found = columns_of(evidence, u, v)
    assert "together_product" in found
    assert not {"together_type", "together_category", "same_attribute_brand"} & set(found)
    assert not found["same_type"].any()


def test_the_encoder_adds_its_scores_and_nothing_else_changes(evidence):
    encoded = replace(evidence, embeddings=embeddings_of())
    u, v = every_pair()
    found, plain = columns_of(encoded, u, v), columns_of(evidence, u, v)
    source, target = encoded.embeddings.source, encoded.embeddings.target
    together, after = encoded.embeddings.scale
    expected = {
        "gnn_together": together * source[u] * target[v], "gnn_together_backward": together * source[v] * target[u],
        "gnn_after": after * source[u] * target[v], "gnn_before": after * source[v] * target[u],
        "gnn_sources_alike": together * source[u] * source[v], "gnn_targets_alike": target[u] * target[v],
    }  # fmt: skip
    assert set(found) - set(plain) == set(expected)
    for name, products in expected.items():
        np.testing.assert_allclose(found[name], products.sum(axis=1), rtol=1e-4, atol=1e-5, err_msg=name)
    for name, values in plain.items():
        np.testing.assert_array_equal(found[name], values)


def test_candidates_are_those_with_enough_customers_and_have_codes_of_their_own(evidence):
    log = make_purchases(0, 60)
    customers = log.drop_duplicates(["customer", "product"])["product"].value_counts()
    assert evidence.candidates.tolist() == sorted(customers.index[customers >= RULES.min_customers])
    assert 0 < len(evidence.candidates) < PRODUCTS
    *_, own = level_codes(evidence.catalogue, evidence.candidates)
    assert own[evidence.candidates].tolist() == list(range(len(evidence.candidates)))
    assert (np.delete(own, evidence.candidates) == -1).all()


def test_pairs_of_products_seen_less_often_than_the_rules_ask_count_as_never_seen(evidence):
    strict = gathered(make_purchases(0, 60), rules=replace(RULES, min_support=4))
    every, few = (each.cooccurrence.counts for each in (evidence, strict))
    kept = every[-1].observed.toarray()
    np.testing.assert_array_equal(few[-1].observed.toarray(), np.where(kept < 4, 0, kept))
    np.testing.assert_array_equal(few[-2].observed.toarray(), every[-2].observed.toarray())
