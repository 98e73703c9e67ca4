"""What Prometheus is told: a registry of its own for every app."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServiceMetrics:
    """Counters of one app.

    Attributes:
        decisions: logged, by order and decision.
        cached: answers that had been made before.
        feedback: events taken, by kind.
        access_lines_lost: lines of the access log that could not be written.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "onward_requests", "Requests by route, method and status.", ["route", "method", "status"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "onward_request_seconds", "Time to answer by route.", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.decisions = Counter(
            "onward_decisions", "Decisions logged by order and decision.", ["order", "decision"], registry=self.registry
        )
        self.cached = Counter("onward_cached_answers", "Answers that had been made before.", registry=self.registry)
        self.feedback = Counter("onward_feedback_events", "Feedback by kind.", ["kind"], registry=self.registry)
        self.access_lines_lost = Counter(
            "onward_access_lines_lost", "Lines of the access log that were lost.", registry=self.registry
        )

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Tell a value that is asked for when the metrics are."""
        Gauge(name, meaning, registry=self.registry).set_function(value)

    def account(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def page(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self.registry)
