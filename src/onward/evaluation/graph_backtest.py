"""What is served of a graph, judged on held-out edges or items beside every single method, with intervals.

The blend is asked by the same code and in the same order that the served lists are made with; each single method with
the setting that validation picked. Nothing is chosen here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from onward.metrics.customer_bootstrap import CustomerBootstrap
from onward.metrics.intervals import Interval
from onward.metrics.ranking import PairRanks, bar_of, share_below
from onward.ranking.blend import PairRows
from onward.ranking.link_blend import LinkBlend
from onward.ranking.link_ranks import rank_links, rivals_of
from onward.ranking.link_split import LinkSplit
from onward.ranking.method import Method
from onward.ranking.pair_blend import judged_k, score_of_column, split_by_label
from onward.ranking.sequence_blend import NextBlend
from onward.ranking.sequence_moments import METHOD_BY_QUERY, Chains, QueryMoment

BLEND = "blend"
COMPETING = ", competing"
"""Ending of a metric for which the test targets of one source compete with each other."""

Figures = dict[str, dict[str, Interval]]
"""By method and metric."""


def judge_pairs(fitted: LinkBlend, split: LinkSplit, samples: int, seed: int) -> Figures:
    """Is there an edge: Hits@K in percent and AUC of the blend and of every method.

    The interval is over sources of the held-out edges; the bar of the non-edges stays.
    """
    pairs = fitted.pairs
    test = PairRows.of(pairs.fitted, split.graph, split.test, split.test_absent)
    column = {name: number for number, name in enumerate(pairs.fitted)}
    methods = {
        BLEND: pairs.blend.predict,
        **{method: score_of_column(column[name]) for method, name in pairs.picks.items()},
    }
    k = judged_k(len(split.test_absent))
    bootstrap = CustomerBootstrap.of(split.test[:, 0], samples, seed)
    figures = {}
    for method, score in methods.items():
        edges, absent = split_by_label(score, test)
        hit = 100.0 * (edges > bar_of(absent, k))
        auc = bootstrap.ratio(share_below(edges, absent), np.ones(len(edges)))
        figures[method] = {f"hits@{k}": bootstrap.ratio(hit, np.ones(len(hit))), "auc": auc}
    return figures


def judge_lists(fitted: LinkBlend, split: LinkSplit, samples: int, seed: int) -> Figures:
    """What is listed after a node: every node ranked, known targets left out; and with test targets competing."""
    lists = fitted.lists
    methods = {BLEND: lists.method, **{method: lists.question.methods[name] for method, name in lists.picks.items()}}
    filtered, competing = rivals_of(split.known), rivals_of(split.graph)
    figures = {}
    for method, ranked in methods.items():
        alone = rank_links(ranked, split.test, filtered).intervals(samples, seed)
        together = rank_links(ranked, split.test, competing, filtered=False).intervals(samples, seed)
        figures[method] = {**alone, **{f"{metric}{COMPETING}": value for metric, value in together.items()}}
    return figures


def judge_next(fitted: NextBlend, moment: QueryMoment, chains: Chains, samples: int, seed: int) -> Figures:
    """What comes next in a sequence: every item ranked that the customer has not had."""
    ask = METHOD_BY_QUERY[fitted.query]
    methods: dict[str, Method] = {BLEND: fitted.method(moment, chains)}
    methods |= {method: ask(chains[method][number], moment) for method, number in fitted.picks.items()}
    return {method: _ranks(ranked, moment).intervals(samples, seed) for method, ranked in methods.items()}


def to_results(judged: Mapping[str, Figures]) -> dict[str, Any]:
    """Every figure as JSON, by what was judged, method and metric."""
    return {
        name: {
            method: {metric: interval.to_dict() for metric, interval in metrics.items()}
            for method, metrics in methods.items()
        }
        for name, methods in judged.items()
    }


def to_table(judged: Mapping[str, Figures]) -> pd.DataFrame:
    """The same as rows."""
    return pd.DataFrame(
        [
            {"judged": name, "method": method, "metric": metric, **interval.to_dict()}
            for name, methods in judged.items()
            for method, metrics in methods.items()
            for metric, interval in metrics.items()
        ]
    )


def headline(judged: Mapping[str, Figures], quoted: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The served order's quoted metrics with their intervals, and the best single method's beside each.

    Args:
        judged: figures by what was judged.
        quoted: by what was judged, the metrics to quote.
    """
    figures: dict[str, Any] = {}
    for name, metrics in quoted.items():
        for metric in metrics:
            if metric not in judged[name][BLEND]:
                continue
            single = {method: of[metric].value for method, of in judged[name].items() if method != BLEND}
            best = max(single, key=lambda method: single[method])
            figures.setdefault(name, {})[metric] = {
                **judged[name][BLEND][metric].to_dict(),
                "best_single": best,
                "best_single_value": single[best],
            }
    return figures


def describe(figures: Mapping[str, Any]) -> str:
    """One line of the headline."""
    return "; ".join(
        f"{name} {metric} {figure['value']:.4g} ({figure['low']:.4g} to {figure['high']:.4g}; "
        f"{figure['best_single']} alone {figure['best_single_value']:.4g})"
        for name, metrics in figures.items()
        for metric, figure in metrics.items()
    )


def _ranks(method: Method, moment: QueryMoment) -> PairRanks:
    return rank_links(method, moment.pairs, moment.seen)
