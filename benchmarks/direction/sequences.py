"""What is bought next on Amazon Beauty: counts, embeddings and their blend, over the whole catalogue.

Strict protocol: a customer's last item is the target; every statistic counts items before the last two only; seen items
are left out; ties take their mean rank. Asked by the previous item alone, and by the whole history. Settings are
picked, and the blend is fitted, one item earlier: there the last but one is the target, and statistics end before the
last three.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from rich.console import Console

from benchmarks.direction.datasets import beauty, data_folder
from benchmarks.harness.form import Cell, Finding, publish
from benchmarks.harness.trials import Trial, Trials, settings_key
from onward.metrics.ranking import PairRanks
from onward.ranking.directed_graph import attribute_vectors
from onward.ranking.link_ranks import rank_links
from onward.ranking.sequence_blend import (
    GRIDS,
    JUDGES,
    RANKERS,
    TrainingMoment,
    draw_customers,
    fit_all,
    fit_next,
    pick,
)
from onward.ranking.sequence_moments import COUNTED, DECAY, METHOD_BY_QUERY, Chains, QueryMoment

SEED = 5
SAMPLES = 500


def row(query: str, method: str, ranks: PairRanks) -> dict[str, Cell]:
    """One line of the table."""
    found = ranks.intervals(SAMPLES, SEED)
    bounds = {"hr@10 low": found["hr@10"].low, "hr@10 high": found["hr@10"].high}
    return {"query": query, "method": method, **{name: each.value for name, each in found.items()}, **bounds}


@dataclass(frozen=True)
class Work:
    """A moment to learn and pick at, and one to test at with every setting fitted to its counts."""

    lesson: TrainingMoment
    test: QueryMoment
    now: Chains


def baselines(query: str, work: Work) -> Trial:
    """The setting of each method that the judges pick, and how it ranks."""
    picked, rows, test = pick(query, work.lesson), [], work.test
    for name, number in picked.items():
        method = METHOD_BY_QUERY[query](work.now[name][number], test)
        rows.append(row(query, name, rank_links(method, test.pairs, test.seen)))
        Console(stderr=True).print(f"{query}: {name}: {rows[-1]['hr@10']:.4f} {rows[-1]['hr@50']:.4f}", highlight=False)
    return {"picked": picked, "rows": rows}


def blend(query: str, work: Work, picked: Mapping[str, int], per_proposer: int) -> Trial:
    """How the blend ranks."""
    fitted = fit_next(query, work.lesson, picked, per_proposer)
    found = row(query, "blend", rank_links(fitted.method(work.test, work.now), work.test.pairs, work.test.seen))
    shown = f"{found['hr@10']:.4f} {found['hr@50']:.4f}, {fitted.covered:.3f} of the answers on a short list"
    Console(stderr=True).print(f"{query}: blend: {shown}", highlight=False)
    return {"covered": fitted.covered, "rows": [found]}


def compare(query: str, trials: Trials, key: str, work: Callable[[], Work], per_proposer: int) -> list[dict[str, Cell]]:
    """Pick, fit and rank for one kind of query, or read what was finished before."""
    single = trials.run(f"{query}, baselines, {key}", lambda: baselines(query, work()))
    both = trials.run(f"{query}, blend, {key}", lambda: blend(query, work(), single["picked"], per_proposer))
    return [*single["rows"], *both["rows"]]


def main() -> None:
    """Count, compare both kinds of query and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    data_folder(arguments)
    arguments.add_argument("--users", type=int, default=9000, help="random customers asked in the test")
    arguments.add_argument("--learners", type=int, default=14000, help="random customers that the blend learns from")
    arguments.add_argument("--query", choices=tuple(METHOD_BY_QUERY), nargs="+", default=list(METHOD_BY_QUERY))
    arguments.add_argument("--per-proposer", type=int, default=150, help="candidates that each method proposes")
    arguments.add_argument("--fresh", action="store_true", help="forget what is finished")
    asked = arguments.parse_args()

    @cache
    def work() -> Work:
        sequences = beauty(asked.data)
        vectors = attribute_vectors(sequences.attributes, 256)
        learners, tested = (
            draw_customers(sequences.users, 2, most, seed)
            for most, seed in ((asked.learners, SEED + 1), (asked.users, SEED))
        )
        learning, test = (
            QueryMoment.of(sequences.users, sequences.items, customers, vectors, back)
            for customers, back in ((learners, 2), (tested, 1))
        )
        return Work(TrainingMoment.of(learning, fit_all(learning)), test, fit_all(test))

    trials = Trials("direction_sequences", fresh=asked.fresh)
    key = settings_key(COUNTED, GRIDS, RANKERS, DECAY, JUDGES, asked.users, asked.learners, asked.per_proposer)
    rows = [line for query in asked.query for line in compare(query, trials, key, work, asked.per_proposer)]
    found = {(line["query"], line["method"]): line for line in rows}
    named = {
        "beauty_hr10_blend": ("previous item", "blend", "hr@10"),
        "beauty_hr50_blend": ("previous item", "blend", "hr@50"),
        "beauty_history_hr10_blend": ("history", "blend", "hr@10"),
    }
    claims = {
        claim: float(found[query, method][metric] or 0.0)
        for claim, (query, method, metric) in named.items()
        if (query, method) in found
    }
    publish(Finding("direction_sequences", [SEED, SEED + 1], rows, claims))


if __name__ == "__main__":
    main()
