"""The streaming protocol of ES-DFM, on simulated worlds: do the published methods rank as their papers say?

A model is fitted on finished labels of the first weeks. From then on it learns from what flows in, block by block of
two hours, and is judged on the next block before it learns from it. All methods share one learner, an online logistic
regression that forgets over a week, and the nuisances p_dp and p_rn, fitted on the first weeks and kept.

`--criteo FILE` runs the same protocol on the public Criteo file and prints it, without recording a result.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from benchmarks.delay.criteo_clicks import read_clicks
from benchmarks.delay.methods import fit_logistic, predict_logistic
from benchmarks.delay.streaming_methods import Stream, defer, defuse, es_dfm, fnc, fnw, undo_fake_negatives
from benchmarks.delay.world import KINDS, WINDOW, simulate
from benchmarks.harness.form import Cell, Finding, publish
from onward.delay.contract import LabelledRows
from onward.delay.outcomes import Flags
from onward.metrics.classification import area_under_curve, cross_entropy

Floats = npt.NDArray[np.float64]

SEEDS = (1, 2, 3, 4, 5)
WORLDS = ("informative", "low drift")
PUBLISHED = ("DEFUSE", "DEFER", "ES-DFM", "FNW", "FNC")  # best first, on the papers' own data
BLOCK = 2 / 24
MEMORY = 7.0  # days after which an example counts 1/e
WAIT = timedelta(hours=1) / timedelta(days=1)
PRETRAINING = 21.0


@dataclass(frozen=True)
class Log:
    """n examples in order of time; days.

    Attributes:
        shown: [n].
        delay: until conversion within the window, inf where none, [n].
        design: model inputs, the first column 1, [n, f].
        truth: the probability to judge by, or the final label where that is all there is, [n].
        window: W.
    """

    shown: Floats
    delay: Floats
    design: Floats
    truth: Floats
    window: float


class Learner:
    """Online logistic regression: a Newton step a block, with memory that fades."""

    def __init__(self, coefficients: Floats, precision: Floats) -> None:
        """Start from a fitted model and its Hessian."""
        self.coefficients, self.precision = coefficients.copy(), precision.copy()
        self.floor = 3.0 * np.eye(len(coefficients))

    def predict(self, design: Floats) -> Floats:
        """P(1) [n]."""
        return predict_logistic(design, self.coefficients)

    def learn(self, design: Floats, rows: LabelledRows) -> None:
        """Take in the rows of one block."""
        inputs = design[rows.example]
        score = self.predict(inputs)
        curvature = (inputs * (rows.weight * score * (1 - score))[:, None]).T @ inputs
        self.precision = self.precision * np.exp(-BLOCK / MEMORY) + curvature
        gradient = inputs.T @ (rows.weight * (rows.label - score))
        self.coefficients = self.coefficients + np.linalg.solve(self.precision + self.floor, gradient)


@dataclass(frozen=True)
class Fed:
    """One block as a method sees it: at once or after the wait, with the nuisances of its examples."""

    at_once: Stream
    waited: Stream
    converts: Flags
    delayed: Floats
    real_negative: Floats


Method = Callable[[Fed, Floats], LabelledRows]


def _plain(stream: Stream) -> LabelledRows:
    return fnc(stream)


def _final(fed: Fed) -> LabelledRows:
    example = np.flatnonzero(fed.at_once.first)
    return LabelledRows(example, fed.converts[example].astype(np.int8), np.ones(len(example)))


METHODS: dict[str, Method] = {
    "oracle": lambda fed, _: _final(fed),
    "vanilla": lambda fed, _: _plain(fed.waited),
    "FNC": lambda fed, _: fnc(fed.at_once),
    "FNW": lambda fed, score: fnw(fed.at_once, score),
    "ES-DFM": lambda fed, _: es_dfm(fed.waited, fed.delayed, fed.real_negative),
    "DEFUSE": lambda fed, _: defuse(fed.waited, fed.delayed, fed.real_negative),
    "DEFER": lambda fed, score: defer(fed.waited, score, fed.delayed),
}


def stream_between(log: Log, part: slice, wait: float, start: float, end: float) -> Stream:
    """What flowed in during [start, end); `read_stream` in days."""
    shown, delay = log.shown[part], log.delay[part]
    prompt = delay <= wait
    late = ~prompt & (shown + delay < end)
    first_at, closes_at = shown + wait, shown + log.window
    return Stream(
        first=(first_at >= start) & (first_at < end),
        prompt=prompt,
        late=late & (shown + delay >= start),
        closed=~late & (closes_at >= start) & (closes_at < end),
    )


def replay(log: Log) -> dict[str, Floats]:
    """Predictions of every method for all examples after the first weeks."""
    past = log.shown < PRETRAINING
    converts = np.isfinite(log.delay)
    late, prompt = log.delay > WAIT, log.delay <= WAIT
    base = _fit(log, past, converts)
    delayed = predict_logistic(log.design, _fit(log, past, late & converts))
    real_negative = predict_logistic(log.design, _fit(log, past & ~prompt, ~converts))
    score = predict_logistic(log.design[past], base)
    age = np.exp((log.shown[past] - PRETRAINING) / MEMORY)
    precision = (log.design[past] * (age * score * (1 - score))[:, None]).T @ log.design[past]
    learners = {name: Learner(base, precision) for name in METHODS}
    # Fake negatives make a model of its own: its start must have learnt from such rows too.
    fed = np.concatenate([np.flatnonzero(past), np.flatnonzero(past & converts)])
    again = np.arange(len(fed)) >= past.sum()
    start = fit_logistic(log.design[fed], again.astype(np.float64), (~again).astype(np.float64))
    learners["FNC"] = Learner(start, precision)
    known = int(past.sum())
    predicted = {name: np.zeros(len(log.shown) - known) for name in (*METHODS, "pretrained")}
    predicted["pretrained"][:] = predict_logistic(log.design[known:], base)
    begin = PRETRAINING
    while begin < log.shown[-1]:
        end = begin + BLOCK
        first, stop = (int(np.searchsorted(log.shown, moment)) for moment in (begin, end))
        part = slice(int(np.searchsorted(log.shown, begin - log.window)), stop)
        block = Fed(
            stream_between(log, part, 0.0, begin, end),
            stream_between(log, part, WAIT, begin, end),
            converts[part],
            delayed[part],
            real_negative[part],
        )
        for name, learner in learners.items():
            predicted[name][first - known : stop - known] = learner.predict(log.design[first:stop])
            learner.learn(log.design[part], METHODS[name](block, learner.predict(log.design[part])))
        begin = end
    predicted["FNC"] = undo_fake_negatives(predicted["FNC"])
    return predicted


def judge(log: Log, predicted: dict[str, Floats]) -> dict[str, dict[str, float]]:
    """Quality of each method over the whole stream."""
    known = len(log.shown) - len(predicted["oracle"])
    truth, converts = log.truth[known:], np.isfinite(log.delay[known:])
    found = {}
    for name, raw in predicted.items():
        score = np.clip(raw, 1e-5, 1 - 1e-5)
        nll = float(cross_entropy(truth, score).mean())
        auc = area_under_curve(converts.astype(np.float64), score, np.ones(len(score)))
        pr = float(average_precision_score(converts, score))
        found[name] = {"NLL": nll, "PCOC": float(score.mean() / truth.mean()), "AUC": auc, "PR-AUC": pr}
    return found


def run(kind: str, seed: int) -> dict[str, dict[str, float]]:
    """Replay one simulated world of seven weeks."""
    with threadpool_limits(1):
        world = simulate(KINDS[kind], seed, 64)
        design = np.column_stack([np.ones(len(world.shown)), world.features, world.features**2 - 1.0])
        log = Log(world.shown - world.shown[0], world.delay, design, world.probability, WINDOW)
        return judge(log, replay(log))


def rows_of(kind: str, trials: Sequence[dict[str, dict[str, float]]]) -> list[dict[str, Cell]]:
    """One row a method: means over seeds, and RI of the log loss from pretrained (0) to oracle (100)."""
    rows: list[dict[str, Cell]] = []
    for name in trials[0]:
        ri = [
            100.0
            * (each["pretrained"]["NLL"] - each[name]["NLL"])
            / (each["pretrained"]["NLL"] - each["oracle"]["NLL"])
            for each in trials
        ]
        ranks = [rank_of(name, each) for each in trials] if name in PUBLISHED else []
        means = {metric: float(np.mean([each[name][metric] for each in trials])) for metric in trials[0][name]}
        rows.append(
            {
                "world": kind,
                "method": name,
                "published rank": PUBLISHED.index(name) + 1 if ranks else None,
                "rank": None,
                "best rank of a seed": min(ranks, default=None),
                "worst rank of a seed": max(ranks, default=None),
                "RI-NLL %": float(np.mean(ri)),
                "worst": min(ri),
                **means,
            }
        )
    by_loss = {str(row["method"]): {"NLL": float(str(row["NLL"]))} for row in rows}
    for row in rows:
        if row["published rank"] is not None:
            row["rank"] = rank_of(str(row["method"]), by_loss)
    return rows


def rank_of(method: str, quality: Mapping[str, Mapping[str, float]]) -> int:
    """Place of a published method among those published, by log loss; the best is 1."""
    return 1 + sum(quality[other]["NLL"] < quality[method]["NLL"] for other in PUBLISHED)


def agreement(rows: Sequence[dict[str, Cell]]) -> float:
    """Share of pairs of published methods that rank by log loss as their papers say."""
    loss = {str(row["method"]): float(str(row["NLL"])) for row in rows}
    pairs = [(a, b) for place, a in enumerate(PUBLISHED) for b in PUBLISHED[place + 1 :]]
    return float(np.mean([loss[a] < loss[b] for a, b in pairs]))


def _fit(log: Log, chosen: Flags, event: Flags) -> Floats:
    happened = event[chosen]
    return fit_logistic(log.design[chosen], happened.astype(np.float64), (~happened).astype(np.float64))


def _print_criteo(path: Path, rows: int | None) -> None:
    clicks = read_clicks(path, rows)
    window = 30.0
    delay = np.where(clicks.delay <= window, clicks.delay, np.inf)
    log = Log(clicks.clicked, delay, clicks.design, np.isfinite(delay).astype(np.float64), window)
    for name, quality in judge(log, replay(log)).items():
        Console().print(name, quality)


def main() -> None:
    """Run and publish, or run on Criteo's file and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--criteo", type=Path, help="the public file; prints and records nothing")
    parser.add_argument("--rows", type=int, help="read so many lines of it only")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    asked = parser.parse_args()
    if asked.criteo:
        _print_criteo(asked.criteo, asked.rows)
        return
    rows: list[dict[str, Cell]] = []
    claims: dict[str, float] = {}
    for kind in WORLDS:
        mine = rows_of(kind, [run(kind, seed) for seed in track(asked.seeds, kind)])
        rows += mine
        key = kind.replace(" ", "_")
        claims[f"pairs_ranked_as_published_{key}"] = agreement(mine)
        claims |= {
            f"rank_{row['method']}_{key}".lower(): float(str(row["rank"])) for row in mine if row["rank"] is not None
        }
        claims |= {f"ri_nll_{row['method']}_{key}".lower(): float(str(row["RI-NLL %"])) for row in mine}
    publish(Finding("delay_stream", asked.seeds, rows, claims))


if __name__ == "__main__":
    main()
