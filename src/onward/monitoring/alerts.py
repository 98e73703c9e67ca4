"""From what an assessment found to what is done about it: the rules of monitoring/alerts.yaml, and who reads them.

The first rule whose conditions all hold decides. An action that starts something (`retrain`, `refit_thresholds`,
`rollback`) then rests for its cool-down, counted from the last one that a run has carried out, in days of the log's
clock and not of the wall's, so that a replay of the past decides as the past would have. While it rests, the answer is
`wait`, with the rule that would have acted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from onward.channels.message import Severity
from onward.errors import MonitoringInputError, place_and_reason
from onward.monitoring.verdict import OF_VERSION, Verdict
from onward.yaml_text import load_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Action = Literal["retrain", "refit_thresholds", "rollback", "check_tracking", "wait", "none"]
Cause = Literal["positivity", "promise", "delay", "engagement", "volume", "scores", "labels", "lists"]
Signal = Literal["promise", "delay", "engagement", "volume", "scores", "labels", "lists"]
Reach = Literal["one level", "several levels", "every level"]

_Model = TypeVar("_Model", bound=BaseModel)

STARTS: tuple[Action, ...] = ("retrain", "refit_thresholds", "rollback")
"""Actions that change what is deployed; only these rest."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _of_a_version(verdict: Verdict) -> Verdict:
    if verdict not in OF_VERSION:
        raise ValueError(f"only a signal is {verdict}; ask for {', '.join(OF_VERSION)}, or for a `signal`")
    return verdict


VersionVerdict = Annotated[Verdict, Field(strict=False), AfterValidator(_of_a_version)]


class When(_Part):
    """Conditions of a rule; all that are given must hold, and within a list any.

    Attributes:
        verdict: of the assessment.
        cause: that it names; `none` in the file's lists stands for no cause.
        signal: one of these signals has changed or could not be computed.
        reach: how many of the levels have drifted.
        began_with_version: whether the drift began within `days_of_deployment` of this version's coming into use, and
            another version was in use before, to which one could return.
    """

    verdict: tuple[VersionVerdict, ...] | None = Field(None, strict=False, min_length=1)
    cause: tuple[Cause | Literal["none"], ...] | None = Field(None, strict=False, min_length=1)
    signal: tuple[Signal, ...] | None = Field(None, strict=False, min_length=1)
    reach: tuple[Reach, ...] | None = Field(None, strict=False, min_length=1)
    began_with_version: bool | None = None

    def holds(self, findings: "Findings", days_of_deployment: int) -> bool:
        """Tell whether every condition that is given holds."""
        return (
            (self.verdict is None or findings.verdict in self.verdict)
            and (self.cause is None or (findings.cause or "none") in self.cause)
            and (self.signal is None or bool(set(self.signal) & findings.signals))
            and (self.reach is None or findings.reach in self.reach)
            and self.began_with_version in {None, findings.began_within(days_of_deployment)}
        )


class Rule(_Part):
    """One alert: when it holds, how bad that is, what it says, what is done. Its name is its anchor in runbook.md."""

    name: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=40)]
    when: When
    action: Action
    severity: Severity = "warning"
    says: Annotated[str, Field(min_length=20, max_length=200)]


class CoolDown(_Part):
    """Days for which an action is not started again."""

    retrain: Annotated[int, Field(ge=0, le=365)]
    refit_thresholds: Annotated[int, Field(ge=0, le=365)]
    rollback: Annotated[int, Field(ge=0, le=365)]


class NoticeSeverity(_Part):
    """How bad each notice is, by its name."""

    action_not_started: Annotated[Severity, Field(alias="action-not-started")] = "warning"
    challenger_refused: Annotated[Severity, Field(alias="challenger-refused")] = "info"
    champion_abandoned: Annotated[Severity, Field(alias="champion-abandoned")] = "warning"
    no_look: Annotated[Severity, Field(alias="no-look")] = "critical"
    look_failed: Annotated[Severity, Field(alias="look-failed")] = "critical"
    feed_stopped: Annotated[Severity, Field(alias="feed-stopped")] = "critical"
    watchdog_blind: Annotated[Severity, Field(alias="watchdog-blind")] = "critical"

    def of(self, notice: str) -> Severity:
        """How bad a notice is."""
        severity: Severity = getattr(self, notice.replace("-", "_"))
        return severity


