# ruff: noqa: INP001 - a program of an image, in no package
"""Once, before the others: the bucket, its users, and, for those who have no git host, a repository with the code."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

READ = ("s3:GetObject",)
WRITE = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
DELETE = ("s3:DeleteObject",)
FOLDERS = ("dvc", "registry", "watching")
RIGHTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "stages": dict.fromkeys(FOLDERS, READ + WRITE),
    "mlflow": {"registry": READ},
    "serving": {"registry": READ},
    "backup": dict.fromkeys(FOLDERS, READ),
    "collect": dict.fromkeys(FOLDERS, READ + DELETE),
}
"""What each user may do below each folder of the bucket. Names of objects are seen by all of them."""


def main() -> None:
    """Make what is missing; what is there stays as it is, but for users' keys and rights, which are set anew."""
    bucket = os.environ["ONWARD_BUCKET"]
    store = boto3.client("s3")
    make_bucket(store, bucket)
    for user in RIGHTS:
        make_user(os.environ["AWS_ENDPOINT_URL"], user, os.environ[f"OBJECTS_{user.upper()}_SECRET_KEY"])
    store.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy(bucket)))
    store.close()
    repository = Path(os.environ["ONWARD_GIT_REMOTE"])
    if not (repository / "HEAD").is_file():
        source = os.environ["ONWARD_SOURCE"]
        subprocess.run(["git", "clone", "--quiet", "--bare", "--", source, str(repository)], check=True)
        print(f"{repository}: cloned from {source}")  # noqa: T201 - the container's log


def make_bucket(store: Any, name: str) -> None:
    """Make a bucket, in the store that AWS_ENDPOINT_URL names."""
    try:
        store.head_bucket(Bucket=name)
    except store.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        store.create_bucket(Bucket=name)
        print(f"bucket {name}: made")  # noqa: T201 - the container's log


def make_user(endpoint: str, user: str, secret: str) -> None:
    """Make a user of the object store, or give the one that is there this key.

    https://github.com/versity/versitygw/wiki/Multi-Tenant
    """
    account = f"<Account><Access>{user}</Access><Secret>{escape(secret)}</Secret><Role>user</Role></Account>"
    done = administer(f"{endpoint}/create-user", account)
    if done.status_code == 409:
        done = administer(f"{endpoint}/update-user?access={user}", account)
    if not done.ok:
        raise SystemExit(f"the object store at {endpoint} did not take its user {user}: {done.status_code} {done.text}")


def administer(address: str, body: str) -> requests.Response:
    """Ask the object store's own interface for administrators, as its root user."""
    keys = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    asked = AWSRequest("PATCH", address, data=body.encode())
    signer = SigV4Auth(keys, "s3", os.environ["AWS_DEFAULT_REGION"])
    asked.headers["X-Amz-Content-SHA256"] = signer.payload(asked)
    signer.add_auth(asked)
    return requests.patch(address, data=body.encode(), headers=dict(asked.headers), timeout=30)


def policy(bucket: str) -> dict[str, object]:
    """Return the bucket's policy: who may do what, and nobody anything else."""
    arn = f"arn:aws:s3:::{bucket}"
    statements = [_allow(list(RIGHTS), ["s3:ListBucket", "s3:GetBucketLocation"], arn)]
    for user, rights in RIGHTS.items():
        statements += [_allow([user], list(actions), f"{arn}/{folder}/*") for folder, actions in rights.items()]
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(users: list[str], actions: list[str], resource: str) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": {"AWS": users}, "Action": actions, "Resource": resource}


if __name__ == "__main__":
    main()
