"""The judge of hostile inputs sees what must not be, and a few inputs of every kind are refused."""

import pytest

from benchmarks.operations import hostile_cases as cases
from benchmarks.operations.hostile_cases import CommandCase
from benchmarks.operations.hostile_inputs import hostile_commands, judge, run_commands

# Runs commands in forks.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("status", "errors", "traceback", "silent"),
    [
        (1, "Error: version 3 is no …; see x\n", False, False),
        (0, "", False, True),
        (1, "", False, True),
        (1, "Traceback (most recent call last):\n  x\nKeyError: 'x'\n", True, False),
        (-11, "", True, True),
        (None, "", True, True),
        (1, "line\n" * 40, False, True),
    ],
)
def test_the_judge_tells_a_refusal_from_a_traceback_and_from_silence(status, errors, traceback, silent):
    outcome = judge(CommandCase("cli", "x", ("status",)), status, "", errors)
    assert (outcome.traceback, outcome.silent) == (traceback, silent)


def test_going_on_is_right_only_with_a_warning_that_names_what_was_left_out():
    case = CommandCase("file", "x", ("status",), warned="version=4.bak.parquet")
    assert not judge(case, 0, "", "…/version=4.bak.parquet: skipped\n").silent
    assert judge(case, 0, "", "").silent


def test_there_are_enough_cases_and_each_has_a_name_of_its_own():
    names = [(case.door, case.name, case.feed) for case in hostile_commands()]
    assert len(names) >= 250
    assert len(set(names)) == len(names)
    assert len(list(cases.of_http("p1"))) >= 80
    assert len(list(cases.of_the_form())) >= 50


def test_a_few_of_every_door_are_refused(tmp_path):
    doors = {}
    for case in hostile_commands():
        doors.setdefault(case.door, []).append(case)
    chosen = [case for of_door in doors.values() for case in of_door[:: max(1, len(of_door) // 3)][:3]]
    outcomes = run_commands(chosen, tmp_path)
    assert [outcome for outcome in outcomes if outcome.traceback or outcome.silent] == []


def test_a_command_that_breaks_is_seen(tmp_path, monkeypatch):
    from onward.daily import oncall

    monkeypatch.setattr(oncall, "parse_verdict", lambda text: 1 / 0)
    (outcome,) = run_commands([CommandCase("cli", "broken", ("act",), b"{}")], tmp_path)
    assert outcome.traceback
    assert "ZeroDivisionError" in outcome.said
