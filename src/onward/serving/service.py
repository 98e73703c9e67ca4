"""The champion over HTTP: `/recommend` answers from it, `/health` says which it is.

Of a graph, what is in use are the lists of what comes after and before each node: the answer has their strengths in
place of chances and decisions, which nobody can make without impressions.

A promotion is picked up without a restart: the registry is asked at most once in a while, and a new champion's bundle
is read in full before it takes over. What cannot be read takes over nothing: the old one goes on, and /health says why.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import JSONResponse

from onward.deployment.bundle import Bundle
from onward.deployment.bundle_files import read_bundle
from onward.deployment.graph_lists import GraphLists, holds_graph_lists, read_graph_lists
from onward.deployment.product_search import find_products
from onward.deployment.registry import Registry, Version
from onward.errors import DataError, OnwardError, RegistryError
from onward.serving.recommend import Answer, recommend

_MOST_WORDS = 200


@dataclass(frozen=True)
class LoadedVersion:
    """A version and what it answers from."""

    version: Version
    holds: Bundle | GraphLists

    @property
    def facts(self) -> dict[str, Any]:
        """What every reply says of where it comes from."""
        facts = {name: self.holds.facts[name] for name in ("source", "as_of", "attribution_days")}
        return {"version": self.version.number, "bundle_sha256": self.version.bundle_sha256, **facts}

    @cached_property
    def catalogue(self) -> tuple[Sequence[str], Sequence[str], npt.ArrayLike]:
        """Names, ids and popularity of what may be asked for, by inside number; a node's only name is its id."""
        if isinstance(self.holds, GraphLists):
            return self.holds.nodes, self.holds.nodes, np.zeros(len(self.holds.nodes))
        products = self.holds.products
        return products["name"].tolist(), products["product_id"].tolist(), self.holds.model.graph.customers

    def answer(self, place: int, count: int, threads: int) -> Answer | dict[str, Any]:
        """The lists of what stands at a place of the catalogue; of a node in the terms of a bundle's answer.

        Raises:
            DataError: the bundle holds no lists.
        """
        if not isinstance(self.holds, GraphLists):
            return recommend(self.holds, place, count, threads)
        node = self.holds.nodes[place]
        ways = {
            way: [{"product_id": other, "name": other, "score": score} for other, score in others]
            for way, others in self.holds.of(place, count).items()
        }
        return {"product_id": node, "name": node, **ways}


class Champion:
    """The registry's champion, read anew when another version takes its place."""

    def __init__(self, registry: Registry, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Look at the registry at most every so many seconds."""
        self._registry = registry
        self._every = every
        self._clock = clock
        self._loaded: LoadedVersion | None = None
        self._checked_at: float | None = None
        self._check = threading.Lock()
        self.problem: str | None = None

    def now(self) -> LoadedVersion:
        """The version in use, as far as it can be read.

        Raises:
            RegistryError: nothing is deployed, or nothing that was could ever be read.
        """
        # One request asks the registry; others go on with what there is, and wait only while there is nothing yet.
        if self._check.acquire(blocking=self._loaded is None):
            try:
                if self._checked_at is None or self._clock() - self._checked_at >= self._every:
                    self._load_champion()
                    self._checked_at = self._clock()
            finally:
                self._check.release()
        if self._loaded is None:
            raise RegistryError(self.problem or "nothing is deployed; run the pipeline, then `onward status`")
        return self._loaded

    def _load_champion(self) -> None:
        try:
            version = self._registry.champion()
            if version is None:
                self._loaded = None
            elif self._loaded is None or self._loaded.version.bundle_sha256 != version.bundle_sha256:
                self._loaded = LoadedVersion(version, _read(self._registry.folder(version)))
            else:
                self._loaded = LoadedVersion(version, self._loaded.holds)
            self.problem = None
        except OnwardError as error:
            self.problem = str(error)


def make_app(champion: Champion, threads: int = 1) -> FastAPI:
    """The pages over a champion.

    Args:
        champion: whose answers are given.
        threads: for one reply's scoring.
    """
    # The pages of documentation would load scripts from a host of others; the schema itself stays.
    app = FastAPI(title="Onward", docs_url=None, redoc_url=None)

    @app.exception_handler(RegistryError)
    def unavailable(_: object, error: RegistryError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503)

    @app.get("/alive")
    def alive() -> dict[str, str]:
        """Answer as long as the process does, deployed or not."""
        return {"status": "alive"}

    @app.get("/health")
    def health() -> dict[str, Any]:
        loaded = champion.now()
        return {"status": "ok" if champion.problem is None else "old", "problem": champion.problem, **loaded.facts}

    @app.get("/recommend")
    def answer(
        product: Annotated[str, Query(min_length=1, max_length=_MOST_WORDS, description="Words of a name, or an id.")],
        count: Annotated[int, Query(ge=1, le=100, description="Products in each direction.")] = 8,
    ) -> dict[str, Any]:
        loaded = champion.now()
        names, ids, popularity = loaded.catalogue
        try:
            matches = find_products(product, names, ids, popularity)
        except DataError as error:
            raise HTTPException(404, str(error)) from error
        lists = loaded.answer(matches[0], count, threads)
        others = [{"product_id": ids[place], "name": names[place]} for place in matches[1:6]]
        return {"answer": lists, "also_named_like_that": others, **loaded.facts}

    return app


def _read(folder: Path) -> Bundle | GraphLists:
    return read_graph_lists(folder) if holds_graph_lists(folder) else read_bundle(folder)
