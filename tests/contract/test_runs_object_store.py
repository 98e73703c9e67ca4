"""A run whose outputs lie in an object store (S3's protocol, served here on loopback) instead of a folder."""

import json

import pytest

from builders.object_stores import BUCKET, bucket_client
from builders.object_users import load_prepare, store_with_users
from builders.toy_runs import STAGES, make_toy

# Starts servers or the command line, again and again.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store():
    """The bucket of compose.yaml, for one who has the rights of its workers; yields what a machine must know of it."""
    prepare, own = load_prepare(), {"AWS_ACCESS_KEY_ID": "stages", "AWS_SECRET_ACCESS_KEY": "something"}
    with store_with_users("root", "secret") as address, pytest.MonkeyPatch.context() as patch:
        common = {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        root = {"AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "secret"}
        for name, value in (common | root).items():
            patch.setenv(name, value)
        for user in prepare.RIGHTS:
            prepare.make_user(address, user, own["AWS_SECRET_ACCESS_KEY"])
        with bucket_client(common | root) as client:
            prepare.make_bucket(client, BUCKET)
            client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(prepare.policy(BUCKET)))
            yield common | own | {
                "ONWARD_DVC_REMOTE": f"s3://{BUCKET}/dvc", "ONWARD_DVC_REMOTE_ENDPOINT": address,
            }  # fmt: skip


def kept_in(store):
    with bucket_client(store) as client:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {entry["Key"] for page in pages for entry in page.get("Contents", ())}


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
    kept = kept_in(store)
    for path, found in toy.hashes(run).items():
        # Metrics are kept by git, outputs by DVC.
        assert (f"dvc/files/md5/{found[:2]}/{found[2:]}" in kept) == path.startswith("out/")
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
