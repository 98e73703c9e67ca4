"""Everything that ranking knows of products before a clock, and the features of a pair that it gives."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onward.model.embeddings import Embeddings, paired_dots
from onward.ranking.catalogue import Catalogue, same
from onward.ranking.customer_habits import CustomerHabits
from onward.ranking.directed_graph import Ints
from onward.ranking.popularity import Popularity, recent_popularity
from onward.ranking.relations import Relation, count_baskets, count_following, pairs_of_visits
from onward.ranking.shared_customers import SharedCustomers
from onward.ranking.shopping import Shopping

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

_LEVELS = ("category", "type", "product")


@dataclass(frozen=True)
class CountingRules:
    """What counts, for ranking.

    Attributes:
        min_customers: a product has counts of its own, and may be recommended, from so many customers on.
        min_support: pairs of products seen less often count as never seen together.
        follow_days: v counts as bought after u within so many days.
        follow_visits: and within so many visits.
        recent_days: how long "now" is, for popularity.
        popularity_prior: how many recent purchases the popularity of the whole log is worth.
    """

    min_customers: int
    min_support: int
    follow_days: int
    follow_visits: int
    recent_days: int
    popularity_prior: float


@dataclass(frozen=True)
class Evidence:
    """Counts and facts of P products as of one clock.

    Attributes:
        catalogue: levels, attributes, prices.
        candidates: [C] products that may be recommended, ascending.
        cooccurrence: bought in one basket; the same both ways.
        next_visit: v on the visit after u.
        after: v bought new within so many days after u.
        shared: customers of both.
        popularity: of now.
        habits: pairs in whose baskets one customer prevails.
        embeddings: of the graph encoder; None leaves its scores out.
    """

    catalogue: Catalogue
    candidates: Ints
    cooccurrence: Relation
    next_visit: Relation
    after: Relation
    shared: SharedCustomers
    popularity: Popularity
    habits: CustomerHabits
    embeddings: Embeddings | None


def count_evidence(
    shopping: Shopping, catalogue: Catalogue, rules: CountingRules, embeddings: Embeddings | None, seed: int
) -> Evidence:
    """Count every relation at every level.

    Args:
        shopping: purchases before the clock.
        catalogue: of the same P products.
        rules: what counts.
        embeddings: of a graph that knew no more than `shopping` does.
        seed: of the pairs that shrinkage is fitted on.
    """
    candidates = np.flatnonzero(shopping.customers >= rules.min_customers)
    levels = level_codes(catalogue, candidates)
    min_supports = (*((1.0, 1.0) if catalogue.has_types else ()), float(rules.min_support))
    earlier, later = pairs_of_visits(
        shopping.visit_customer, shopping.visit_day, rules.follow_visits, rules.follow_days
    )
    next_earlier, next_later = pairs_of_visits(shopping.visit_customer, shopping.visit_day, 1, rules.follow_days)
    before_and_new = (shopping.visits[earlier], shopping.fresh[later])
    visit_and_next = (shopping.visits[next_earlier], shopping.visits[next_later])
    cooccurrence = Relation.of(
        levels,
        [
            count_baskets(shopping.baskets, codes, min_support)
            for codes, min_support in zip(levels, min_supports, strict=True)
        ],
        seed,
    )
    after, next_visit = (
        Relation.of(
            levels,
            [
                count_following(first, second, codes, min_support)
                for codes, min_support in zip(levels, min_supports, strict=True)
            ],
            seed,
        )
        for first, second in (before_and_new, visit_and_next)
    )
    return Evidence(
        catalogue=catalogue,
        candidates=candidates,
        cooccurrence=cooccurrence,
        next_visit=next_visit,
        after=after,
        shared=SharedCustomers.of(shopping, seed),
        popularity=recent_popularity(shopping, candidates, rules.recent_days, rules.popularity_prior),
        habits=CustomerHabits.of(
            shopping.baskets, shopping.basket_customer, cooccurrence.counts[-1].observed, candidates
        ),
        embeddings=embeddings,
    )


def level_codes(catalogue: Catalogue, candidates: Ints) -> tuple[Ints, ...]:
    """[P] codes of every level that is counted, coarse to fine; the last numbers the candidates."""
    own = np.full(catalogue.products, -1, dtype=np.int64)
    own[candidates] = np.arange(len(candidates))
    return (*((catalogue.category, catalogue.kind) if catalogue.has_types else ()), own)


def feature_names(evidence: Evidence) -> tuple[str, ...]:
    """Names of the columns of `pair_features`."""
    levels = _LEVELS[-len(evidence.cooccurrence.codes) :]
    ways = ("together", "after", "before", "next_visit", "visit_before")
    counted = tuple(f"{way}_{level}" for way in ways for level in levels)
    attributes = tuple(f"same_attribute_{name}" for name in evidence.catalogue.attributes)
    encoded = _ENCODED if evidence.embeddings is not None else ()
    return (*counted, *_EVIDENCE, *_FACTS, *attributes, *encoded)


_EVIDENCE = (
    "together_count",
    "together_expected",
    "together_lift_hardly_shrunk",
    "together_lift_shrunk_to_1",
    "after_count",
    "before_count",
)
_FACTS = (
    "shared_customers",
    "same_type",
    "same_category",
    "same_department",
    "price_difference",
    "source_price",
    "target_price",
    "source_popularity",
    "target_popularity",
    "source_new",
    "target_new",
    "source_trend",
    "target_trend",
)
_ENCODED = (
    "gnn_together",
    "gnn_together_backward",
    "gnn_after",
    "gnn_before",
    "gnn_sources_alike",
    "gnn_targets_alike",
)


def pair_features(evidence: Evidence, u: Ints, v: Ints) -> Features:
    """[n, F] of ordered pairs u -> v, columns `feature_names`; float32, NaN where nothing is known.

    Args:
        evidence: as of the clock.
        u: [n] products.
        v: [n] products.
    """
    catalogue = evidence.catalogue
    popularity = evidence.popularity
    both_orders = ((u, v), (v, u))
    columns = [
        *(np.log(lift) for lift in evidence.cooccurrence.lifts(u, v)),
        *(
            np.log(lift)
            for relation in (evidence.after, evidence.next_visit)
            for pair in both_orders
            for lift in relation.lifts(*pair)
        ),
        *_own_evidence(evidence, u, v),
        evidence.shared.log_lift(u, v),
        *(same(codes, u, v) for codes in (catalogue.kind, catalogue.category, catalogue.department)),
        catalogue.log_price[v] - catalogue.log_price[u],
        catalogue.log_price[u],
        catalogue.log_price[v],
        *(np.log(share[end] + 1e-9) for share in (popularity.cooccurrence, popularity.after) for end in (u, v)),
        popularity.trend[u],
        popularity.trend[v],
        *(same(codes, u, v) for codes in catalogue.attributes.values()),
    ]
    if (encoded := evidence.embeddings) is not None:
        columns += [
            *(encoded.log_lift(relation, *pair) for relation in ("together", "after") for pair in both_orders),
            encoded.alike(u, v),
            paired_dots(encoded.target, encoded.target, u, v),
        ]
    return np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)


def _own_evidence(evidence: Evidence, u: Ints, v: Ints) -> tuple[Floats, ...]:
    """Columns `_EVIDENCE`: how much the products' own counts hold, which says how far to trust them."""
    own = evidence.cooccurrence.codes[-1]
    observed, expected = evidence.cooccurrence.counts[-1].of(own[u], own[v])
    after, before = (evidence.after.counts[-1].of(own[a], own[b])[0] for a, b in ((u, v), (v, u)))
    return (
        np.log1p(observed),
        np.log1p(expected),
        np.log((observed + 0.5) / (expected + 0.5)),
        np.log((observed + 5.0) / (expected + 5.0)),
        np.log1p(after),
        np.log1p(before),
    )
