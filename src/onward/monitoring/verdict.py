"""The monitor's verdict as people and programs read it: what, since when, how sure, and what to do."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onward.monitoring.positivity import LevelVerdict, overall

_ACTIONS = {
    "ok": "nothing to do",
    "too early to tell": "wait for more labels, or monitor more customers (splits.test)",
    "drifted": "retrain at a later as_of (`dvc repro`); if it began with this version, `onward rollback --reason=…`",
}


def summarise_verdict(
    verdicts: Sequence[LevelVerdict],
    rows: pd.DataFrame,
    facts: Mapping[str, Any],
    precision_target: float,
) -> dict[str, Any]:
    """Return what verdict.json holds.

    Args:
        verdicts: one a level.
        rows: what they were made of.
        facts: source, as_of, version, bundle_sha256 and the like, passed on as they are.
        precision_target: what the deployed policy promises.
    """
    word = overall(verdicts)
    current = rows[rows["current"] & rows["shown"]]
    return {
        **facts,
        "verdict": word,
        "action": _ACTIONS[word],
        "rows": len(rows),
        "shown_now": len(current),
        "precision_now": _plain(float(current["expected"].mean())) if len(current) else None,
        "precision_target": precision_target,
        "levels": [
            {
                "level": each.level,
                "verdict": each.word,
                "change": _plain(each.change),
                "margin": _plain(each.margin),
                "drift_statistic": _plain(abs(each.change) / each.margin) if each.margin > 0 else None,
                "reason": each.reason,
            }
            for each in verdicts
        ],
    }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
