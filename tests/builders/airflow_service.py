"""Airflow as `onward airflow` starts it, in a project of its own, with its REST API and a webhook that listens."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from builders.local_services import end

# Far more than it takes on an idle machine: a limit on hanging, not a measurement.
PATIENCE = 1500.0


@dataclass
class Airflow:
    """A running Airflow.

    Attributes:
        project: in which it runs.
        address: of its pages.
        password: of user admin.
        heard: what the webhook was told, with the token it was told with.
        process: `onward airflow`, which started all of it.
        answered: seconds that somebody waited who triggered a run while tasks started, of every attempt.
    """

    project: Any
    address: str
    password: str
    heard: list[tuple[str, dict[str, str]]]
    process: subprocess.Popen[str]
    tokens: dict[str, str] = field(default_factory=dict)
    answered: list[float] = field(default_factory=list)

    def ask(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        """Ask the REST API as admin; the answer's JSON, or its text when it is an error."""
        if not self.tokens:
            status, answer = request(f"{self.address}/auth/token", {"username": "admin", "password": self.password})
            assert status == 201
            self.tokens["admin"] = answer["access_token"]
        return request(f"{self.address}/api/v2/{path}", body, method, self.tokens["admin"])

    def trigger(self, dag: str, **conf: Any) -> tuple[int, Any]:
        return self.ask(f"dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})

    def runs(self, dag: str) -> list[dict[str, Any]]:
        answer = self.ask(f"dags/{dag}/dagRuns")[1]
        assert answer["total_entries"] == len(answer["dag_runs"])
        return answer["dag_runs"]

    def finished(self, dag: str, run: str) -> str:
        """Wait for the end of a run and return its state."""
        return until(f"the end of {dag} {run}", lambda: self.ended(dag, run, asking=True))

    def tasks(self, dag: str, run: str) -> dict[str, str]:
        found = self.ask(f"dags/{dag}/dagRuns/{run}/taskInstances")[1]["task_instances"]
        return {each["task_id"]: each["state"] for each in found}

    def log(self, dag: str, run: str, task: str) -> str:
        return json.dumps(self.ask(f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/1")[1], ensure_ascii=False)

    def ended(self, dag: str, run: str, *, asking: bool = False) -> str | None:
        """The state of a run that has ended, else None; `asking`, with a form beside it that must be refused."""
        if asking:
            started = time.monotonic()
            assert self.trigger("promote", action="nonsense")[0] == 400
            self.answered.append(time.monotonic() - started)
        state = self.ask(f"dags/{dag}/dagRuns/{run}")[1]["state"]
        return state if state in {"success", "failed"} else None


def until(what: str, question: Any, patience: float = PATIENCE) -> Any:
    """Ask again and again until the answer is neither None nor False."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if (answer := question()) not in (None, False):
            return answer
        time.sleep(0.5)
    return pytest.fail(f"waited {patience:.0f} s for {what}")


def request(address: str, body: Any = None, method: str | None = None, token: str | None = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method), timeout=60) as got:
            return got.status, json.loads(got.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextmanager
def webhook() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """Listen on loopback for what a webhook is told."""
    heard: list[tuple[str, dict[str, str]]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.headers.get("Authorization", ""), json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running_airflow(project: Any) -> Iterator[Airflow]:
    """Start Airflow in a project, wait until it knows the DAGs, let them run, and end it with Ctrl-C: nothing stays."""
    with webhook() as (hook, heard):
        connection = {"conn_type": "http", "host": hook, "password": "a token"}
        process = subprocess.Popen(
            [sys.executable, "-m", "onward.cli", "airflow", "--port", "0"], cwd=project.root, text=True,
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={
                **project.environment, "ONWARD_RETRY_SECONDS": "1",
                "AIRFLOW_CONN_ONWARD_WEBHOOK": json.dumps(connection),
            },
        )  # fmt: skip
        try:
            lines = []
            for line in process.stdout or ():
                lines.append(line)
                if "Ctrl-C" in line:
                    break
            printed = "".join(lines)
            address = re.search(r"http://127\.0\.0\.1:\d+", printed)
            password = re.search(r"password (\S+)", printed)
            assert address, printed
            assert password, printed
            airflow = Airflow(project, address[0], password[1], heard, process)
            for dag in ("retrain", "monitor", "promote", "rollback"):
                until(f"DAG {dag}", lambda dag=dag: airflow.ask(f"dags/{dag}")[0] == 200)
                assert airflow.ask(f"dags/{dag}", {"is_paused": False}, "PATCH")[0] == 200
            yield airflow
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        end(process)
