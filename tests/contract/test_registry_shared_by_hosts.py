"""The registry that many hosts share: a real PostgreSQL and, for bundles, a real S3 protocol, both on loopback."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builders.object_stores import BUCKET, bucket_client, object_store
from onward.deployment.bundle_files import bundle_hash
from onward.deployment.reasons import Reason, events
from onward.deployment.registry import CHALLENGER, Registry
from onward.errors import RegistryError
from onward.settings import ProjectSettings
from tools.testbeds.local_servers import postgres

# Starts servers or the command line, again and again.
pytestmark = pytest.mark.slow

REASON = Reason("better in every week since May", "ada")
CODE = (
    "import sys, time; from pathlib import Path; from onward.deployment.registry import Registry; "
    "from onward.settings import ProjectSettings\n"
)


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


@pytest.fixture(scope="module")
def template(server, tmp_path_factory):
    """MLflow takes seconds to make its tables: make them once, PostgreSQL copies databases quickly."""
    server.make_database("template_registry")
    at(server, "template_registry", tmp_path_factory.mktemp("template"))._make_database()


@pytest.fixture
def environ(server, template, tmp_path, request):
    import psycopg

    name = f"registry_{abs(hash(request.node.name))}"
    with psycopg.connect(server.address("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'template_registry'")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template_registry")
    return {"ONWARD_REGISTRY": server.address(name), "ONWARD_REGISTRY_ARTIFACTS": str(tmp_path / "store")}


def at(server, name, folder):
    return host_registry(
        {"ONWARD_REGISTRY": server.address(name), "ONWARD_REGISTRY_ARTIFACTS": str(folder / "store")}, folder
    )


def host_registry(environ, folder: Path) -> Registry:
    places = {"registry": environ["ONWARD_REGISTRY"], "registry_artifacts": environ["ONWARD_REGISTRY_ARTIFACTS"]}
    return Registry.of(ProjectSettings(project=folder, **places))


def make_bundle(folder: Path, text: str) -> Path:
    (folder / "heads").mkdir(parents=True)
    (folder / "heads" / "head_0.txt").write_text(text)
    return folder


def start(code: str, environ, folder: Path) -> subprocess.Popen:
    """A process of another host: it shares the environment's places and nothing else."""
    code = f"{CODE}registry = Registry.of(ProjectSettings(project={str(folder)!r}))\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True
    )


def test_two_hosts_see_the_same_versions_promotions_and_reasons(environ, tmp_path):
    here, there = host_registry(environ, tmp_path / "here"), host_registry(environ, tmp_path / "there")
    assert here.champion() is None
    first = here.register(make_bundle(tmp_path / "a", "a"), "a", {"source": "simulator"}, {"auc": 0.7})
    assert there.find("a") == first
    assert there.named(CHALLENGER) == first
    assert there.figures(first) == {"auc": 0.7}
    assert (there.folder(first) / "heads" / "head_0.txt").read_text() == "a"
    there.promote(first.number, REASON)
    second = there.register(make_bundle(tmp_path / "b", "b"), "b", {}, {})
    here.promote(second.number, REASON)
    assert there.champion().number == second.number
    assert here.rollback(Reason("half the shop sees candles", "grace")).in_use.number == first.number
    assert there.champion().number == first.number
    assert there.version(second.number).rolled_back
    told = [(event.what, event.reason.by) for event in events(there.version(second.number).tags)]
    assert told == [("promoted", "ada"), ("rolled back", "grace")]
    # The note of the champion is for a file that tells when it has changed; a server's answer is never noted.
    assert list(tmp_path.rglob("champion.json")) == []


def test_an_empty_database_is_read_without_making_tables(server, tmp_path):
    server.make_database("empty")
    registry = at(server, "empty", tmp_path)
    assert registry.champion() is None
    assert registry.find("a") is None
    assert registry.versions() == ()
    assert not registry.exists


