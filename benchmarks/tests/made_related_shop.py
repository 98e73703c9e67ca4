"""A made shop with worlds that are bought together, and a model of it that knows the truth."""

from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd

from benchmarks.related.clocks import ClockData
from onward.evaluation.listing import best_first
from onward.evaluation.related_log import RelatedLog
from onward.ranking.catalogue import read_catalogue
from onward.ranking.order_score import order_score

DAYS = ("1970-07-10", "1970-08-01")
WORLDS, EACH, FIRST = 8, 10, 3
PRODUCTS = WORLDS * EACH
"""Candidates; their product numbers begin at FIRST, and the catalogue has more products than candidates."""


def world(candidate):
    return candidate // EACH


def made_clock(day):
    """An order takes three products of one world; a world has two types of five products, and two brands."""
    rng = np.random.default_rng(0)
    rows = []
    for customer in range(120):
        for visit in range(30):
            taken = rng.integers(WORLDS) * EACH + rng.choice(EACH, 3, replace=False)
            rows += [(customer, customer * 100 + visit, product, 9 * visit + customer % 9) for product in taken]
    customer, order, product, when = np.array(rows).T
    log = RelatedLog.of(customer, order, product, when, PRODUCTS, 10)
    known = pd.DataFrame({
        "customer": customer, "order": order, "product": product + FIRST, "quantity": 1.0, "amount": 2.0,
        "purchased_at": pd.Timestamp("1970-01-01") + pd.to_timedelta(when, unit="D"),
    })  # fmt: skip
    candidate = np.arange(-FIRST, PRODUCTS + FIRST)
    kind = [f"W{world(each)} > {'sauce' if each % EACH < EACH // 2 else 'dry'}" for each in candidate]
    products = pd.DataFrame({
        "product": candidate + FIRST, "category": kind, "attr_brand": np.where(candidate % 2, "own", "other"),
        "attr_category": [each.split(" > ")[0] for each in kind], "attr_type": [each.split(" > ")[1] for each in kind],
    })  # fmt: skip
    split = np.array(["train", "selection", "test"])[np.arange(120) % 3]
    return ClockData(
        day=date.fromisoformat(day), known=known[known["purchased_at"] < day], products=products,
        candidates=np.arange(PRODUCTS) + FIRST, customers=pd.DataFrame({"customer": np.arange(120), "split": split}),
        log=log, types=np.arange(PRODUCTS) // (EACH // 2), test=np.flatnonzero(split == "test"),
        households=np.arange(120) + 7,
    )  # fmt: skip


class Truth:
    """Stands for whatever scores pairs: two products of one world go together, blurred by noise."""

    def __init__(self, noise=0.0):
        size = PRODUCTS + 2 * FIRST
        self.noise = noise * np.random.default_rng(5).standard_normal((size, size))
        self.asked = []

    def rows(self, u, v):
        same = world(u - FIRST)[:, None] == world(v - FIRST)
        return np.where(same, 1.0, -1.0) + self.noise[np.ix_(u, v)]

    def log_lift_matrix(self, relation, u, v):
        return self.rows(u, v).astype(np.float32)

    def score(self, evidence, u, v, threads):
        self.asked.append((u, v))
        return np.where(world(u - FIRST) == world(v - FIRST), 1.0, -1.0) + self.noise[u, v]


class Model:
    """Stands for the ranking as it was fitted at a clock."""

    def __init__(self, data, noise=0.0, encoder_noise=0.0):
        bought = np.bincount(data.known["product"], minlength=len(data.products))
        self.share = np.where(bought > 0, bought / max(bought.sum(), 1), 0.0)
        self.truth, self.threads = Truth(noise), 1
        self.lifts = {"together": self.truth, "after": self.truth}
        candidates = data.candidates[bought[data.candidates] > 0]
        self.evidence = SimpleNamespace(
            catalogue=read_catalogue(data.products, data.known), candidates=candidates,
            embeddings=Truth(encoder_noise), cooccurrence=self.truth, after=self.truth,
        )  # fmt: skip

    def popularity(self, relation):
        return self.share

    def order(self, sources, relation, weight, count):
        everything = np.arange(len(self.share))

        def score(rows):
            return order_score(self.truth.rows(rows, everything), self.share, weight)

        return best_first(score, len(self.share), count)(sources)


class Fitted:
    """Stands for benchmarks.related.onward.Onward."""

    def __init__(self, data, noise=0.0, encoder_noise=0.0):
        self.lists = SimpleNamespace(model=Model(data, noise, encoder_noise))
        self.candidates = self.lists.model.evidence.candidates

    def order(self, sources, relation, weight, count):
        listed = self.lists.model.order(self.candidates[sources], relation, weight, count)
        return np.where(listed >= 0, np.searchsorted(self.candidates, np.maximum(listed, 0)), -1)
