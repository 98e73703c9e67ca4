"""The real pipeline as a run: every stage killed on one machine and done on another gives what `dvc repro` gives."""

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml

from builders.compiled_code import share_compiled_code
from builders.kill_moments import kill_moments
from onward.deployment.registry import Registry
from onward.settings import ProjectSettings

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def machines(new_project, tmp_path_factory):
    """Environments of two clones that share a bare repository, a DVC remote and a registry, and nothing else."""
    shared, project = tmp_path_factory.mktemp("shared"), new_project("run")
    project.run("git", "clone", "-q", "--bare", str(project.root), str(shared / "git"))
    made = []
    for name in ("one", "two"):
        project.run("git", "clone", "-q", str(shared / "git"), str(shared / name))
        share_compiled_code(shared / name)
        made.append({
            **project.environment,
            "ONWARD_PROJECT": str(shared / name),
            "ONWARD_GIT_REMOTE": str(shared / "git"),
            "ONWARD_DVC_REMOTE": str(shared / "store"),
            "ONWARD_REGISTRY": f"sqlite:///{shared}/mlruns/mlflow.db",
            "ONWARD_REGISTRY_ARTIFACTS": str(shared / "mlruns" / "artifacts"),
        })  # fmt: skip
    return made


def onward(machine, *words, feed=""):
    done = subprocess.run(
        [sys.executable, "-m", "onward.cli", *words], cwd=machine["ONWARD_PROJECT"], env=machine, input=feed,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def kill_at(machine, seconds, *words):
    process = subprocess.Popen(
        [sys.executable, "-m", "onward.cli", *words], cwd=machine["ONWARD_PROJECT"], env=machine,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def git(machine, *words):
    return subprocess.run(
        ["git", *words], cwd=machine["ONWARD_GIT_REMOTE"], capture_output=True, text=True, check=True
    ).stdout


def test_a_run_killed_in_every_stage_comes_to_what_plain_repro_comes_to(machines, plain_hashes):
    one, two = machines
    moments = kill_moments()
    run = json.loads(onward(one, "run", "start", feed="{}").splitlines()[-1])["run"]
    stages = list(yaml.safe_load(git(one, "show", f"runs/{run}:dvc.yaml"))["stages"])
    for number, stage in enumerate(stages):
        first, second = (one, two) if number % 2 else (two, one)
        kill_at(first, moments.uniform(0.3, 5.0), "run", "stage", run, stage)
        onward(second, "run", "stage", run, stage)
    kill_at(two, moments.uniform(0.3, 5.0), "run", "finish", run)
    onward(one, "run", "finish", run)

    form = "--format=%(trailers:key=Onward-Stage,valueonly,separator=%x20)"
    assert git(one, "log", "--reverse", form, f"runs/{run}").split() == stages
    lock = yaml.safe_load(git(one, "show", f"runs/{run}:dvc.lock"))["stages"]
    assert {out["path"]: out["md5"] for stage in lock.values() for out in stage["outs"]} == plain_hashes

    places = {"registry": one["ONWARD_REGISTRY"], "registry_artifacts": one["ONWARD_REGISTRY_ARTIFACTS"]}
    registry = Registry.of(ProjectSettings(project=one["ONWARD_PROJECT"], **places))
    (version,) = registry.versions()
    assert registry.champion().number == version.number == 1
    assert version.tags["run"] == run
    record = json.loads(git(one, "show", f"runs/{run}:run.json"))
    assert (record["finished"]["version"], record["finished"]["champion"]) == (1, 1)
    # The commit that the version names holds the very lock whose hash it names.
    named = git(one, "show", f"{version.tags['git_commit']}:dvc.lock")
    assert yaml.safe_load(named)["stages"] == lock
    # Exit status 0: every output was hashed and is the recorded one.
    assert f"outputs are byte for byte those of run {run}" in onward(two, "reproduce", run)
