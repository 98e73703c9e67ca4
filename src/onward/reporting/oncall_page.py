"""The page for on-call: what is wrong, since when, what was changed and what to do, on one self-contained page.

It computes no verdict and decides nothing: it words and draws an assessment and the decision that the rules made of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup

from onward.monitoring.alerts import STARTS, Decision, PastAction, Rule
from onward.monitoring.daily_series import Series, first_days
from onward.monitoring.notices import Notice
from onward.monitoring.verdict import Verdict
from onward.reporting.oncall_figures import level_over_time
from onward.reporting.oncall_watch import Watch, ago, gigabytes, script_hash
from onward.reporting.runbook import runbook_sections
from onward.reporting.templates import page_template
from onward.reporting.wording import FILTERS

_MARKS = {Verdict.OK: "✓", Verdict.INCONCLUSIVE: "…", Verdict.DRIFTED: "!", Verdict.FAILED: "✕"}
_TITLES = {
    "retrain": "Retrain",
    "refit_thresholds": "Refit the thresholds",
    "rollback": "Roll back",
    "check_tracking": "Check the tracking",
    "wait": "Wait",
    "none": "Nothing to do",
}
_DAGS = {"retrain": "retrain", "refit_thresholds": "retrain", "rollback": "promote", "check_tracking": "monitor"}
# An assessment that failed holds little more than its reason.
_NOTHING_SEEN: dict[str, Any] = {
    "levels": [],
    "signals": [],
    "slices": [],
    "level": None,
    "since": None,
    "source": "–",
    "false_alarms_per_year": None,
}
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
class Links:
    """Where the page leads to, each an address or None.

    Attributes:
        airflow: of Airflow's pages.
        model: of the version in use in MLflow.
        dashboard: of the project's dashboard in Evidently.
        charts: of the page with its panels as charts.
        drift: of the page on what drifts in the decisions.
    """

    airflow: str | None = None
    model: str | None = None
    dashboard: str | None = None
    charts: str | None = None
    drift: str | None = None


@dataclass(frozen=True)
class OncallContent:
    """Everything the page says.

    Attributes:
        verdict: verdict.json of the assessment.
        decision: what the rules made of it.
        rule: the rule that decided.
        series: one a level and version, the version in use last; none after an assessment that failed.
        changes: what came into use and out of it, the latest first.
        taken: what the rules started or asked for, the latest first.
        facts: tags of the version in use.
        facts_before: tags of the version that it replaced, or None.
        runbook: text of runbook.md.
        before_use: whether test customers were assessed, before the version decided anything.
        links: where the page leads to.
        notices: what people are told besides.
        watch: whether all this can be believed.
    """

    verdict: Mapping[str, Any]
    decision: Decision
    rule: Rule
    watch: Watch
    series: Sequence[Series]
    changes: Sequence[Change]
    taken: Sequence[PastAction]
    facts: Mapping[str, str]
    facts_before: Mapping[str, str] | None
    runbook: str
    before_use: bool = False
    links: Links = Links()
    notices: Sequence[Notice] = ()


def render_oncall(content: OncallContent) -> str:
    """Return the page as HTML that opens offline, on a phone too: styles and figures are inside.

    One script counts how old the verdict is when the page is read; its Content-Security-Policy lets no other run.
    """
    filters = {
        **FILTERS,
        "day": spoken_day,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "gigabytes": gigabytes,
        "ago": lambda since: ago(since, content.watch.made_at),
    }
    script = page_template("oncall_age.js", {}).render()
    verdict = _NOTHING_SEEN | dict(content.verdict)
    decision = content.decision
    sections = runbook_sections(content.runbook)
    return page_template("oncall.html.jinja", filters).render(
        verdict=verdict,
        decision=decision,
        rule=content.rule,
        changes=content.changes,
        facts=content.facts,
        title=headline(verdict),
        mark=_MARKS[verdict["verdict"]],
        tone=_tone(verdict, decision),
        to_do=_TITLES[decision.action],
        wanted=_TITLES[decision.wanted],
        starts=_STARTS.get(decision.action),
        command=command(verdict, decision),
        dag=_DAGS.get(decision.action),
        links=content.links,
        before_use=content.before_use,
        figures=_figures(content, verdict),
        unlike=difference(content.facts, content.facts_before),
        sections={content.rule.name: sections[content.rule.name], **sections},
        shown=_newest(content.series),
        taken=content.taken,
        notices=content.notices,
        watch=content.watch,
        script=Markup(script),  # noqa: S704 - a file of this package
        script_hash=script_hash(script),
        starting=STARTS,
        titles=_TITLES,
    )


def headline(verdict: Mapping[str, Any]) -> str:
    """Say the verdict in a line.

    >>> headline({"verdict": "drifted", "level": 3, "since": "2017-11-01", "signals": [], "levels": [
    ...     {"level": 3, "verdict": "drifted"}, {"level": 4, "verdict": "ok"}]})
    'Level 3 has drifted since 1 November 2017'
    """
    moved = [signal["name"] for signal in verdict["signals"] if signal["verdict"] in {Verdict.CHANGED, Verdict.FAILED}]
    if verdict["verdict"] == Verdict.FAILED:
        return "The monitor cannot see"
    if verdict["verdict"] == Verdict.DRIFTED:
        levels = [str(level["level"]) for level in verdict["levels"] if level["verdict"] == Verdict.DRIFTED]
        since = f" since {spoken_day(verdict['since'])}" if verdict["since"] else ""
        if not levels and verdict["level"] is None:
            return f"Version after version breaks its promise{since}"
        names = levels or [str(verdict["level"])]
        every = len(levels) == len(verdict["levels"]) > 1
        if every:
            subject = "Every level has"
        elif len(names) == 1:
            subject = f"Level {names[0]} has"
        else:
            subject = f"Levels {', '.join(names[:-1])} and {names[-1]} have"
        return f"{subject} drifted{since}"
    also = f"; {' and '.join(moved)} moved" if moved else ""
    return (
        "Inconclusive so far" if verdict["verdict"] == Verdict.INCONCLUSIVE else "Every level keeps its promise"
    ) + also


def command(verdict: Mapping[str, Any], decision: Decision) -> str | None:
    """Return the command that does by hand what was decided, or None if nothing is to be done."""
    as_of = verdict["as_of"]
    match decision.action:
        case "retrain" | "refit_thresholds":
            form = {"as_of": as_of} | ({"run_from": "fit_thresholds"} if decision.action == "refit_thresholds" else {})
            return f"AIRFLOW_HOME=$PWD/.airflow airflow dags trigger retrain --conf '{json.dumps(form)}'"
        case "rollback":
            version = verdict["version"]
            return f'onward rollback --expected={version} --reason="{headline(verdict)}, with version {version}"'
        case "check_tracking":
            return f"onward monitor --as-of {as_of}    # once it is mended: assess again"
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
    labels = {
        "source": "source",
        "as_of": "knows the log until",
        "git_commit": "code",
        "dvc_lock_sha256": "data and settings",
        "run": "made by run",
    }
    if before is None:
        return []
    return [
        (label, before.get(name, "–"), facts.get(name, "–"))
        for name, label in labels.items()
        if before.get(name) != facts.get(name)
    ]


def spoken_day(day: str | date) -> str:
    """Write a day as people say it.

    >>> spoken_day("2017-11-01")
    '1 November 2017'
    """
    moment = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{moment.day} {moment:%B %Y}"


def _figures(content: OncallContent, verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    verdicts = {level["level"]: level for level in verdict["levels"]}
    unseen = {"verdict": Verdict.FAILED, "since": None, "reason": "not seen by this assessment"}
    began = first_days(content.series)
    figures = []
    for number in sorted({series.level for series in content.series}):
        lines = [series for series in content.series if series.level == number]
        level = verdicts.get(number, unseen)
        drifted = level["verdict"] == Verdict.DRIFTED
        since = date.fromisoformat(level["since"]) if level["since"] and drifted else None
        picture = level_over_time(lines, began, since)
        figures.append({"level": number, "verdict": level, "drifted": drifted, "picture": picture})
    # What has drifted comes first: on a phone, the first figure is the one that matters.
    return sorted(figures, key=lambda figure: (not figure["drifted"], figure["level"]))


def _newest(series: Sequence[Series]) -> list[dict[str, Any]]:
    """The last week of each level as a table, for those who read figures rather than see them."""
    version = series[-1].version if series else None
    rows = []
    for line in series:
        if line.version == version:
            interval = {
                "value": float(line.nowcast[-1]),
                "low": float(line.low[-1]),
                "high": float(line.high[-1]),
            }
            rows.append({"level": line.level, "predicted": float(line.predicted[-1]), "nowcast": interval})
    return rows


def _tone(verdict: Mapping[str, Any], decision: Decision) -> str:
    if verdict["verdict"] in {Verdict.FAILED, Verdict.DRIFTED} or decision.action == "check_tracking":
        return "no"
    return "" if verdict["verdict"] == Verdict.OK else "wait"
