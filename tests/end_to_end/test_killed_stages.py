"""The same outputs come out of stages that were killed half-way."""

import os
import signal
import subprocess
import sys

import pytest
import yaml

from builders.kill_moments import kill_moments

pytestmark = pytest.mark.end_to_end

COUNT_VERSIONS = """
from mlflow import MlflowClient
client = MlflowClient(tracking_uri="sqlite:///mlruns/mlflow.db", registry_uri="sqlite:///mlruns/mlflow.db")
versions = client.search_model_versions("name = 'onward'")
print(len(versions), client.get_model_version_by_alias("onward", "champion").version)
"""


def kill_at(project, seconds, *command):
    process = project.start(*command)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def test_every_stage_killed_half_way_and_run_again_gives_the_same(new_project, plain_hashes):
    project = new_project("killed")
    moments = kill_moments()
    killed = []
    for stage in yaml.safe_load((project.root / "dvc.yaml").read_text())["stages"]:
        # Until one attempt really dies inside the stage; a first guess may come after its end.
        for limit in (4.0, 2.0, 1.3):
            if kill_at(project, moments.uniform(0.8, limit), "onward", "repro", "--single-item", "--force", stage):
                killed.append(stage)
                break
        project.run("onward", "repro", "--single-item", stage)
    assert len(killed) >= 6
    project.run("dvc", "repro")
    assert project.hashes() == plain_hashes
    assert project.run(sys.executable, "-c", COUNT_VERSIONS).stdout.split() == ["1", "1"]


def test_the_deployment_killed_many_times_registers_one_version(copy_of_finished):
    project = copy_of_finished("deployment-killed")
    moments = kill_moments()
    before = project.hashes()
    for _ in range(3):
        kill_at(project, moments.uniform(1.0, 6.0), sys.executable, "-m", "onward.stages.deploy")
    project.run("dvc", "repro", "--single-item", "--force", "deploy")
    assert project.run(sys.executable, "-c", COUNT_VERSIONS).stdout.split() == ["1", "1"]
    project.run("dvc", "repro")
    assert project.hashes() == before
