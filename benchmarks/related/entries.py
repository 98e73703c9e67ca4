"""Every method with every setting at one clock: its lists for selection and for test queries, and what they hit.

Lists of baselines are kept in artifacts/benchmarks/related, under a name made of the setting, the code that scores it
and all that was counted, so that a second run asks only who has changed.
"""

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from rich.console import Console

from benchmarks.direction import counted_baselines
from benchmarks.related import onward as adapter
from benchmarks.related import peers
from benchmarks.related.clocks import STORE, Asked, ClockData
from benchmarks.related.counted import Cosine, Ease, Markov
from onward.artifacts import read_arrays, write_arrays
from onward.evaluation import listing, window_counts
from onward.evaluation.listing import best_first, complements
from onward.evaluation.related_baselines import RELATED_GRID
from onward.evaluation.related_log import RelatedLog
from onward.evaluation.related_quality import Outcome, judge_lists, variety
from onward.ranking.method import Method
from onward.ranking.purchase_log import Ints

COUNT = 10

Kind = Literal["basket", "later", "goes_with"]
KINDS: Mapping[Kind, str] = {
    "basket": "same basket", "later": "newly later", "goes_with": "complements, same basket",
}  # fmt: skip
RECALLED = 200
"""Sources after which every candidate is scored, to see what the short lists leave out."""
WEIGHTS = (0.0, 0.1, 0.2, 0.25, 0.3, 0.33, 0.4, 0.45, 0.5, 0.6, 0.8, 1.0)


class Setting(Protocol):
    """A baseline with its settings, a frozen dataclass."""

    def fit(self, log: RelatedLog) -> Method:
        """Count what was known."""
        ...


POWERS = tuple(Cosine(power / 10) for power in range(1, 10))
"""The powers that shops use are .5 to .9; lower ones lead to co-occurrence, so that there is a rival at every HR."""

