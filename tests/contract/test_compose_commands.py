"""Every command and health check of docker/compose.yaml, as processes of this machine: no container engine is needed.

What containers would give is put in its place, text for text: names of hosts become loopback, ports become free ones,
folders become folders of the test. PostgreSQL is Debian's, the object store is moto's behind users and a policy;
everything else is the command that compose would run, with the environment that compose would set, behind the entry
point of its image.

`make images` runs the same inside the images that it has built, each as its own user (`ONWARD_IMAGE_ROOTS` says where
their files lie).
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from pathlib import Path

import boto3
import psycopg
import pytest
import requests

from builders.airflow_service import Airflow, request, until
from builders.compose_file import DOCKER, ROOT, VARIABLE, fill_in, read_compose
from builders.object_users import store_with_users
from builders.tiny_bundle import TAGS, make_bundle
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.registry import Registry
from onward.services.local import free_port
from onward.services.processes import session_members, stop
from onward.settings import ProjectSettings
from tools.testbeds.local_servers import postgres

# All of one process: they share what is started.
pytestmark = pytest.mark.end_to_end

SERVICES = read_compose()["services"]
# Those that others take the place of here.
ELSEWHERE = {"postgres", "objects"}
ROOTS = json.loads(os.environ.get("ONWARD_IMAGE_ROOTS") or "{}")
USER = 10001
# On demand, not with the others.
ASKED = {name for name, service in SERVICES.items() if "profiles" in service}
PORTS = ("8080", "8974", "5000", "8000", "8070", "8090", "6379")


class Host:
    """Runs services of the compose file on this machine."""

    def __init__(self, folder: Path, database, store: str) -> None:
        self.folder, self.database, self.started = folder, database, {}
        self.ports = {port: str(free_port(0)) for port in PORTS}
        text = (DOCKER / "compose.yaml").read_text()
        self.secrets = {found[1]: secrets.token_hex(16) for found in VARIABLE.finditer(text)}
        self.secrets["POSTGRES_PASSWORD"] = database.password
        self.places = {
            "@postgres:5432": f"@127.0.0.1:{database.port}",
            "http://objects:7070": store,
            "@redis:": "@127.0.0.1:",
            "http://api-server:": "http://127.0.0.1:",
            "0.0.0.0": "127.0.0.1",
            "/source": str(folder / "source"),
            "/srv/": f"{folder}/shared/",
            "/opt/airflow/logs": f"{folder}/shared/logs",
            # Redis reads its settings from standard input, and these two after them.
            "redis-server -": "redis-server - --bind 127.0.0.1 --port 6379",
        }

    def here(self, name: str, value):
        """A value of the compose file as it must be on this machine."""
        if isinstance(value, dict):
            return {key: self.here(name, each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.here(name, each) for each in value]
        own = {place: f"{self.folder}/{name}{place}" for place in ("/opt/onward", "/opt/airflow", "/var/lib/onward")}
        for there, here in (self.places | own).items():
            value = value.replace(there, here)
        return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda found: self.ports[found[0]], value)

    def inside(self, name: str) -> list[str]:
        """What goes before a command so that it runs in the service's image, if there are images."""
        root = ROOTS.get(SERVICES[name]["image"].partition(":")[0])
        if root is None:
            return []
        return [
            "/usr/sbin/chroot",
            f"--userspec={SERVICES[name]['user']}",
            "--groups=",
            root,
            "/usr/bin/env",
            "-C",
            str(self.folder),
        ]

    def environment(self, name: str) -> dict[str, str]:
        given = self.here(name, fill_in(SERVICES[name].get("environment", {}), self.secrets))
        common = self.common(name)
        if self.inside(name):
            del common["PYTHONPATH"]
            common["PATH"] = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"
        return common | given

    def common(self, name: str) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/lib/postgresql/15/bin",
            "HOME": str(self.folder),
            "AIRFLOW_HOME": self.here(name, "/opt/airflow"),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": self.ports["8974"],
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "127.0.0.1",
            "REDISCLI_PORT": self.ports["6379"],
            "DO_NOT_TRACK": "true",
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }

    def start(self, name: str) -> None:
        service = SERVICES[name]
        command = self.here(name, fill_in(service["command"], self.secrets))
        if service["image"].split(":")[0] in ("onward-airflow", "onward-stages"):
            entry = [sys.executable, str(DOCKER / "entrypoint.py")]
            command = [*(["python", "/usr/local/bin/onward-entrypoint"] if self.inside(name) else entry), *command]
        command = self.inside(name) + command
        with (self.folder / f"{name}.log").open("wb") as log:
            self.started[name] = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(name), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def is_well(self, name: str) -> bool:
        check = self.here(name, fill_in(SERVICES[name]["healthcheck"]["test"][1:], self.secrets))
        check = [word.replace("redis-cli ", f"redis-cli -p {self.ports['6379']} ") for word in check]
        done = subprocess.run(
            self.inside(name) + check, env=self.environment(name), cwd=self.folder, capture_output=True, check=False
        )
        return done.returncode == 0

    def require_well(self, name: str, patience: float = 240) -> None:
        deadline = time.monotonic() + patience
        while not self.is_well(name):
            if self.started[name].poll() is not None or time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                pytest.fail(f"{name} is not well (status {self.started[name].poll()}):\n{log[-3000:]}")
            time.sleep(0.3)

    def run_once(self, name: str) -> None:
        self.start(name)
        if self.started[name].wait(timeout=240) != 0:
            pytest.fail(f"{name}:\n{(self.folder / f'{name}.log').read_text()[-3000:]}")


