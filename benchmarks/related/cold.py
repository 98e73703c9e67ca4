"""Products that nobody has bought yet: a tenth of the candidates is hidden at each clock, and asked about.

The model knows their rows of the catalogue and none of their purchases. New ones are ranked among themselves after a
known product, as popular as the mean of their like (of how many, known products say), and known ones after a new
product, both at weight 1: the most probable first, as a hit rate asks for. The rival takes the mean of what a baseline
says of the known products that are most like the new one; baseline and number are picked by selection households, on
queries that were answered before the clock and about another tenth. With --data, couples.csv there adds couples that
any shopper would name.

Much hangs on whether a best seller is among the hidden ones, so a tenth is drawn several times. Intervals are over
households; the least and the greatest ratio of a draw stand beside them.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.direction.datasets import VARIABLE
from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.related import onward as adapter
from benchmarks.related.clocks import ClockData, command_line
from benchmarks.related.couples import Couple, couples_found, households, read_couples, type_names
from benchmarks.related.entries import COUNT, KINDS, shown
from benchmarks.related.likeness import GRID, Like, Likeness
from benchmarks.related.newcomers import Newcomers
from benchmarks.related.pooling import Pool, Sums
from benchmarks.related.shelf import TASKS, Shelf, Task, hidden_twice, hit_rate, known_apart_from, only
from onward.evaluation.listing import Lister, best_first, complements
from onward.evaluation.related_quality import Outcome
from onward.evaluation.related_queries import RELATIONS, Relation
from onward.metrics.intervals import Interval, interval_of
from onward.ranking.catalogue import Catalogue, read_catalogue
from onward.ranking.purchase_log import Ints

HIDDEN, DRAWS = 0.1, 5
_ASKED_OF = 1000
WEIGHTS = (0.0, 0.33, 0.5)
"""Of rows of their own: they hit less and lift more."""
OURS, RIVAL = adapter.NAME, "the like: as selection households pick"

Asking = tuple[Task, Relation]
Value = TypeVar("Value", str, int)


@dataclass(frozen=True)
class Told:
    """One method's outcome in one task, and with which setting."""

    setting: str
    outcome: Outcome


@dataclass(frozen=True)
class Rivals:
    """Baselines of the like on one shelf; lists are made as they are asked for.

    Attributes:
        shelf: what is new, known and asked.
        likeness: of the new.
    """

    shelf: Shelf
    likeness: Likeness

    @classmethod
    def of(cls, shelf: Shelf, catalogue: Catalogue, candidates: Ints) -> "Rivals":
        """Find the like."""
        return cls(shelf, Likeness.of(catalogue, candidates, shelf.new, shelf.known, shelf.orders))

    def lister(self, like: Like, task: Task, types: Ints | None = None) -> Lister:
        """The ten best; with types, complements."""
        size = self.shelf.past.products
        scores = self.likeness.scores(like.baseline.fit(self.shelf.past), like.neighbours, task, size)
        method = only(scores, self.shelf.listed(task))
        return best_first(method, size, COUNT) if types is None else complements(method, types, COUNT)

    def outcomes(self, like: Like, task: Task) -> dict[Relation, Outcome]:
        """The same list is asked for both relations."""
        lists = self.shelf.lists(self.lister(like, task), task)
        return {relation: self.shelf.outcome(lists, task, relation) for relation in RELATIONS}

    def rates(self, task: Task) -> dict[Relation, dict[tuple[str, Like], float]]:
        """HR of every setting."""
        found: dict[Relation, dict[tuple[str, Like], float]] = {relation: {} for relation in RELATIONS}
        for name, settings in GRID.items():
            for like in settings:
                for relation, outcome in self.outcomes(like, task).items():
                    found[relation][name, like] = hit_rate(outcome)
        return found


