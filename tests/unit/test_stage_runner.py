"""A stage ends with one line and the right status."""

import shutil
from pathlib import Path

import pytest

from onward.errors import DataError
from onward.stages.runner import enter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def test_a_stage_that_ends_well_says_what_it_did(project, capsys):
    assert enter("ingest", lambda layout, params: f"{layout.root.name} [{params.run.source}]", project) == 0
    assert f"{project.name} [complete_journey]" in capsys.readouterr().err


def test_a_mistake_of_the_user_is_one_line_and_status_one(project, capsys):
    def stage(layout, params):
        raise DataError("purchases.parquet: column amount: 3 rows [bad]; remove them")

    assert enter("ingest", stage, project) == 1
    printed = capsys.readouterr().err.strip()
    assert printed == "ingest failed: purchases.parquet: column amount: 3 rows [bad]; remove them"


def test_a_defect_keeps_its_traceback(project):
    def stage(layout, params):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        enter("ingest", stage, project)


def test_wrong_params_stop_the_stage_before_it_starts(project, capsys):
    (project / "params.yaml").write_text("run: {}")
    assert enter("ingest", lambda layout, params: "never", project) == 1
    assert "params.yaml" in capsys.readouterr().err
