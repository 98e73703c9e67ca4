"""The PostgreSQL and the Redis that tests and benchmarks start are closed to strangers and leave nothing behind."""

import tempfile
from pathlib import Path

import psycopg
import pytest
import redis

from onward.errors import ServiceError
from tools.testbeds import local_servers
from tools.testbeds.local_servers import postgres, redis_server, require_programs

# Starts servers or the command line, again and again.
pytestmark = pytest.mark.slow


@pytest.fixture
def open_folder():
    """A folder that another user may pass through, as PostgreSQL's must: pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_postgres_serves_whoever_knows_the_password_and_leaves_nothing(open_folder, monkeypatch):
    monkeypatch.setattr(local_servers.tempfile, "tempdir", str(open_folder))
    with postgres() as server:
        server.make_database("some-name")
        with psycopg.connect(server.address("some-name")) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("some-name",)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.address("some-name").replace(server.password, "wrong"))
    assert list(open_folder.iterdir()) == []
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(server.address("some-name"))


def test_redis_serves_whoever_knows_the_password_and_ends(tmp_path):
    with redis_server(tmp_path / "redis") as address:
        with redis.Redis.from_url(address) as client:
            client.set("key", "value")
            assert client.get("key") == b"value"
        stranger = "redis://" + address.partition("@")[2]
        with redis.Redis.from_url(stranger) as client, pytest.raises(redis.AuthenticationError):
            client.get("key")
    with redis.Redis.from_url(address) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_what_is_not_installed_is_named_with_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(local_servers, "_PROGRAMS", tmp_path)
    with pytest.raises(ServiceError, match=r"initdb is not installed; .*apt-get install postgresql-15 redis-server"):
        require_programs()


def test_a_block_that_fails_ends_its_servers_too(tmp_path):
    with pytest.raises(ZeroDivisionError), redis_server(tmp_path / "redis") as address:
        raise ZeroDivisionError
    with redis.Redis.from_url(address) as client, pytest.raises(redis.ConnectionError):
        client.ping()
