"""How good lists of related products are: hits against what chance would hit, at once and later, per query.

A probability alone recommends milk after everything and a lift alone what nobody buys, so both stand side by side:

    HR@k   = share of queries with a hit among the first k
    lift@k = sum_q hits_q / sum_q |relevant_q| sum_{v among the first k} P(v)

P(v) adds up to 1 over the candidates, from counts before the clock: of order lines for the same basket, of new
purchases for later. So lists drawn from P(v) at random have a lift of about 1, and popularity itself, which says the
same after every source, less: who buys a popular product has fewer others in the order. A query without relevant
products counts nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onward.evaluation.listing import NOTHING, Lister
from onward.evaluation.related_queries import Answers, RelatedQueries, Relation
from onward.metrics.customer_bootstrap import CustomerBootstrap, Floats
from onward.metrics.intervals import Interval, interval_of
from onward.metrics.ranking import discount, share_below
from onward.ranking.purchase_log import Ints

METRICS = ("hr", "ndcg", "mrr", "lift")


@dataclass(frozen=True)
class Outcome:
    """What the first k of each query's list were worth; zeros for a query without relevant products.

    Attributes:
        answered: [q] 1 where the query has relevant products.
        hits: [q] relevant products among the first k.
        expected: [q] hits that chance would have had: relevant products times the P(v) of what is listed.
        hr: [q] whether there was a hit.
        ndcg: [q] gain discounted by place, over the most that there could be.
        mrr: [q] one over the place of the first hit, 0 without.
    """

    answered: Floats
    hits: Floats
    expected: Floats
    hr: Floats
    ndcg: Floats
    mrr: Floats


def list_once(lister: Lister, sources: Ints) -> Ints:
    """[q, k] the list of each source [q]; a source that is asked about twice is listed once."""
    distinct, row = np.unique(sources, return_inverse=True)
    return lister(distinct)[row]


def judge_lists(lists: Ints, answers: Answers, chance: Floats, k: int) -> Outcome:
    """Hold the first k of lists [q, at least k] against the answers.

    Args:
        lists: candidate numbers, best first, `NOTHING` where a list is shorter.
        answers: relevant products.
        chance: [C] P(v).
        k: cut-off.
    """
    lists = lists[:, :k]
    size = len(chance)
    filled = lists != NOTHING
    keys = answers.query * size + answers.product
    listed_keys = np.arange(len(lists))[:, None] * size + np.where(filled, lists, 0)
    place = np.minimum(np.searchsorted(keys, listed_keys), max(len(keys) - 1, 0))
    hit = filled & (keys[place] == listed_keys) if len(keys) else np.zeros(lists.shape, dtype=np.bool_)

    relevant = np.bincount(answers.query, minlength=len(lists))
    worth = discount(np.arange(1, lists.shape[1] + 1))
    most = np.r_[0.0, np.cumsum(worth)][np.minimum(relevant, lists.shape[1])]
    any_hit = hit.any(axis=1)
    first = np.argmax(hit, axis=1)
    return Outcome(
        answered=(relevant > 0).astype(np.float64),
        hits=hit.sum(axis=1).astype(np.float64),
        expected=relevant * np.where(filled, chance[np.where(filled, lists, 0)], 0.0).sum(axis=1),
        hr=np.asarray(any_hit, dtype=np.float64),
        ndcg=(hit @ worth) / np.where(relevant > 0, most, 1.0),
        mrr=np.where(any_hit, 1.0 / (first + 1.0), 0.0),
    )


def intervals_of(outcomes: Sequence[Outcome], bootstrap: CustomerBootstrap) -> list[dict[str, Interval]]:
    """HR, NDCG, MRR and lift of each outcome with intervals over customers, from the same resamples."""
    total, drawn = bootstrap.sums(np.concatenate([columns_of(outcome) for outcome in outcomes], axis=1))
    width = drawn.shape[1] // len(outcomes)
    return [
        {name: interval_of(float(metric_of(total[part], name)), metric_of(drawn[:, part], name)) for name in METRICS}
        for part in (slice(width * place, width * (place + 1)) for place in range(len(outcomes)))
    ]


def gains_of(outcome: Outcome, other: Outcome, bootstrap: CustomerBootstrap) -> dict[str, Interval]:
    """What one method has over another on the same queries, in HR, NDCG, MRR and lift, paired."""
    # Summed apart, so that a method and itself differ by nothing at all: the last bits hang on the matrix's shape.
    (total, drawn), (other_total, other_drawn) = (bootstrap.sums(columns_of(side)) for side in (outcome, other))
    return {
        name: interval_of(
            float(metric_of(total, name) - metric_of(other_total, name)),
            metric_of(drawn, name) - metric_of(other_drawn, name),
        )
        for name in METRICS
    }


def variety(lists: Ints, popularity: Floats, k: int) -> dict[str, float | None]:
    """Share of the candidates that any list names, and how popular what is named is.

    Args:
        lists: [q, at least k], one a query.
        popularity: [C] P(v) or any count.
        k: cut-off.

    Returns:
        `coverage`, and `popularity_percentile`: the mean over all entries of the share of candidates that are less
        popular, those equally popular as half; .5 would be the catalogue's middle.
    """
    named = lists[:, :k][lists[:, :k] != NOTHING]
    percentile = share_below(popularity, popularity)
    return {
        "coverage": len(np.unique(named)) / max(1, len(popularity)),
        "popularity_percentile": float(percentile[named].mean()) if len(named) else None,
    }


def breaches(lists: Ints, sources: Ints, types: Ints, most_of_a_type: int = 2) -> int:
    """How many entries of complements are of the source's own type, or beyond the most that a type may have."""
    filled = lists != NOTHING
    kind = np.where(filled, types[np.where(filled, lists, 0)], NOTHING)
    own = filled & (kind == types[sources][:, None])
    earlier = np.stack([(kind[:, :place] == kind[:, [place]]).sum(axis=1) for place in range(kind.shape[1])], axis=1)
    return int((own | (filled & (earlier >= most_of_a_type))).sum())


