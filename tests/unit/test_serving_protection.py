"""Who is let in, and how much of what: keys, limits, and one line a request that holds no secret."""

import asyncio
import json
import threading

import pytest
from typer.testing import CliRunner

from builders.served_app import Client, make_shelf, served
from onward.errors import ServiceError
from onward.serving import protection
from onward.serving.protection import Keys, Limits, ScoringPool, TooBusyError, TooSlowError

FIRST = "first-key-0123456789"
SECOND = "second-key-0123456789"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return make_shelf(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.setattr(protection, "_KEYS_CHECKED_EVERY", 0.0)
    path = tmp_path / "keys"
    path.write_text(f"# of the shop\n{FIRST}\n\n")
    return path


def test_beyond_loopback_a_key_is_needed_for_all_but_health(registry, tmp_path, keys):
    with served(registry, tmp_path / "served", keys=Keys(keys)) as service:
        stranger = Client(service, "shop.example")
        for page in ("/v1/related/p2", "/v1/search?q=milk", "/v1/champion", "/metrics"):
            reply = stranger.get(page)
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer"), page
        for page in ("/health/live", "/health/ready", "/docs"):
            assert stranger.get(page).status_code == 200
        for headers in ({"X-API-Key": FIRST}, {"Authorization": f"Bearer {FIRST}"}):
            assert Client(service, "shop.example", **headers).get("/v1/related/p2").status_code == 200
        for wrong in (FIRST[:-1], FIRST + "x", "# of the shop", ""):
            assert Client(service, "shop.example", **{"X-API-Key": wrong}).get("/v1/related/p2").status_code == 401


def test_keys_are_exchanged_without_a_restart_and_stay_while_the_file_is_broken(keys):
    known = Keys(keys)
    keys.write_text(f"{FIRST}\n{SECOND}\n")
    assert known.admit(FIRST)
    assert known.admit(SECOND)
    keys.write_text(f"{SECOND}\n")
    assert not known.admit(FIRST)
    keys.write_text("")
    assert known.admit(SECOND)
    assert "0 keys" in known.problem
    keys.write_text(f"{FIRST}\n")
    assert known.admit(FIRST)
    assert known.problem is None


@pytest.mark.parametrize("content", ["", "# nothing\n", "short\n", None])
def test_a_file_without_good_keys_is_refused_without_telling_them(tmp_path, content):
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ServiceError, match="keys: ") as refused:
        Keys(path)
    assert "short\n" not in str(refused.value)


def test_without_keys_a_strangers_name_for_this_machine_is_refused(registry, tmp_path):
    with served(registry, tmp_path) as service:
        assert Client(service, "attacker.example").get("/v1/related/p2").status_code == 403
        for own in ("localhost:8090", "127.0.0.1:8090", "[::1]:8090"):
            assert Client(service, own).get("/v1/related/p2").status_code == 200


def test_serve_refuses_to_reach_others_without_keys(monkeypatch, tmp_path):
    from onward.cli import app

    monkeypatch.setenv("ONWARD_PROJECT", str(tmp_path))
    done = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"])
    assert isinstance(done.exception, ServiceError)
    assert "ONWARD_API_KEYS" in str(done.exception)


def test_bodies_and_batches_have_a_limit(registry, tmp_path):
    with served(registry, tmp_path, limits=Limits(body_bytes=10_000)) as service:
        client = Client(service)
        headers = {"content-type": "application/json"}

        async def dribble():
            for _ in range(20):
                yield b" " * 1000

        assert client.ask("POST", "/v1/score", content=b" " * 10_001, headers=headers).status_code == 413
        assert client.ask("POST", "/v1/score", content=dribble(), headers=headers).status_code == 413
        assert client.ask("POST", "/v1/score", content=b" " * 10_000, headers=headers).status_code == 422
    with served(registry, tmp_path) as service:
        pair = {"source": "p2", "target": "p3"}
        client = Client(service)
        assert len(client.post("/v1/score", {"pairs": [pair] * 1000}).json()["pairs"]) == 1000
        assert client.post("/v1/score", {"pairs": [pair] * 1001}).status_code == 422


def test_too_many_at_once_are_sent_away_and_health_still_answers(registry, tmp_path, monkeypatch):
    with served(registry, tmp_path, limits=Limits(threads=1, admitted=2, seconds=30.0)) as service:
        client = Client(service)
        may_end = threading.Event()
        blocked = [threading.Thread(target=lambda: asyncio.run(service.pool.run(may_end.wait, 20))) for _ in range(2)]
        for thread in blocked:
            thread.start()
        try:
            while service.pool.admitted < 2:
                threading.Event().wait(0.001)
            reply = client.get("/v1/related/p3")
            assert (reply.status_code, reply.json()["code"], reply.headers["retry-after"]) == (429, "too_busy", "1")
            assert client.get("/health/ready").status_code == 200
            assert "onward_scoring_admitted 2.0" in client.get("/metrics").text
        finally:
            may_end.set()
            for thread in blocked:
                thread.join()
        assert client.get("/v1/related/p3").status_code == 200


def test_what_takes_too_long_is_given_up_and_its_place_is_free_when_it_ends():
    pool = ScoringPool(Limits(threads=1, admitted=1, seconds=0.05))
    may_end = threading.Event()
    ended = threading.Event()

    def work():
        may_end.wait(20)
        ended.set()

    with pytest.raises(TooSlowError):
        asyncio.run(pool.run(work))
    with pytest.raises(TooBusyError):
        asyncio.run(pool.run(int))
    may_end.set()
    assert ended.wait(20)
    pool.close()
    assert pool.admitted == 0


def test_the_access_log_is_json_without_key_and_query(registry, tmp_path, keys, capsys):
    with served(registry, tmp_path / "served", keys=Keys(keys)) as service:
        reply = Client(service, **{"X-API-Key": FIRST}).get("/v1/search", params={"q": "secret words"})
        Client(service, **{"X-API-Key": SECOND}).get("/v1/search", params={"q": "milk"})
    printed = capsys.readouterr().out
    good, refused = map(json.loads, printed.splitlines())
    assert (good["status"], good["route"], good["request_id"]) == (200, "/v1/search", reply.headers["x-request-id"])
    assert refused["status"] == 401
    for secret in (FIRST, SECOND, "secret words", "milk"):
        assert secret not in printed


def test_a_mistake_of_ours_is_an_error_in_the_one_form(registry, tmp_path, monkeypatch, caplog):
    with served(registry, tmp_path) as service:
        monkeypatch.setattr(service.pool, "run", lambda *asked: 1 / 0)
        reply = Client(service).get("/v1/related/p2")
        assert (reply.status_code, reply.json()["code"]) == (500, "mistake")
        assert reply.json()["request_id"] in caplog.text
        assert "ZeroDivisionError" not in reply.text
