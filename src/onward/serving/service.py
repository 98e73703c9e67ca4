"""What an app answers with: the champion, the logs, the limits and what is counted, started and stopped together."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from onward.data.shop_clock import ShopClock
from onward.deployment.registry import Registry
from onward.serving.append_log import AppendLog
from onward.serving.champion import Champion, ChampionState
from onward.serving.decision_log import log_answer
from onward.serving.encoded_answer import EncodedAnswer
from onward.serving.new_products import NewProducts
from onward.serving.protection import Keys, Limits, ScoringPool
from onward.serving.served_folders import ServedFolders
from onward.serving.service_metrics import ServiceMetrics

_log = logging.getLogger(__name__)


class Service:
    """One service: parts that are made once and live as long as the app.

    Attributes:
        champion: the model in use.
        decisions: the log of what was decided.
        feedback: the log of what became of it.
        products: what the model does not know yet.
        pool: where scoring happens.
        limits: of requests.
        keys: that let in; None asks for none.
        metrics: what is counted.
        flush_seconds: that a line of a log may wait for the disk.
    """

    def __init__(
        self,
        registry: Registry,
        folder: Path,
        *,
        every: float = 2.0,
        flush_seconds: float = 0.5,
        limits: Limits | None = None,
        keys: Keys | None = None,
        clock: ShopClock | None = None,
    ) -> None:
        """Make a service, which does nothing until `running`.

        Args:
            registry: whose champion answers.
            folder: of its logs.
            every: seconds until a promotion is noticed.
            flush_seconds: that a line of a log may wait for the disk.
            limits: of requests.
            keys: that let in.
            clock: of the shop, by which the logs say when; UTC if none is given.
        """
        folders = ServedFolders(folder)
        self.clock = clock or ShopClock()
        self.limits = limits or Limits()
        self.keys = keys
        self.flush_seconds = flush_seconds
        self.metrics = ServiceMetrics()
        self.champion = Champion(registry, every, _ChangeTeller())
        self.decisions = AppendLog(folders.decisions, flush_seconds, clock=self.clock.now)
        self.feedback = AppendLog(folders.feedback, flush_seconds, clock=self.clock.now)
        # A product is asked about at once, and seldom added: it does not wait for company.
        self.products = NewProducts(folders.products, 0.0)
        self.pool = ScoringPool(self.limits)
        self._watch()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start every part, and end it."""
        self.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.close)

    def start(self) -> None:
        """Start the writers of the logs, and look for the champion from now on."""
        self.products.start()
        self.decisions.start()
        self.feedback.start()
        self.champion.start()

    def close(self) -> None:
        """Finish what was begun and write what is left."""
        self.champion.stop()
        self.pool.close()
        self.decisions.close()
        self.feedback.close()
        self.products.close()

    @property
    def problems(self) -> list[str]:
        """What is not as it should be, though answers may be given."""
        told = [self.champion.state.problem, self.decisions.problem, self.feedback.problem, self.products.problem]
        lost = {"decision log": self.decisions.lost_lines, "feedback": self.feedback.lost_lines}
        return [
            *(problem for problem in told if problem),
            *(f"{log}: {lines} lines are lost; make room on the disk" for log, lines in lost.items() if lines),
            *([self.keys.problem] if self.keys is not None and self.keys.problem else []),
        ]

    def log(
        self, request_id: str, route: str, version: int, answer: EncodedAnswer, customer: str | None = None
    ) -> None:
        """Log and count the decisions of an answer before it is given."""
        if answer.counts:
            log_answer(self.decisions, request_id, route, version, answer, customer, now=self.clock.now())
        for names, number in answer.counts.items():
            self.metrics.decisions.labels(*names).inc(number)

    def _watch(self) -> None:
        def loaded_number(state: ChampionState) -> float:
            return float(state.loaded.number) if state.loaded else 0.0

        watch = self.metrics.watch
        champion = self.champion
        watch("onward_champion_version", "Version that answers, 0 for none.", lambda: loaded_number(champion.state))
        watch(
            "onward_champion_loaded_timestamp_seconds",
            "When it was read.",
            lambda: champion.state.loaded.loaded_at.timestamp() if champion.state.loaded else 0.0,
        )
        watch("onward_champion_swaps", "Versions that took over since the start.", lambda: champion.state.swaps)
        watch("onward_champion_failures", "Looks in a row that failed.", lambda: champion.state.failures)
        watch("onward_decision_log_pending_bytes", "That wait for the disk.", lambda: self.decisions.pending_bytes)
        watch("onward_decision_log_lost_lines", "Answers whose log was lost.", lambda: self.decisions.lost_lines)
        watch("onward_feedback_log_lost_lines", "Events that there was no room for.", lambda: self.feedback.lost_lines)
        watch("onward_decision_log_write_seconds", "Time of the last write.", lambda: self.decisions.last_flush_seconds)
        watch("onward_scoring_admitted", "Requests that are scored or wait for it.", lambda: self.pool.admitted)


class _ChangeTeller:
    """Writes a line where the version or the problem has changed since the last look."""

    def __init__(self) -> None:
        self._last: tuple[int | None, str | None] = (None, None)

    def __call__(self, state: ChampionState) -> None:
        number = state.loaded.number if state.loaded else None
        if (number, state.problem) == self._last:
            return
        self._last = (number, state.problem)
        if state.problem:
            _log.warning("version %s answers on: %s", number, state.problem)
        else:
            _log.info("version %s answers", number)
