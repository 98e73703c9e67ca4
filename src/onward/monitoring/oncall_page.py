"""The page for on-call: what is wrong, since when, what was changed and what to do, on one self-contained page.

It computes no verdict and decides nothing: it words and draws a look and the decision that the rules made of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from onward.evaluation.report_words import FILTERS
from onward.monitoring.alerts import Decision, Rule, Taken
from onward.monitoring.daily_series import Series, first_days
from onward.monitoring.oncall_figures import level_over_time
from onward.monitoring.runbook import runbook_sections

_MARKS = {"ok": "✓", "too early to tell": "…", "drifted": "!", "failed": "✕"}
_TITLES = {
    "retrain": "Retrain", "refit_thresholds": "Refit the thresholds", "rollback": "Roll back",
    "check_tracking": "Check the tracking", "wait": "Wait", "none": "Nothing to do",
}  # fmt: skip
_DAGS = {"retrain": "retrain", "refit_thresholds": "retrain", "rollback": "promote", "check_tracking": "monitor"}
# A look that failed holds little more than its reason.
_NOTHING_SEEN: dict[str, Any] = {
    "levels": [], "signals": [], "slices": [], "level": None, "since": None, "source": "–",
    "false_alarms_per_year": None,
}  # fmt: skip
_STARTS = {
    "retrain": "In Airflow the event onward_drift starts it by itself.",
    "refit_thresholds": "In Airflow the event onward_drift starts it by itself.",
    "rollback": "In Airflow the event onward_rollback starts it by itself.",
}


@dataclass(frozen=True)
class Change:
    """Something that was changed: when, what, by whom and why."""

    at: str
    what: str
    by: str
    why: str


@dataclass(frozen=True)
class OncallContent:
    """Everything the page says.

    Attributes:
        verdict: verdict.json of the look.
        decision: what the rules made of it.
        rule: the rule that decided.
        series: one a level and version, the version in use last; none after a look that failed.
        changes: what came into use and out of it, the latest first.
        taken: what the rules started or asked for, the latest first.
        facts: tags of the version in use.
        facts_before: tags of the version that it replaced, or None.
        runbook: text of runbook.md.
        airflow: address of Airflow's pages, or None.
    """

    verdict: Mapping[str, Any]
    decision: Decision
    rule: Rule
    series: Sequence[Series]
    changes: Sequence[Change]
    taken: Sequence[Taken]
    facts: Mapping[str, str]
    facts_before: Mapping[str, str] | None
    runbook: str
    airflow: str | None = None


def render_oncall(content: OncallContent) -> str:
    """Return the page as HTML that opens offline, on a phone too: styles and figures are inside, no scripts."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("onward.monitoring", ""), PackageLoader("onward.evaluation", "")]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {**FILTERS, "day": spoken_day, "sentence": lambda text: text[:1].upper() + text[1:]}
    verdict, decision = _NOTHING_SEEN | dict(content.verdict), content.decision
    sections = runbook_sections(content.runbook)
    return environment.get_template("oncall.html.jinja").render(
        verdict=verdict, decision=decision, rule=content.rule, changes=content.changes, facts=content.facts,
        title=headline(verdict), mark=_MARKS[verdict["verdict"]], tone=_tone(verdict, decision),
        to_do=_TITLES[decision.action], wanted=_TITLES[decision.wanted], starts=_STARTS.get(decision.action),
        command=command(verdict, decision), dag=_DAGS.get(decision.action), airflow=content.airflow,
        figures=_figures(content, verdict), unlike=difference(content.facts, content.facts_before),
        sections={content.rule.name: sections[content.rule.name], **sections},
        shown=_newest(content.series), taken=content.taken, titles=_TITLES,
    )  # fmt: skip


