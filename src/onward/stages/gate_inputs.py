"""What the gate needs, as deploy hands it over: rows and queries that evaluate wrote, and limits."""

from onward.artifacts import read_table
from onward.deployment.gate import Limits
from onward.deployment.list_gate import ListLimits
from onward.deployment.release import Compared
from onward.layout import Layout
from onward.params import Gate


def read_compared(layout: Layout) -> Compared:
    """What two bundles are compared on.

    Raises:
        ArtifactError: a file is missing or unreadable.
    """
    return Compared(*(read_table(path) for path in (layout.gate_rows, layout.gate_answers, layout.gate_chance)))


def limits_of(gate: Gate) -> tuple[Limits, ListLimits]:
    """Limits of the scores, and of the lists."""
    scores = Limits(gate.max_nll_increase, gate.max_recall_loss, gate.pcoc_low, gate.pcoc_high)
    return scores, ListLimits(gate.max_hit_rate_loss, gate.max_lift_loss)
