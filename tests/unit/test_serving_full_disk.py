"""A service whose disk is full: answers go on, readiness and metrics say so, what waited is written in the end."""

import errno
import os
import threading
from datetime import date

import pytest

from builders.served_app import Client, make_shelf, served
from onward.serving import append_log
from onward.serving.append_log import read_lines
from onward.serving.decision_log import read_decisions

EVENT = {"kind": "shown", "request_id": "0" * 32, "source": "p2", "target": "p3"}


class Disk:
    """os.write of a disk that is full until it is not."""

    def __init__(self) -> None:
        self.full = True
        self.tried = threading.Event()
        self.attempts = 0
        self._write = os.write

    def write(self, file: int, content: bytes) -> int:
        if not self.full:
            return self._write(file, content)
        self.attempts += 1
        self.tried.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def disk(monkeypatch):
    disk = Disk()
    monkeypatch.setattr(append_log.os, "write", disk.write)
    return disk


def test_answers_go_on_and_nothing_is_lost_once_there_is_room(tmp_path, disk):
    with served(make_shelf(tmp_path), tmp_path / "served") as service:
        client = Client(service)
        first = client.get("/v1/related/p2")
        assert disk.tried.wait(20)
        second = client.get("/v1/related/p0")
        assert (first.status_code, second.status_code) == (200, 200)
        assert client.post("/v1/feedback", {"events": [EVENT]}).status_code == 202
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert any("No space left" in problem for problem in ready.json()["problems"])
        assert "onward_decision_log_pending_bytes 0.0" not in client.get("/metrics").text
        disk.full = False
        assert service.decisions.flush(20)
        assert service.feedback.flush(20)
        assert client.get("/health/ready").json()["status"] == "ready"
        logged = {row["request_id"] for row in read_decisions(tmp_path / "served" / "decisions", date.today())}
        assert logged == {first.json()["request_id"], second.json()["request_id"]}
        assert len(list(read_lines(tmp_path / "served" / "feedback"))) == 1


def test_what_cannot_wait_any_longer_is_counted_and_told(tmp_path, disk):
    with served(make_shelf(tmp_path), tmp_path / "served") as service:
        client = Client(service)
        client.get("/v1/related/p2")
        assert disk.tried.wait(20)
        service.decisions._kept_bytes = 0
        assert client.get("/v1/related/p2").status_code == 200
        assert "onward_decision_log_lost_lines 1.0" in client.get("/metrics").text
        service.feedback._kept_bytes = 0
        refused = client.post("/v1/feedback", {"events": [EVENT]})
        assert (refused.status_code, refused.json()["code"]) == (503, "not_kept")
        assert "onward_feedback_log_lost_lines 1.0" in client.get("/metrics").text
        assert any(
            "feedback: 1 lines are lost" in problem for problem in client.get("/health/ready").json()["problems"]
        )
        assert any(
            "decision log: 1 lines are lost" in problem for problem in client.get("/health/ready").json()["problems"]
        )
        disk.full = False


def test_a_product_that_cannot_be_kept_is_refused_and_the_disk_is_asked_at_a_pace(tmp_path, disk, monkeypatch):
    monkeypatch.setattr("onward.serving.routes_questions._PATIENCE", 0.3)
    with served(make_shelf(tmp_path), tmp_path / "served") as service:
        client = Client(service)
        product = {"product_id": "new", "name": "Rye Bread", "category": "bakery"}
        refused = client.post("/v1/products", product)
        assert (refused.status_code, refused.json()["code"]) == (503, "not_kept")
        assert disk.attempts < 20
        assert client.get("/v1/related/new").status_code == 404
        disk.full = False
        assert client.post("/v1/products", product).status_code == 201
    with served(make_shelf(tmp_path), tmp_path / "served") as service:
        assert Client(service).get("/v1/related/new").status_code == 200
