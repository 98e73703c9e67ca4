"""Boosted trees: the one place that grows, keeps and asks LightGBM's.

Growing is deterministic: the same rows, settings and threads give the same trees, and these the same text. Trees are
kept as LightGBM's own text, which holds no code, so loading a model from elsewhere runs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from onward.errors import ArtifactError

Floats = npt.NDArray[np.float64]
Inputs = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TreeSettings:
    """What a model lets its user choose of how its trees are grown.

    Attributes:
        iterations: trees, at most.
        learning_rate: of the trees.
        leaves: of a tree.
        min_rows_in_leaf: of a tree.
        l2: penalty of a leaf.
        feature_share: columns a tree may see, drawn anew for each.
    """

    iterations: int
    learning_rate: float
    leaves: int
    min_rows_in_leaf: int
    l2: float
    feature_share: float


@dataclass(frozen=True)
class Boosting:
    """How trees are grown; defaults are LightGBM's (https://lightgbm.readthedocs.io/en/latest/Parameters.html).

    Attributes:
        iterations: trees, at most.
        learning_rate: of the trees.
        leaves: of a tree.
        min_rows_in_leaf: of a tree.
        l2: penalty of a leaf.
        seed: of columns and rows that are drawn.
        threads: of LightGBM; sums in another order give other trees.
        objective: `binary`, or `lambdarank`, which cares for the order at the top only.
        feature_share: columns a tree may see, drawn anew for each.
        feature_seed: of those columns; None: follows from `seed`.
        row_share: rows a tree may see, drawn anew for each.
        bins: of a column, at most.
        drops_constant: leave columns out that min_rows_in_leaf lets nobody split.
        category_rows: of a category, at least, before it counts by itself.
        category_l2: penalty of a split by category.
        category_smoothing: what a rare category's gradients are shrunk by.
        ordered_places: how far down `lambdarank` looks.
    """

    iterations: int
    learning_rate: float
    leaves: int
    min_rows_in_leaf: int
    l2: float
    seed: int
    threads: int
    objective: Literal["binary", "lambdarank"] = "binary"
    feature_share: float = 1.0
    feature_seed: int | None = None
    row_share: float = 1.0
    bins: int = 255
    drops_constant: bool = True
    category_rows: int = 100
    category_l2: float = 10.0
    category_smoothing: float = 10.0
    ordered_places: int = 30

    @classmethod
    def of(cls, settings: TreeSettings, seed: int, threads: int, *, category_smoothing: float = 10.0) -> "Boosting":
        """A user's choice, and LightGBM's defaults for the rest."""
        return cls(
            settings.iterations,
            settings.learning_rate,
            settings.leaves,
            settings.min_rows_in_leaf,
            settings.l2,
            seed,
            threads,
            feature_share=settings.feature_share,
            category_smoothing=category_smoothing,
        )

    def parameters(self) -> dict[str, Any]:
        """The settings as LightGBM names them."""
        named = {
            "objective": self.objective,
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_rows_in_leaf,
            "lambda_l2": self.l2,
            "feature_fraction": self.feature_share,
            "max_bin": self.bins,
            "feature_pre_filter": self.drops_constant,
            "min_data_per_group": self.category_rows,
            "cat_l2": self.category_l2,
            "cat_smooth": self.category_smoothing,
            "lambdarank_truncation_level": self.ordered_places,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        if self.feature_seed is not None:
            named["feature_fraction_seed"] = self.feature_seed
        if self.row_share < 1.0:
            named |= {"bagging_fraction": self.row_share, "bagging_freq": 1}
        return named


@dataclass(frozen=True)
class Trees:
    """Fitted trees of one objective."""

    booster: lgb.Booster = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> "Trees":
        """The inverse of `to_text`."""
        return cls(lgb.Booster(model_str=text))

    def to_text(self, iterations: int | None = None) -> str:
        """All trees, or those of the first iterations, as LightGBM writes them."""
        return str(self.booster.model_to_string(num_iteration=iterations))

    @property
    def iterations(self) -> int:
        """How many were grown."""
        return int(self.booster.current_iteration())

    def raw_score(self, rows: Inputs, threads: int, first: int = 0, iterations: int | None = None) -> Floats:
        """[n] sum of the leaves, for a binary objective log-odds, of all iterations or of some from the first on."""
        score = self.booster.predict(
            rows, start_iteration=first, num_iteration=iterations, raw_score=True, num_threads=threads
        )
        return np.asarray(score, dtype=np.float64)

    def probability(self, rows: Inputs, threads: int) -> Floats:
        """[n] of the event that a binary objective was fitted to."""
        return np.asarray(self.booster.predict(rows, num_threads=threads), dtype=np.float64)


@dataclass(frozen=True)
class Bags:
    """Models of one objective with seeds of their own, averaged."""

    trees: tuple[Trees, ...]

    def raw_score(self, rows: Inputs, threads: int) -> Floats:
        """[n] mean over the models."""
        return np.asarray(np.mean([trees.raw_score(rows, threads) for trees in self.trees], axis=0), dtype=np.float64)

    def texts(self, name: str) -> dict[str, str]:
        """Every model as LightGBM writes it, by a name of a file."""
        return {_file(name, bag): trees.to_text() for bag, trees in enumerate(self.trees)}

    @classmethod
    def restore(cls, texts: Mapping[str, str], name: str) -> "Bags":
        """Read back what `texts` gave, of all that may lie beside it.

        Raises:
            ArtifactError: nothing of that name is there.
        """
        bags = sum(file.startswith(f"{name}_") for file in texts)
        if not bags:
            raise ArtifactError(f"model: no trees of {name}; another version wrote it: run `dvc repro`")
        return cls(tuple(Trees.from_text(texts[_file(name, bag)]) for bag in range(bags)))


def _file(name: str, bag: int) -> str:
    return f"{name}_{bag}.txt"


_REFUSED = frozenset('",:[]{}')


def bin_rows(
    rows: Inputs,
    label: npt.NDArray[Any],
    boosting: Boosting,
    *,
    names: Sequence[str] | None = None,
    categorical: Sequence[str] | Sequence[int] = (),
    weight: Floats | None = None,
    offset: Floats | None = None,
    lists: npt.NDArray[np.int64] | None = None,
    like: lgb.Dataset | None = None,
) -> lgb.Dataset:
    """Sort every column of the rows into bins.

    Args:
        rows: [n, f]; categorical columns hold codes, missing values are NaN.
        label: [n].
        boosting: how trees are to be grown.
        names: [f] of the columns; one with a character that LightGBM refuses goes by its place.
        categorical: names or positions of the categorical columns.
        weight: [n], default 1.
        offset: log-odds [n] to start from; what the trees say is to be added to the same function of the inputs.
        lists: for `lambdarank`: rows of each list, one after another.
        like: rows whose bins these share.
    """
    taken = {name: f"column_{place}" if _REFUSED.intersection(name) else name for place, name in enumerate(names or ())}
    return lgb.Dataset(
        rows,
        label=label,
        weight=weight,
        init_score=offset,
        group=lists,
        reference=like,
        feature_name="auto" if names is None else list(taken.values()),
        categorical_feature=[taken[each] if isinstance(each, str) else each for each in categorical] or "auto",
        params=boosting.parameters(),
    )


def grow(binned: lgb.Dataset, boosting: Boosting) -> Trees:
    """Grow all trees of the settings."""
    return Trees(lgb.train(boosting.parameters(), binned, num_boost_round=boosting.iterations))


def grow_while_better(
    binned: lgb.Dataset, held_out: lgb.Dataset, boosting: Boosting, patience: int
) -> tuple[Trees, tuple[float, ...]]:
    """Grow trees of a binary objective until `patience` of them in a row have not served held-out rows.

    Returns:
        The trees up to the one after which held-out rows are served best, and their log loss after every one grown.
    """
    history: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        {**boosting.parameters(), "metric": "binary_logloss"},
        binned,
        num_boost_round=boosting.iterations,
        valid_sets=[held_out],
        valid_names=["held_out"],
        callbacks=[lgb.record_evaluation(history), lgb.early_stopping(patience, verbose=False)],
    )
    return Trees(booster), tuple(history["held_out"]["binary_logloss"])
