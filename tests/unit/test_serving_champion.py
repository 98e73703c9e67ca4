"""Champions swap whole, in the background; whatever fails, the old one answers on and readiness says why."""

import gc
import shutil
import threading
import weakref
from dataclasses import replace

import pytest

from builders.served_app import TAGS, Client, make_registry, make_shelf, served
from onward.deployment.registry import Registry
from onward.serving import champion as champions
from onward.serving.champion import Champion, ChampionState

# Makes MLflow's tables and swaps models.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return make_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def registry(shared):
    shared.promote(1)
    return shared


@pytest.fixture
def service(registry, tmp_path):
    with served(registry, tmp_path) as service:
        yield service


def version_of(client: Client) -> int:
    return client.get("/v1/related/p2").json()["version"]


def test_a_promotion_is_taken_over_and_answers_differ(service, registry):
    client = Client(service)
    before = client.get("/v1/related/p2").json()
    registry.promote(2)
    assert version_of(client) == 1
    service.champion.look()
    after = client.get("/v1/related/p2").json()
    assert after["version"] == 2
    assert after["lists"] != before["lists"]
    registry.rollback()
    service.champion.look()
    assert client.get("/v1/related/p2").json()["lists"] == before["lists"]
    assert service.champion.state.swaps == 3


def test_a_version_that_was_replaced_leaves_memory_though_the_collector_does_not_see_it(service, registry):
    Client(service).get("/v1/related/p2")
    old = weakref.ref(service.champion.state.loaded.holds)
    gc.disable()
    try:
        registry.promote(2)
        service.champion.look()
        assert service.champion.state.loaded.number == 2
        assert old() is None
    finally:
        gc.enable()


def half_written(registry, monkeypatch):
    folder = registry.folder(registry.version(2))
    broken = folder.with_name("half")
    shutil.copytree(folder, broken)
    content = (broken / "lists.parquet").read_bytes()
    (broken / "lists.parquet").write_bytes(content[: len(content) // 2])
    monkeypatch.setattr(Registry, "folder", lambda self, version: broken)


def registry_gone(registry, monkeypatch):
    def gone(self):
        raise ConnectionError("no answer from postgresql://me:secret@db/mlflow")

    monkeypatch.setattr(Registry, "champion", gone)


def store_gone(registry, monkeypatch):
    def gone(self, version):
        raise TimeoutError("the bucket does not answer")

    monkeypatch.setattr(Registry, "folder", gone)


def no_champion(registry, monkeypatch):
    monkeypatch.setattr(Registry, "champion", lambda self: None)


@pytest.mark.parametrize(
    ("fail", "word"),
    [(half_written, "not the files"), (registry_gone, "ConnectionError"), (store_gone, "bucket"),
     (no_champion, "no champion")],
)  # fmt: skip
def test_whatever_fails_the_old_version_answers_and_readiness_says_why(service, registry, monkeypatch, fail, word):
    client = Client(service)
    registry.promote(2)
    with monkeypatch.context() as patch:
        fail(registry, patch)
        for failures in (1, 2):
            service.champion.look()
            assert service.champion.state.failures == failures
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"], ready.json()["version"]) == (200, "degraded", 1)
        (problem,) = ready.json()["problems"]
        assert word in problem
        assert "secret" not in problem
        assert version_of(client) == 1
        assert "onward_champion_failures 2.0" in client.get("/metrics").text
    service.champion.look()
    assert client.get("/health/ready").json()["status"] == "ready"
    assert version_of(client) == 2


def test_failures_are_tried_again_after_twice_the_time_up_to_a_minute(registry):
    champion = Champion(registry, 2.0)
    pauses = []
    for failures in range(8):
        champion.state = ChampionState(failures=failures)
        pauses.append(champion.pause())
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_without_a_champion_the_service_lives_and_is_not_ready(tmp_path):
    with served(Registry(tmp_path / "mlruns"), tmp_path / "served") as service:
        client = Client(service)
        assert client.get("/health/live").status_code == 200
        assert client.get("/metrics").status_code == 200
        for page in ("/health/ready", "/v1/related/p2", "/v1/search?q=milk", "/v1/champion"):
            reply = client.get(page)
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
            assert "nothing is deployed" in reply.text


def test_while_a_new_champion_is_read_the_old_one_answers(service, registry, monkeypatch):
    client = Client(service)
    load = champions.load_version
    began = threading.Event()
    may_end = threading.Event()

    def slow(version, folder):
        began.set()
        assert may_end.wait(20)
        return load(version, folder)

    monkeypatch.setattr(champions, "load_version", slow)
    registry.promote(2)
    reader = threading.Thread(target=service.champion.look)
    reader.start()
    assert began.wait(20)
    assert version_of(client) == 1
    may_end.set()
    reader.join(20)
    assert version_of(client) == 2


def test_the_background_looks_again_by_itself(registry, tmp_path):
    looks = threading.Semaphore(0)
    champion = Champion(registry, 0.01, lambda state: looks.release())
    champion.start()
    try:
        assert all(looks.acquire(timeout=20) for _ in range(3))
    finally:
        champion.stop()
    assert champion.state.loaded.number == 1


def test_a_new_tag_keeps_what_was_answered_and_a_new_number_does_not(tmp_path):
    shelf = make_shelf(tmp_path)
    with served(shelf, tmp_path / "served") as service:
        client = Client(service)
        client.get("/v1/related/p2")
        before = service.champion.now()
        shelf.versions[0] = replace(shelf.versions[0], tags={**TAGS, "note": "a person's"})
        service.champion.look()
        assert service.champion.now().version.tags["note"] == "a person's"
        assert service.champion.now().answers is before.answers
        shelf.folders[7] = shelf.folders[1]
        shelf.versions[0] = replace(shelf.versions[0], number=7)
        service.champion.look()
        assert service.champion.now().holds is before.holds
        assert client.get("/v1/related/p2").json()["version"] == 7