def make_source(folder: Path) -> None:
    """What a checkout holds of use to Airflow's services, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", "dags", "docker", "dvc.yaml", "params.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"],
                  ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "Code"]):  # fmt: skip
        subprocess.run(["git", *words], cwd=folder, check=True)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    make_source(folder / "source")
    for place in ("git", "dashboards", "logs", "pages", "served", "backups"):
        (folder / "shared" / place).mkdir(parents=True)
    for root in ROOTS.values():
        show(folder, Path(root))
    key = secrets.token_hex(16)
    with postgres() as database, store_with_users("root", key) as store:
        host = Host(folder, database, store)
        host.secrets["OBJECTS_ROOT_SECRET_KEY"] = key
        try:
            make_databases(host, database)
            start_in_waves(host)
            yield host
        finally:
            stop(list(host.started.values()))
            for root in ROOTS.values():
                for place in (str(folder), "/dev", "/proc"):
                    subprocess.run(["umount", "--lazy", "--recursive", f"{root}{place}"], check=False)


def show(folder: Path, root: Path) -> None:
    """Let an image's processes see the test's folder, at the same place, and give it to their user."""
    for name in SERVICES:
        (folder / name).mkdir(exist_ok=True)
    subprocess.run(["chown", "--recursive", f"{USER}:{USER}", str(folder)], check=True)
    for place in (str(folder), "/dev", "/proc"):
        Path(f"{root}{place}").mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--rbind", place, f"{root}{place}"], check=True)
        # Else taking it off again could take this machine's own /dev/shm with it.
        subprocess.run(["mount", "--make-rslave", f"{root}{place}"], check=True)


def make_databases(host: Host, database) -> None:
    """As PostgreSQL's image does when its volume is new."""
    command = ["psql", "--set=ON_ERROR_STOP=1", "-qf", str(DOCKER / "databases.sql"), database.address("postgres")]
    subprocess.run(command, env=host.environment("postgres"), check=True)


def start_in_waves(host: Host) -> None:
    """Start as compose does: each service when those that it needs are well, or have done their work."""
    left = [name for name in SERVICES if name not in ELSEWHERE | ASKED]
    while left:
        wave = [name for name in left if not set(SERVICES[name].get("depends_on", {})) & set(left)]
        for name in wave:
            if "healthcheck" in SERVICES[name]:
                assert not host.is_well(name), f"{name} is called well before it runs"
                host.start(name)
            else:
                host.run_once(name)
        for name in wave:
            if "healthcheck" in SERVICES[name]:
                host.require_well(name)
        left = [name for name in left if name not in wave]


def test_every_service_starts_by_its_own_command_and_its_own_check_finds_it_well(host):
    stay = {name for name in SERVICES if name not in ELSEWHERE | ASKED and "healthcheck" in SERVICES[name]}
    assert stay == {
        "redis", "mlflow", "evidently", "api-server", "scheduler", "dag-processor", "worker", "control",
        "pages", "serving",
    }  # fmt: skip
    assert {name for name in stay if host.started[name].poll() is not None} == set()


@pytest.mark.skipif(not ROOTS, reason="needs images: `make images`")
def test_inside_its_image_no_service_runs_as_root_or_with_a_way_to_become_it(host):
    seen = set()
    for name, process in host.started.items():
        if host.inside(name) and process.poll() is None:
            for member in session_members(process.pid):
                status = Path(f"/proc/{member}/status").read_text()
                assert set(re.search(r"^Uid:\s+(.*)$", status, re.MULTILINE)[1].split()) == {str(USER)}, name
                seen.add(name)
    assert {
        "mlflow",
        "evidently",
        "api-server",
        "scheduler",
        "dag-processor",
        "worker",
        "control",
        "pages",
        "serving",
    } <= seen


REGISTRY = ("registry", "registry_artifacts", "registry_cache")


def registry_of(host, service):
    environment = host.environment(service)
    places = {name: environment[f"ONWARD_{name.upper()}"] for name in REGISTRY}
    return Registry.of(ProjectSettings(project=host.folder, **places))


def test_mlflow_makes_the_registrys_tables_where_the_others_look_for_them(host):
    registry = registry_of(host, "serving")
    assert registry.exists
    assert registry.champion() is None


