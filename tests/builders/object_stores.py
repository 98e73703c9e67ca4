"""An object store of one's own on loopback, and what a machine must know of it."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "onward"


@contextmanager
def object_store() -> Iterator[dict[str, str]]:
    """Serve S3's protocol with one empty bucket; yields environment variables."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    known = {
        # MLflow keeps clients by its own variable: without it, one that talks to a store since stopped.
        "AWS_ENDPOINT_URL": address, "MLFLOW_S3_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    try:
        # All of a process's servers share what is in them.
        urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST")).close()
        with bucket_client(known) as client:
            client.create_bucket(Bucket=BUCKET)
        yield known
    finally:
        server.stop()


@contextmanager
def bucket_client(known: dict[str, str]) -> Iterator:
    client = boto3.client(
        "s3", endpoint_url=known["AWS_ENDPOINT_URL"], aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"], region_name=known["AWS_DEFAULT_REGION"],
    )  # fmt: skip
    try:
        yield client
    finally:
        client.close()


def empty_bucket(known: dict[str, str]) -> int:
    """Delete every object; return how many there were."""
    with bucket_client(known) as client:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        names = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        for name in names:
            client.delete_object(Bucket=BUCKET, Key=name)
    return len(names)
