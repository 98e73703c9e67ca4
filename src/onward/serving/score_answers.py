"""Answers about pairs that the asker names, and about a page that the asker wants in order."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from onward.deployment.bundle import Bundle
from onward.errors import DataError
from onward.serving.encoded_answer import LoggedAnswer
from onward.serving.loaded_version import LoadedVersion
from onward.serving.new_products import NewProducts, Subject, subject_of
from onward.serving.page_ranking import rank_page
from onward.serving.pair_scores import PairScore, scores_in_context
from onward.serving.related_answers import chance, decision_row, remembered_scores
from onward.serving.schemas import RankQuestion, ScoreQuestion


def score_pairs(loaded: LoadedVersion, added: NewProducts, question: ScoreQuestion, threads: int = 1) -> LoggedAnswer:
    """What is said of pairs, in the order of the question; a pair with an unknown product is not scored.

    Raises:
        DataError: the model holds no scores, or does not know a feature of a context.
    """
    bundle = require_bundle(loaded)
    ends = [(_end(loaded, added, pair.source), _end(loaded, added, pair.target)) for pair in question.pairs]
    places = [None if u is None or v is None else (u, v) for (u, _), (v, _) in ends]
    scores = _scores(loaded, bundle, places, question, threads)
    rows: list[dict[str, Any]] = []
    decisions: list[list[Any]] = []
    answered = zip(question.pairs, ends, _evidence(loaded, places), scores, strict=True)
    for rank, (pair, (source, target), evidence, score) in enumerate(answered, 1):
        row: dict[str, Any] = {"source": pair.source, "target": pair.target}
        if score is None:
            ways = ((pair.source, source), (pair.target, target))
            unknown = [identity for identity, (place, _) in ways if place is None]
            row |= {"score": None, "reasons": [], "unknown": unknown}
        else:
            row |= {"score": score.score, "reasons": [score.reason, *evidence], "unknown": []}
            decisions.append(decision_row(pair.source, pair.target, "score", rank, None, score, target[1]))
        rows.append(row | chance(score))
    return LoggedAnswer({**loaded.facts, "pairs": rows}, decisions, None)


def rank_products(loaded: LoadedVersion, added: NewProducts, question: RankQuestion, threads: int = 1) -> LoggedAnswer:
    """A page of products, best first; see page_ranking.py for the order.

    Raises:
        DataError: the model holds no scores, or knows none of the recent products.
    """
    bundle = require_bundle(loaded)
    lists = loaded.lists
    of_recent = [_subject(loaded, added, identity) for identity in question.recent]
    recent = list(dict.fromkeys(one.place for one in of_recent if one is not None and one.place is not None))
    if not recent:
        raise DataError(
            f"rank: none of {len(question.recent)} recent products is known; GET /v1/search finds ids by name"
        )
    candidates = list(dict.fromkeys(question.candidates))
    subjects = {identity: _subject(loaded, added, identity) for identity in candidates}
    by_place: dict[int, list[str]] = {}
    for identity, subject in subjects.items():
        if subject is not None and subject.place is not None:
            by_place.setdefault(subject.place, []).append(identity)
    default = lists.lists.weight if lists is not None else 0.0
    weight = default if question.weight is None else question.weight
    ranked = rank_page(bundle, lists, recent, list(by_place), weight)
    kept = [(one, identity) for one in ranked for identity in by_place[one.candidate]][: question.k]
    scores = remembered_scores(loaded, bundle, [(one.because_of, one.candidate) for one, _ in kept], threads)
    ids = loaded.catalogue[1]
    rows: list[dict[str, Any]] = []
    decisions: list[list[Any]] = []
    for rank, (one, identity) in enumerate(kept, 1):
        score = scores[one.because_of, one.candidate]
        because = ids[one.because_of]
        product = subjects[identity]
        name, category = (product.name, product.category) if product is not None else ("", "")
        place = {"rank": rank, "score": one.score, "evidence": one.evidence, "because_of": because}
        rows.append({"product_id": identity, "name": name, **place, **chance(score)})
        decisions.append(decision_row(because, identity, "rank", rank, one.score, score, category))
    known = {identity for identities in by_place.values() for identity in identities}
    for identity in [identity for identity in candidates if identity not in known][: question.k - len(rows)]:
        product = subjects[identity]
        name = product.name if product is not None else ""
        place = {"rank": len(rows) + 1, "score": None, "evidence": "unknown", "because_of": None}
        rows.append({"product_id": identity, "name": name, **place, **chance(None)})
    return LoggedAnswer({**loaded.facts, "weight": weight, "products": rows}, decisions, weight)


def require_bundle(loaded: LoadedVersion) -> Bundle:
    """The bundle of a version.

    Raises:
        DataError: it holds the lists of a graph.
    """
    if not isinstance(loaded.holds, Bundle):
        raise DataError(
            "score: the model in use holds the lists of a graph, which say no chance; deploy one of a source with "
            "impressions"
        )
    return loaded.holds


def _scores(
    loaded: LoadedVersion,
    bundle: Bundle,
    places: Sequence[tuple[int, int] | None],
    question: ScoreQuestion,
    threads: int,
) -> list[PairScore | None]:
    """What is said of each pair of inside numbers; pairs that share a context are scored at once."""
    scores: list[PairScore | None] = [None] * len(places)
    by_context: dict[tuple[tuple[str, float], ...], list[int]] = {}
    for number, (at, pair) in enumerate(zip(places, question.pairs, strict=True)):
        if at is not None:
            by_context.setdefault(tuple(sorted(pair.context.items())), []).append(number)
    for context, numbers in by_context.items():
        pairs = [at for number in numbers if (at := places[number]) is not None]
        if context:
            source, target = np.array(pairs, dtype=np.int64).T
            said = scores_in_context(bundle, source, target, dict(context), threads)
        else:
            remembered = remembered_scores(loaded, bundle, pairs, threads)
            said = [remembered[pair] for pair in pairs]
        for number, score in zip(numbers, said, strict=True):
            scores[number] = score
    return scores


def _subject(loaded: LoadedVersion, added: NewProducts, identity: str) -> Subject | None:
    try:
        return subject_of(loaded, added, identity)
    except DataError:
        return None


def _end(loaded: LoadedVersion, added: NewProducts, identity: str) -> tuple[int | None, str]:
    """Inside number of what answers for a product, None where nothing does, and the product's own category."""
    place = loaded.place(identity)
    if place is not None:
        return place, loaded.categories[place]
    subject = _subject(loaded, added, identity)
    return (None, "") if subject is None else (subject.place, subject.category)


def _evidence(loaded: LoadedVersion, pairs: Sequence[tuple[int, int] | None]) -> list[list[str]]:
    """Why the target stands on lists of the source, a line a list, pair by pair; nothing where there is no pair."""
    lists = loaded.lists
    if lists is None:
        return [[] for _ in pairs]
    # A product is on no list of its own.
    source, target = np.array([pair or (0, 0) for pair in pairs], dtype=np.int64).T
    return lists.reasons(source, target)
