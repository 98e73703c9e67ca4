import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict

import httpx
import pandas as pd
import pytest

from builders.registries import new_registry
from builders.tiny_bundle import make_bundle
from onward.deployment.bundle_files import bundle_hash, read_bundle, write_bundle
from onward.deployment.graph_lists import GraphLists, write_graph_lists
from onward.deployment.registry import Registry
from onward.errors import RegistryError
from onward.services.local import free_port
from onward.serving import service as serving
from onward.serving.recommend import recommend
from onward.serving.service import Champion, make_app

TAGS = {"source": "simulator", "as_of": "2017-11-20"}


class Client:
    """Ask an app without a server between."""

    def __init__(self, app):
        self.transport = httpx.ASGITransport(app)

    def get(self, page, params=None):
        async def ask():
            async with httpx.AsyncClient(transport=self.transport, base_url="http://shop") as client:
                return await client.get(page, params=params)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    root = tmp_path_factory.mktemp("serving")
    registry = new_registry(root / "mlruns")
    for seed in (0, 1):
        folder = root / f"bundle{seed}"
        write_bundle(folder, make_bundle(seed))
        registry.register(folder, bundle_hash(folder), TAGS, {})
    registry.promote(1)
    return registry


@pytest.fixture
def clock(registry):
    registry.promote(1)
    return [0.0]


@pytest.fixture
def client(registry, clock):
    return Client(make_app(Champion(registry, 2.0, lambda: clock[0])))


def test_health_says_which_version_answers(client, registry):
    reply = client.get("/health")
    assert reply.status_code == 200
    first = registry.version(1)
    expected = {"status": "ok", "problem": None, "version": 1, "bundle_sha256": first.bundle_sha256}
    assert reply.json() == {**expected, "source": "simulator", "as_of": "2017-11-20", "attribution_days": 28}


def test_recommend_answers_the_four_lists_with_reasons_and_says_who_says_it(client, registry):
    reply = client.get("/recommend", params={"product": "bread", "count": 2}).json()
    answer = reply["answer"]
    assert (answer["product_id"], answer["name"]) == ("p2", "Bread")
    names = {name: [each["name"] for each in answer[name]] for name in ("goes_with", "after", "before", "instead")}
    assert names == {
        "goes_with": ["Butter", "Whole Milk"], "after": ["Butter", "Jam, Strawberry"],
        "before": ["Whole Milk", "Oat Milk"], "instead": ["Jam, Strawberry"],
    }  # fmt: skip
    for each in (entry for name in names for entry in answer[name]):
        assert 0 <= each["low"] <= each["probability"] <= each["high"] <= 1
        assert each["decision"] in ("show", "don't show", "abstain")
        assert each["why"]
    said = asdict(recommend(read_bundle(registry.folder(registry.version(1))), 2, 2))
    assert answer == json.loads(json.dumps(said))
    assert (reply["version"], reply["as_of"]) == (1, "2017-11-20")
    assert client.get("/recommend", params={"product": "milk"}).json()["also_named_like_that"] == [
        {"product_id": "p0", "name": "Whole Milk"}
    ]


@pytest.mark.parametrize(
    ("asked", "status", "word"),
    [
        ({"product": "zzzzzz"}, 404, "no product of 6"),
        ({"product": "   "}, 404, "empty"),
        ({"product": ""}, 422, "product"),
        ({}, 422, "product"),
        ({"product": "x" * 10_000}, 422, "200"),
        ({"product": "bread", "count": 0}, 422, "count"),
        ({"product": "bread", "count": 101}, 422, "count"),
        ({"product": "bread", "count": "many"}, 422, "count"),
    ],
)
def test_what_cannot_be_answered_is_said_plainly(client, asked, status, word):
    reply = client.get("/recommend", params=asked)
    assert reply.status_code == status
    assert word in reply.text


def test_a_promotion_is_picked_up_without_a_restart_and_the_registry_is_not_asked_each_time(
    client, registry, clock, monkeypatch
):
    looks, look = [], Registry.champion
    monkeypatch.setattr(Registry, "champion", lambda self: looks.append(1) or look(self))
    before = client.get("/recommend", params={"product": "bread"}).json()
    registry.promote(2)
    looks.clear()
    clock[0] = 1.9
    assert [client.get("/health").json()["version"] for _ in range(5)] == [1] * 5
    assert looks == []
    clock[0] = 2.0
    after = client.get("/recommend", params={"product": "bread"}).json()
    assert after["version"] == 2
    assert after["answer"] != before["answer"]
    registry.rollback()
    clock[0] = 4.0
    assert client.get("/recommend", params={"product": "bread"}).json() == before


