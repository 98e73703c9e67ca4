"""Products that nobody has bought yet, on a made shop: what is hidden stays hidden, and what is planted is found."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.related import cold, couples, likeness
from benchmarks.related import onward as adapter
from benchmarks.related.clocks import ClockData
from benchmarks.related.cold import OURS, RIVAL, AtClock, Cold, Rivals, ratio
from benchmarks.related.couples import couples_found, type_names
from benchmarks.related.likeness import Like, ShrunkLift
from benchmarks.related.newcomers import Newcomers
from benchmarks.related.shelf import Shelf, bought_apart_from, hidden_twice, known_apart_from
from benchmarks.tests.made_related_shop import DAYS, EACH, FIRST, PRODUCTS, WORLDS, Fitted, made_clock, world
from onward.errors import DataError
from onward.evaluation.listing import best_first
from onward.evaluation.related_log import RelatedLog
from onward.ranking.catalogue import read_catalogue
from onward.ranking.order_score import order_score

HALF = EACH // 2
NEIGHBOURS = {"basket": 20, "later": 20}


@pytest.fixture
def fitted(monkeypatch):
    """The clocks that models were fitted at."""
    seen = []

    def onward(data, seed, threads):
        seen.append(data)
        return Fitted(data)

    monkeypatch.setattr(adapter, "onward", onward)
    monkeypatch.setattr(ClockData, "of", made_clock)
    monkeypatch.setattr(cold, "GRID", {name: settings[:2] for name, settings in likeness.GRID.items()})
    return seen


@pytest.fixture
def shelf():
    """One clock with every seventh candidate new: (clock, shelf, Likeness)."""
    data, hidden = made_clock(DAYS[1]), np.arange(PRODUCTS) % 7 == 0
    judge = Shelf.to_judge(data, hidden, 0)
    catalogue = read_catalogue(data.products, data.known)
    return data, judge, Rivals.of(judge, catalogue, data.candidates).likeness


def test_what_is_hidden_to_judge_and_what_is_hidden_to_pick_are_others():
    judged, picking = hidden_twice(200, 0.1, 3)
    assert (judged.sum(), picking.sum(), (judged & picking).sum()) == (20, 20, 0)
    assert not np.array_equal(judged, hidden_twice(200, 0.1, 4)[0])
    assert not np.array_equal(judged, hidden_twice(200, 0.1, 3, draw=1)[0])


def test_nothing_known_of_a_hidden_product_is_read_by_the_model_or_by_who_picks_the_rival(fitted, monkeypatch):
    before = AtClock.of(DAYS[1], 0, 0, 1, [])
    hidden, _ = hidden_twice(PRODUCTS, cold.HIDDEN, 0)

    def never_sold(day):
        data = made_clock(day)
        log, clock = data.log, data.windows.clock
        lines, purchases = (hidden[each.product] & (each.day < clock) for each in (log, log.purchases))
        less = RelatedLog(*(getattr(log, name)[~lines] for name in ("customer", "order", "product", "day")),
                          log.purchases.where(~purchases))  # fmt: skip
        return replace(data, log=less, known=known_apart_from(data, hidden).known)

    monkeypatch.setattr(ClockData, "of", never_sold)
    after = AtClock.of(DAYS[1], 0, 0, 1, [])
    assert fitted[0].known.equals(fitted[1].known)
    assert not set(fitted[0].known["product"]) & set((np.flatnonzero(hidden) + FIRST).tolist())
    assert len(fitted[0].products) == PRODUCTS + 2 * FIRST
    for asking, methods in before.told.items():
        for name, told in methods.items():
            assert after.told[asking][name].setting == told.setting
            assert np.array_equal(after.told[asking][name].outcome.hr, told.outcome.hr), (asking, name)


def test_selection_households_ask_before_the_clock_about_products_that_are_not_judged():
    data = made_clock(DAYS[1])
    hidden, picking = hidden_twice(PRODUCTS, 0.1, 0)
    select = Shelf.to_select(data, hidden, picking, 0)
    assert set(select.asked.plain.queries.customer.tolist()) <= set(data.selection.tolist())
    assert select.past.day.max() < data.windows.earlier().clock
    assert not (hidden | picking)[select.past.product].any()
    assert picking[select.answers("targets", "basket").product].all()
    assert not hidden[select.asked.plain.queries.source].any()


def test_new_targets_are_asked_for_after_known_ones_and_the_other_way_round(shelf):
    _, judge, _ = shelf
    sources = judge.asked.plain.queries.source
    for relation in ("basket", "later"):
        targets, after_new = (judge.answers(task, relation) for task in ("targets", "sources"))
        assert len(targets.query)
        assert len(after_new.query)
        assert (judge.new[targets.product] & judge.known[sources[targets.query]]).all()
        assert (judge.known[after_new.product] & judge.new[sources[after_new.query]]).all()


def test_the_like_share_the_type_then_the_category_then_attributes_and_then_sell_more(shelf):
    _, judge, like = shelf
    bought = np.bincount(judge.past.product, minlength=PRODUCTS)
    number = 14
    assert (number % 7, world(number), number % EACH < HALF) == (0, 1, True)
    row = like.nearest[np.flatnonzero(like.new == number)[0]].tolist()
    same_brand = sorted((10, 12), key=lambda each: -bought[each])
    other_brand = sorted((11, 13), key=lambda each: -bought[each])
    assert row[:4] == same_brand + other_brand
    assert not set(row) & set(np.flatnonzero(judge.new))
    assert {world(each) for each in row[4:8]} == {1}


def test_a_new_product_is_scored_by_the_mean_of_its_like(shelf):
    _, judge, like = shelf
    table = np.random.default_rng(0).random((PRODUCTS, PRODUCTS))
    targets = like.scores(lambda rows: table[rows].copy(), 5, "targets", PRODUCTS)(np.array([1, 9]))
    assert targets[1, like.new[3]] == pytest.approx(table[9, like.nearest[3, :5]].mean())
    assert np.isneginf(targets[:, judge.known]).all()
    sources = like.scores(lambda rows: table[rows].copy(), 5, "sources", PRODUCTS)(like.new[[3, 0]])
    assert sources[0] == pytest.approx(table[like.nearest[3, :5]].mean(axis=0))
    assert like.means(table[0], 1)[2] == table[0, like.nearest[2, 0]]


def test_how_many_alike_say_how_popular_a_new_product_is_is_picked_by_known_ones(shelf):
    data, judge, _ = shelf
    catalogue = read_catalogue(data.products, data.known)
    known = cold._known_alike(judge, catalogue, data.candidates, 0)
    assert judge.known[known.new].all()
    assert not (known.nearest == known.new[:, None]).any()
    # As popular as the one most like it, whatever the others are; then as the mean of five.
    alone = likeness.Likeness(np.arange(40), 40 + np.arange(40 * 20).reshape(40, 20))
    for count in (1, 5):
        values = np.random.default_rng(2).random(40 + 40 * 20)
        values[alone.new] = alone.means(values, count)
        assert alone.best_count(values) == count


def test_shrunk_lift_is_orders_with_both_over_those_expected():
    rows = np.array([(1, 0, 0, 1), (1, 0, 1, 1), (1, 1, 1, 2), (1, 2, 2, 3)])
    log = RelatedLog.of(*rows.T, 3, 1)
    assert ShrunkLift(2.0).fit(log)(np.array([0]))[0].tolist() == pytest.approx(
        [2 / (1 / 3 + 2), 3 / (2 / 3 + 2), 2 / (1 / 3 + 2)]
    )


def test_rivals_list_new_products_alone_or_known_ones_alone(shelf):
    data, judge, like = shelf
    rivals = Rivals(judge, like)
    setting = Like(ShrunkLift(1.0), 5)
    targets = judge.lists(rivals.lister(setting, "targets"), "targets")
    sources = judge.lists(rivals.lister(setting, "sources"), "sources")
    assert judge.new[targets[targets >= 0]].all()
    assert judge.known[sources[sources >= 0]].all()
    assert (targets[judge.answers("targets", "basket").query] >= 0).all()
    typed = rivals.lister(setting, "targets", data.types)(np.array([1]))[0]
    assert (data.types[typed[typed >= 0]] != data.types[1]).all()


def test_the_learned_lift_is_asked_of_known_and_new_products_by_their_catalogue_numbers(shelf):
    data, judge, like = shelf
    model = Fitted(known_apart_from(data, judge.new))
    ours = Newcomers(model, data.candidates, judge.new, like, NEIGHBOURS)
    listed = best_first(ours.learned("basket"), PRODUCTS, 10)(np.array([1, 79]))
    ((u, v),) = model.lists.model.truth.asked
    assert set(u.tolist()) == {1 + FIRST, 79 + FIRST}
    assert set(v.tolist()) == set((like.new + FIRST).tolist())
    for source, row in zip((1, 79), listed, strict=True):
        mates = set(like.new[world(like.new) == world(source)].tolist())
        assert set(row[: len(mates)].tolist()) == mates
    share = model.lists.model.share[data.candidates][like.nearest[:, :20]].mean(axis=1)
    truth = model.lists.model.truth.rows(np.array([1 + FIRST]), like.new + FIRST)[0]
    for weight in (1.0, 0.25):
        found = ours.learned("basket", weight)(np.array([1]))[0, like.new]
        assert found == pytest.approx(order_score(truth, share, weight))


def test_after_a_new_product_come_known_ones_and_as_served_those_of_its_type(shelf):
    data, judge, like = shelf
    ours = Newcomers(Fitted(known_apart_from(data, judge.new)), data.candidates, judge.new, like, NEIGHBOURS)
    bought = couples.households(judge.past)
    sources = like.new[[1, 4]]
    for lister in (ours.after_new("basket", 0.0), ours.after_type("basket", 0.0, bought)):
        listed = lister(sources)
        assert judge.known[listed].all()
        assert (world(listed[:, :5]) == world(sources)[:, None]).all()
    served = ours.after_type("basket", 0.0, bought)(sources)
    mates = [np.flatnonzero((data.types == data.types[source]) & judge.known) for source in sources]
    stand_ins = [each[np.argmax(bought[each])] for each in mates]
    assert not any(stand_in in row for stand_in, row in zip(stand_ins, served, strict=True))


def test_couples_count_partners_of_another_type_among_new_products(shelf):
    data, judge, _ = shelf
    names = type_names(data.products.iloc[data.candidates])
    assert names[0] == "W0|sauce"
    new_sauce = np.flatnonzero(judge.new & (names == "W1|sauce"))[0]
    # No source, no partner, and a partner that is of the source's own type: none of them counts for the lister.
    asked = [("W1.dry", "W1"), ("W2.dry", "W1"), ("W9", "W1"), ("W1.dry", "W9"), ("W1.sauce", "W1.sauce")]

    def lister(sources):
        return np.where((world(sources) == 1)[:, None], [[new_sauce, -1]], -1)

    found = couples_found(lister, asked, names, judge)
    assert found == {asked[0]: 1.0, asked[1]: 0.0, asked[4]: 0.0}


def test_a_missing_file_of_couples_is_named(tmp_path):
    with pytest.raises(DataError, match=r"couples\.csv is missing"):
        couples.read_couples(tmp_path)
    (tmp_path / "couples.csv").write_text("source_type,partner_type\nW1.sauce,W1.dry\n")
    assert couples.read_couples(tmp_path) == [("W1.sauce", "W1.dry")]


def test_a_method_is_exactly_as_good_as_itself(fitted):
    found = Cold([AtClock.of(day, 0, 0, 1, []) for day in DAYS], 20, 0)
    sums = found.sums(("targets", "basket"), RIVAL)
    for at in ([0, 1], [1]):
        same = ratio(sums, sums, at)
        assert (same.value, same.low, same.high) == (1.0, 1.0, 1.0)


def test_the_benchmark_claims_what_is_planted(fitted, monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(cold, "publish", told.append)
    monkeypatch.setattr("benchmarks.related.clocks.CLOCKS", DAYS)
    lines = ["source_type,partner_type", *(f"W{each}.{one},W{each}.{other}" for each in range(WORLDS)
             for one, other in (("sauce", "dry"), ("dry", "sauce")))]  # fmt: skip
    (tmp_path / "couples.csv").write_text("\n".join(lines))
    monkeypatch.setattr("sys.argv", ["cold", "--samples", "20", "--draws", "2", "--data", str(tmp_path)])
    cold.main()
    claims, rows = told[0].claims, told[0].rows
    assert told[0].name == "related_cold"
    assert (
        claims["cold_ratio_low"]
        <= claims["cold_ratio"]
        == pytest.approx(claims["cold_hr10"] / claims["cold_rival_hr10"])
    )
    assert claims["cold_draws"] == 2
    assert claims["cold_ratio_least_draw"] <= claims["cold_ratio"] <= claims["cold_ratio_greatest_draw"]
    assert claims["cold_hr10"] > 0.9
    assert claims["cold_couples"] == 1.0
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert {row["method"] for row in rows} >= {OURS, RIVAL, f"{OURS}, as served"}
    assert {row["clock"] for row in rows} == {"mean", *DAYS}
    assert {row["relevant"] for row in rows} >= {"partners of couples.csv"}


def test_without_couples_nothing_is_claimed_of_them(fitted):
    claims = Cold([AtClock.of(DAYS[0], 0, 0, 1, [])], 5, 0).claims()
    assert not {"cold_couples", "cold_rival_couples"} & set(claims)
    assert {"cold_ratio", "cold_ratio_low", "cold_source_ratio"} <= set(claims)


def test_hidden_purchases_leave_others_as_they_were():
    data = made_clock(DAYS[0])
    hidden = np.arange(PRODUCTS) == 3
    less = bought_apart_from(data.log, hidden)
    assert len(less.day) == (data.log.product != 3).sum()
    assert less.products == PRODUCTS
    kept = data.log.purchases.product != 3
    assert np.array_equal(less.purchases.fresh, data.log.purchases.fresh[kept])
