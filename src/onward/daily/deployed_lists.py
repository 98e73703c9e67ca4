"""The lists of a version as they were deployed, and what the gate saw of them: a small folder beside its looks.

A bundle never changes, so it is asked once: later looks, those at the versions after it too, wait neither for MLflow
nor for a bundle that may be gone by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from onward.artifacts import StoredFiles, read_json, read_table, replacing_directory, write_json, write_table
from onward.deployment.graph_lists import holds_graph_lists
from onward.deployment.listed_products import ListedProducts
from onward.deployment.registry import Registry
from onward.deployment.served_lists import no_lists
from onward.errors import MonitoringError
from onward.evaluation.listing import NOTHING
from onward.metrics.intervals import Interval
from onward.monitoring.list_weeks import COUNT, JUDGED, Lists
from onward.ranking.purchase_log import Ints

_PARTS = ("value", "low", "high")


@dataclass(frozen=True)
class DeployedLists:
    """What a version lists, by its own numbers of products.

    Attributes:
        product_ids: outside ids by number.
        lists: [P, COUNT] by name of list, as ServedLists.matrix gives them.
        learnt_until: the bundle's as_of, the first day that it does not know.
        promised: lift at ten at the gate, by name of list; NaN where the gate said nothing.
    """

    product_ids: tuple[str, ...]
    lists: Lists
    learnt_until: date
    promised: dict[str, Interval]

    def among(self, product_ids: list[str]) -> Lists:
        """The lists of other products by their numbers; a product that is not among them keeps its place, empty."""
        number = {identity: place for place, identity in enumerate(self.product_ids)}
        own = np.array([number.get(identity, NOTHING) for identity in product_ids], dtype=np.int64)
        place = np.full(len(self.product_ids) + 1, NOTHING, dtype=np.int64)  # the last stands for NOTHING
        place[own[own != NOTHING]] = np.flatnonzero(own != NOTHING)
        lists: dict[str, Ints] = {}
        for name, matrix in self.lists.items():
            rows = matrix[own]
            rows[own == NOTHING] = NOTHING
            lists[name] = place[rows]
        return lists


def deployed_lists(registry: Registry, looks: Path, version: int) -> DeployedLists | None:
    """The lists of a version; None of one that has none.

    Args:
        registry: asked the first time only.
        looks: folder of the assessments.
        version: its number.

    Raises:
        RegistryError: nobody knows the version, or its bundle is gone.
        MonitoringError: the folder was written by other code.
    """
    folder = looks / f"version={version}" / "deployed_lists"
    if not folder.is_dir():
        _keep(registry, folder, version)
    facts = read_json(folder / "facts.json")
    products = read_table(folder / "products.parquet")
    table = read_table(folder / "lists.parquet")
    if not len(table):
        return None
    try:
        lists = replace(no_lists(0), table=table, stands_for=products["stands_for"].to_numpy(np.int64))
        return DeployedLists(
            product_ids=tuple(products["product_id"].tolist()),
            lists={name: lists.matrix(name, COUNT) for name in JUDGED.values()},
            learnt_until=date.fromisoformat(facts["as_of"]),
            promised={name: _interval(facts["promised"][name]) for name in JUDGED.values()},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MonitoringError(f"{folder}: not the lists of a version ({error}); delete it, and look again") from error


def _keep(registry: Registry, folder: Path, version: int) -> None:
    champion = registry.champion()
    found = champion if champion is not None and champion.number == version else registry.version(version)
    bundle = registry.folder(found)
    figures = registry.figures(found)
    ids, as_of, lists = [], "", no_lists(0)
    if not holds_graph_lists(bundle):
        listed = ListedProducts.from_files(StoredFiles(bundle))
        ids, as_of, lists = list(listed.product_ids), str(listed.facts["as_of"]), listed.lists
    # One more, as a product that is given another one's lists must not find itself in them.
    kept = lists.table["list"].isin(JUDGED.values()) & (lists.table["rank"] <= COUNT + 1)
    with replacing_directory(folder) as partial:
        write_table(partial / "lists.parquet", lists.table.loc[kept, ["product", "list", "rank", "other"]])
        write_table(partial / "products.parquet", pd.DataFrame({"product_id": ids, "stands_for": lists.stands_for}))
        promised = {name: {part: figures.get(f"{name}_lift10_{part}") for part in _PARTS} for name in JUDGED.values()}
        write_json(partial / "facts.json", {"as_of": as_of, "promised": promised})


def _interval(parts: Mapping[str, float | None]) -> Interval:
    """An interval of plain values; what the gate did not say is not a number."""
    return Interval(*(float("nan") if (value := parts[part]) is None else float(value) for part in _PARTS))
