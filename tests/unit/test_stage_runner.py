"""A stage ends with one line and the right status."""

import json
import shutil
from pathlib import Path

import pytest

from onward.errors import FAILED, NOT_TO_BE_RETRIED, DataError, RegistryError
from onward.layout import Layout
from onward.stages.runner import enter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def test_a_stage_that_ends_well_says_what_it_did(project, capsys):
    assert enter("ingest", lambda layout, params: f"{layout.root.name} [{params.run.source}]", project) == 0
    assert f"{project.name} [complete_journey]" in capsys.readouterr().err


def test_a_mistake_of_the_user_is_one_line_and_says_that_no_retry_helps(project, capsys):
    def stage(layout, params):
        raise DataError("purchases.parquet: column amount: 3 rows [bad]; remove them")

    assert enter("ingest", stage, project) == NOT_TO_BE_RETRIED
    printed = capsys.readouterr().err.strip()
    assert printed == "ingest failed: purchases.parquet: column amount: 3 rows [bad]; remove them"
    left = json.loads(Layout(project).stage_failure.read_text())
    assert left == {
        "stage": "ingest", "error": "purchases.parquet: column amount: 3 rows [bad]; remove them", "status": 2,
    }  # fmt: skip
    # A later stage that ends well leaves no word of an earlier one.
    enter("ingest", lambda layout, params: "done", project)
    assert not Layout(project).stage_failure.exists()


def test_what_may_pass_is_another_status(project):
    def stage(layout, params):
        raise RegistryError("registry: no answer; is it up?")

    assert enter("deploy", stage, project) == FAILED


def test_a_defect_keeps_its_traceback(project):
    def stage(layout, params):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        enter("ingest", stage, project)


def test_wrong_params_stop_the_stage_before_it_starts(project, capsys):
    (project / "params.yaml").write_text("run: {}")
    assert enter("ingest", lambda layout, params: "never", project) == NOT_TO_BE_RETRIED
    assert "params.yaml" in capsys.readouterr().err