def test_many_hosts_at_once_register_one_bundle_once_and_each_other_bundle_once(environ, tmp_path):
    code = (
        "bundle, name = Path(sys.argv[1]), sys.argv[2]\n"
        "version = registry.register(bundle, name, {}, {}); registry.promote(version.number); print(version.number)"
    )
    same = make_bundle(tmp_path / "same", "same")
    work = [(same, "same")] * 2 + [(make_bundle(tmp_path / f"own{number}", "x"), f"own{number}") for number in range(1)]
    hosts = [
        start(
            code.replace("sys.argv[1]", repr(str(folder))).replace("sys.argv[2]", repr(name)),
            environ,
            tmp_path / f"h{number}",
        )
        for number, (folder, name) in enumerate(work)
    ]
    numbers = [host.communicate(timeout=120)[0].strip() for host in hosts]
    assert all(host.returncode == 0 for host in hosts)
    assert len(set(numbers[:2])) == 1
    versions = host_registry(environ, tmp_path).versions()
    assert sorted(version.bundle_sha256 for version in versions) == ["own0", "same"]
    assert host_registry(environ, tmp_path).champion() is not None


def test_a_killed_holder_of_the_lock_blocks_no_other_host(environ, tmp_path):
    holder = start("with registry._alone(): print('held', flush=True); time.sleep(60)", environ, tmp_path / "other")
    assert holder.stdout.readline() == "held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    # Were the lock still held, this would end as the next test does.
    assert host_registry(environ, tmp_path).register(make_bundle(tmp_path / "a", "a"), "a", {}, {}).number == 1


def test_hosts_exclude_each_other_and_one_that_waits_too_long_says_so(environ, tmp_path):
    from onward.deployment.registry_lock import advisory_lock

    holder = start("with registry._alone(): print('held', flush=True); time.sleep(60)", environ, tmp_path / "other")
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(RegistryError, match="another process has been changing it for 1 s"),
        advisory_lock(environ["ONWARD_REGISTRY"], patience_s=1),
    ):
        pytest.fail("two holders")
    holder.kill()
    holder.communicate()


@pytest.mark.parametrize("seed", range(3))
def test_killed_while_the_tables_are_made_and_run_again_the_registry_works(server, tmp_path, seed):
    name = f"killed_{seed}"
    server.make_database(name)
    registry = at(server, name, tmp_path)
    environ = {"ONWARD_REGISTRY": registry.address, "ONWARD_REGISTRY_ARTIFACTS": str(tmp_path / "store")}
    code = "import mlflow; print('ready', flush=True)\nwith registry._alone(): registry._make_database()"
    maker = start(code, environ, tmp_path)
    assert maker.stdout.readline() == "ready\n"
    time.sleep(random.Random(seed).uniform(0.2, 3.0))
    maker.kill()
    maker.communicate()
    version = registry.register(make_bundle(tmp_path / "a", "a"), "a", {}, {})
    assert [each.number for each in registry.versions()] == [version.number]


@pytest.fixture
def bucket(monkeypatch):
    with object_store() as known:
        for name, value in known.items():
            monkeypatch.setenv(name, value)
        with bucket_client(known) as client:
            yield client


def test_bundles_in_a_bucket_are_fetched_once_checked_and_moved_into_place_at_once(environ, bucket, tmp_path):
    environ = {**environ, "ONWARD_REGISTRY_ARTIFACTS": "s3://onward/bundles"}
    here, there = host_registry(environ, tmp_path / "here"), host_registry(environ, tmp_path / "there")
    bundle = make_bundle(tmp_path / "a", "a")
    version = here.register(bundle, bundle_hash(bundle), {}, {})
    folder = there.folder(version)
    assert bundle_hash(folder) == version.bundle_sha256
    assert folder.is_relative_to(tmp_path / "there")
    report = tmp_path / "index.html"
    report.write_text("<html></html>")
    here.attach(version, [report], "report")
    key = f"bundles/{version.run}/artifacts/report/index.html"
    assert bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"<html></html>"
    # Fetched once: what lies on this machine is read even when the bucket is gone.
    kept = bucket.list_objects_v2(Bucket=BUCKET, Prefix=f"bundles/{version.run}/")["Contents"]
    (name,) = (each["Key"] for each in kept if "head_0" in each["Key"])
    bucket.put_object(Bucket=BUCKET, Key=name, Body=b"changed by hand")
    assert bundle_hash(there.folder(version)) == version.bundle_sha256
    with pytest.raises(RegistryError, match="changed by hand"):
        here.folder(version)
    assert not (tmp_path / "here" / "fetched" / version.bundle_sha256).exists()
    bucket.delete_object(Bucket=BUCKET, Key=name)
    with pytest.raises(RegistryError, match="lost its bundle"):
        here.folder(version)
