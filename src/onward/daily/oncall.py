"""Act on an assessment, and show it: the rules decide, the page says so, Evidently keeps the figures."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from onward.artifacts import read_text, write_text
from onward.daily.action_log import Started
from onward.daily.assessment_history import AssessmentHistory, StoredAssessment
from onward.daily.champion_notices import abandoned, refused
from onward.daily.drift_pages import CHARTS, DRIFT, Pages, compared_weeks, last_figures
from onward.daily.health import watch_of
from onward.daily.list_figures import add_list_figures
from onward.deployment.reasons import PROMOTED, events
from onward.deployment.registry import Registry, Version
from onward.errors import MonitoringError, MonitoringInputError, RegistryError
from onward.monitoring.alerts import Decision, Findings, Rules, decide, parse_rules
from onward.monitoring.daily_series import BEFORE_USE, DayFigures, Series, day_figures, level_series
from onward.monitoring.notices import Notice, not_started
from onward.monitoring.open_alerts import troubles, why_over
from onward.reporting.oncall_page import Change, Links, OncallContent, headline, render_oncall

ALERTS = "monitoring/alerts.yaml"
PANELS = "monitoring/panels.yaml"
RUNBOOK = "monitoring/runbook.md"
_MOST_CHANGES = 12


@dataclass(frozen=True)
class MonitoredProject:
    """What acting and showing need.

    Attributes:
        project: its folder, with the rules.
        history: the assessments, and what was done about them.
        registry: what is deployed.
        unpushed: says of a run what its branch lacks of the deployment that it has made; None if it lacks nothing.
    """

    project: Path
    history: AssessmentHistory
    registry: Registry
    unpushed: Callable[[str], str | None] = lambda _: None

    def in_use(self) -> Version:
        """Return the version in use.

        Raises:
            RegistryError: there is none.
        """
        champion = self.registry.champion()
        if champion is None:
            raise RegistryError("no version is in use, so there is nothing to watch; `onward run start` begins a run")
        return champion

    def rules(self) -> Rules:
        """Return the rules of alerts.yaml."""
        return parse_rules(_definition(self.project, ALERTS), ALERTS)

    def decide(self, verdict: Mapping[str, Any], champion: Version, rules: Rules) -> Decision:
        """Say what to do about a verdict on the version in use.

        Raises:
            MonitoringError: the verdict is about another version.
        """
        findings = self.findings(verdict, champion)
        if findings.version != champion.number:
            raise MonitoringError(
                f"act: the assessment of {findings.as_of} is of version {findings.version}, in use is version "
                f"{champion.number}; assess again with `onward monitor`"
            )
        return decide(rules, findings, self.history.action_log.past())

    def findings(self, verdict: Mapping[str, Any], champion: Version) -> Findings:
        """What a verdict found, as far as the rules ask."""
        # By the log's clock, which in a replay of the past is years behind the registry's.
        return Findings.of(verdict, self.history.first_decided(champion.number), champion.replaced)

    def notices(self, champion: Version, now: datetime, versions: Sequence[Version] = ()) -> list[Notice]:
        """What people are told besides, whichever rule decides.

        Args:
            champion: the version in use.
            now: with time zone.
            versions: all that are registered; without them nothing is said of challengers that were refused.
        """
        limits = self.rules().notices
        told = (
            not_started(self.history.action_log.past(), champion.number, limits.minutes_to_start, now),
            abandoned(champion, limits.minutes_to_push, now, self.unpushed),
            refused(champion, versions, limits.refused_weeks),
        )
        return [notice for notice in told if notice is not None]


def act(monitored: MonitoredProject, printed: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    """Decide what to do about an assessment, and keep the decision.

    Args:
        monitored: the project.
        printed: what `onward monitor` printed, or None for the last assessment of the version in use.
        now: with time zone.

    Returns:
        What an alarm needs: version, as_of, verdict, level, since, reason, and action, wanted, rule, why, run_from;
        whether it is `asked_again`, since no run came of it before; and `notices`, each with name and says.
    """
    champion = monitored.in_use()
    verdict = _whole_verdict(monitored.history, champion, printed)
    rules = monitored.rules()
    decision = monitored.decide(verdict, champion, rules)
    # Before this decision is kept: the same action, asked for again, is a new one.
    notices = monitored.notices(champion, now, monitored.registry.versions())
    as_of = date.fromisoformat(verdict["as_of"])
    keep_alerts(monitored, verdict, champion, decision, notices, now)
    again = monitored.history.action_log.record(champion.number, as_of, decision, now, rules.notices.minutes_to_start)
    return {
        **{name: verdict.get(name) for name in ("version", "as_of", "verdict", "cause", "level", "since", "reason")},
        "action": decision.action,
        "wanted": decision.wanted,
        "rule": decision.rule,
        "why": decision.why,
        "run_from": "fit_thresholds" if decision.action == "refit_thresholds" else None,
        "asked_again": again,
        "notices": [asdict(notice) for notice in notices],
    }


def keep_alerts(
    monitored: MonitoredProject,
    verdict: Mapping[str, Any],
    champion: Version,
    decision: Decision,
    notices: Sequence[Notice],
    now: datetime,
) -> None:
    """Raise the alerts of a look, and resolve those of earlier looks that this one does not find any more."""
    rules, log = monitored.rules(), monitored.history.alert_log
    findings = monitored.findings(verdict, champion)
    found = troubles(rules, verdict, decision, notices)
    for trouble in found:
        log.find(trouble, findings.as_of, now)
    for alert in log.open():
        why = why_over(alert.name, alert.version, rules, findings, decision, found)
        if why is not None:
            log.resolve(alert, why, findings.as_of, now)


def started(monitored: MonitoredProject, printed: Mapping[str, Any], run: str, now: datetime) -> dict[str, Any]:
    """Keep that a run carries out what `onward act` asked for; from now on the action rests for its cool-down.

    Raises:
        MonitoringError: it asked for nothing that starts something.
    """
    begun = Started.of(printed, run)
    monitored.history.action_log.start(begun, now)
    return {**asdict(begun), "as_of": begun.as_of.isoformat()}


def whether_started(monitored: MonitoredProject, printed: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Say whether a run carries out what `onward act` asked for, as `run`, and whether one is overdue, as `notices`."""
    asked = Started.of(printed, "")
    log = monitored.history.action_log
    minutes = monitored.rules().notices.minutes_to_start
    late = not_started([action for action in log.past() if action.as_of == asked.as_of], asked.version, minutes, now)
    return {"run": log.run_of(asked.version, asked.as_of), "notices": [] if late is None else [asdict(late)]}


