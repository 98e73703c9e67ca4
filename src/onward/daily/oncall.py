"""Act on a look, and show it: the rules decide, the page says so, Evidently keeps the figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from onward.artifacts import read_text, write_text
from onward.daily.watched import Watched
from onward.deployment.reasons import PROMOTED, events
from onward.deployment.registry import Registry, Version
from onward.errors import MonitoringError, RegistryError
from onward.monitoring.alerts import Decision, Rules, Seen, decide, parse_rules
from onward.monitoring.daily_series import Series, level_series
from onward.monitoring.oncall_page import Change, OncallContent, headline, render_oncall

ALERTS, PANELS, RUNBOOK = "monitoring/alerts.yaml", "monitoring/panels.yaml", "monitoring/runbook.md"
_MOST_CHANGES = 12


@dataclass(frozen=True)
class Watch:
    """What acting and showing need: the project with its rules, the looks, and the registry."""

    project: Path
    watched: Watched
    registry: Registry

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

    def judge(self, verdict: Mapping[str, Any], champion: Version, rules: Rules) -> Decision:
        """Say what to do about a verdict on the version in use.

        Raises:
            MonitoringError: the verdict is about another version.
        """
        daily = self.watched.daily(champion.number)
        # By the log's clock, which in a replay of the past is years behind the registry's.
        deployed: date | None = None if daily is None else daily["day"].min().date()
        seen = Seen.of(verdict, deployed, champion.replaced)
        if seen.version != champion.number:
            raise MonitoringError(
                f"act: the look of {seen.as_of} judged version {seen.version}, in use is version {champion.number}; "
                "look again with `onward monitor`"
            )
        return decide(rules, seen, self.watched.taken())


def act(watch: Watch, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """Decide what to do about a look, and keep the decision.

    Args:
        watch: see there.
        said: what `onward monitor` printed, or None for the last look at the version in use.

    Returns:
        What an alarm needs: version, as_of, verdict, level, since, reason, and action, wanted, rule, why, run_from.
    """
    champion = watch.in_use()
    verdict = _whole(watch, champion, said)
    decision = watch.judge(verdict, champion, watch.rules())
    watch.watched.record(champion.number, date.fromisoformat(verdict["as_of"]), decision)
    return {
        **{name: verdict.get(name) for name in ("version", "as_of", "verdict", "cause", "level", "since", "reason")},
        "action": decision.action, "wanted": decision.wanted, "rule": decision.rule, "why": decision.why,
        "run_from": "fit_thresholds" if decision.action == "refit_thresholds" else None,
    }  # fmt: skip


def parse_look(text: str) -> Mapping[str, Any]:
    """Read what `onward monitor` printed last.

    Raises:
        MonitoringError: it is not one JSON object.
    """
    try:
        said = json.loads(text)
    except json.JSONDecodeError as error:
        raise MonitoringError(f"act: standard input is not JSON ({error}); pass on the last line of the look") from None
    if not isinstance(said, dict):
        raise MonitoringError("act: standard input is not a JSON object; pass on the last line of `onward monitor`")
    return said


def show(watch: Watch, page: Path, airflow: str | None) -> str:
    """Write the page for on-call about the last look at the version in use, and return its headline."""
    champion, rules = watch.in_use(), watch.rules()
    look = watch.watched.last(champion.number)
    decision = watch.judge(look.verdict, champion, rules)
    before = None if champion.replaced is None else watch.registry.version(champion.replaced)
    content = OncallContent(
        verdict=look.verdict, decision=decision, rule=rules.rule(decision.rule),
        series=_series(watch.watched, [before, champion]), changes=_changes(watch.registry.versions()),
        taken=[each for each in watch.watched.taken() if each.action not in {"wait", "none"}][:-_MOST_CHANGES:-1],
        facts=champion.tags, facts_before=None if before is None else before.tags,
        runbook=_definition(watch.project, RUNBOOK), airflow=airflow,
    )  # fmt: skip
    write_text(page, render_oncall(content))
    return headline(look.verdict)


def publish(watch: Watch, workspace: Path) -> int:
    """Bring the Evidently workspace up to date with all looks; return how many days are new or have changed."""
    from onward.monitoring.daily_series import day_figures
    from onward.monitoring.evidently_report import publish_days
    from onward.monitoring.panels import parse_panels

    panels = parse_panels(_definition(watch.project, PANELS), PANELS)
    figures = {}
    for version in watch.watched.versions():
        daily = watch.watched.daily(version)
        if daily is not None:
            looks = watch.watched.of_version(version)
            figures[version] = day_figures(daily, {look.last_day: look.verdict for look in looks})
    return publish_days(figures, panels, workspace) if figures else 0


def _definition(project: Path, name: str) -> str:
    if not (project / name).is_file():
        raise MonitoringError(f"{project / name}: no such file; `git checkout {name}`, or set ONWARD_PROJECT")
    return read_text(project / name)


def _whole(watch: Watch, champion: Version, said: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the whole verdict of the look that was said, from its folder if it lies there."""
    if said is None:
        return watch.watched.last(champion.number).verdict
    for look in watch.watched.of_version(champion.number):
        if said.get("version") == look.version and said.get("as_of") == look.as_of.isoformat():
            return look.verdict
    return said


def _series(watched: Watched, versions: Sequence[Version | None]) -> tuple[Series, ...]:
    found: list[Series] = []
    for version in versions:
        daily = None if version is None else watched.daily(version.number)
        if version is not None and daily is not None:
            found.extend(level_series(daily, version.number))
    return tuple(found)


def _changes(versions: Sequence[Version]) -> list[Change]:
    told = [(event, version.number) for version in versions for event in events(version.tags)]
    return [
        Change(
            event.at[:16].replace("T", " ") + " UTC",
            f"Version {number} {'came into use' if event.what == PROMOTED else 'was rolled back'}",
            event.reason.by, event.reason.text,
        )
        for event, number in sorted(told, key=lambda each: each[0].at, reverse=True)[:_MOST_CHANGES]
    ]  # fmt: skip
