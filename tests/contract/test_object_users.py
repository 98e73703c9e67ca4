"""Each service of compose.yaml is a user of the object store who may do what it must, and nothing else."""

import secrets
import subprocess

import boto3
import pytest
from botocore.exceptions import ClientError

from builders.compose_file import DOCKER, ROOT, VARIABLE, fill_in, read_compose
from builders.object_users import load_prepare, store_with_users

SERVICES = read_compose()["services"]
FOLDERS = ("dvc", "registry", "watching", "elsewhere")
GIVEN = {
    ("stages", "get"): {"dvc", "registry", "watching"},
    ("stages", "put"): {"dvc", "registry", "watching"},
    ("stages", "delete"): set(),
    ("mlflow", "get"): {"registry"},
    ("mlflow", "put"): set(),
    ("mlflow", "delete"): set(),
    ("serving", "get"): {"registry"},
    ("serving", "put"): set(),
    ("serving", "delete"): set(),
    ("backup", "get"): {"dvc", "registry", "watching"},
    ("backup", "put"): set(),
    ("backup", "delete"): set(),
    ("collect", "get"): {"dvc", "registry", "watching"},
    ("collect", "put"): set(),
    ("collect", "delete"): {"dvc", "registry", "watching"},
}


@pytest.fixture(scope="module")
def prepare():
    return load_prepare()


@pytest.fixture
def place(tmp_path, monkeypatch, prepare):
    """A store that was prepared as compose does it; yields its address and the secrets."""
    known = {found[1]: secrets.token_hex(16) for found in VARIABLE.finditer((DOCKER / "compose.yaml").read_text())}
    # A git repository is there already: this is about objects.
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "git")], check=True)
    with store_with_users("root", known["OBJECTS_ROOT_SECRET_KEY"]) as address:
        given = fill_in(SERVICES["prepare"]["environment"], known)
        given |= {"AWS_ENDPOINT_URL": address, "ONWARD_GIT_REMOTE": str(tmp_path / "git"), "ONWARD_SOURCE": str(ROOT)}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        # It keeps the keys that it found first.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        prepare.main()
        yield address, known


def client(address, user, secret):
    return boto3.client(
        "s3", endpoint_url=address, aws_access_key_id=user, aws_secret_access_key=secret, region_name="us-east-1"
    )


def code_of(call, **words):
    try:
        call(**words)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"


def test_a_user_may_do_what_its_service_must_and_nothing_else(place):
    address, known = place
    root = client(address, "root", known["OBJECTS_ROOT_SECRET_KEY"])
    seen = {}
    for user in sorted({user for user, _ in GIVEN}):
        store = client(address, user, known[f"OBJECTS_{user.upper()}_SECRET_KEY"])
        for verb in ("get", "put", "delete"):
            words = {"Body": b"new"} if verb == "put" else {}
            seen[user, verb] = set()
            for folder in FOLDERS:
                key = f"{folder}/a/b"
                root.put_object(Bucket="onward", Key=key, Body=b"old")
                code = code_of(getattr(store, f"{verb}_object"), Bucket="onward", Key=key, **words)
                assert code in ("done", "AccessDenied")
                if code == "done":
                    seen[user, verb].add(folder)
        assert {each["Key"] for each in store.list_objects_v2(Bucket="onward")["Contents"]} >= {"elsewhere/a/b"}
        policy = {"Bucket": "onward", "Policy": "{}"}
        assert code_of(store.put_bucket_policy, **policy) == code_of(store.delete_bucket, Bucket="onward")
        assert code_of(store.put_bucket_policy, **policy) == "AccessDenied"
    assert seen == GIVEN


def test_a_file_in_parts_is_written_by_the_stages(place, tmp_path):
    address, known = place
    (tmp_path / "large").write_bytes(b"." * (9 << 20))
    store = client(address, "stages", known["OBJECTS_STAGES_SECRET_KEY"])
    store.upload_file(str(tmp_path / "large"), "onward", "dvc/large")
    assert store.head_object(Bucket="onward", Key="dvc/large")["ContentLength"] == 9 << 20


def test_a_wrong_key_and_no_user_at_all_are_refused(place):
    address, known = place
    wrong = client(address, "serving", known["OBJECTS_STAGES_SECRET_KEY"])
    assert code_of(wrong.list_objects_v2, Bucket="onward") == "SignatureDoesNotMatch"
    nobody = client(address, "someone", known["OBJECTS_STAGES_SECRET_KEY"])
    assert code_of(nobody.list_objects_v2, Bucket="onward") == "InvalidAccessKeyId"


def test_prepared_again_nothing_changes_but_keys_that_were_changed(place, prepare, monkeypatch):
    address, known = place
    stages = client(address, "stages", known["OBJECTS_STAGES_SECRET_KEY"])
    stages.put_object(Bucket="onward", Key="dvc/a", Body=b"kept")
    monkeypatch.setenv("OBJECTS_SERVING_SECRET_KEY", "anew & <other>")
    prepare.main()
    assert stages.get_object(Bucket="onward", Key="dvc/a")["Body"].read() == b"kept"
    old = client(address, "serving", known["OBJECTS_SERVING_SECRET_KEY"])
    assert code_of(old.list_objects_v2, Bucket="onward") == "SignatureDoesNotMatch"
    assert code_of(client(address, "serving", "anew & <other>").list_objects_v2, Bucket="onward") == "done"


def test_a_store_that_refuses_its_root_says_so_in_a_line(place, prepare, monkeypatch):
    address, _ = place
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(SystemExit, match=r"did not take its user stages: 403 .*SignatureDoesNotMatch"):
        prepare.make_user(address, "stages", "secret")


def test_every_service_signs_as_its_own_user():
    users = {}
    for name, service in SERVICES.items():
        environment = service.get("environment", {})
        if "AWS_ACCESS_KEY_ID" in environment:
            user = environment["AWS_ACCESS_KEY_ID"]
            users[name] = user
            assert f"${{OBJECTS_{user.upper()}_SECRET_KEY:" in environment["AWS_SECRET_ACCESS_KEY"]
    assert users == {
        "prepare": "root", "worker": "stages", "control": "stages", "mlflow": "mlflow", "serving": "serving",
        "backup": "backup", "collect": "collect",
    }  # fmt: skip