@dataclass(frozen=True)
class AtClock:
    """What every method found at one clock of one draw.

    Attributes:
        day: the clock.
        draw: of what is hidden.
        household: [q] who asks.
        told: by task and relation, each method's outcome.
        couples: by method, the share of sources of each couple; empty without couples.
    """

    day: str
    draw: int
    household: npt.NDArray[np.int64]
    told: Mapping[Asking, Mapping[str, Told]]
    couples: Mapping[str, Mapping[Couple, float]]

    @classmethod
    def of(cls, day: str, draw: int, seed: int, threads: int, couples: Sequence[Couple]) -> "AtClock":
        """Hide, pick the rival, fit and ask."""
        data = ClockData.of(day)
        hidden, picking = hidden_twice(len(data.candidates), HIDDEN, seed, draw)
        model_knows = known_apart_from(data, hidden)
        judge = Shelf.to_judge(data, hidden, seed)
        catalogue = read_catalogue(data.products, model_knows.known)
        rivals = Rivals.of(judge, catalogue, data.candidates)
        select = Rivals.of(Shelf.to_select(data, hidden, picking, seed), catalogue, data.candidates)
        told: dict[Asking, dict[str, Told]] = {(task, relation): {} for task in TASKS for relation in RELATIONS}
        picked: dict[Asking, Like] = {}
        for task in TASKS:
            for relation, rates in select.rates(task).items():
                judged = _judged(rivals, rates, task, relation)
                told[task, relation] |= judged
                picked[task, relation] = max(rates, key=lambda each: rates[each])[1]
        Console(stderr=True).print(f"{day}, draw {draw}: rivals", highlight=False)
        fitted = adapter.onward(model_knows, seed, threads)
        known = _known_alike(judge, catalogue, data.candidates, seed)
        ours = Newcomers.of(fitted, data.candidates, hidden, rivals.likeness, known)
        for (task, relation), methods in told.items():
            for name, (setting, lister) in _listers(ours, task, relation, households(judge.past)).items():
                methods[name] = Told(setting, judge.outcome(judge.lists(lister, task), task, relation))
        found: dict[str, Mapping[Couple, float]] = {}
        if couples:
            names = type_names(data.products.iloc[data.candidates])
            for name, lister in (
                (OURS, complements(ours.learned("basket"), data.types, COUNT)),
                (RIVAL, rivals.lister(picked["targets", "basket"], "targets", data.types)),
            ):
                found[name] = couples_found(lister, couples, names, judge)
        Console(stderr=True).print(f"{day}, draw {draw}: {OURS}", highlight=False)
        return cls(day, draw, judge.asked.household, told, found)


def _judged(rivals: Rivals, rates: Mapping[tuple[str, Like], float], task: Task, relation: Relation) -> dict[str, Told]:
    """Every baseline with the setting that hit most for selection households, and the best of them."""
    found = {}
    for name in (None, *GRID):
        baseline, like = max((each for each in rates if name in {None, each[0]}), key=lambda each: rates[each])
        words = f"{shown(like.baseline)}, {like.neighbours} most alike"
        outcome = rivals.outcomes(like, task)[relation]
        if name is None:
            found[RIVAL] = Told(f"{baseline}, {words}", outcome)
        else:
            found[f"the like: {name}"] = Told(words, outcome)
    return found


def _known_alike(shelf: Shelf, catalogue: Catalogue, candidates: Ints, seed: int) -> Likeness:
    """What is like some of the known products, found as what is like the new ones is."""
    known = np.flatnonzero(shelf.known)
    asked = np.zeros(len(candidates), dtype=np.bool_)
    asked[np.random.default_rng(seed).choice(known, min(_ASKED_OF, len(known)), replace=False)] = True
    return Likeness.of(catalogue, candidates, asked, shelf.known, shelf.orders)


def _listers(ours: Newcomers, task: Task, relation: Relation, bought: Ints) -> dict[str, tuple[str, Lister]]:
    """Ours, and what its parts and its neighbours say."""
    if task == "sources":
        return {
            OURS: ("w = 1", ours.after_new(relation, 1.0)),
            f"{OURS}, most related": ("w = 0", ours.after_new(relation, 0.0)),
            f"{OURS}, as served": ("its type's most bought, w = 1", ours.after_type(relation, 1.0, bought)),
        }
    return {
        name: (setting, best_first(method, len(ours.candidates), COUNT))
        for name, setting, method in (
            (OURS, f"w = 1, popular as its {ours.neighbours[relation]} like", ours.learned(relation, 1.0)),
            *((f"{OURS}, w = {weight:g}", "", ours.learned(relation, weight)) for weight in WEIGHTS),
            ("counts of types alone", "w = 0", ours.counted(relation)),
        )
    }


