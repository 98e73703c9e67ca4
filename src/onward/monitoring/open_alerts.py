"""Which troubles a look found, and which of those that were found before are over.

An alert is one trouble for as long as it lasts, whoever looks and however often: its key is made of the rule and the
version. It is over when a look that could have seen the trouble does not; one that failed sees nothing, and one that is
inconclusive is no all-clear.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from onward.channels.message import Severity
from onward.monitoring.alerts import Decision, Findings, Rules
from onward.monitoring.notices import OF_ACT, OF_WATCHDOG, Notice
from onward.monitoring.verdict import PROMISE, Verdict

QUIET = ("wait", "none")
"""Actions that nobody is told of."""


@dataclass(frozen=True)
class Trouble:
    """Something that people are to be told of.

    Attributes:
        name: of a rule or a notice, which is its heading in runbook.md.
        version: that it is about, or None.
        severity: how bad it is.
        summary: one line.
        text: more of it.
        details: for programs.
        repeats: whether people are told again while it lasts; not while what mends it is under way.
    """

    name: str
    version: int | None
    severity: Severity
    summary: str
    text: str
    details: Mapping[str, str] = field(default_factory=dict)
    repeats: bool = True

    @property
    def key(self) -> str:
        """The dedup key, the same over days for the same trouble.

        >>> Trouble("drift", 4, "warning", "", "").key, Trouble("no-look", None, "critical", "", "").key
        ('drift-v4', 'no-look')
        """
        return self.name if self.version is None else f"{self.name}-v{self.version}"


def troubles(
    rules: Rules, verdict: Mapping[str, object], decision: Decision, notices: Iterable[Notice]
) -> list[Trouble]:
    """What people are to be told of a look: the alert, if its rule asks for anything, and the notices.

    Args:
        rules: of alerts.yaml.
        verdict: with version, as_of, verdict and reason.
        decision: of the rules.
        notices: of `onward act`.
    """
    version = verdict["version"]
    number = version if isinstance(version, int) else None
    place = {"version": str(version), "as_of": str(verdict["as_of"])}
    about = f"version {version} as of {verdict['as_of']}"
    found = []
    if decision.wanted not in QUIET:
        # A promise that version after version breaks is one trouble, not one a version.
        of_all = verdict.get("cause") == PROMISE
        found.append(
            Trouble(
                decision.rule,
                None if of_all else number,
                rules.rule(decision.rule).severity,
                _line(f"{decision.rule}: {about}: {verdict['verdict']}: {verdict['reason']}"),
                f"Action: {decision.action}. {decision.why}",
                {"rule": decision.rule, "action": decision.action, **place},
                repeats=decision.action not in QUIET,
            )
        )
    for notice in notices:
        details = {"rule": notice.name, "action": "none", **place}
        severity = rules.notices.severity.of(notice.name)
        found.append(Trouble(notice.name, number, severity, _line(f"{notice.name}: {about}"), notice.says, details))
    return found


def why_over(
    name: str, version: int | None, rules: Rules, findings: Findings, decision: Decision, found: Iterable[Trouble]
) -> str | None:
    """Say why a trouble that was found by an earlier look is over; None if it is not, or nobody can tell.

    Args:
        name: of its rule or notice.
        version: that it is about.
        rules: of alerts.yaml.
        findings: of this look.
        decision: what the rules made of it.
        found: the troubles of this look.
    """
    if name in OF_WATCHDOG or any((trouble.name, trouble.version) == (name, version) for trouble in found):
        return None
    if version not in {None, findings.version}:
        return f"version {version} is no longer in use"
    gone = f"the look as of {findings.as_of} does not find it any more"
    if name in OF_ACT:
        return gone
    rule = next((rule for rule in rules.rules if rule.name == name), None)
    if rule is None or rule.action in QUIET:
        return "the rules ask for nothing any more"
    blind = findings.verdict is Verdict.FAILED or (
        findings.verdict is Verdict.INCONCLUSIVE and Verdict.DRIFTED in (rule.when.verdict or ())
    )
    # Behind a rule that stands above it, it still holds; unless that rule was put there to silence it.
    hidden = rule.when.holds(findings, rules.days_of_deployment) and decision.wanted not in QUIET
    return None if blind or hidden else gone


def _line(text: str) -> str:
    return " ".join(text.split())[:400]