def test_a_champion_that_cannot_be_read_takes_over_nothing(client, registry, clock, monkeypatch):
    assert client.get("/health").json()["status"] == "ok"
    registry.promote(2)
    folder = registry.folder(registry.version(2))
    (folder / "scorer.json").rename(folder / "hidden")
    clock[0] = 2.0
    health = client.get("/health")
    assert health.status_code == 200
    assert (health.json()["version"], health.json()["status"]) == (1, "old")
    assert "scorer.json" in health.json()["problem"]
    assert client.get("/recommend", params={"product": "bread"}).json()["version"] == 1
    (folder / "hidden").rename(folder / "scorer.json")
    clock[0] = 4.0
    assert client.get("/health").json()["version"] == 2


def test_a_registry_that_does_not_answer_stops_nothing_that_runs(client, clock, monkeypatch):
    assert client.get("/health").json()["version"] == 1

    def gone(self):
        raise RegistryError("registry: db:5432/mlflow: no answer")

    monkeypatch.setattr(Registry, "champion", gone)
    clock[0] = 2.0
    assert "no answer" in client.get("/health").json()["problem"]
    assert client.get("/recommend", params={"product": "bread"}).status_code == 200


def test_without_a_champion_every_page_says_so(tmp_path):
    client = Client(make_app(Champion(Registry(tmp_path / "mlruns"), 2.0)))
    assert client.get("/alive").status_code == 200
    for page in ("/health", "/recommend?product=milk"):
        reply = client.get(page)
        assert reply.status_code == 503
        assert "nothing is deployed" in reply.json()["detail"]


def test_the_lists_of_a_graph_are_answered_in_the_same_terms(tmp_path):
    table = pd.DataFrame(
        [(0, "after", 1, 2, 0.9), (0, "after", 2, 1, 0.4), (0, "before", 1, 3, 0.2), (2, "before", 1, 0, 0.9)],
        columns=["node", "way", "place", "other", "strength"],
    )
    facts = {"source": "edge_list", "as_of": "2017-11-20", "attribution_days": 28}
    write_graph_lists(tmp_path / "lists", GraphLists(("a1", "b2", "c3", "a4"), table, facts))
    of_graph = new_registry(tmp_path / "mlruns")
    of_graph.register(tmp_path / "lists", bundle_hash(tmp_path / "lists"), TAGS | {"source": "edge_list"}, {})
    of_graph.promote(1)
    client = Client(make_app(Champion(of_graph, 2.0)))
    assert client.get("/health").json()["source"] == "edge_list"
    reply = client.get("/recommend", params={"product": "a", "count": 1}).json()
    assert reply["answer"] == {
        "product_id": "a1", "name": "a1", "after": [{"product_id": "c3", "name": "c3", "score": 0.9}],
        "before": [{"product_id": "a4", "name": "a4", "score": 0.2}],
    }  # fmt: skip
    assert reply["also_named_like_that"] == [{"product_id": "a4", "name": "a4"}]
    assert (reply["version"], reply["as_of"]) == (1, "2017-11-20")
    none = client.get("/recommend", params={"product": "b2"}).json()["answer"]
    assert (none["after"], none["before"]) == ([], [])
    assert client.get("/recommend", params={"product": "zzzz"}).status_code == 404


def test_while_one_request_reads_a_new_champion_others_are_answered_by_the_old_one(registry, clock, monkeypatch):
    champion, read = Champion(registry, 2.0, lambda: clock[0]), serving.read_bundle
    assert champion.now().version.number == 1
    registry.promote(2)
    clock[0], began, may_end = 2.0, threading.Event(), threading.Event()

    def slow(folder):
        began.set()
        may_end.wait(20)
        return read(folder)

    monkeypatch.setattr(serving, "read_bundle", slow)
    reader = threading.Thread(target=champion.now)
    reader.start()
    assert began.wait(20)
    assert champion.now().version.number == 1
    may_end.set()
    reader.join()
    assert champion.now().version.number == 2


def test_the_command_listens_on_loopback_and_ends_politely(registry, clock):
    port = free_port(0)
    code = "from onward.cli import main; main()"
    environ = {**os.environ, "ONWARD_REGISTRY": registry.address}
    process = subprocess.Popen([sys.executable, "-c", code, "serve", "--port", str(port)], env=environ)
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as reply:
                    assert json.load(reply)["version"] == 1
                break
            except urllib.error.URLError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        listening = subprocess.run(["cat", f"/proc/{process.pid}/net/tcp"], capture_output=True, text=True, check=True)
        (own,) = [line.split()[1] for line in listening.stdout.splitlines() if f":{port:04X} 00000000:0000 0A" in line]
        assert own.startswith("0100007F:")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
