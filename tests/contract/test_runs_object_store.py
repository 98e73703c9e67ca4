"""A run whose outputs lie in an object store (S3's protocol, served here on loopback) instead of a folder."""

import json
import sys
import urllib.request

import pytest

from builders.toy_runs import STAGES, make_toy
from onward.services.local import HOST, free_port
from onward.services.processes import Service, running

# Starts servers or the command line, again and again.
pytestmark = pytest.mark.slow

BUCKET = "onward"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An empty bucket; yields what a machine must know of it."""
    folder, port = tmp_path_factory.mktemp("store"), free_port(0)
    address = f"http://{HOST}:{port}"
    program = "import sys; from moto.server import main; main(sys.argv[1:])"
    command = (sys.executable, "-c", program, "--host", HOST, "--port", str(port))
    with running([Service("object store", command, {}, folder / "log", address)], folder, 60.0):
        ask(f"{address}/{BUCKET}", "PUT")
        yield {
            "ONWARD_DVC_REMOTE": f"s3://{BUCKET}/runs", "ONWARD_DVC_REMOTE_ENDPOINT": address,
            "AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip


def ask(address, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=30) as answer:
        return answer.read().decode()


def start(machine, store):
    done = machine.onward("run", "start", feed=json.dumps({"as_of": "2017-11-27"}), **store)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])["run"]


@pytest.mark.timeout(900)
def test_machines_pass_a_run_on_through_an_object_store_alone(tmp_path, store):
    toy = make_toy(tmp_path, 3)
    run = start(toy.machines[0], store)
    for machine, stages in ((toy.machines[0], STAGES[:2]), (toy.machines[1], STAGES[2:])):
        done = machine.onward("run", "stage", run, *stages, **store)
        assert done.returncode == 0, done.stdout + done.stderr
    assert toy.commits(run) == list(STAGES)
    assert not (toy.shared / "dvc").exists()
    kept = ask(f"{store['ONWARD_DVC_REMOTE_ENDPOINT']}/{BUCKET}?list-type=2&prefix=runs/")
    for path, found in toy.hashes(run).items():
        # Metrics are kept by git, outputs by DVC.
        assert (f"{found[:2]}/{found[2:]}" in kept) == path.startswith("out/")
    # The third machine has nothing but its clone: all bytes come out of the bucket.
    done = toy.machines[2].onward("reproduce", run, "--folder", str(tmp_path / "again"), **store)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(toy.hashes(run))} of {len(toy.hashes(run))} outputs" in done.stdout
    assert (tmp_path / "again" / "out" / "join").is_file()


@pytest.mark.timeout(900)
def test_a_stage_that_the_store_refuses_is_not_recorded(tmp_path, store):
    toy = make_toy(tmp_path, 1)
    run = start(toy.machines[0], store)
    elsewhere = {**store, "ONWARD_DVC_REMOTE": "s3://no-such-bucket/runs"}
    done = toy.machines[0].onward("run", "stage", run, "read", **elsewhere)
    assert done.returncode != 0
    assert toy.commits(run) == []
    done = toy.machines[0].onward("run", "stage", run, "read", **store)
    assert done.returncode == 0, done.stdout + done.stderr
    assert toy.commits(run) == ["read"]