FAMILIES: dict[str, tuple[Setting, ...]] = {
    "popularity": RELATED_GRID["popularity"],
    "popularity among new": RELATED_GRID["popularity_among_new"],
    "Markov": tuple(Markov(fresh, backoff) for fresh in (True, False) for backoff in (100.0, 1_000.0, 10_000.0)),
    "counts": RELATED_GRID["counts"],
    "co-occurrence": RELATED_GRID["cooccurrence"],
    "cosine": POWERS,
    # Beyond, EASE is co-occurrence: the inverse of a large diagonal plus G is that diagonal less G.
    "EASE": tuple(Ease(penalty) for penalty in (500.0, 2_000.0, 10_000.0, 50_000.0)),
}
PEERS: dict[str, tuple[Setting, ...]] = {
    "BM25 (implicit)": (
        *(peers.NearestItems("bm25", "order", 1.2, b) for b in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)),
        peers.NearestItems("bm25", "order", 100.0, 0.8),
        *(peers.NearestItems("bm25", "customer", k1, b) for k1, b in ((1.2, 0.75), (100.0, 0.8))),
    ),
    "cosine (implicit)": (peers.NearestItems("cosine", "order"), peers.NearestItems("cosine", "customer")),
    "ALS (implicit)": tuple(
        peers.LeastSquares(ask, factors, regularization, alpha)
        for factors, regularization, alpha in ((64, 0.01, 1.0), (64, 10.0, 10.0), (64, 10.0, 40.0), (128, 0.01, 1.0))
        for ask in ("similar", "continue")
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What one setting's lists were worth at one clock.

    Attributes:
        outcomes: of the first ten of each test query's list, by kind of list and relevance.
        hit_rate: HR@10 of selection customers, by kind; empty for Onward, whose settings are its own choice.
        variety: coverage and popularity of what is recommended, for lists of any type and for complements.
    """

    outcomes: Mapping[Kind, Outcome]
    hit_rate: Mapping[Kind, float]
    variety: Mapping[Kind, Mapping[str, float | None]]


@dataclass(frozen=True)
class Lists:
    """[q, 10] for the queries of some customers, of any type by relation, and of complements."""

    basket: Ints
    later: Ints
    goes_with: Ints

    def outcomes(self, asked: Asked) -> dict[Kind, Outcome]:
        """Hold them against the answers."""
        answers, chance = asked.plain.queries.answers, asked.plain.chance
        others = asked.strict.queries.answers["basket"]
        return {
            "basket": judge_lists(self.basket, answers["basket"], chance["basket"], COUNT),
            "later": judge_lists(self.later, answers["later"], chance["later"], COUNT),
            "goes_with": judge_lists(self.goes_with, others, chance["basket"], COUNT),
        }

    def variety(self, asked: Asked) -> dict[Kind, dict[str, float | None]]:
        """Coverage of the candidates and popularity of what is listed."""
        return {kind: variety(getattr(self, kind), asked.chance, COUNT) for kind in KINDS}


def families() -> dict[str, tuple[Setting, ...]]:
    """All that can be asked here: the package's methods only where it is installed."""
    return FAMILIES | (PEERS if peers.installed() else {})


def baseline_entries(data: ClockData, select: Asked, judge: Asked) -> dict[str, dict[Setting, Entry]]:
    """Every baseline with every setting, fitted before the selection queries and again before the test queries."""
    found: dict[str, dict[Setting, Entry]] = {}
    for name, settings in families().items():
        found[name] = {}
        for setting in settings:
            chosen, judged = (_lists(data, setting, asked) for asked in (select, judge))
            rates = {
                kind: float(outcome.hr.sum() / max(1.0, outcome.answered.sum()))
                for kind, outcome in chosen.outcomes(select).items()
            }
            found[name][setting] = Entry(judged.outcomes(judge), rates, judged.variety(judge))
        Console(stderr=True).print(f"{data.day}: {name}", highlight=False)
    return found


def onward_entries(data: ClockData, judge: Asked, seed: int, threads: int) -> tuple[dict[float, Entry], float]:
    """Onward's orders at every weight, and what its short lists hold of the best of all candidates.

    Complements are at the default weight whatever the weight.
    """
    fitted = adapter.onward(data, seed, threads)
    sources, found = judge.sources, {}
    complements_of = fitted.goes_with(sources, COUNT)
    for weight in WEIGHTS:
        orders = [fitted.order(sources, relation, weight, COUNT) for relation in ("together", "after")]
        lists = Lists(*(judge.by_query(each) for each in (*orders, complements_of)))
        found[weight] = Entry(lists.outcomes(judge), {}, lists.variety(judge))
    some = np.random.default_rng(seed).permutation(sources)[:RECALLED]
    return found, fitted.recall(np.sort(some), (0.0, 0.33, 1.0), COUNT)


def curve(name: str, setting: Setting) -> str:
    """Which settings of a method lie on one curve: those that turn one knob, and not those that ask it another way."""
    match setting:
        case peers.NearestItems():
            return f"{name} of {setting.of}s" + (f", k1 {setting.k1:g}" if setting.k1 is not None else "")
        case peers.LeastSquares():
            return f"{name}, {setting.ask}"
    return name


def shown(setting: Setting) -> str:
    """A setting in words: its fields that say something."""
    values = {each.name.replace("_", " "): getattr(setting, each.name) for each in fields(setting)}  # type: ignore[arg-type]
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _lists(data: ClockData, setting: Setting, asked: Asked) -> Lists:
    sources, path = asked.sources, STORE / data.day.isoformat() / "lists" / f"{_digest(setting, asked)}.npz"
    if not path.exists():
        method = setting.fit(asked.past)
        plain = best_first(method, asked.past.products, COUNT)(sources)
        write_arrays(path, {"any": plain, "goes_with": complements(method, asked.types, COUNT)(sources)})
    kept = read_arrays(path)
    plain = asked.by_query(kept["any"])
    return Lists(plain, plain, asked.by_query(kept["goes_with"]))


def _digest(setting: Setting, asked: Asked) -> str:
    """A name that changes with the setting, its code and everything that it counts."""
    digest = hashlib.blake2b(repr((setting, COUNT)).encode(), digest_size=12)
    code = (inspect.getfile(type(setting)), window_counts.__file__, counted_baselines.__file__, listing.__file__)
    for file in code:
        digest.update(Path(file).read_bytes())
    past = asked.past
    for array in (asked.sources, asked.types, past.customer, past.order, past.product, past.day, past.purchases.fresh):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
