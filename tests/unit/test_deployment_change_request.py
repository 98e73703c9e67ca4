"""A change of what is in use is carried out once, however often and however late it is asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from builders.registries import new_registry
from onward import cli
from onward.deployment.reasons import Reason, events
from onward.deployment.registry import Registry
from onward.errors import RegistryError

# Registers and promotes in MLflow's tables.
pytestmark = pytest.mark.slow

WHY = Reason("half the shop sees candles", "the event")
TRIES = 4


@pytest.fixture
def registry(tmp_path):
    """Three versions, the last one in use, each promoted after the one before."""
    registry = new_registry(tmp_path / "mlruns")
    for name in ("a", "b", "c"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.txt").write_text(name)
        version = registry.register(folder, name, {"source": "simulator", "as_of": "2017-11-20"}, {})
        registry.promote(version.number, Reason("better on the same rows", "the gate"))
    return registry


def retried(monkeypatch, call):
    """Carry out a change whose first try ends in an error after the alias has moved; return what the last try said."""
    failed = []

    def lost(self):
        if not failed:
            failed.append(True)
            raise RegistryError("the database went away")
        return champion(self)

    champion = Registry.champion
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "champion", lost)
        with pytest.raises(RegistryError, match="went away"):
            call()
        for _ in range(TRIES - 2):
            call()
        return call()


def state(registry):
    """The version in use, and those that are barred."""
    return registry.champion().number, [version.number for version in registry.versions() if version.rolled_back]


def told(registry, number):
    return [event.what for event in events(registry.version(number).tags)]


def test_a_rollback_that_is_tried_again_after_an_error_goes_back_once(registry, monkeypatch):
    last = retried(monkeypatch, lambda: registry.rollback(WHY, expected=3))
    assert state(registry) == (2, [3])
    assert last.in_use.number == 2
    assert "version 3 was rolled back and version 2 is in use" in last.refused
    assert told(registry, 3) == ["promoted", "rolled back"]


def test_a_promotion_that_is_tried_again_does_not_undo_what_others_did_since(registry, monkeypatch):
    asked = datetime.now(UTC)
    last = retried(monkeypatch, lambda: registry.promote(1, WHY, expected=3, asked_at=asked))
    assert "version 1 is in use already" in last.refused
    assert state(registry) == (1, [])
    registry.promote(2, Reason("the first was no better", "ada"))
    late = registry.promote(1, WHY, asked_at=asked)
    assert "version 1 came into use as asked for, and version 2 after it" in late.refused
    assert "version 1 was to follow version 3" in registry.promote(1, WHY, expected=3).refused
    assert state(registry) == (2, [])
    registry.rollback(WHY, expected=2)
    registry.promote(3, WHY, expected=1)
    assert "version 2 was rolled back after this" in registry.promote(2, WHY, asked_at=asked).refused
    assert state(registry) == (3, [2])


def test_a_rollback_that_was_asked_for_before_a_person_decided_otherwise_changes_nothing(registry):
    asked = datetime.now(UTC)
    registry.rollback(WHY, expected=3, asked_at=asked)
    registry.promote(3, Reason("the feed was broken, not the model", "ada"))
    assert (
        "version 3 came into use after this was asked for" in registry.rollback(WHY, expected=3, asked_at=asked).refused
    )
    assert state(registry) == (3, [])
    registry.rollback(WHY, expected=3, asked_at=datetime.now(UTC) + timedelta(seconds=1))
    assert state(registry) == (2, [3])


@pytest.mark.parametrize("change", ["rollback", "promote"])
def test_a_change_that_was_cut_short_is_finished_and_told_once(registry, monkeypatch, change):
    from mlflow import MlflowClient

    asked = datetime.now(UTC)
    calls = {
        "rollback": lambda: registry.rollback(WHY, expected=3, asked_at=asked),
        "promote": lambda: registry.promote(2, WHY, expected=3, asked_at=asked),
    }

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            calls[change]()
    assert registry.champion().number == 3
    assert calls[change]().refused is None
    assert registry.champion().number == 2
    # Version 2 had been promoted once before.
    what, number, times = ("rolled back", 3, 1) if change == "rollback" else ("promoted", 2, 2)
    assert told(registry, number).count(what) == times


def test_a_version_that_does_not_exist_is_no_late_request(registry):
    with pytest.raises(RegistryError, match="version 7 is not registered"):
        registry.rollback(WHY, expected=7)


def test_the_commands_say_that_nothing_is_changed_and_end_well(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("ONWARD_PROJECT", str(tmp_path))
    words = ["rollback", "--expected=3", "--reason=half the shop sees candles", "--by=ada"]
    first = CliRunner().invoke(cli.app, words)
    again = CliRunner().invoke(cli.app, words)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "Version 2 is in use again" in first.stdout
    assert "Nothing is changed: version 3 was rolled back and version 2 is in use; version 2 stays" in again.stdout
    late = CliRunner().invoke(
        cli.app, ["promote", "3", "--reason=it was the better one", f"--asked-at={datetime(2017, 11, 20)}"]
    )
    assert late.exit_code == 0
    assert "version 3 was rolled back after this was asked for" in late.stdout
    assert state(registry) == (2, [3])
    with pytest.raises(RegistryError, match="--asked-at: 'yesterday' is no moment"):
        CliRunner().invoke(
            cli.app, ["promote", "3", "--reason=it was the better one", "--asked-at=yesterday"], catch_exceptions=False
        )