def parse_verdict(text: str) -> Mapping[str, Any]:
    """Read what `onward monitor` printed last.

    Raises:
        MonitoringInputError: it is not one JSON object.
    """
    try:
        verdict = json.loads(text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_each_name_once)
    except (ValueError, RecursionError) as error:
        raise MonitoringInputError(
            f"act: standard input is not JSON ({error}); pass on the last line of `onward monitor`"
        ) from None
    if not isinstance(verdict, dict):
        raise MonitoringInputError(
            "act: standard input is not a JSON object; pass on the last line of `onward monitor`"
        )
    return verdict


def _no_number(word: str) -> float:
    raise ValueError(f"JSON has no {word}")


def _finite(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _no_number(text[:20])


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name comes twice in one object")
    return values


def write_page(
    monitored: MonitoredProject, page: Path, links: Links, now: datetime, places: Mapping[str, Path] | None = None
) -> str:
    """Write the page for on-call about the last assessment of the version in use, and return its headline.

    Args:
        monitored: the project.
        page: where it goes.
        links: where it leads to.
        now: with time zone.
        places: folders whose disks must not be full, besides the project's.
    """
    champion = monitored.in_use()
    rules = monitored.rules()
    last = monitored.history.last(champion.number)
    decision = monitored.decide(last.verdict, champion, rules)
    before = None if champion.replaced is None else monitored.registry.version(champion.replaced)
    versions = monitored.registry.versions()
    acted = [action for action in monitored.history.action_log.past() if action.action not in {"wait", "none"}]
    content = OncallContent(
        verdict=last.verdict,
        decision=decision,
        rule=rules.rule(decision.rule),
        watch=watch_of(
            monitored.project,
            champion,
            last,
            monitored.history.assessments,
            monitored.history.alert_log,
            rules.notices,
            {"project": monitored.project, **(places or {})},
            now,
        ),
        series=_series(monitored.history, last, before),
        changes=_changes(versions),
        taken=acted[:-_MOST_CHANGES:-1],
        facts=champion.tags,
        facts_before=None if before is None else before.tags,
        runbook=_definition(monitored.project, RUNBOOK),
        before_use=last.before_use,
        links=links,
        notices=monitored.notices(champion, now, versions),
    )
    write_text(page, render_oncall(content))
    return headline(last.verdict)


@dataclass(frozen=True)
class PublishedDays:
    """What came of publishing: how many days are new or have changed, and the dashboard's path in Evidently's UI."""

    changed: int
    dashboard: str


def publish(monitored: MonitoredProject, workspace: Path) -> PublishedDays:
    """Bring the Evidently workspace up to date; the first assessment is drawn until there is a daily one."""
    from onward.reporting.evidently_pages import publish_days
    from onward.reporting.panels import parse_panels

    panels = parse_panels(_definition(monitored.project, PANELS), PANELS)
    return PublishedDays(*publish_days(published_figures(monitored), panels, workspace))


def write_evidently_pages(monitored: MonitoredProject, decisions: Path, folder: Path) -> Pages:
    """Write Evidently's own pages beside that for on-call: the panels as charts, and what drifts in the decisions.

    Args:
        monitored: the project.
        decisions: folder of the decision log.
        folder: of the pages.
    """
    from onward.reporting.evidently_watch import CATEGORICAL, NUMERIC, write_drift_page, write_watch_page
    from onward.reporting.panels import parse_panels

    panels = parse_panels(_definition(monitored.project, PANELS), PANELS)
    figures = published_figures(monitored)
    folder.mkdir(parents=True, exist_ok=True)
    write_watch_page(figures, panels, folder / CHARTS)
    champion = monitored.in_use().number
    compared = compared_weeks(monitored.history.last(champion), decisions, [*NUMERIC, *CATEGORICAL])
    if compared is None:
        (folder / DRIFT).unlink(missing_ok=True)
        return Pages(CHARTS, None)
    levels = last_figures(figures[f"version {champion}"])
    write_drift_page(compared.reference, compared.current, levels, compared.says, folder / DRIFT)
    return Pages(CHARTS, DRIFT)


def published_figures(monitored: MonitoredProject) -> dict[str, DayFigures]:
    """The figures of each day by version, and by version before its use while there is no daily assessment."""
    history = monitored.history
    # Assessments outlast their versions: of one that was collected (`onward gc`) nothing is drawn any more.
    registered = {version.number for version in monitored.registry.versions()}
    watched = [version for version in history.watched_versions() if version in registered]
    figures = {f"version {version}": _figures(history, version) for version in watched}
    if not figures:
        champion = monitored.in_use().number
        figures[f"version {champion}{BEFORE_USE}"] = _figures(history, champion)
    add_list_figures(figures, history)
    return figures


def _definition(project: Path, name: str) -> str:
    if not (project / name).is_file():
        raise MonitoringInputError(f"{project / name}: no such file; `git checkout {name}`, or set ONWARD_PROJECT")
    return read_text(project / name)


def _figures(history: AssessmentHistory, version: int) -> DayFigures:
    daily = history.daily(version)
    if daily is None:
        return {}
    return day_figures(daily, {stored.last_day: stored.verdict for stored in history.of_version(version)})


def _whole_verdict(
    history: AssessmentHistory, champion: Version, printed: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Return the whole verdict of the assessment that was printed, from its folder if it lies there."""
    if printed is None:
        return history.last(champion.number).verdict
    for stored in history.of_version(champion.number):
        if printed.get("version") == stored.version and printed.get("as_of") == stored.as_of.isoformat():
            return stored.verdict
    return printed


def _series(history: AssessmentHistory, last: StoredAssessment, before: Version | None) -> tuple[Series, ...]:
    # Before a version decides, its days are those of the version before it: drawn together they would overlap.
    drawn = [last.version] if before is None or last.before_use else [before.number, last.version]
    tables = {version: history.daily(version) for version in drawn}
    return tuple(
        series for version, daily in tables.items() if daily is not None for series in level_series(daily, version)
    )


def _changes(versions: tuple[Version, ...]) -> list[Change]:
    dated = [(event, version.number) for version in versions for event in events(version.tags)]
    latest = sorted(dated, key=lambda change: change[0].at, reverse=True)[:_MOST_CHANGES]
    return [
        Change(
            at=event.at[:16].replace("T", " ") + " UTC",
            what=f"Version {number} {'came into use' if event.what == PROMOTED else 'was rolled back'}",
            by=event.reason.by,
            why=event.reason.text,
        )
        for event, number in latest
    ]
