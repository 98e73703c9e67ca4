"""The four lists of a product: what goes with it, what comes after it and before it, and what could stand in for it.

- goes_with: by `order_score` of f_together; no substitutes, at most two of a type.
- after, before: among what is related most that way, by direction d(u, v) = f_after(u, v) - f_after(v, u). Where the
  log has no direction beyond frequency and season, they lean on goes_with: by `order_score` of the mean of f_after and
  f_together.
- instead: of the source's own type, those that lead to the same others.

The first three hold no habit of a single customer (customer_habits.py), and end before what chance alone would bring as
often (`worth_a_place`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from onward.model.embeddings import paired_dots
from onward.ranking.catalogue import UNKNOWN, same
from onward.ranking.directed_graph import Ints
from onward.ranking.evidence import Evidence
from onward.ranking.list_names import AFTER, BEFORE, COLUMNS, GOES_WITH, INSTEAD
from onward.ranking.order_score import order_score, worth_a_place
from onward.ranking.ranking_model import RankingModel, ScoredPairs, place_in_run

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MOST_OF_A_TYPE = 2
# Direction orders the best of what is related, so many times as long as the list.
_RELATED_TIMES = 3
# Without direction `before` is cut after what is no likelier than by chance has left; so many times as long until then.
_SPARE = 2
_ALIKE = 0.6
_PAIRS_AT_ONCE = 2**21


@dataclass(frozen=True)
class ListSettings:
    """How lists are made.

    Attributes:
        count: entries of each.
        weight: of `order_score`: 0 for the most related, 1 for the most probable.
        directed: whether the log was found to have direction.
    """

    count: int
    weight: float
    directed: bool


@dataclass(frozen=True)
class Order:
    """What orders pairs, [n] each: their score, and the f and P(v) that it was made of."""

    score: Floats
    log_lift: Floats
    share: Floats


def related_lists(model: RankingModel, sources: Ints, settings: ListSettings) -> pd.DataFrame:
    """All lists of all sources: columns COLUMNS, by product, list and rank.

    `times` is how many times chance the relation of the list is (e^f; of goes_with's for instead), `count` in how many
    baskets (or, after and before, visits within the days that count) the two products themselves were seen,
    and `type_count` the same for their types. `log_lift` and `share` are the f and P(v) that `order_score` ordered by;
    by them what is held can be put in the order of another weight. Where direction orders a list, they chose it.

    Args:
        model: the ranking model.
        sources: [m] distinct products, ascending.
        settings: of the lists.
    """
    return lists_of(model, sources, model.scored(sources, backwards=settings.directed), settings)


def lists_of(model: RankingModel, sources: Ints, scored: Iterable[ScoredPairs], settings: ListSettings) -> pd.DataFrame:
    """Like `related_lists`, of short lists that are scored already (backwards too where `directed`)."""
    parts: list[pd.DataFrame] = []
    for rows in scored:
        parts.extend(_of_block(model, rows, settings))
    parts.extend(_instead(model, sources, settings))
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["product", "list", "rank"], kind="stable", ignore_index=True)


def list_owners(evidence: Evidence, customers: Ints) -> Ints:
    """[P] the candidate whose lists each product shows; -1 for none.

    A candidate shows its own. A product with too few customers to be one shows those of the candidate of its type
    that most customers buy, or of its category where its type has none.

    Args:
        evidence: as of the clock.
        customers: [P] of each product.
    """
    candidates = evidence.candidates
    list_of = np.full(evidence.catalogue.products, -1, dtype=np.int64)
    by_customers = candidates[np.lexsort((-candidates, customers[candidates]))]
    for codes in (evidence.catalogue.category, evidence.catalogue.kind):
        coded = by_customers[codes[by_customers] != UNKNOWN]
        most_bought = np.full(int(codes.max(initial=0)) + 2, -1, dtype=np.int64)  # the last stands for UNKNOWN
        # The most bought comes last, so it is what stays.
        most_bought[codes[coded]] = coded
        list_of = np.where(most_bought[codes] >= 0, most_bought[codes], list_of)
    list_of[candidates] = candidates
    return list_of


def substitutes(evidence: Evidence, u: Ints, v: Ints, together: Floats) -> Bools:
    """[n] whether v could stand in for u: of one type; where products have no types, alike and not bought together."""
    if evidence.catalogue.has_types:
        return same(evidence.catalogue.kind, u, v)
    if evidence.embeddings is None:
        return np.zeros(len(u), dtype=np.bool_)
    alike = paired_dots(evidence.embeddings.source, evidence.embeddings.source, u, v) >= _ALIKE
    return alike & (together < 0.0)


def _of_block(model: RankingModel, rows: ScoredPairs, settings: ListSettings) -> Iterator[pd.DataFrame]:
    evidence = model.evidence
    weight = settings.weight
    u, v = rows.source, rows.candidate
    complement = ~(substitutes(evidence, u, v, rows.cooccurrence) | evidence.habits.hold(u, v))
    share = model.popularity("together")[v]
    goes_with = Order(order_score(rows.cooccurrence, share, weight), rows.cooccurrence, share)
    allowed = complement & worth_a_place(rows.cooccurrence, weight)
    yield _list(evidence, GOES_WITH, rows, goes_with, rows.cooccurrence, allowed, settings.count)
    if rows.before is None:
        allowed = complement & worth_a_place(rows.after, weight)
        for name in (AFTER, BEFORE):
            # What goes together carries both ways; what is bought new later only leans on it.
            share = model.popularity("after" if name == AFTER else "together")[v]
            both = (rows.cooccurrence + rows.after) / 2.0
            order = Order(order_score(both, share, weight), both, share)
            if name == AFTER:
                yield _list(evidence, name, rows, order, rows.after, allowed, settings.count)
            else:
                listed = _list(evidence, name, rows, order, rows.after, allowed, _SPARE * settings.count)
                yield _by_the_other_order(model, listed, settings)
        return
    for name, lift, way in ((AFTER, rows.after, rows.direction), (BEFORE, rows.before, -rows.direction)):
        share = model.popularity("after" if name == AFTER else "together")[v]
        related = order_score(lift, share, weight)
        allowed = complement & worth_a_place(lift, weight)
        near = _among_best(u, v, related, allowed, _RELATED_TIMES * settings.count)
        yield _list(evidence, name, rows, Order(way, lift, share), lift, near, settings.count)


def _by_the_other_order(model: RankingModel, listed: pd.DataFrame, settings: ListSettings) -> pd.DataFrame:
    """Say of what is listed how often it came before, and leave out what chance alone brings there.

    Without direction only this much is scored by the trees the other way round.
    """
    first, second = (listed[end].to_numpy(np.int64) for end in ("other", "product"))
    lift = model.lifts["after"].score(model.evidence, first, second, model.threads)
    worth = worth_a_place(lift, settings.weight)
    kept = listed[worth].assign(times=np.exp(lift[worth]).astype(np.float32))
    rank = place_in_run(kept["product"].to_numpy()) + 1
    return kept.assign(rank=rank.astype(np.int16))[rank <= settings.count]


def _instead(model: RankingModel, sources: Ints, settings: ListSettings) -> Iterator[pd.DataFrame]:
    kind = model.evidence.catalogue.kind
    candidates = model.evidence.candidates
    by_kind = candidates[np.argsort(kind[candidates], kind="stable")]
    low, high = (np.searchsorted(kind[by_kind], kind[sources], side=side) for side in ("left", "right"))
    size = np.where(kind[sources] == UNKNOWN, 0, high - low)
    # A type may hold many thousand products, and every one of them meets all the others.
    for part in np.split(np.arange(len(sources)), np.flatnonzero(np.diff(np.cumsum(size) // _PAIRS_AT_ONCE)) + 1):
        ends = np.cumsum(size[part])
        u = np.repeat(sources[part], size[part])
        v = by_kind[np.repeat(low[part] - ends + size[part], size[part]) + np.arange(len(u))]
        yield _in_its_place(model, u[u != v], v[u != v], settings)


def _in_its_place(model: RankingModel, u: Ints, v: Ints, settings: ListSettings) -> pd.DataFrame:
    """The list of pairs of one type, source by source."""
    evidence = model.evidence
    encoded = evidence.embeddings
    alike = evidence.shared.log_lift(u, v) if encoded is None else encoded.alike(u, v).astype(np.float64)
    share = model.popularity("together")[v]
    score = order_score(alike, share, settings.weight)
    # Only what is listed is scored by the trees.
    kept = _among_best(u, v, score, np.ones(len(u), dtype=np.bool_), settings.count)
    u = u[kept]
    v = v[kept]
    ordering = Order(score[kept], alike[kept], share[kept])
    together = model.lifts["together"].score(evidence, u, v, model.threads)
    rows = ScoredPairs(u, v, together, together, None)
    everything = np.ones(len(u), dtype=np.bool_)
    return _list(evidence, INSTEAD, rows, ordering, together, everything, settings.count, most_of_a_type=None)


def _list(
    evidence: Evidence,
    name: str,
    rows: ScoredPairs,
    order: Order,
    lift: Floats,
    allowed: Bools,
    count: int,
    most_of_a_type: int | None = _MOST_OF_A_TYPE,
) -> pd.DataFrame:
    """One list of every source, best first."""
    kept = np.flatnonzero(allowed)
    kept = kept[np.lexsort((rows.candidate[kept], -order.score[kept], rows.source[kept]))]
    if most_of_a_type is not None:
        kind = evidence.catalogue.kind[rows.candidate[kept]]
        typed = rows.source[kept] * (kind.max(initial=0) + 2) + kind + 1
        grouped = np.argsort(typed, kind="stable")
        place = np.empty(len(kept), dtype=np.int64)
        place[grouped] = place_in_run(typed[grouped])
        kept = kept[(place < most_of_a_type) | (kind == UNKNOWN)]
    rank = place_in_run(rows.source[kept])
    kept, rank = kept[rank < count], rank[rank < count]
    u, v = rows.source[kept], rows.candidate[kept]
    relation = evidence.cooccurrence if name in {GOES_WITH, INSTEAD} else evidence.after
    first, second = (v, u) if name == BEFORE else (u, v)
    # The last level is the products' own, the one before it their types', where there are any.
    own = relation.codes[-1]
    of_type = relation.codes[max(len(relation.codes) - 2, 0)]
    by_type = relation.counts[max(len(relation.counts) - 2, 0)]
    return pd.DataFrame(
        {
            "product": u.astype(np.int32),
            "list": name,
            "rank": (rank + 1).astype(np.int16),
            "other": v.astype(np.int32),
            "score": order.score[kept].astype(np.float32),
            "times": np.exp(lift[kept]).astype(np.float32),
            "count": relation.counts[-1].of(own[first], own[second])[0].astype(np.int32),
            "type_count": by_type.of(of_type[first], of_type[second])[0].astype(np.int32),
            "log_lift": order.log_lift[kept].astype(np.float32),
            "share": order.share[kept].astype(np.float32),
        }
    )[list(COLUMNS)]


def _among_best(u: Ints, v: Ints, score: Floats, allowed: Bools, count: int) -> Bools:
    """[n] whether a pair is among the `count` best of its source's allowed ones."""
    chosen = np.zeros(len(u), dtype=np.bool_)
    rows = np.flatnonzero(allowed)
    order = rows[np.lexsort((v[rows], -score[rows], u[rows]))]
    chosen[order[place_in_run(u[order]) < count]] = True
    return chosen
