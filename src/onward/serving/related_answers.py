"""Answers about one product: its lists with chances, decisions and reasons, and its neighbourhood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onward.data.contract import CATEGORY_SEPARATOR
from onward.deployment.bundle import Bundle
from onward.deployment.graph_lists import GraphLists
from onward.errors import DataError
from onward.ranking.list_names import AFTER, BEFORE, LISTS
from onward.serving.encoded_answer import LoggedAnswer
from onward.serving.held_lists import HeldEntry
from onward.serving.loaded_version import LoadedVersion
from onward.serving.new_products import Subject
from onward.serving.pair_scores import PairScore, typical_scores
from onward.serving.recommend import reason_for

NO_CHANCE: dict[str, Any] = dict.fromkeys(
    ("probability", "low", "high", "uncertainty", "level", "doubt", "decision", "threshold")
)


@dataclass(frozen=True)
class RelatedQuestion:
    """Which lists of a product, and how much of them.

    Attributes:
        product_id: outside id.
        names: lists that are wanted.
        count: entries of each at most.
        weight: 0 for the most related, 1 for the most probable; None for the order that was judged.
        category: path, or the beginning of one by whole steps, that entries must have.
        decision: that entries must have.
        exclude: outside ids that are left out.
    """

    product_id: str
    names: tuple[str, ...]
    count: int
    weight: float | None = None
    category: str | None = None
    decision: str | None = None
    exclude: frozenset[str] = frozenset()


def related(loaded: LoadedVersion, subject: Subject, question: RelatedQuestion) -> LoggedAnswer:
    """The lists of a product.

    Raises:
        DataError: the model holds no lists, or not what the question needs.
    """
    if isinstance(loaded.holds, GraphLists):
        return _related_nodes(loaded, loaded.holds, subject, question)
    lists = loaded.lists
    if lists is None:
        raise DataError("related: the model in use was made before lists were; run `dvc repro`")
    held = dict.fromkeys(question.names, ()) if subject.place is None else lists.of(subject.place)
    weight = lists.lists.weight if question.weight is None else question.weight
    chosen: dict[str, list[HeldEntry]] = {}
    for name in question.names:
        entries = [entry for entry in held[name] if _passes(loaded, entry.other, subject, question)]
        # The order that was judged is not made anew.
        chosen[name] = entries if weight == lists.lists.weight else lists.reordered(name, entries, weight)
        if question.decision is None:
            chosen[name] = chosen[name][: question.count]
    scores = _scores_of(loaded, loaded.holds, subject, [entry for name in question.names for entry in chosen[name]])
    names, ids, _ = loaded.catalogue
    answer: dict[str, list[dict[str, Any]]] = {}
    decisions: list[list[Any]] = []
    for name in question.names:
        rows = answer[name] = []
        for entry in chosen[name]:
            score = scores[_pair(subject, entry)]
            if question.decision is not None and score.decision != question.decision:
                continue
            if len(rows) == question.count:
                break
            rows.append(
                {
                    "product_id": ids[entry.other],
                    "name": names[entry.other],
                    "category": loaded.categories[entry.other],
                    "rank": entry.rank,
                    "score": entry.score,
                    "why": reason_for(name, entry.times, entry.support, entry.type_support, lists.lists.follow_days),
                    "why_decision": score.reason,
                    **chance(score),
                }
            )
            ends = (ids[entry.other], subject.product_id)
            of_target = subject.category if name == BEFORE else loaded.categories[entry.other]
            source, target = ends if name == BEFORE else ends[::-1]
            decisions.append(decision_row(source, target, name, len(rows), entry.score, score, of_target))
    about = _about(loaded, subject, weight, directed=lists.lists.directed)
    of_its_type = subject.added or (subject.place is not None and _is_given(loaded, subject.place))
    return LoggedAnswer({**about, "of_its_type": of_its_type, "lists": answer}, decisions, weight)


def neighbourhood(loaded: LoadedVersion, subject: Subject, count: int) -> dict[str, Any]:
    """What a product leads to, comes from and goes with, as arrows with counts."""
    names, ids, _ = loaded.catalogue
    arrows: list[dict[str, Any]] = []
    ways = {AFTER: "out", BEFORE: "in"}
    if isinstance(loaded.holds, GraphLists):
        by_way = loaded.holds.of(subject.place, count) if subject.place is not None else {}
        unknown = dict.fromkeys(("count", "type_count", "times", "days"))
        arrows = [
            {"product_id": other, "name": other, "list": name, "way": ways[name], **unknown}
            for name, others in by_way.items()
            for other, _ in others
        ]
    elif loaded.lists is not None and subject.place is not None:
        held = loaded.lists.of(subject.place)
        arrows = [
            {
                "product_id": ids[entry.other],
                "name": names[entry.other],
                "list": name,
                "way": ways.get(name, "both"),
                "count": entry.support,
                "type_count": entry.type_support,
                "times": entry.times,
                "days": loaded.lists.lists.follow_days if name in ways else None,
            }
            for name in LISTS
            for entry in held[name][:count]
        ]
    about = {"product_id": subject.product_id, "name": subject.name, "category": subject.category}
    return {**loaded.facts, **about, "arrows": arrows}


def chance(score: PairScore | None) -> dict[str, Any]:
    """The part of an answer that every pair has."""
    if score is None:
        return NO_CHANCE
    return {
        "probability": score.probability,
        "low": score.low,
        "high": score.high,
        "uncertainty": score.uncertainty,
        "level": score.level,
        "doubt": score.doubt,
        "decision": score.decision,
        "threshold": score.threshold,
    }


def decision_row(
    source: str, target: str, order: str, rank: int, order_score: float | None, score: PairScore, category: str
) -> list[Any]:
    """A row of decision_log.DECISION_COLUMNS; of the category of the target its first step is kept."""
    said = (score.score, score.probability, score.uncertainty, score.level, score.decision)
    return [source, target, order, rank, order_score, *said, category.split(CATEGORY_SEPARATOR, maxsplit=1)[0]]


def remembered_scores(
    loaded: LoadedVersion, bundle: Bundle, pairs: Sequence[tuple[int, int]], threads: int = 1
) -> dict[tuple[int, int], PairScore]:
    """What is said of pairs of inside numbers for a typical customer, each pair scored once a version."""
    scores = loaded.pairs.get_all(pairs)
    missing = list(dict.fromkeys(pair for pair in pairs if pair not in scores))
    if missing:
        source, target = np.array(missing, dtype=np.int64).T
        worked_out = dict(zip(missing, typical_scores(bundle, source, target, threads), strict=True))
        loaded.pairs.put_all(worked_out)
        scores |= worked_out
    return scores


def in_category(path: str, wanted: str) -> bool:
    """Whether a path is a category or lies below it.

    >>> in_category("GROCERY > MILK", "GROCERY"), in_category("GROCERY > MILK", "GROC")
    (True, False)
    """
    return path == wanted or path.startswith(wanted + CATEGORY_SEPARATOR)


def _passes(loaded: LoadedVersion, other: int, subject: Subject, question: RelatedQuestion) -> bool:
    identity = loaded.catalogue[1][other]
    if identity in question.exclude or identity == subject.product_id:
        return False
    return question.category is None or in_category(loaded.categories[other], question.category)


def _pair(subject: Subject, entry: HeldEntry) -> tuple[int, int]:
    place = entry.other if subject.place is None else subject.place
    return (entry.other, place) if entry.name == BEFORE else (place, entry.other)


def _scores_of(
    loaded: LoadedVersion, bundle: Bundle, subject: Subject, entries: Sequence[HeldEntry]
) -> dict[tuple[int, int], PairScore]:
    return remembered_scores(loaded, bundle, [_pair(subject, entry) for entry in entries])


def _is_given(loaded: LoadedVersion, place: int) -> bool:
    if not isinstance(loaded.holds, Bundle):
        return False
    return int(loaded.holds.lists.stands_for[place]) not in {place, -1}


def _about(loaded: LoadedVersion, subject: Subject, weight: float | None, *, directed: bool) -> dict[str, Any]:
    about = {"product_id": subject.product_id, "name": subject.name, "category": subject.category}
    return {**loaded.facts, **about, "weight": weight, "directed": directed}


def _related_nodes(
    loaded: LoadedVersion, graph: GraphLists, subject: Subject, question: RelatedQuestion
) -> LoggedAnswer:
    """A graph's lists in the terms of a bundle's: strengths in place of chances, which need impressions."""
    if question.weight is not None or question.decision is not None or question.category is not None:
        raise DataError(
            "related: the lists of a graph have no weight, no decision and no category; ask without these, or deploy a "
            "model of a source with impressions"
        )
    wanted = question.count + len(question.exclude)
    ways = graph.of(subject.place, wanted) if subject.place is not None else {}
    lists = {
        name: [
            {
                "product_id": other,
                "name": other,
                "category": "",
                "rank": rank,
                "score": strength,
                "why": "by the ranker of the graph",
                "why_decision": "without impressions no decision",
                **NO_CHANCE,
            }
            for rank, (other, strength) in enumerate(ways.get(name, []), 1)
            if other not in question.exclude
        ][: question.count]
        for name in question.names
        if name in {AFTER, BEFORE}
    }
    about = _about(loaded, subject, None, directed=True)
    return LoggedAnswer({**about, "of_its_type": False, "lists": lists}, [], None)
