"""Lift at equal hit rate: lift alone is won by rare products, so methods are compared where they hit equally often.

A method with settings is a curve in (HR, log lift), straight between neighbouring settings. Where a method hits more
than is asked even at its rarest, its lift there is what it has: who hits more and lifts more is better. A baseline's
curve leaves out settings that another of its own beats in both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.related.pooling import Sums
from onward.metrics.customer_bootstrap import Floats
from onward.metrics.intervals import Interval, interval_of


@dataclass(frozen=True)
class Curve:
    """One method's settings at one clock.

    Attributes:
        hit_rate: [s] HR of each setting, and
        log_lift: [s] its log lift; then the same of resampled households, [samples, s].
        drawn_hit_rate: see above.
        drawn_log_lift: see above.
    """

    hit_rate: Floats
    log_lift: Floats
    drawn_hit_rate: Floats
    drawn_log_lift: Floats

    @classmethod
    def of(cls, settings: Sequence[Sums], clock: int) -> "Curve":
        """Curve of a method at one clock; a setting without a hit has no lift to take the log of, and is left out."""
        hits, lifts = ([each.of_clocks(name) for each in settings] for name in ("hr", "lift"))
        kept = [place for place, (value, _) in enumerate(lifts) if value[clock] > 0]
        values = (np.array([found[place][0][clock] for place in kept]) for found in (hits, lifts))
        drawn = (np.stack([found[place][1][:, clock] for place in kept], axis=1) for found in (hits, lifts))
        (hit_rate, lift), (drawn_hit_rate, drawn_lift) = values, drawn
        return cls(hit_rate, np.log(lift), drawn_hit_rate, np.log(np.maximum(drawn_lift, 1e-9)))

    def unbeaten(self) -> "Curve":
        """Without the settings that another beats in both."""
        better = (self.hit_rate > self.hit_rate[:, None]) & (self.log_lift > self.log_lift[:, None])
        kept = ~better.any(axis=1)
        return Curve(
            self.hit_rate[kept], self.log_lift[kept], self.drawn_hit_rate[:, kept], self.drawn_log_lift[:, kept]
        )

    def reaches(self, target: float) -> bool:
        """Whether any setting hits so often."""
        return bool(self.hit_rate.max() >= target)

    def at(self, target: float, drawn_target: Floats | None = None) -> tuple[float, Floats]:
        """Log lift where the hit rate is `target`, and [samples] of it; beyond the ends, that of the end.

        With `drawn_target` [samples] each resample is asked at a hit rate of its own.
        """
        value = _between(self.hit_rate, self.log_lift, target)
        targets = np.full(len(self.drawn_hit_rate), target) if drawn_target is None else drawn_target
        drawn = zip(self.drawn_hit_rate, self.drawn_log_lift, targets, strict=True)
        return value, np.array([_between(hits, lifts, there) for hits, lifts, there in drawn])


@dataclass(frozen=True)
class Level:
    """Onward against the best baseline where both hit equally often.

    Attributes:
        target: the hit rate.
        relative: Onward's lift over the baseline's, less 1, with its paired interval; -1 where Onward cannot hit so
            often and a baseline can. None where no baseline hits so often.
        rivals: the best baseline of each clock, by clock; a clock where none hits so often is left out.
    """

    target: float
    relative: Interval | None
    rivals: Mapping[int, str]


def level(ours: Sequence[Sums], rivals: Mapping[str, Sequence[Sums]], target: float, clocks: Sequence[int]) -> Level:
    """Compare lift at one hit rate, as the mean of some clocks' relative differences.

    The best baseline is named by all households and stays the rival in every resample.
    """
    best: dict[int, str] = {}
    values, drawn = [], []
    for clock in clocks:
        curves = {name: Curve.of(settings, clock).unbeaten() for name, settings in rivals.items()}
        lifts = {name: curve.at(target) for name, curve in curves.items() if curve.reaches(target)}
        if not lifts:
            continue
        best[clock] = max(lifts, key=lambda name: lifts[name][0])
        theirs, theirs_drawn = lifts[best[clock]]
        own = Curve.of(ours, clock)
        if not own.reaches(target):
            values.append(-1.0)
            drawn.append(np.full(len(theirs_drawn), -1.0))
            continue
        mine, mine_drawn = own.at(target)
        values.append(float(np.expm1(mine - theirs)))
        drawn.append(np.expm1(mine_drawn - theirs_drawn))
    if not values:
        return Level(target, None, best)
    return Level(target, interval_of(float(np.mean(values)), np.mean(drawn, axis=0)), best)


def at_own_hits(own: Sums, rivals: Mapping[str, Sequence[Sums]], clocks: Sequence[int]) -> Interval | None:
    """One setting's lift over the best baseline's where that hits as often as it does, less 1; mean of the clocks.

    None where no baseline hits so often at any of them.
    """
    values, drawn = [], []
    for clock in clocks:
        point = Curve.of([own], clock)
        curves = [curve for curve in (Curve.of(each, clock).unbeaten() for each in rivals.values())
                  if curve.reaches(point.hit_rate[0])]  # fmt: skip
        found = [curve.at(point.hit_rate[0], point.drawn_hit_rate[:, 0]) for curve in curves]
        if found:
            theirs, theirs_drawn = max(found, key=lambda each: each[0])
            values.append(float(np.expm1(point.log_lift[0] - theirs)))
            drawn.append(np.expm1(point.drawn_log_lift[:, 0] - theirs_drawn))
    return interval_of(float(np.mean(values)), np.mean(drawn, axis=0)) if values else None


def shortfall(levels: Sequence[Level]) -> float:
    """How far the low end falls below equality in the worst cell, 0 where it nowhere does."""
    return max([0.0, *(-each.relative.low for each in levels if each.relative is not None)])


def _between(hit_rate: Floats, log_lift: Floats, target: float) -> float:
    order = np.argsort(hit_rate, kind="stable")
    return float(np.interp(target, hit_rate[order], log_lift[order]))
