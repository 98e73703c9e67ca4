"""All methods at all clocks: who is picked, the rows of the table, the claims and the picture's panels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rich.console import Console

from benchmarks.harness.form import Cell
from benchmarks.related import onward as adapter
from benchmarks.related import peers
from benchmarks.related.clocks import Asked, ClockData
from benchmarks.related.entries import (
    COUNT,
    KINDS,
    PEERS,
    POWERS,
    Entry,
    Kind,
    Setting,
    baseline_entries,
    curve,
    onward_entries,
    shown,
)
from benchmarks.related.frontier import Level, at_own_hits, level, shortfall
from benchmarks.related.peers import LeastSquares, NearestItems
from benchmarks.related.picture import Panel, Point
from benchmarks.related.pooling import Pool, Sums, claims_of
from onward.evaluation.related_queries import RELATIONS

TARGETS = (0.26, 0.40, 0.50)

_ALWAYS = {
    *(POWERS[power - 1] for power in (5, 7, 9)),
    *(NearestItems("bm25", "order", 1.2, b) for b in (0.25, 0.75)),
    LeastSquares("similar", 64, 10.0, 10.0),
}
"""Settings that have rows of their own beside the one that selection households pick: they hit less and lift more."""

_IN_FULL = {"cosine", *PEERS}
"""Methods whose every setting the picture shows; of others, the one that selection households pick."""


@dataclass(frozen=True)
class AtClock:
    """Everything that was asked at one clock."""

    day: str
    judge: Asked
    baselines: Mapping[str, Mapping[Setting, Entry]]
    ours: Mapping[float, Entry]
    recall: float

    @classmethod
    def of(cls, day: str, seed: int, threads: int) -> "AtClock":
        """Ask the baselines and Onward."""
        data = ClockData.of(day)
        select, judge = Asked.to_select(data, seed), Asked.to_judge(data, seed)
        Console(stderr=True).print(f"{day}: {len(judge.plain.queries.source)} queries", highlight=False)
        ours, recall = onward_entries(data, judge, seed, threads)
        return cls(day, judge, baseline_entries(data, select, judge), ours, recall)

    def picked(self, name: str, kind: Kind) -> Setting:
        """The setting of a baseline that hit most for selection households."""
        entries = self.baselines[name]
        return max(entries, key=lambda setting: entries[setting].hit_rate[kind])

    def best(self, kind: Kind) -> str:
        """The baseline that hit most for selection households."""
        return max(self.baselines, key=lambda name: self.baselines[name][self.picked(name, kind)].hit_rate[kind])


@dataclass(frozen=True)
class Method:
    """One line of the table: an entry at each clock, and what to call it."""

    name: str
    setting: str
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Contest:
    """All clocks, with figures over households that are the same for every method."""

    clocks: Sequence[AtClock]
    samples: int
    seed: int

    @cached_property
    def pool(self) -> Pool:
        """Queries of all clocks."""
        return Pool.of([clock.judge.household for clock in self.clocks], self.samples, self.seed)

    def sums(self, method: Method, kind: Kind) -> Sums:
        """What a method's metrics are made of."""
        return self.pool.sums([entry.outcomes[kind] for entry in method.entries])

    def ours(self, weight: float) -> Method:
        """Onward at a weight."""
        return Method(adapter.NAME, f"w = {weight:g}", [clock.ours[weight] for clock in self.clocks])

    @property
    def weights(self) -> list[float]:
        """Every weight that was asked, ascending."""
        return sorted(self.clocks[0].ours)

    def tuned(self, name: str, kind: Kind) -> Method:
        """A baseline as selection households pick it, at each clock anew."""
        settings = [clock.picked(name, kind) for clock in self.clocks]
        told = " | ".join(dict.fromkeys(shown(setting) for setting in settings))
        entries = [clock.baselines[name][setting] for clock, setting in zip(self.clocks, settings, strict=True)]
        return Method(name, told, entries)

    def fixed(self, name: str, setting: Setting) -> Method:
        """A baseline with one setting."""
        return Method(name, shown(setting), [clock.baselines[name][setting] for clock in self.clocks])

    def best(self, kind: Kind) -> Method:
        """The baseline that selection households name at each clock."""
        names = [clock.best(kind) for clock in self.clocks]
        entries = [self.clocks[at].baselines[name][self.clocks[at].picked(name, kind)] for at, name in enumerate(names)]
        return Method(" | ".join(dict.fromkeys(names)), "picked by selection households", entries)

    def methods(self, kind: Kind) -> list[Method]:
        """Onward first, then every baseline tuned, and the settings that are always shown."""
        ours = [self.ours(weight) for weight in (self.weights if kind != "goes_with" else self.weights[:1])]
        if kind == "goes_with":
            ours = [Method(adapter.NAME, "default weight, as served", ours[0].entries)]
        baselines = self.clocks[0].baselines
        tuned = [self.tuned(name, kind) for name in baselines]
        always = [self.fixed(name, setting) for name, all_of in baselines.items() for setting in all_of
                  if setting in _ALWAYS]  # fmt: skip
        return [*ours, *tuned, *always]

    def rows(self) -> list[dict[str, Cell]]:
        """Every method by kind of list, as the mean of the clocks and at each."""
        rows = []
        for kind in KINDS:
            best = self.sums(self.best(kind), kind)
            for method in self.methods(kind):
                sums = self.sums(method, kind)
                rows += [self._row(kind, method, sums, best, clock) for clock in (None, *range(len(self.clocks)))]
        absent = [] if peers.installed() else [_missing(kind, name, rows[0]) for kind in KINDS for name in PEERS]
        return rows + absent

    # A gain is over the best baseline as selection households named it, paired; at that baseline itself it is 0.
    def _row(self, kind: Kind, method: Method, sums: Sums, best: Sums, clock: int | None) -> dict[str, Cell]:
        row: dict[str, Cell] = {
            "relevant": KINDS[kind], "clock": "mean" if clock is None else self.clocks[clock].day,
            "method": method.name, "setting": method.setting,
        }  # fmt: skip
        for name in ("hr", "lift"):
            row |= _told(f"{name}@{COUNT}", sums.interval(name, clock).to_dict())
        for name in ("ndcg", "mrr"):
            row[f"{name}@{COUNT}"] = sums.interval(name, clock).to_dict()["value"]
        for name in ("hr", "lift"):
            row |= _told(f"{name} gain", sums.gain(best, name, clock).to_dict())
        entries = method.entries if clock is None else [method.entries[clock]]
        for name in ("coverage", "popularity_percentile"):
            found = [value for entry in entries if (value := entry.variety[kind][name]) is not None]
            row[name] = float(np.mean(found)) if found else None
        return row

    def level(self, kind: Kind, target: float, clocks: Sequence[int]) -> Level:
        """Onward's lift against the best baseline's where both hit equally often."""
        return level(*self._curves[kind], target, clocks)

    @cached_property
    def _curves(self) -> dict[Kind, tuple[list[Sums], dict[str, list[Sums]]]]:
        """Onward's weights and every baseline's settings, summed."""
        found: dict[Kind, tuple[list[Sums], dict[str, list[Sums]]]] = {}
        for kind in KINDS:
            rivals: dict[str, list[Sums]] = {}
            for name, settings in self.clocks[0].baselines.items():
                for setting in settings:
                    sums = self.sums(self.fixed(name, setting), kind)
                    rivals.setdefault(curve(name, setting), []).append(sums)
            found[kind] = [self.sums(self.ours(weight), kind) for weight in self.weights], rivals
        return found

    def claims(self) -> dict[str, float]:
        """What the issue, the README and the tests quote; means over clocks."""
        related, probable = self.ours(self.weights[0]), self.ours(self.weights[-1])
        complements = self.sums(related, "goes_with")
        claims = {
            f"goes_with_lift{COUNT}": _mean(complements, "lift"), f"goes_with_hr{COUNT}": _mean(complements, "hr"),
        }  # fmt: skip
        of_equal_hits = at_own_hits(complements, self._curves["goes_with"][1], range(len(self.clocks)))
        if of_equal_hits is not None:
            claims |= claims_of("goes_with_at_equal_hits", of_equal_hits)
        for kind in RELATIONS:
            sums = self.sums(related, kind)
            claims |= {f"lift{COUNT}_{kind}": _mean(sums, "lift"), f"related_hr{COUNT}_{kind}": _mean(sums, "hr")}
            sums = self.sums(probable, kind)
            gain = sums.gain(self.sums(self.best(kind), kind), "hr", None)
            claims[f"hr{COUNT}_{kind}"] = _mean(sums, "hr")
            claims |= {f"hr{COUNT}_{kind}_gain": gain.value, f"hr{COUNT}_{kind}_gain_low": gain.low}
        levels = []
        for kind in RELATIONS:
            for target in TARGETS:
                name = f"frontier_{kind}_{target * 100:.0f}"
                levels.append(self.level(kind, target, range(len(self.clocks))))
                claims |= _level_claims(name, levels[-1])
                for at, clock in enumerate(self.clocks):
                    alone = self.level(kind, target, [at])
                    claims |= _level_claims(f"{name}_{clock.day.replace('-', '')}", alone)
        return claims | {
            "frontier_shortfall": shortfall(levels),
            "served_orders_beaten": float(self._beaten()),
            "short_list_recall": float(np.mean([clock.recall for clock in self.clocks])),
            "queries": float(sum(len(clock.judge.household) for clock in self.clocks)),
            "households": float(self.pool.bootstrap.customers),
            "peers_missing": float(not peers.installed()),
        }

    def _beaten(self) -> int:
        """How often a baseline has more hits and more lift than a served order, means over clocks."""
        beaten, served = 0, {"basket": (0.0, 1.0), "later": (0.0, 1.0), "goes_with": (0.0,)}
        for kind in KINDS:
            rivals = [self.sums(method, kind) for method in self.methods(kind) if method.name != adapter.NAME]
            for weight in served[kind]:
                own = self.sums(self.ours(weight), kind)
                beaten += sum(all(_mean(each, name) > _mean(own, name) for name in ("hr", "lift")) for each in rivals)
        return beaten

    def panels(self) -> list[Panel]:
        """What the picture shows, means over clocks."""

        def point(sums: Sums) -> Point:
            return _mean(sums, "hr"), _mean(sums, "lift")

        panels = []
        for kind in RELATIONS:
            ours = {weight: point(self.sums(self.ours(weight), kind)) for weight in self.weights}
            rivals: dict[str, list[list[Point]]] = {}
            for name, settings in self.clocks[0].baselines.items():
                if name not in _IN_FULL:
                    rivals[name] = [[point(self.sums(self.tuned(name, kind), kind))]]
                    continue
                along: dict[str, list[Point]] = {}
                for setting in settings:
                    there = point(self.sums(self.fixed(name, setting), kind))
                    along.setdefault(curve(name, setting), []).append(there)
                rivals[name] = [sorted(points) for points in along.values()]
            panels.append(Panel(KINDS[kind], ours, rivals))
        return panels


def _mean(sums: Sums, name: str) -> float:
    return sums.interval(name, None).value


def _told(name: str, interval: Mapping[str, float | None]) -> dict[str, Cell]:
    return {name: interval["value"], f"{name} low": interval["low"], f"{name} high": interval["high"]}


def _missing(kind: Kind, name: str, like: Mapping[str, Cell]) -> dict[str, Cell]:
    told = {"relevant": KINDS[kind], "clock": "mean", "method": name, "setting": peers.MISSING}
    return {column: told.get(column) for column in like}


def _level_claims(name: str, found: Level) -> dict[str, float]:
    """Relative difference and its low end; nothing where no baseline hits so often."""
    if found.relative is None:
        return {}
    return {name: found.relative.value, f"{name}_low": found.relative.low}
