"""What the graph encoder adds to the ranking: lift at equal hits with its scores, without them, and by them alone.

At each clock and seed the ranking is fitted twice, once without the encoder's columns, and the encoder that the first
one read orders all candidates by its own log-lift; popularity is weighed alike in all three. Queries are the same for
every seed and variant, and so are the households that intervals resample: seeds are averaged inside a draw, so that an
interval says how far another set of households would move the mean of these seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.related import onward as adapter
from benchmarks.related.clocks import Asked, ClockData, command_line
from benchmarks.related.entries import COUNT, KINDS, WEIGHTS
from benchmarks.related.frontier import Curve
from benchmarks.related.onward import Together
from benchmarks.related.pooling import Pool, Sums
from onward.errors import DataError
from onward.evaluation.listing import best_first
from onward.evaluation.related_quality import Outcome, judge_lists
from onward.evaluation.related_queries import RELATIONS, Relation
from onward.metrics.customer_bootstrap import Floats
from onward.metrics.intervals import Interval, interval_of
from onward.model.embeddings import Embeddings
from onward.ranking.order_score import order_score
from onward.ranking.purchase_log import Ints

SEEDS = (20171120, 1, 2)
TARGET = 0.26
WITH, WITHOUT, ALONE = "with the encoder", "without", "the encoder alone"
VARIANTS = (WITH, WITHOUT, ALONE)

_CLAIMED = {WITH: "with", WITHOUT: "without", ALONE: "alone"}

LIFTS: Mapping[Relation, Together] = {"basket": "together", "later": "after"}
"""What a model calls each relation."""


class Ordering(Protocol):
    """Whatever lists candidates by relatedness and, at a weight, by popularity."""

    def order(self, sources: Ints, relation: Together, weight: float, count: int) -> Ints:
        """[m, count] candidates, best first."""
        ...


def embeddings_of(fitted: adapter.Onward) -> Embeddings:
    """The encoder's embeddings that a fitted model reads.

    Raises:
        DataError: it was fitted without.
    """
    if (found := fitted.lists.model.evidence.embeddings) is None:
        raise DataError("benchmarks.related: the model was fitted without an encoder; fit it with encoded=True")
    return found


@dataclass(frozen=True)
class Alone:
    """The encoder without the ranking: all candidates, by its log-lift and the ranking's own popularity.

    Attributes:
        encoded: embeddings.
        candidates: [C] product number of each.
        share: [C] P(v), by relation.
    """

    encoded: Embeddings
    candidates: Ints
    share: Mapping[Together, Floats]

    @classmethod
    def of(cls, fitted: adapter.Onward) -> "Alone":
        """The encoder that a fitted model reads."""
        model, candidates = fitted.lists.model, fitted.candidates
        names: tuple[Together, ...] = ("together", "after")
        share = {name: model.popularity(name)[candidates] for name in names}
        return cls(embeddings_of(fitted), candidates, share)

    def order(self, sources: Ints, relation: Together, weight: float, count: int) -> Ints:
        """[m, count] candidates of any type, best first."""

        def score(rows: Ints) -> Floats:
            lift = self.encoded.log_lift_matrix(relation, self.candidates[rows], self.candidates)
            return order_score(lift.astype(np.float64), self.share[relation], weight)

        return best_first(score, len(self.candidates), count)(sources)


Curves = Mapping[Relation, Sequence[Outcome]]
"""Of each weight of WEIGHTS, by relation."""


@dataclass(frozen=True)
class AtClock:
    """What every variant hit at one clock, by variant and seed."""

    day: str
    household: npt.NDArray[np.int64]
    curves: Mapping[tuple[str, int], Curves]

    @classmethod
    def of(cls, day: str, seeds: Sequence[int], threads: int) -> "AtClock":
        """Fit and ask; the first seed draws the queries."""
        data = ClockData.of(day)
        judge = Asked.to_judge(data, seeds[0])
        found: dict[tuple[str, int], Curves] = {}
        for seed in seeds:
            fitted = adapter.onward(data, seed, threads, encoded=True)
            found[WITH, seed] = curves_of(fitted, judge)
            found[ALONE, seed] = curves_of(Alone.of(fitted), judge)
            found[WITHOUT, seed] = curves_of(adapter.onward(data, seed, threads, encoded=False), judge)
            Console(stderr=True).print(f"{day}: seed {seed}", highlight=False)
        return cls(day, judge.household, found)


def curves_of(model: Ordering, judge: Asked) -> Curves:
    """What a model's orders hit at every weight."""
    found: dict[Relation, list[Outcome]] = {}
    for relation in RELATIONS:
        answers, chance = judge.plain.queries.answers[relation], judge.plain.chance[relation]
        orders = (model.order(judge.sources, LIFTS[relation], weight, COUNT) for weight in WEIGHTS)
        found[relation] = [judge_lists(judge.by_query(lists), answers, chance, COUNT) for lists in orders]
    return found


