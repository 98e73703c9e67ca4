"""One version of the model, read whole, and what every answer from it has in common."""

import contextlib
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onward.data.contract import CATEGORY_SEPARATOR
from onward.deployment.bundle import Bundle
from onward.deployment.bundle_files import bundle_hash, read_bundle
from onward.deployment.graph_lists import GraphLists, holds_graph_lists, read_graph_lists
from onward.deployment.product_search import ProductNames
from onward.deployment.reasons import PROMOTED, events
from onward.deployment.registry import Version
from onward.errors import RegistryError
from onward.serving.encoded_answer import EncodedAnswer
from onward.serving.held_lists import HeldLists
from onward.serving.least_recent import LeastRecent
from onward.serving.pair_scores import PairScore

_ANSWER_BYTES = 64 << 20
_PAIRS = 50_000


@dataclass(frozen=True)
class LoadedVersion:
    """A version and what it answers from; its caches go with it when another takes its place.

    Attributes:
        version: of the registry.
        holds: the model itself.
        loaded_at: when it was read, UTC.
        answers: encoded answers by question.
        pairs: what was said of a pair of inside numbers for a typical customer.
    """

    version: Version
    holds: Bundle | GraphLists
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    answers: LeastRecent[tuple[Any, ...], EncodedAnswer] = field(default_factory=lambda: LeastRecent(_ANSWER_BYTES))
    pairs: LeastRecent[tuple[int, int], PairScore] = field(default_factory=lambda: LeastRecent(_PAIRS))

    @property
    def number(self) -> int:
        """Of the version."""
        return self.version.number

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What is said of where answers come from."""
        facts = {name: self.holds.facts[name] for name in ("source", "as_of", "attribution_days")}
        return {"version": self.number, "bundle_sha256": self.version.bundle_sha256, **facts}

    @cached_property
    def promoted_at(self) -> str | None:
        """When it came into use the last time, UTC; None where nobody wrote it down."""
        times = [event.at for event in events(self.version.tags) if event.what == PROMOTED]
        return times[-1] if times else None

    @cached_property
    def catalogue(self) -> tuple[Sequence[str], Sequence[str], npt.ArrayLike]:
        """Names, ids and popularity of what may be asked for, by inside number; a node's only name is its id."""
        if isinstance(self.holds, GraphLists):
            return self.holds.nodes, self.holds.nodes, np.zeros(len(self.holds.nodes))
        products = self.holds.products
        return products["name"].tolist(), products["product_id"].tolist(), self.holds.model.graph.customers

    @cached_property
    def categories(self) -> Sequence[str]:
        """[P] category path of each product, "" where it has none."""
        if isinstance(self.holds, GraphLists):
            return [""] * len(self.holds.nodes)
        categories: list[str] = self.holds.products["category"].fillna("").astype(str).tolist()
        return categories

    @cached_property
    def _places(self) -> dict[str, int]:
        return {identity: place for place, identity in enumerate(self.catalogue[1])}

    def place(self, product_id: str) -> int | None:
        """Inside number of a product; None if the version does not know it."""
        return self._places.get(product_id)

    @cached_property
    def lists(self) -> HeldLists | None:
        """The lists of a bundle; None of a graph, and of a bundle that was made before lists were."""
        if isinstance(self.holds, GraphLists) or not len(self.holds.lists.table):
            return None
        return HeldLists(self.holds.lists)

    @cached_property
    def search(self) -> ProductNames:
        """The catalogue, to be searched."""
        return ProductNames(*self.catalogue)

    @cached_property
    def best_sellers(self) -> dict[str, int]:
        """By category path, and by every beginning of one, the product with lists that most customers buy."""
        sellers: dict[str, int] = {}
        if isinstance(self.holds, GraphLists) or self.lists is None:
            return sellers
        owners = np.unique(self.holds.lists.table["product"].to_numpy(np.int64))
        customers = np.asarray(self.holds.model.graph.customers)
        # The most bought comes last, so it is what stays; of equals the lower number.
        for place in owners[np.lexsort((-owners, customers[owners]))].tolist():
            steps = self.categories[place].split(CATEGORY_SEPARATOR)
            for length in range(1, len(steps) + 1):
                sellers[CATEGORY_SEPARATOR.join(steps[:length])] = place
        return sellers

    def warm(self) -> None:
        """Do once what the first requests would wait for."""
        self.place("")
        self.search.prepare()
        len(self.best_sellers)
        if isinstance(self.holds, Bundle) and self.lists is not None:
            self.lists.warm()
            self.holds.typical.prepare()


def load_version(version: Version, folder: Path) -> LoadedVersion:
    """Read a version whole and make it ready to answer.

    Raises:
        RegistryError: its folder does not hold what was registered, as when a copy stopped half-way.
        OnwardError: a file is missing or unreadable.
    """
    if bundle_hash(folder) != version.bundle_sha256:
        raise RegistryError(
            f"{folder}: not the files that were registered as version {version.number}; "
            "copy the bundle again, or run `dvc repro --force deploy`"
        )
    with _apart_from_collection():
        loaded = LoadedVersion(version, read_graph_lists(folder) if holds_graph_lists(folder) else read_bundle(folder))
        loaded.warm()
    return loaded


def renamed(loaded: LoadedVersion, version: Version) -> LoadedVersion:
    """The same model under another tag or number; what was answered in another number's name is forgotten."""
    if loaded.number == version.number:
        same = replace(loaded, version=version)
    else:
        same = LoadedVersion(version, loaded.holds, loaded.loaded_at, pairs=loaded.pairs)
    with _apart_from_collection():
        same.warm()
    return same


@contextlib.contextmanager
def _apart_from_collection() -> Iterator[None]:
    """Keep what is made out of the cyclic garbage collector's sight.

    A model is hundreds of thousands of objects that live long: every full collection would look at each, and no request
    is answered meanwhile (170 ms for 91,000 products). In no cycle, it goes with the last reference to it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()
