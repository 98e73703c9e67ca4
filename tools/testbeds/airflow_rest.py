"""The few questions that benchmarks and tests ask of Airflow's public REST API."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onward.errors import ServiceError

FINAL = ("success", "failed")


@dataclass
class Airflow:
    """A running Airflow behind a login.

    Attributes:
        address: of its web server, without a path.
        password: of the user admin.
    """

    address: str
    password: str
    _token: str = field(default="", repr=False)

    def unpause(self, dag: str, patience: float = 120.0) -> None:
        """Let a DAG run, once Airflow has read its file.

        Raises:
            ServiceError: Airflow does not know the DAG in time; the message holds the errors of its DAG files.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                self.ask("PATCH", f"/dags/{dag}", {"is_paused": False})
            except ServiceError:
                if time.monotonic() > deadline:
                    errors = [each["stack_trace"] for each in self.ask("GET", "/importErrors")["import_errors"]]
                    raise ServiceError(f"Airflow knows no DAG {dag} after {patience:.0f} s: {errors}") from None
                time.sleep(0.5)
            else:
                return

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Start a run with the form's values; returns its id.

        Raises:
            ServiceError: the values are refused, as the message says.
        """
        return str(self.ask("POST", f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": dict(conf)})["dag_run_id"])

    def state(self, dag: str, run: str) -> str:
        """A run's state: queued, running, success or failed."""
        return str(self.ask("GET", f"/dags/{dag}/dagRuns/{_quoted(run)}")["state"])

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """A run's tasks as they stand: task_id, state, try_number, hostname, start_date and more."""
        found = self.ask("GET", f"/dags/{dag}/dagRuns/{_quoted(run)}/taskInstances?limit=100")
        tasks: list[dict[str, Any]] = found["task_instances"]
        return tasks

    def tries(self, dag: str, run: str, task: str) -> list[dict[str, Any]]:
        """Every attempt at a task, the last one included."""
        found = self.ask("GET", f"/dags/{dag}/dagRuns/{_quoted(run)}/taskInstances/{_quoted(task)}/tries")
        tries: list[dict[str, Any]] = found["task_instances"]
        return tries

    def log(self, dag: str, run: str, task: str, number: int) -> str:
        """What an attempt printed, one line an event."""
        place = f"/dags/{dag}/dagRuns/{_quoted(run)}/taskInstances/{_quoted(task)}/logs/{number}"
        return "\n".join(str(each["event"]) for each in self.ask("GET", place)["content"] if isinstance(each, dict))

    def wait(self, dag: str, run: str, patience: float, pause: float = 0.3) -> str:
        """Wait until a run has ended; returns its state.

        Raises:
            ServiceError: it has not ended in time.
        """
        deadline = time.monotonic() + patience
        while (state := self.state(dag, run)) not in FINAL:
            if time.monotonic() > deadline:
                standing = {each["task_id"]: each["state"] for each in self.tasks(dag, run)}
                raise ServiceError(f"run {run} of {dag} is {state} after {patience:.0f} s: {standing}")
            time.sleep(pause)
        return state

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request below /api/v2, logging in where needed; returns the answer's JSON.

        Raises:
            ServiceError: Airflow refuses it; the message holds its words.
        """
        if not self._token:
            self._token = self._login()
        try:
            return self._send(method, f"/api/v2{path}", body)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 401:
                    raise ServiceError(f"{method} {path}: {error.code} {error.read().decode()[:2000]}") from error
        # A token lasts a day; one that has expired is replaced once.
        self._token = self._login()
        return self._send(method, f"/api/v2{path}", body)

    def _login(self) -> str:
        answer = self._send("POST", "/auth/token", {"username": "admin", "password": self.password})
        return str(answer["access_token"])

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data=data, headers=headers, method=method)  # noqa: S310 - always http on loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")