def test_a_role_reaches_its_own_database_and_serving_changes_nothing(host):
    def reach(role, database):
        address = f"postgresql://{role}:{host.secrets[f'{role.upper()}_DATABASE_PASSWORD']}@127.0.0.1"
        return psycopg.connect(f"{address}:{host.database.port}/{database}", autocommit=True)

    for role, database in (("airflow", "mlflow"), ("mlflow", "airflow"), ("serving", "airflow")):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            reach(role, database)
    with reach("serving", "mlflow") as connection:
        assert connection.execute("SELECT count(*) FROM registered_models").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM registered_models")


def test_mlflow_lets_in_only_who_knows_the_password(host):
    page = f"http://127.0.0.1:{host.ports['5000']}/api/2.0/mlflow/registered-models/search?max_results=1"
    for password, status in ((None, 401), ("wrong", 401), (host.secrets["MLFLOW_ADMIN_PASSWORD"], 200)):
        given = (
            {} if password is None else {"Authorization": f"Basic {b64encode(f'admin:{password}'.encode()).decode()}"}
        )
        assert requests.get(page, headers=given, timeout=30).status_code == status


def test_the_page_that_the_worker_writes_is_served(host):
    (Path(host.environment("worker")["ONWARD_PAGES"]) / "oncall.html").write_text("<p>all is well</p>")
    with urllib.request.urlopen(f"http://127.0.0.1:{host.ports['8070']}/oncall.html", timeout=30) as reply:
        assert reply.read() == b"<p>all is well</p>"
    assert host.environment("worker")["ONWARD_PAGES_URL"] == f"http://127.0.0.1:{host.ports['8070']}"


def airflow_of(host):
    address = f"http://127.0.0.1:{host.ports['8080']}"
    return Airflow(host, address, host.secrets["AIRFLOW_ADMIN_PASSWORD"], [], host.started["api-server"])


def test_together_they_know_the_dags_and_let_in_only_who_knows_the_password(host):
    airflow = airflow_of(host)
    assert request(f"{airflow.address}/auth/token", {"username": "admin", "password": "admin"})[0] == 401

    def dags():
        return {each["dag_id"] for each in airflow.ask("dags")[1]["dags"]}

    until("the DAGs", lambda: {"retrain", "monitor", "promote"} <= dags(), 120)
    assert airflow.ask("importErrors")[1]["import_errors"] == []
    # A second start of those that prepare changes nothing.
    for name in ("prepare", "migrate"):
        host.run_once(name)


def test_a_promotion_asked_for_in_airflow_is_carried_out_by_the_control_worker_and_served(host, tmp_path, monkeypatch):
    for name, value in host.environment("worker").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    # It keeps the keys that it found first, another test's.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    # MLflow keeps clients by its own variable: without it, one that talks to another test's store.
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", os.environ["AWS_ENDPOINT_URL"])
    bundle = tmp_path / "bundle"
    write_bundle(bundle, make_bundle())
    version = registry_of(host, "worker").register(bundle, bundle_hash(bundle), TAGS, {}).number
    served = f"http://127.0.0.1:{host.ports['8090']}"
    assert requests.get(f"{served}/health/ready", timeout=30).status_code == 503
    airflow = airflow_of(host)
    assert airflow.ask("dags/promote", {"is_paused": False}, "PATCH")[0] == 200
    form = {"action": "promote", "version": version, "reason": "the first that there is"}
    run = airflow.trigger("promote", **form)[1]["dag_run_id"]
    state = until("the end of the run", lambda: airflow.ended("promote", run), 240)
    tasks = airflow.ask(f"dags/promote/dagRuns/{run}/taskInstances")[1]["task_instances"]
    assert (state, {each["task_id"]: (each["state"], each["queue"]) for each in tasks}) == (
        "success", {"change": ("success", "control"), "tell_champion": ("success", "control")},
    )  # fmt: skip
    assert all(each["hostname"] for each in tasks), "a worker ran them"
    assert f"Version {version} is in use" in airflow.log("promote", run, "change")
    until("the service to have it", lambda: requests.get(f"{served}/health/ready", timeout=30).status_code == 200, 120)
    asked = {"headers": {"X-API-Key": host.secrets["SERVING_API_KEYS"]}, "timeout": 30}
    answer = requests.get(f"{served}/v1/search", params={"q": "whole milk"}, **asked)
    assert answer.status_code == 200, answer.text
    assert "Whole Milk" in answer.text


def test_no_password_is_on_a_command_line(host):
    hidden = list(host.secrets.values())
    lines = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines[entry.name] = (entry / "cmdline").read_text(errors="replace")
            except OSError:
                continue
    assert [line for line in lines.values() if any(value in line for value in hidden)] == []


def test_a_backup_on_demand_holds_both_databases_and_the_code(host):
    host.run_once("backup")
    (made,) = (host.folder / "shared" / "backups").iterdir()
    note = json.loads((made / "backup.json").read_text())
    assert note["databases"] == ["airflow", "registry"]
    assert {"git.bundle", "airflow.database", "registry.database"} <= set(note["files"])


def test_a_collection_on_demand_finds_nothing_too_old(host):
    host.run_once("collect")
    assert json.loads((host.folder / "collect.log").read_text().splitlines()[-1])["runs"] == []