@dataclass(frozen=True)
class Figures:
    """One figure by seed and clock.

    Attributes:
        value: [S, K]; NaN where a variant does not hit so often.
        drawn: [S, K, samples] of resampled households.
    """

    value: Floats
    drawn: Floats

    def less(self, other: "Figures") -> "Figures":
        """The difference, paired."""
        return Figures(self.value - other.value, self.drawn - other.drawn)

    def over(self, other: "Figures") -> "Figures":
        """The relative difference, paired."""
        return Figures(self.value / other.value - 1.0, self.drawn / other.drawn - 1.0)

    def mean(self, seed: int | None = None, clock: int | None = None) -> Interval:
        """Mean over seeds and clocks, or of one seed or clock by place, with an interval over households."""
        seeds = slice(None) if seed is None else slice(seed, seed + 1)
        clocks = slice(None) if clock is None else slice(clock, clock + 1)
        return interval_of(float(self.value[seeds, clocks].mean()), self.drawn[seeds, clocks].mean(axis=(0, 1)))


@dataclass(frozen=True)
class Comparison:
    """All clocks, with figures over households that are the same for every variant and seed."""

    clocks: Sequence[AtClock]
    seeds: Sequence[int]
    samples: int

    @cached_property
    def pool(self) -> Pool:
        """Queries of all clocks."""
        return Pool.of([clock.household for clock in self.clocks], self.samples, self.seeds[0])

    @cached_property
    def _sums(self) -> dict[tuple[str, Relation, int], list[Sums]]:
        """Of every weight, by variant, relation and seed."""
        return {
            (variant, relation, seed): [
                self.pool.sums([clock.curves[variant, seed][relation][place] for clock in self.clocks])
                for place in range(len(WEIGHTS))
            ]
            for variant in VARIANTS
            for relation in RELATIONS
            for seed in self.seeds
        }

    def lift_at(self, variant: str, relation: Relation, target: float) -> Figures:
        """Lift where the hit rate is `target`, interpolated as `frontier` does."""
        values, drawn = [], []
        for seed in self.seeds:
            for clock in range(len(self.clocks)):
                curve = Curve.of(self._sums[variant, relation, seed], clock)
                value, resampled = curve.at(target)
                values.append(np.exp(value) if curve.reaches(target) else np.nan)
                drawn.append(np.exp(resampled))
        shape = (len(self.seeds), len(self.clocks))
        return Figures(np.reshape(values, shape), np.reshape(drawn, (*shape, -1)))

    def related(self, variant: str, relation: Relation, name: str) -> Figures:
        """A metric of the most related, at the first weight."""
        pairs = [self._sums[variant, relation, seed][0].of_clocks(name) for seed in self.seeds]
        return Figures(np.stack([value for value, _ in pairs]), np.stack([drawn.T for _, drawn in pairs]))

    def rows(self) -> list[dict[str, Cell]]:
        """Every variant: means, each clock, and each seed."""
        places: list[tuple[int | None, int | None]] = [(None, None)]
        places += [(None, clock) for clock in range(len(self.clocks))]
        places += [(seed, None) for seed in range(len(self.seeds))]
        rows = []
        for relation in RELATIONS:
            lifts = {variant: self.lift_at(variant, relation, TARGET) for variant in VARIANTS}
            for variant, lift in lifts.items():
                figures = {
                    f"lift at HR {TARGET:g}": lift,
                    "gain": lift.less(lifts[WITHOUT]), "relative gain": lift.over(lifts[WITHOUT]),
                }  # fmt: skip
                rows += [self._row(relation, variant, figures, *place) for place in places]
        return rows

    def _row(
        self, relation: Relation, variant: str, figures: Mapping[str, Figures], seed: int | None, clock: int | None
    ) -> dict[str, Cell]:
        row: dict[str, Cell] = {
            "relevant": KINDS[relation], "variant": variant,
            "clock": "mean" if clock is None else self.clocks[clock].day,
            "seed": "mean" if seed is None else str(self.seeds[seed]),
        }  # fmt: skip
        for name, each in figures.items():
            found = each.mean(seed, clock).to_dict()
            row |= {name: found["value"], f"{name} low": found["low"], f"{name} high": found["high"]}
        for name in ("hr", "lift"):
            found = self.related(variant, relation, name).mean(seed, clock).to_dict()
            row[f"{name}@{COUNT}, w = {WEIGHTS[0]:g}"] = found["value"]
        return row

    def claims(self) -> dict[str, float]:
        """Of the same basket, means over clocks and seeds; a gain is left out where either does not hit so often."""
        lifts = {variant: self.lift_at(variant, "basket", TARGET) for variant in VARIANTS}
        gain = lifts[WITH].less(lifts[WITHOUT]).mean()
        relative = lifts[WITH].over(lifts[WITHOUT]).mean()
        told = {
            "gnn_gain": gain.value, "gnn_gain_low": gain.low,
            "gnn_gain_relative": relative.value, "gnn_gain_relative_low": relative.low,
            **{f"lift_{_CLAIMED[variant]}": lift.mean().value for variant, lift in lifts.items()},
            "queries": float(sum(len(clock.household) for clock in self.clocks)),
            "households": float(self.pool.bootstrap.customers),
        }  # fmt: skip
        return {name: value for name, value in told.items() if np.isfinite(value)}


def main() -> None:
    """Fit, ask and publish."""
    arguments = command_line(__doc__)
    arguments.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    asked = arguments.parse_args()
    clocks = [AtClock.of(day, asked.seeds, asked.threads) for day in asked.clocks]
    found = Comparison(clocks, asked.seeds, asked.samples)
    publish(Finding("related_encoder", asked.seeds, found.rows(), found.claims()))


if __name__ == "__main__":
    main()
