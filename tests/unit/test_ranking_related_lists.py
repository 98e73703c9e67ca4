"""The four lists: what may stand in each, in which order, and what is said beside it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from builders.planted_shop import (
    CHAIN,
    COMPLEMENTS,
    PRODUCTS,
    TYPE,
    embeddings_of,
    fit,
    make_products,
    make_purchases,
    model_of,
)
from onward.ranking import related_lists as listing
from onward.ranking import relations
from onward.ranking.catalogue import UNKNOWN, Catalogue
from onward.ranking.list_names import COLUMNS, LISTS
from onward.ranking.order_score import order_score
from onward.ranking.related_lists import ListSettings, list_owners, related_lists, substitutes

COUNT = 5
EVERYONE = np.arange(PRODUCTS)


@pytest.fixture(scope="module")
def model():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        return model_of(fit(make_purchases(0)))


@pytest.fixture(scope="module", params=[True, False], ids=["directed", "undirected"])
def table(request, model):
    return related_lists(model, EVERYONE, ListSettings(COUNT, 0.25, request.param))


def lists_of(table):
    return dict(iter(table.groupby(["product", "list"])))


def test_the_table_is_in_order_and_no_list_holds_the_product_or_anything_twice(table, model):
    assert tuple(table.columns) == COLUMNS
    pd.testing.assert_frame_equal(table, table.sort_values(["product", "list", "rank"], ignore_index=True))
    assert set(table["other"]) <= set(model.evidence.candidates)
    assert set(table["list"]) == set(LISTS)
    for (product, _), rows in lists_of(table).items():
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["score"].is_monotonic_decreasing
        assert rows["other"].is_unique
        assert product not in rows["other"].tolist()
        assert len(rows) <= COUNT


def test_stand_ins_are_the_same_in_small_portions(table, model, monkeypatch, request):
    monkeypatch.setattr(listing, "_PAIRS_AT_ONCE", 3)
    directed = "undirected" not in request.node.name
    pd.testing.assert_frame_equal(related_lists(model, EVERYONE, ListSettings(COUNT, 0.25, directed)), table)


def test_substitutes_stand_in_instead_and_nowhere_else(table):
    alike = TYPE[table["product"]] == TYPE[table["other"]]
    np.testing.assert_array_equal(alike, table["list"] == "instead")


def test_at_most_two_of_a_type_in_a_list(table):
    others = table[table["list"] != "instead"]
    assert others.groupby(["product", "list", TYPE[others["other"]]]).size().max() == 2


def sizes(table, name):
    return table[table["list"] == name]["product"].value_counts().reindex(EVERYONE, fill_value=0)


def test_a_list_holds_all_that_is_likelier_than_by_chance_while_there_is_room(table, model):
    related = table[table["list"] != "instead"]
    assert (related["times"] > 1.0).all()
    (rows,) = model.scored(EVERYONE, backwards=False)
    types = pd.DataFrame({"product": rows.source, "type": TYPE[rows.candidate]})
    types = types[(rows.cooccurrence > 0.0) & (types["type"] != TYPE[rows.source])]
    room = types.value_counts().clip(upper=2).groupby("product").sum().clip(upper=COUNT)
    assert sizes(table, "goes_with").tolist() == room.reindex(EVERYONE, fill_value=0).tolist()
    assert room.max() == COUNT


def test_the_most_probable_are_listed_however_little_they_are_related(model):
    table = related_lists(model, EVERYONE, ListSettings(COUNT, 1.0, directed=False))
    for name in ("goes_with", "after", "before"):
        assert (sizes(table, name) == COUNT).all()
    assert table["times"].min() < 1.0


def test_every_product_gets_all_its_substitutes(table, model):
    of_type = np.bincount(TYPE[model.evidence.candidates], minlength=TYPE.max() + 1)[TYPE]
    own = np.isin(EVERYONE, model.evidence.candidates)
    assert sizes(table, "instead").tolist() == (of_type - own).tolist()


def test_planted_complements_lead_what_goes_with(table):
    first = table[(table["list"] == "goes_with") & (table["rank"] <= 2)]
    for left, right in COMPLEMENTS:
        for product in np.flatnonzero(left == TYPE):
            assert (TYPE[first[first["product"] == product]["other"]] == right).all()


def test_goes_with_is_ordered_by_the_score_of_its_weight(table, model):
    (rows,) = model.scored(EVERYONE, backwards=False)
    lift = pd.Series(rows.cooccurrence, index=pd.MultiIndex.from_arrays([rows.source, rows.candidate]))
    said = table[table["list"] == "goes_with"]
    f = lift.loc[pd.MultiIndex.from_frame(said[["product", "other"]])].to_numpy()
    expected = order_score(f, model.popularity("together")[said["other"]], 0.25)
    np.testing.assert_allclose(said["score"], expected, rtol=1e-5)
    np.testing.assert_allclose(said["times"], np.exp(f), rtol=1e-5)


def test_lift_and_share_give_the_score_again_at_the_lists_weight_and_another_order_at_another(model):
    made = {
        weight: related_lists(model, EVERYONE, ListSettings(PRODUCTS, weight, directed=False)) for weight in (0.25, 1.0)
    }
    for name in LISTS:
        held, wanted = (made[weight][made[weight]["list"] == name] for weight in (0.25, 1.0))
        np.testing.assert_allclose(
            held["score"], order_score(held["log_lift"], held["share"], 0.25), rtol=1e-3, atol=1e-6
        )
        again = held.assign(score=order_score(held["log_lift"].to_numpy(), held["share"].to_numpy(), 1.0))
        both = again.merge(wanted, on=["product", "other"], suffixes=("", "_wanted"))
        assert len(both) > len(held) / 2
        np.testing.assert_allclose(both["score"], both["score_wanted"], rtol=1e-3, atol=1e-6)


def test_counts_are_the_products_own_and_their_types_read_in_the_lists_direction(table, model):
    evidence = model.evidence
    for name, relation in (("goes_with", evidence.cooccurrence), ("after", evidence.after), ("before", evidence.after)):
        said = table[table["list"] == name]
        u, v = said["product"].to_numpy(), said["other"].to_numpy()
        if name == "before":
            u, v = v, u
        for column, level in (("count", -1), ("type_count", -2)):
            codes = relation.codes[level]
            np.testing.assert_array_equal(said[column], relation.counts[level].of(codes[u], codes[v])[0])


def test_with_direction_a_chain_is_told_in_its_order(model):
    table = related_lists(model, np.array(CHAIN[1:2]), ListSettings(COUNT, 0.25, True))
    first, second, third = CHAIN
    best = table[table["rank"] == 1].set_index("list")["other"]
    assert (best["after"], best["before"]) == (third, first)
    assert set(table["product"]) == {second}


def test_without_direction_after_and_before_lean_on_what_goes_together(model):
    table = related_lists(model, EVERYONE, ListSettings(COUNT, 0.25, False))
    (rows,) = model.scored(EVERYONE, backwards=False)
    both = pd.Series(
        (rows.cooccurrence + rows.after) / 2, index=pd.MultiIndex.from_arrays([rows.source, rows.candidate])
    )
    for name, popularity in (("after", "after"), ("before", "together")):
        said = table[table["list"] == name]
        lift = both.loc[pd.MultiIndex.from_frame(said[["product", "other"]])].to_numpy()
        expected = order_score(lift, model.popularity(popularity)[said["other"]], 0.25)
        np.testing.assert_allclose(said["score"], expected, rtol=1e-5)


def test_a_shorter_list_is_the_beginning_of_a_longer_one_without_direction(model):
    long, short = (related_lists(model, EVERYONE, ListSettings(count, 0.25, False)) for count in (6, 3))
    keys = ["product", "list", "rank"]
    found = short.merge(long[long["rank"] <= 3], "left", on=[*keys, "other"])
    assert found["score_y"].notna().all()
    # Before a product, what turns out to be no likelier than by chance may leave a short list shorter.
    complete = [part[part["list"] != "before"].reset_index(drop=True) for part in (long[long["rank"] <= 3], short)]
    pd.testing.assert_frame_equal(*complete)


def test_times_chance_are_those_of_the_lists_own_order_with_direction_or_without(model):
    evidence, lifts = model.evidence, model.lifts
    for directed in (True, False):
        table = related_lists(model, EVERYONE, ListSettings(COUNT, 0.25, directed))
        for name, relation, turned in (
            ("goes_with", "together", False),
            ("after", "after", False),
            ("before", "after", True),
        ):
            said = table[table["list"] == name]
            ends = [said[end].to_numpy(np.int64) for end in ("product", "other")]
            lift = lifts[relation].score(evidence, *(ends[::-1] if turned else ends), 1)
            np.testing.assert_allclose(said["times"], np.exp(lift), rtol=1e-4)


@pytest.mark.parametrize("directed", [True, False])
def test_lists_of_some_are_those_of_all(model, directed):
    some, settings = np.array([3, 12, 27]), ListSettings(COUNT, 0.25, directed)
    few, many = (related_lists(model, sources, settings) for sources in (some, EVERYONE))
    pd.testing.assert_frame_equal(few, many[many["product"].isin(some)].reset_index(drop=True))


def test_every_product_is_given_its_own_lists_or_those_of_the_most_bought_of_its_type_or_category(model):
    catalogue = model.evidence.catalogue
    candidates = np.flatnonzero(TYPE[0] != TYPE)[::2]
    evidence = replace(model.evidence, candidates=candidates)
    customers = np.where(np.isin(EVERYONE, candidates), 50 + EVERYONE, EVERYONE % 3)
    given = list_owners(evidence, customers)
    assert given[candidates].tolist() == candidates.tolist()
    for thin in np.setdiff1d(EVERYONE, candidates):
        alike = candidates[catalogue.kind[candidates] == catalogue.kind[thin]]
        near = candidates[catalogue.category[candidates] == catalogue.category[thin]]
        expected = next((max(each) for each in (alike, near) if len(each)), -1)
        assert given[thin] == expected


def test_a_thin_product_without_a_type_has_no_lists(model):
    nothing = np.full(PRODUCTS, UNKNOWN)
    known = model.evidence.catalogue
    bare = Catalogue(nothing, nothing, nothing, {}, known.log_price)
    evidence = replace(model.evidence, catalogue=bare, candidates=np.array([2, 5]))
    given = list_owners(evidence, np.ones(PRODUCTS, np.int64))
    assert np.flatnonzero(given >= 0).tolist() == [2, 5]


def test_where_products_have_no_types_those_alike_and_not_bought_together_are_substitutes(model):
    nothing = np.full(PRODUCTS, UNKNOWN)
    bare = replace(model.evidence, catalogue=replace(model.evidence.catalogue, kind=nothing))
    u, v = np.array([0, 0, 0]), np.array([0, 0, 1])
    assert not substitutes(bare, u, v, np.array([-1.0, 1.0, -1.0])).any()
    encoded = embeddings_of()
    source = np.zeros_like(encoded.source)
    source[0, 0] = source[1, 1] = 1.0
    bare = replace(bare, embeddings=replace(encoded, source=source))
    assert substitutes(bare, u, v, np.array([-1.0, 1.0, -1.0])).tolist() == [True, False, False]


def test_a_shop_without_types_has_lists_too():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations, "_FITTED_PAIRS", 3000)
        bare = make_products().assign(category=None)[["product", "category"]]
        model = model_of(fit(make_purchases(0, 60), products=bare, iterations=10))
    table = related_lists(model, EVERYONE, ListSettings(COUNT, 0.25, True))
    assert set(table["list"]) == {"goes_with", "after", "before"}
    assert table.groupby(["product", "list"]).size().max() == COUNT
    assert table["product"].nunique() > PRODUCTS / 2