@dataclass(frozen=True)
class Cold:
    """All clocks of all draws, with figures over households that are the same for every method."""

    clocks: Sequence[AtClock]
    samples: int
    seed: int

    @cached_property
    def pool(self) -> Pool:
        """Queries of all clocks."""
        return Pool.of([clock.household for clock in self.clocks], self.samples, self.seed)

    def sums(self, asking: Asking, name: str) -> Sums:
        """What a method's metrics are made of."""
        return self.pool.sums([clock.told[asking][name].outcome for clock in self.clocks])

    @cached_property
    def days(self) -> Mapping[str, list[int]]:
        """Numbers of the draws of each clock."""
        return _places(each.day for each in self.clocks)

    def rows(self) -> list[dict[str, Cell]]:
        """Every method by task and relation, as the mean of clocks and draws and at each clock; then couples."""
        rows = []
        parts = {"mean": list(range(len(self.clocks))), **self.days}
        for asking in self.clocks[0].told:
            rival = self.sums(asking, RIVAL)
            for name in sorted(self.clocks[0].told[asking], key=lambda name: (name != OURS, name != RIVAL)):
                sums = self.sums(asking, name)
                rows += [self._row(asking, name, sums, rival, title, at) for title, at in parts.items()]
        return rows + self._couples(rows[0])

    def _row(
        self, asking: Asking, name: str, sums: Sums, rival: Sums, clock: str, at: Sequence[int]
    ) -> dict[str, Cell]:
        settings = dict.fromkeys(self.clocks[each].told[asking][name].setting for each in at)
        row: dict[str, Cell] = {
            "asked": TASKS[asking[0]], "relevant": KINDS[asking[1]], "clock": clock, "method": name,
            "setting": " | ".join(settings),
        }  # fmt: skip
        for title, interval in (
            (f"hr@{COUNT}", sums.interval("hr", at)), (f"lift@{COUNT}", sums.interval("lift", at)),
            ("hr to the rival's", ratio(sums, rival, at)),
        ):  # fmt: skip
            found = interval.to_dict()
            row |= {title: found["value"], f"{title} low": found["low"], f"{title} high": found["high"]}
        return row | {"queries": float(sums.total[at, 0].sum())}

    def _couples(self, like: Mapping[str, Cell]) -> list[dict[str, Cell]]:
        rows = []
        for day, at in self.days.items():
            for name in self.clocks[0].couples:
                shares = [share for each in at for share in self.clocks[each].couples[name].values()]
                told: dict[str, Cell] = {
                    "asked": TASKS["targets"], "relevant": "partners of couples.csv", "clock": day,
                    "method": name, "setting": "complements", f"hr@{COUNT}": _mean(shares),
                    "queries": float(len(shares)),
                }  # fmt: skip
                rows.append({column: told.get(column) for column in like})
        return rows

    def claims(self) -> dict[str, float]:
        """Of the same basket, means over clocks and draws; what cannot be computed is left out."""
        draws = _places(each.draw for each in self.clocks)
        households = float(self.pool.bootstrap.customers)
        told: dict[str, float | None] = {"households": households, "cold_draws": float(len(draws))}
        names: dict[Task, str] = {"targets": "cold", "sources": "cold_source"}
        for task, name in names.items():
            ours, rival = (self.sums((task, "basket"), method) for method in (OURS, RIVAL))
            found = ratio(ours, rival, range(len(self.clocks)))
            of_draws = [ratio(ours, rival, at).value for at in draws.values()]
            told |= {f"{name}_ratio": found.value, f"{name}_ratio_low": found.low}
            told |= {f"{name}_ratio_least_draw": min(of_draws), f"{name}_ratio_greatest_draw": max(of_draws)}
            for of, sums in (("hr10", ours), ("rival_hr10", rival)):
                told[f"{name}_{of}"] = sums.interval("hr", None).value
            told[f"{name}_queries"] = float(ours.total[:, 0].sum())
        for method, name in ((OURS, "cold_couples"), (RIVAL, "cold_rival_couples")):
            shares = [_mean(clock.couples[method].values()) for clock in self.clocks if clock.couples]
            told[name] = _mean(share for share in shares if share is not None)
        return {name: value for name, value in told.items() if value is not None and np.isfinite(value)}


def _places(values: Iterable[Value]) -> dict[Value, list[int]]:
    """Where each value stands."""
    places: dict[Value, list[int]] = {}
    for at, value in enumerate(values):
        places.setdefault(value, []).append(at)
    return places


def ratio(ours: Sums, rival: Sums, at: Sequence[int]) -> Interval:
    """HR over the rival's, of the means over some clocks, paired."""
    (value, drawn), (other, other_drawn) = (each.of_clocks("hr") for each in (ours, rival))
    means, others = drawn[:, at].mean(axis=1), other_drawn[:, at].mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return interval_of(float(value[at].mean() / other[at].mean()), means / others)


def main() -> None:
    """Hide, fit, ask and publish."""
    arguments = command_line(__doc__)
    arguments.add_argument("--seed", type=int, default=20171120)
    arguments.add_argument("--draws", type=int, default=DRAWS, help="how often a tenth is drawn")
    arguments.add_argument(
        "--data", type=Path, metavar="DIR", default=os.environ.get(VARIABLE),
        help=f"folder with couples.csv (or the variable {VARIABLE}); adds couples",
    )  # fmt: skip
    asked = arguments.parse_args()
    couples = read_couples(asked.data) if asked.data else []
    clocks = [
        AtClock.of(day, draw, asked.seed, asked.threads, couples)
        for day in asked.clocks for draw in range(asked.draws)
    ]  # fmt: skip
    found = Cold(clocks, asked.samples, asked.seed)
    publish(Finding("related_cold", [asked.seed], found.rows(), found.claims()))


def _mean(values: Iterable[float]) -> float | None:
    known = [*values]
    return float(np.mean(known)) if known else None


if __name__ == "__main__":
    main()