def headline(verdict: Mapping[str, Any]) -> str:
    """Say the verdict in a line.

    >>> headline({"verdict": "drifted", "level": 3, "since": "2017-11-01", "signals": [], "levels": [
    ...     {"level": 3, "verdict": "drifted"}, {"level": 4, "verdict": "ok"}]})
    'Level 3 has drifted since 1 November 2017'
    """
    word = verdict["verdict"]
    moved = [each["name"] for each in verdict["signals"] if each["verdict"] in {"changed", "failed"}]
    if word == "failed":
        return "The monitor cannot see"
    if word == "drifted":
        levels = [str(each["level"]) for each in verdict["levels"] if each["verdict"] == "drifted"]
        names = levels or [str(verdict["level"])]
        every = len(levels) == len(verdict["levels"]) > 1
        said = (
            "Every level has"
            if every
            else f"Level {names[0]} has"
            if len(names) == 1
            else f"Levels {', '.join(names[:-1])} and {names[-1]} have"
        )
        since = f" since {spoken_day(verdict['since'])}" if verdict["since"] else ""
        return f"{said} drifted{since}"
    also = f"; {' and '.join(moved)} moved" if moved else ""
    return ("Too early to tell" if word == "too early to tell" else "Every level keeps its promise") + also


def command(verdict: Mapping[str, Any], decision: Decision) -> str | None:
    """Return the command that does by hand what was decided, or None if nothing is to be done."""
    as_of = verdict["as_of"]
    match decision.action:
        case "retrain" | "refit_thresholds":
            form = {"as_of": as_of} | ({"run_from": "fit_thresholds"} if decision.action == "refit_thresholds" else {})
            return f"AIRFLOW_HOME=$PWD/.airflow airflow dags trigger retrain --conf '{json.dumps(form)}'"
        case "rollback":
            return f'onward rollback --reason="{headline(verdict)}, with version {verdict["version"]}"'
        case "check_tracking":
            return f"onward monitor --as-of {as_of}    # once it is mended: look again"
        case "wait":
            tomorrow = date.fromisoformat(as_of) + timedelta(days=1)
            return f"onward monitor --as-of {tomorrow}    # the DAG monitor does so every day"
        case _:
            return None


def difference(facts: Mapping[str, str], before: Mapping[str, str] | None) -> list[tuple[str, str, str]]:
    """Return in what the version in use differs from the one before: name, before, now.

    >>> difference({"source": "simulator", "as_of": "2017-11-20"}, {"source": "simulator", "as_of": "2017-11-13"})
    [('knows the log until', '2017-11-13', '2017-11-20')]
    """
    names = {
        "source": "source", "as_of": "knows the log until", "git_commit": "code",
        "dvc_lock_sha256": "data and settings", "run": "made by run",
    }  # fmt: skip
    if before is None:
        return []
    return [
        (said, before.get(name, "–"), facts.get(name, "–"))
        for name, said in names.items()
        if before.get(name) != facts.get(name)
    ]


def spoken_day(day: str | date) -> str:
    """Write a day as people say it.

    >>> spoken_day("2017-11-01")
    '1 November 2017'
    """
    known = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{known.day} {known:%B %Y}"


def _figures(content: OncallContent, verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    verdicts = {each["level"]: each for each in verdict["levels"]}
    began = first_days(content.series)
    drawn = []
    for level in sorted({each.level for each in content.series}):
        lines = [each for each in content.series if each.level == level]
        known = verdicts.get(level, {"verdict": "failed", "since": None, "reason": "not seen by this look"})
        since = date.fromisoformat(known["since"]) if known["since"] and known["verdict"] == "drifted" else None
        drawn.append({"level": level, "said": known, "picture": level_over_time(lines, began, since)})
    # What has drifted comes first: on a phone, the first figure is the one that matters.
    return sorted(drawn, key=lambda each: (each["said"]["verdict"] != "drifted", each["level"]))


def _newest(series: Sequence[Series]) -> list[dict[str, Any]]:
    """The last week of each level as a table, for those who read figures rather than see them."""
    version = series[-1].version if series else None
    rows = []
    for each in series:
        if each.version == version:
            low, high = float(each.low[-1]), float(each.high[-1])
            rows.append({
                "level": each.level, "predicted": float(each.predicted[-1]),
                "nowcast": {"value": float(each.nowcast[-1]), "low": low, "high": high},
            })  # fmt: skip
    return rows


def _tone(verdict: Mapping[str, Any], decision: Decision) -> str:
    if verdict["verdict"] in {"failed", "drifted"} or decision.action == "check_tracking":
        return "no"
    return "" if verdict["verdict"] == "ok" else "wait"
