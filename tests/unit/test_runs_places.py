"""Where a machine's runs live, by environment and by default; and the names that lead there."""

from datetime import date

import pytest

from onward.errors import RunError
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.names import branch_of, require_run, require_stage, run_name
from onward.settings import ProjectSettings

CONFIG = "[core]\n    remote = near\n['remote \"near\"']\n    url = {url}\n"


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(CONFIG.format(url="../.store"))
    return tmp_path


def locations(project, **settings):
    return RunLocations.of(ProjectSettings(project=project, **settings))


def test_one_machine_needs_no_settings(project):
    found = locations(project)
    assert found.git_remote == str(project)
    assert found.dvc_remote == str(project / ".store")
    assert found.workspaces == project / ".onward" / "workspaces"
    assert found.cache.is_relative_to(found.workspaces)


def test_a_command_in_a_runs_folder_works_on_that_folder_and_on_the_machines_shared_places(project, monkeypatch):
    monkeypatch.setenv("ONWARD_PROJECT", str(project))
    found, folder = RunLocations.of(ProjectSettings()), project / ".onward" / "workspaces" / "2017-11-20-0a"
    for name, value in found.for_commands(folder).items():
        monkeypatch.setenv(name, value)
    there = ProjectSettings()
    assert there.project == folder
    assert there.registry == f"sqlite:///{project}/mlruns/mlflow.db"
    assert there.registry_artifacts == str(project / "mlruns" / "artifacts")
    assert there.registry_cache == found.cache / "bundles"
    assert there.dashboards == project / "monitoring" / "workspace"


def test_what_machines_share_is_taken_as_it_is_named(project):
    found = locations(
        project, git_remote="git@host:shop/onward.git", dvc_remote="s3://bucket/onward", workspaces="work",
        registry="postgresql://host/mlflow", registry_artifacts="s3://bucket/bundles", registry_cache="/srv/bundles",
    )  # fmt: skip
    assert (found.git_remote, found.dvc_remote) == ("git@host:shop/onward.git", "s3://bucket/onward")
    assert found.workspaces == project / "work"
    handed = found.for_commands(found.workspaces / "run")
    assert (handed["ONWARD_REGISTRY"], handed["ONWARD_REGISTRY_ARTIFACTS"], handed["ONWARD_REGISTRY_CACHE"]) == (
        "postgresql://host/mlflow", "s3://bucket/bundles", "/srv/bundles",
    )  # fmt: skip


def test_relative_folders_count_from_the_project(project):
    found = locations(project, git_remote="../git", dvc_remote="../store")
    assert found.git_remote == str(project.parent / "git")
    assert found.dvc_remote == str(project.parent / "store")


def test_a_local_config_goes_before_the_projects(project):
    (project / ".dvc" / "config.local").write_text(CONFIG.format(url="s3://bucket/mine"))
    assert locations(project).dvc_remote == "s3://bucket/mine"


@pytest.mark.parametrize("config", ["", "[core]\n    remote = far\n", "rubbish"])
def test_no_dvc_remote_is_said_with_its_remedy(project, config):
    (project / ".dvc" / "config").write_text(config)
    with pytest.raises(RunError, match="names no default DVC remote; set ONWARD_DVC_REMOTE"):
        locations(project)


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
