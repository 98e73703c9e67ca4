"""Logs of tasks outlive a pod: with the variables of docs/how-to/many-hosts.md, Airflow sends them to a bucket."""

import json
import os
import re
import subprocess
import sys

import pytest

from builders.compose_file import ROOT
from builders.object_stores import BUCKET, bucket_client, object_store

# Imports Airflow in a process of its own.
pytestmark = pytest.mark.slow

WRITTEN = re.compile(r"^export (AIRFLOW__LOGGING__\w+|AIRFLOW_CONN_\w+)=(.*)$", re.MULTILINE)
LOG = "dag_id=retrain/run_id=weekly/task_id=ingest/attempt=1.log"
# What the supervisor of a task does when the task has ended, and what the web server does to show its log.
PROGRAM = """
import json, sys
import structlog
from airflow.sdk.log import init_log_file, load_remote_log_handler, upload_to_remote

path = init_log_file(sys.argv[1])
with path.open("a") as file:
    file.write(json.dumps({"event": "1,273,047 purchases"}) + "\\n")
    file.flush()
    upload_to_remote(structlog.wrap_logger(structlog.WriteLogger(file)))
assert path.read_text() == "", "sent away, and so emptied here"
path.unlink()
_, found = load_remote_log_handler().read(sys.argv[1], None)
print(json.dumps(found))
"""


def test_a_log_is_sent_away_with_the_documented_variables_and_read_back(tmp_path):
    page = (ROOT / "docs" / "how-to" / "many-hosts.md").read_text()
    documented = {name: value.strip("'") for name, value in WRITTEN.findall(page)}
    assert documented.keys() == {
        "AIRFLOW__LOGGING__REMOTE_LOGGING", "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER",
        "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID", "AIRFLOW_CONN_ONWARD_OBJECTS",
    }  # fmt: skip
    with object_store() as known:
        own = {name: known[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")}
        connection = documented["AIRFLOW_CONN_ONWARD_OBJECTS"]
        documented["AIRFLOW_CONN_ONWARD_OBJECTS"] = connection.replace(
            "https://objects.example.org", known["AWS_ENDPOINT_URL"]
        )
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        here = {
            "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(tmp_path / "logs"),
            "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, LOG], env=others | own | documented | here,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert "1,273,047 purchases" in json.loads(done.stdout.splitlines()[-1])[0]
        with bucket_client(known) as client:
            (kept,) = client.list_objects_v2(Bucket=BUCKET)["Contents"]
        assert kept["Key"] == f"logs/{LOG}"
