"""Every assessment has one answer, started once in a while, explained in the runbook; a broken rule file says what."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import get_args

import pytest
import yaml

from onward.errors import MonitoringError
from onward.monitoring.alerts import Findings, PastAction, Reach, Signal, decide, parse_rules
from onward.monitoring.verdict import OF_VERSION

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "monitoring" / "alerts.yaml").read_text()
RULES = parse_rules(TEXT)
RUNBOOK = (ROOT / "monitoring" / "runbook.md").read_text()
DAY = date(2017, 11, 20)


def verdict(word="drifted", drifted=(0, 1), signals=(), since="2017-11-01", as_of=DAY, **more):
    return {
        "schema": 3, "version": 4, "as_of": as_of.isoformat(), "verdict": word,
        "cause": "positivity" if word == "drifted" else None, "since": since if word == "drifted" else None,
        "levels": [{"level": level, "verdict": "drifted" if level in drifted and word == "drifted" else "ok"}
                   for level in range(5)],
        "signals": [{"name": name, "verdict": "changed" if name in signals else "ok"} for name in get_args(Signal)],
        **more,
    }  # fmt: skip


def seen(deployed=date(2017, 10, 1), replaced=3, **kind):
    return Findings.of(verdict(**kind), deployed, replaced)


@pytest.mark.parametrize(
    ("findings", "rule", "action"),
    [
        (seen(), "drift", "retrain"),
        (seen(drifted=range(5)), "drift", "retrain"),
        (seen(drifted=(3,)), "drift-of-one-level", "refit_thresholds"),
        (seen(deployed=date(2017, 10, 28)), "drift-began-with-version", "rollback"),
        (seen(deployed=date(2017, 10, 28), replaced=None), "drift", "retrain"),
        (seen(deployed=date(2017, 11, 2)), "drift", "retrain"),
        (seen(deployed=None), "drift", "retrain"),
        (seen(signals=("labels",)), "labels-missing", "check_tracking"),
        (seen(word="ok", signals=("labels",)), "labels-missing", "check_tracking"),
        (seen(word="inconclusive", signals=("engagement",)), "engagement-missing", "check_tracking"),
        (seen(signals=("volume",)), "volume-changed", "check_tracking"),
        (seen(word="ok", signals=("delay",)), "delay-changed", "wait"),
        (seen(word="ok", signals=("scores",)), "scores-moved", "wait"),
        (seen(word="ok", signals=("lists",)), "lists-weakened", "retrain"),
        (seen(word="inconclusive", cause="lists"), "lists-weakened", "retrain"),
        (seen(signals=("lists",)), "drift", "retrain"),
        (seen(word="inconclusive"), "inconclusive", "wait"),
        (seen(word="ok"), "all-well", "none"),
        (seen(word="failed"), "assessment-failed", "check_tracking"),
        (seen(word="failed", cause="labels"), "labels-missing", "check_tracking"),
        (seen(word="ok", cause="engagement"), "engagement-missing", "check_tracking"),
    ],
)  # fmt: skip
def test_each_kind_of_assessment_has_its_answer(findings, rule, action):
    decision = decide(RULES, findings, [])
    assert (decision.rule, decision.action) == (rule, action)


def test_a_slower_pace_never_starts_anything():
    for word in ("ok", "inconclusive"):
        for others in ((), ("scores",), ("volume",)):
            assert decide(RULES, seen(word=word, signals=("delay", *others)), []).action in {"wait", "check_tracking"}


def test_an_action_rests_for_its_cool_down_and_says_until_when():
    started, taken, acted = DAY, [], []
    for day in range(40):
        findings = seen(as_of=started + timedelta(days=day))
        decision = decide(RULES, findings, taken)
        taken.append(PastAction(findings.as_of, 4, decision.rule, decision.action, run="2017-11-20-3f2a9c1b"))
        if decision.action == "retrain":
            acted.append(day)
        else:
            assert (decision.action, decision.wanted) == ("wait", "retrain")
            assert f"rests until {decision.rests_until}" in decision.why
    rest = RULES.cool_down_days.retrain
    assert acted == [0, rest, 2 * rest]


def test_one_action_at_rest_does_not_hold_back_another():
    rested = [PastAction(DAY - timedelta(days=1), 4, "drift", "retrain", run="2017-11-19-3f2a9c1b")]
    assert decide(RULES, seen(drifted=(2,)), rested).action == "refit_thresholds"
    assert decide(RULES, seen(deployed=date(2017, 10, 30)), rested).action == "rollback"


def test_the_same_assessment_asked_again_gets_the_same_answer():
    first = decide(RULES, seen(), [])
    assert decide(RULES, seen(), [PastAction(DAY, 4, first.rule, first.action)]) == first


def test_every_assessment_that_can_be_meets_exactly_one_rule():
    # Not a list of examples: every verdict with every reach and every single signal.
    for word in OF_VERSION:
        for reach in get_args(Reach):
            drifted = {"one level": (1,), "several levels": (1, 2), "every level": range(5)}[reach]
            for signal in (*get_args(Signal), None):
                assert decide(RULES, seen(word=word, drifted=drifted, signals=(signal,)), []).rule


def test_a_verdict_without_levels_is_about_its_worst_one():
    summary = {"version": 4, "as_of": "2017-11-20", "verdict": "drifted", "action": "retrain at a later "
               "as_of", "level": 3, "since": "2017-10-23", "reason": "fewer convert"}  # fmt: skip
    found = Findings.of(summary, None, None)
    assert (found.cause, found.reach) == ("positivity", "one level")
    assert Findings.of(summary | {"verdict": "ok", "level": None, "since": None}, None, None).reach is None


@pytest.mark.parametrize("broken", [{}, {"version": 1}, verdict() | {"verdict": "splendid"}, verdict() | {"as_of": 3}])
def test_what_is_no_verdict_is_refused(broken):
    with pytest.raises(MonitoringError, match=r"no verdict on a version .* run `onward monitor`") as refused:
        Findings.of(broken, None, None)
    assert "\n" not in str(refused.value)


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_rule_has_its_place_in_the_runbook_with_all_four_answers():
    found = anchors(RUNBOOK)
    assert len(found) == len(set(found))
    for rule in RULES.rules:
        assert rule.name in found
        part = RUNBOOK.split(f"\n## {rule.name}\n")[1].split("\n#")[0]
        for word in ("Meaning", "Confirm", "Act", "Silence"):
            assert f"**{word}**: " in part, (rule.name, word)


def changed(**keys):
    return yaml.safe_dump({**yaml.safe_load(TEXT), **keys})


def rule(**keys):
    return {**yaml.safe_load(TEXT)["rules"][0], **keys}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "not YAML"),
        ("- a list", "alerts.yaml: "),
        (changed(schema=2), "schema = '2'"),
        (changed(silence=True), "silence: unknown key"),
        (changed(cool_down_days={"retrain": 7, "rollback": 1}), "cool_down_days.refit_thresholds: missing"),
        (changed(days_of_deployment="soon"), "days_of_deployment = 'soon'"),
        (changed(rules=[rule(action="explode")]), "rules.0.action = 'explode'"),
        (changed(rules=[rule(when={"verdict": ["bad"]})]), "rules.0.when.verdict.0 = 'bad'"),
        (changed(rules=[rule(when={"verdict": ["changed"]})]), "only a signal is changed"),
        (changed(rules=[rule(name="Loud Alarm")]), "rules.0.name = 'Loud Alarm'"),
        (changed(rules=[rule(), *yaml.safe_load(TEXT)["rules"]]), "labels-missing twice"),
        (changed(rules=yaml.safe_load(TEXT)["rules"][:-1]), "nothing is said of every assessment that is 'ok'"),
    ],
)
def test_a_broken_rule_file_is_refused_in_one_line_with_the_remedy(text, said):
    with pytest.raises(MonitoringError) as refused:
        parse_rules(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "monitoring/alerts.yaml" in str(refused.value)
