"""Where a machine's runs live, by environment and by default; and the names that lead there."""

from datetime import date

import pytest

from onward.errors import RunError
from onward.runs.names import branch_of, require_run, require_stage, run_name
from onward.runs.places import Places

CONFIG = "[core]\n    remote = near\n['remote \"near\"']\n    url = {url}\n"


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(CONFIG.format(url="../.store"))
    return tmp_path


def test_one_machine_needs_no_settings(project):
    places = Places.from_environment({}, project)
    assert places.git_remote == str(project)
    assert places.dvc_remote == str(project / ".store")
    assert places.workspaces == project / ".onward" / "workspaces"
    assert places.cache.is_relative_to(places.workspaces)
    assert places.registry == f"sqlite:///{project}/mlruns/mlflow.db"
    assert places.registry_artifacts == str(project / "mlruns" / "artifacts")
    assert places.code_ref == "HEAD"
    assert all(value.startswith(("/", "sqlite:////")) for value in places.for_stages().values())


def test_the_environment_names_what_machines_share(project, tmp_path):
    given = {
        "ONWARD_PROJECT": str(project), "ONWARD_GIT_REMOTE": "git@host:shop/onward.git",
        "ONWARD_DVC_REMOTE": "s3://bucket/onward", "ONWARD_DVC_REMOTE_ENDPOINT": "http://127.0.0.1:9000",
        "ONWARD_WORKSPACES": "work", "ONWARD_REGISTRY": "postgresql://host/mlflow",
        "ONWARD_REGISTRY_ARTIFACTS": "s3://bucket/bundles", "ONWARD_CODE_REF": "release",
    }  # fmt: skip
    places = Places.from_environment(given, tmp_path / "elsewhere")
    assert (places.git_remote, places.dvc_remote) == ("git@host:shop/onward.git", "s3://bucket/onward")
    assert places.dvc_endpoint == "http://127.0.0.1:9000"
    assert places.workspaces == project / "work"
    assert (places.registry, places.registry_artifacts) == ("postgresql://host/mlflow", "s3://bucket/bundles")
    assert places.code_ref == "release"


def test_an_empty_variable_is_none(project):
    assert Places.from_environment({"ONWARD_GIT_REMOTE": ""}, project).git_remote == str(project)


def test_relative_folders_count_from_the_project(project):
    places = Places.from_environment({"ONWARD_GIT_REMOTE": "../git", "ONWARD_DVC_REMOTE": "../store"}, project)
    assert places.git_remote == str(project.parent / "git")
    assert places.dvc_remote == str(project.parent / "store")


def test_a_local_config_goes_before_the_projects(project):
    (project / ".dvc" / "config.local").write_text(CONFIG.format(url="s3://bucket/mine"))
    assert Places.from_environment({}, project).dvc_remote == "s3://bucket/mine"


@pytest.mark.parametrize("config", ["", "[core]\n    remote = far\n", "rubbish"])
def test_no_dvc_remote_is_said_with_its_remedy(project, config):
    (project / ".dvc" / "config").write_text(config)
    with pytest.raises(RunError, match="names no default DVC remote; set ONWARD_DVC_REMOTE"):
        Places.from_environment({}, project)


def test_the_same_start_has_the_same_name_and_another_clock_another():
    name = run_name(date(2017, 11, 20), "scheduled__2017-11-20T00:00:00+00:00")
    assert name == run_name(date(2017, 11, 20), "scheduled__2017-11-20T00:00:00+00:00")
    assert name != run_name(date(2017, 11, 27), "scheduled__2017-11-20T00:00:00+00:00")
    assert name != run_name(date(2017, 11, 20), "manual__2017-11-20T00:00:00+00:00")
    assert require_run(name) == name
    assert branch_of(name) == f"runs/{name}"
    assert require_run(run_name(date(2017, 11, 20), "; rm -rf / \n ../")).startswith("2017-11-20-")


def test_stage_names_are_words():
    assert require_stage("fit_thresholds") == "fit_thresholds"
    with pytest.raises(RunError, match="no stage's name"):
        require_stage("-f")
