# ruff: noqa: INP001 - a program of an image, in no package
"""Once, before the others: the bucket, and a bare repository with the code, for those who have no git host."""

import os
import subprocess
from pathlib import Path

import boto3
from botocore.exceptions import ClientError


def main() -> None:
    """Make what is missing; what is there stays as it is."""
    make_bucket(os.environ["ONWARD_BUCKET"])
    repository = Path(os.environ["ONWARD_GIT_REMOTE"])
    if not (repository / "HEAD").is_file():
        source = os.environ["ONWARD_SOURCE"]
        subprocess.run(["git", "clone", "--quiet", "--bare", "--", source, str(repository)], check=True)
        print(f"{repository}: cloned from {source}")  # noqa: T201 - the container's log


def make_bucket(name: str) -> None:
    """Make a bucket, in the store that AWS_ENDPOINT_URL names."""
    store = boto3.client("s3")
    try:
        store.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        store.create_bucket(Bucket=name)
        print(f"bucket {name}: made")  # noqa: T201 - the container's log
    store.close()


if __name__ == "__main__":
    main()
