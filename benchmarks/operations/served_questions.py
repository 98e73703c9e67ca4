"""What a shop asks a service, and what one version of the model answers to it, worked out without the service."""

import json
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from benchmarks.operations.open_loop import Request
from onward.deployment.bundle import Bundle
from onward.ranking.list_names import LISTS
from onward.serving.encoded_answer import EncodedAnswer
from onward.serving.loaded_version import LoadedVersion
from onward.serving.new_products import NewProducts, subject_of
from onward.serving.related_answers import RelatedQuestion, related
from onward.serving.schemas import RankQuestion, ScoreQuestion
from onward.serving.score_answers import rank_products, score_pairs

RELATED, ONE_LIST, SCORE, RANK, FEEDBACK = KINDS = ("related", "one list", "score", "rank", "feedback")
SHARES = (0.4, 0.4, 0.15, 0.025, 0.025)
"""80 % lists (half of them all four, half one), 15 % scores of ten pairs, 5 % rank and feedback."""
_AT_ONCE = 10_000
_PAIRS, _PAGE, _LISTED = 10, 30, 10


class Questions:
    """Questions by number: a kind and a product say all of one; products come as often as customers buy them."""

    def __init__(self, bundle: Bundle, seed: int) -> None:
        self.ids = bundle.products["product_id"].tolist()
        self._customers = np.asarray(bundle.model.graph.customers, dtype=np.float64)
        self._table = bundle.lists.table
        self._generator = np.random.default_rng(seed)
        self._raw: dict[int, bytes] = {}

    @cached_property
    def _others(self) -> dict[int, list[int]]:
        """Products of the lists of each product that has some, without repetition, in their order."""
        grouped = self._table.groupby("product")["other"]
        return {int(str(product)): list(dict.fromkeys(others.tolist())) for product, others in grouped}

    def requests(self) -> Iterator[Request]:
        """Draw requests for ever."""
        owners = np.array(sorted(self._others))
        share = self._customers[owners] + 1.0
        while True:
            kinds = self._generator.choice(len(KINDS), _AT_ONCE, p=SHARES)
            drawn = self._generator.choice(owners, _AT_ONCE, p=share / share.sum())
            for kind, product in zip(kinds.tolist(), drawn.tolist(), strict=True):
                number = product * len(KINDS) + kind
                if number not in self._raw:
                    self._raw[number] = self._encoded(KINDS[kind], product)
                yield Request(KINDS[kind], number, self._raw[number])

    def answer(self, number: int, loaded: LoadedVersion, added: NewProducts) -> bytes:
        """What a version answers, as JSON without the request's id."""
        product, code = divmod(number, len(KINDS))
        kind, identity = KINDS[code], self.ids[product]
        if kind in {RELATED, ONE_LIST}:
            names = LISTS if kind == RELATED else LISTS[:1]
            question = RelatedQuestion(identity, tuple(names), _LISTED)
            return EncodedAnswer.of(related(loaded, subject_of(loaded, added, identity), question)).body
        body = self._body(kind, product)
        if kind == SCORE:
            return EncodedAnswer.of(score_pairs(loaded, added, ScoreQuestion.model_validate(body))).body
        return EncodedAnswer.of(rank_products(loaded, added, RankQuestion.model_validate(body))).body

    def _encoded(self, kind: str, product: int) -> bytes:
        if kind in {RELATED, ONE_LIST}:
            only = "" if kind == RELATED else f"&list={LISTS[0]}"
            return _raw("GET", f"/v1/related/{self.ids[product]}?k={_LISTED}{only}", b"")
        return _raw("POST", f"/v1/{kind}", json.dumps(self._body(kind, product)).encode())

    def _body(self, kind: str, product: int) -> dict[str, object]:
        identity, others = self.ids[product], [self.ids[other] for other in self._others[product]]
        if kind == SCORE:
            targets = (others * _PAIRS)[:_PAIRS]
            return {"pairs": [{"source": identity, "target": target} for target in targets]}
        if kind == RANK:
            return {"recent": [identity], "candidates": others[::-1][:_PAGE]}
        event = {"kind": "shown", "request_id": "0" * 32, "source": identity, "target": others[0]}
        return {"events": [event]}


def _raw(method: str, path: str, body: bytes) -> bytes:
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