class Notices(_Part):
    """When people are told of something whichever rule decides; see notices.py.

    Attributes:
        minutes_to_start: in which the run must exist that an action asks for.
        refused_weeks: in a row, in which the gate refused every challenger.
        minutes_to_push: in which the run that put a version in use must have said so on its branch.
        hours_to_look: in which there must be a look, by the wall's clock; for `onward watchdog`.
        hours_to_feed: in which impressions and purchases must go on, by the shop's clock; for `onward watchdog`.
        severity: of each notice.
    """

    minutes_to_start: Annotated[int, Field(ge=1, le=240)] = 30
    refused_weeks: Annotated[int, Field(ge=1, le=52)] = 4
    minutes_to_push: Annotated[int, Field(ge=1, le=1440)] = 30
    hours_to_look: Annotated[int, Field(ge=1, le=720)] = 26
    hours_to_feed: Annotated[int, Field(ge=1, le=720)] = 50
    severity: NoticeSeverity = NoticeSeverity()


class Rules(_Part):
    """All of alerts.yaml."""

    schema_: Literal[1] = Field(alias="schema")
    days_of_deployment: Annotated[int, Field(ge=0, le=365)]
    cool_down_days: CoolDown
    notices: Notices = Notices()
    rules: Annotated[tuple[Rule, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _every_case_has_one_answer(self) -> Self:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules: {', '.join(twice)} twice; give each rule a name of its own")
        decided = {verdict for rule in self.rules for verdict in _decided(rule.when)}
        missing = [str(verdict) for verdict in OF_VERSION if verdict not in decided]
        if missing:
            raise ValueError(
                "rules: nothing is said of every assessment that is "
                f"{' or '.join(map(repr, missing))}; end with a rule that asks for `verdict` alone"
            )
        return self

    def rule(self, name: str) -> Rule:
        """Return a rule by name."""
        return next(rule for rule in self.rules if rule.name == name)


@dataclass(frozen=True)
class Findings:
    """What an assessment found, as far as rules ask.

    Attributes:
        version: that was assessed.
        as_of: the assessment's clock.
        verdict: of the version.
        cause: that it names, or None.
        since: first day of the change, or None.
        drifted: levels that have drifted.
        levels: how many levels there are.
        signals: names of the signals that changed or failed, and the cause where it is one.
        deployed: day on which the version came into use by the log's clock, or None if nobody knows.
        replaced: the version that was in use before, or None.
    """

    version: int
    as_of: date
    verdict: Verdict
    cause: Cause | None
    since: date | None
    drifted: int
    levels: int
    signals: frozenset[str]
    deployed: date | None
    replaced: int | None

    @classmethod
    def of(cls, verdict: Mapping[str, Any], deployed: date | None, replaced: int | None) -> "Findings":
        """Read what `onward monitor` printed, or a verdict.json.

        Args:
            verdict: schema 3; it may lack levels and signals, as a verdict that is passed on by hand does.
            deployed: see there.
            replaced: see there.

        Raises:
            MonitoringInputError: it is not such a verdict.
        """
        try:
            of_version = _of_a_version(Verdict(verdict["verdict"]))
            levels = verdict.get("levels", [])
            signals = verdict.get("signals", [])
            since = verdict.get("since")
            cause = verdict.get("cause")
            moved = {signal["name"] for signal in signals if signal["verdict"] in {Verdict.CHANGED, Verdict.FAILED}}
            drifted = sum(level["verdict"] == Verdict.DRIFTED for level in levels)
            # A verdict that names no levels, only the worst one, is about that one; a broken promise is about none.
            at_least = int(of_version is Verdict.DRIFTED and cause != "promise")
            return cls(
                version=_whole(verdict["version"]),
                as_of=date.fromisoformat(verdict["as_of"]),
                verdict=of_version,
                cause=cause or ("positivity" if of_version is Verdict.DRIFTED else None),
                since=None if since is None else date.fromisoformat(since),
                drifted=drifted or at_least,
                levels=len(levels),
                signals=frozenset(moved | ({str(cause)} & set(get_args(Signal)))),
                deployed=deployed,
                replaced=replaced,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            told = " ".join(str(error).split())[:200]
            raise MonitoringInputError(
                f"act: this is no verdict on a version ({type(error).__name__}: {told}); run `onward monitor` and "
                "pass on its last line"
            ) from error

    @property
    def reach(self) -> Reach | None:
        """How many of the levels have drifted."""
        if not self.drifted:
            return None
        return "one level" if self.drifted == 1 else "every level" if self.drifted == self.levels else "several levels"

    def began_within(self, days: int) -> bool:
        """Tell whether the change began with this version, and there is one to return to."""
        # A promise that version after version breaks began with none of them.
        if self.since is None or self.deployed is None or self.replaced is None or self.cause == "promise":
            return False
        return timedelta(0) <= self.since - self.deployed <= timedelta(days=days)


@dataclass(frozen=True)
class PastAction:
    """What was decided on an assessment.

    Attributes:
        as_of: the assessment's clock.
        version: that was assessed.
        rule: that decided.
        action: what was asked for.
        run: which carried it out; None as long as none has.
        asked_at: when it was asked for, with time zone; None where that was not kept.
    """

    as_of: date
    version: int
    rule: str
    action: Action
    run: str | None = None
    asked_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """What to do about an assessment.

    Attributes:
        action: what is done now.
        rule: which rule says so.
        wanted: what the rule asks for: `action`, unless that rests.
        rests_until: first day on which the wanted action may be started again, or None.
        why: one sentence.
    """

    action: Action
    rule: str
    wanted: Action
    rests_until: date | None
    why: str


def parse_rules(text: str, name: str = "monitoring/alerts.yaml") -> Rules:
    """Turn the text of alerts.yaml into rules.

    Raises:
        MonitoringInputError: one line that names the place, its value and what is allowed.
    """
    return parsed(Rules, text, name)


def decide(rules: Rules, findings: Findings, past: Iterable[PastAction]) -> Decision:
    """Say what to do about an assessment.

    Args:
        rules: of alerts.yaml.
        findings: of the assessment.
        past: what was decided on earlier ones, in any order. Only what a run has carried out rests; decisions of the
            same or a later day do not count, so that the same assessment asked twice gets the same answer.
    """
    rule = next(rule for rule in rules.rules if rule.when.holds(findings, rules.days_of_deployment))
    if rule.action not in STARTS:
        return Decision(rule.action, rule.name, rule.action, None, rule.says)
    rest = timedelta(days=getattr(rules.cool_down_days, rule.action))
    started = (
        action.as_of
        for action in past
        if action.action == rule.action and action.run is not None and action.as_of < findings.as_of
    )
    last = max(started, default=None)
    if last is None or last + rest <= findings.as_of:
        return Decision(rule.action, rule.name, rule.action, None, rule.says)
    until = last + rest
    why = f"{rule.says} {ACTION_NAMES[rule.action]} was started on {last} and rests until {until}."
    return Decision("wait", rule.name, rule.action, until, why)


def parsed(model: type[_Model], text: str, name: str) -> _Model:
    """Check the text of a YAML file against a schema.

    Raises:
        MonitoringInputError: one line a problem, joined, that names the place, its value and what is allowed.
    """
    try:
        return model.model_validate(load_yaml(text))
    except yaml.YAMLError as error:
        raise MonitoringInputError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise MonitoringInputError(f"{name}: {problems}; mend it, or `git checkout {name}`") from None


ACTION_NAMES: Mapping[str, str] = {"retrain": "Retraining", "refit_thresholds": "Refitting", "rollback": "A rollback"}


def _whole(value: object) -> int:
    # Python takes a truth for a number, and 3.7 for 3.
    if type(value) is not int:
        raise ValueError(f"{str(value)[:40]!r} is no version's number")
    return value


def _decided(when: When) -> tuple[Verdict, ...]:
    """The verdicts of which a rule takes every case."""
    only_verdict = when.model_copy(update={"verdict": None}) == When()
    return (when.verdict or OF_VERSION) if only_verdict else ()


def _explain(problem: "ErrorDetails") -> str:
    place, reason = place_and_reason(problem["loc"], problem["msg"])
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{place}: unknown key"
    if kind == "missing":
        return f"{place}: missing"
    return reason if kind == "value_error" else f"{place} = {str(problem['input'])[:60]!r}: {reason}"
