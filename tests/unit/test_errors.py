"""Whether a retry helps is said by an error's class, and by the exit status of what ended with it."""

import pytest

from onward.deployment.change_request import asked_at
from onward.deployment.reasons import Reason
from onward.errors import (
    FAILED,
    NOT_TO_BE_RETRIED,
    ArtifactError,
    ChangeError,
    DataError,
    EngineError,
    InfeasibleTargetError,
    MonitoringError,
    MonitoringInputError,
    OnwardError,
    ParamsError,
    RegistryError,
    RequestError,
    RunError,
    ServiceError,
    SettingsError,
    TrainingError,
)
from onward.runs.protocol.git import GitError
from onward.runs.protocol.names import require_run
from onward.runs.protocol.request import parse_asked

FINAL = {
    SettingsError, ParamsError, DataError, InfeasibleTargetError, ChangeError, RequestError, MonitoringInputError,
}  # fmt: skip
PASSING = {ArtifactError, MonitoringError, ServiceError, RegistryError, RunError, GitError, TrainingError, EngineError}


def test_every_error_says_whether_a_retry_helps():
    assert {error.status for error in FINAL} == {NOT_TO_BE_RETRIED}
    assert {error.status for error in PASSING} == {FAILED}
    known = FINAL | PASSING
    for error in set(OnwardError.__subclasses__()) - known:
        assert error.__module__ != "onward.errors", f"{error} is in neither list"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: parse_asked('{"as_of": "soon"}'),
        lambda: parse_asked("nonsense"),
        lambda: require_run("main"),
        lambda: Reason.given("too short", "ada"),
        lambda: asked_at("soon"),
    ],
)
def test_what_was_asked_wrongly_is_not_asked_again(ask):
    with pytest.raises(OnwardError) as refused:
        ask()
    assert refused.value.status == NOT_TO_BE_RETRIED