@dataclass(frozen=True)
class Judgement:
    """The queries of one clock, ready to judge any lister.

    Attributes:
        queries: who asked what.
        chance: [C] P(v) by relation, from counts before the clock.
        bootstrap: resamples of the customers that asked, the same for every lister.
    """

    queries: RelatedQueries
    chance: Mapping[Relation, Floats]
    bootstrap: CustomerBootstrap

    def outcomes(self, lister: Lister, top_k: Sequence[int]) -> "Judged":
        """Ask for every query's list and hold it against the answers of each relation."""
        lists = list_once(lister, self.queries.source)
        outcomes = {
            (relation, k): judge_lists(lists, answers, self.chance[relation], k)
            for relation, answers in self.queries.answers.items()
            for k in top_k
        }
        return Judged(lists, outcomes)

    def summary(self, judged: "Judged") -> dict[str, Any]:
        """Every metric with its interval, by relation and k, as plain values."""
        told: dict[str, Any] = {relation: {} for relation in self.queries.answers}
        metrics_of = intervals_of(list(judged.outcomes.values()), self.bootstrap)
        for (relation, k), metrics in zip(judged.outcomes, metrics_of, strict=True):
            told[relation] |= {f"{name}@{k}": interval.to_dict() for name, interval in metrics.items()}
        deepest = max(k for _, k in judged.outcomes)
        return told | variety(judged.lists, self.chance["basket"], deepest)


@dataclass(frozen=True)
class Judged:
    """The lists of one lister and what they were worth, by relation and k."""

    lists: Ints
    outcomes: Mapping[tuple[Relation, int], Outcome]


def columns_of(outcome: Outcome) -> Floats:
    """[q, 6] what is summed over queries, and over resampled customers' queries, to make a metric; see `metric_of`."""
    return np.stack([outcome.answered, outcome.hr, outcome.ndcg, outcome.mrr, outcome.hits, outcome.expected], axis=1)


def metric_of(sums: Floats, name: str) -> Floats:
    """[...] the metric of sums [..., 6]; NaN where nothing was asked or expected."""
    columns = {"hr": (1, 0), "ndcg": (2, 0), "mrr": (3, 0), "lift": (4, 5)}
    above, below = (sums[..., place] for place in columns[name])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(below > 0, above / below, np.nan), dtype=np.float64)
