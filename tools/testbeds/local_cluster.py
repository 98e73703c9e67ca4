"""Airflow on many hosts, all on one machine: CeleryExecutor, PostgreSQL, Redis, workers with folders of their own.

What two machines would not share, two workers here do not share either: checkout of the code, DAG folder, Airflow home,
logs, working copies, DVC cache. They meet only in the git remote, the DVC remote, PostgreSQL and Redis.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from onward.errors import ServiceError
from onward.services.local import airflow_environment, airflow_password, free_port, prepare_airflow
from onward.services.processes import Service, running, session_members, stop
from tools.testbeds.airflow_rest import Airflow
from tools.testbeds.local_servers import Postgres, postgres, redis_server

ROOT = Path(__file__).resolve().parents[2]

# A lost worker is noticed after this many seconds without a heartbeat. A tenth of Airflow's default (300) would do for
# people; here every kill waits it out.
_HEARTBEAT = 10
_PATIENCE = 120.0
CONTROL = "control"


@dataclass
class Worker:
    """One Celery worker, which may be killed and started again under its name.

    Attributes:
        name: what Airflow and Celery call it.
        folder: everything that it shares with nobody.
        environment: added to this process's.
        queue: whose tasks it takes.
    """

    name: str
    folder: Path
    environment: Mapping[str, str]
    queue: str = "default"
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _left: list[int] = field(default_factory=list, repr=False)

    @property
    def log(self) -> Path:
        """Everything that the worker has printed, over all its starts."""
        return self.folder / "worker.log"

    def start(self) -> None:
        """Start the worker, in a session of its own; it takes one task at a time."""
        named = ("--celery-hostname", self.name, "--queues", self.queue, "--concurrency", "1")
        quiet = ("--skip-serve-logs", "--without-gossip", "--without-mingle")
        command = (sys.executable, "-m", "airflow", "celery", "worker", *named, *quiet)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def require_ready(self, patience: float = _PATIENCE) -> None:
        """Wait until the worker takes tasks.

        Raises:
            ServiceError: it has ended, or is not ready in time.
        """
        deadline = time.monotonic() + patience
        while b" ready." not in self.log.read_bytes():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"worker {self.name} does not start; see {self.log}")
            time.sleep(0.1)

    def members(self) -> list[int]:
        """Live processes of the worker's session: itself, the task's, DVC's and the stage's."""
        return [] if self._process is None else session_members(self._process.pid)

    def kill(self, *, everything: bool) -> None:
        """End the worker as a power cut does (everything), or as the kernel ends one that took too much memory.

        In the second case only the worker's own process group dies. A task's processes are in a group of their own:
        they live on, as they would on a machine, and whoever retries must cope with them.
        """
        if self._process is None:
            return
        if everything:
            # Until none is left: a process may have forked while the list was read.
            while members := self.members():
                for member in members:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(member, signal.SIGKILL)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._left.append(self._process.pid)

    def end(self) -> None:
        """End the worker and whatever its killed predecessors left behind."""
        for leader in self._left:
            for member in session_members(leader):
                # The kernel may have given the number of a session that is over to somebody else's.
                with contextlib.suppress(OSError):
                    if os.fsencode(self.folder) in Path(f"/proc/{member}/environ").read_bytes():
                        os.kill(member, signal.SIGKILL)
        if self._process is not None:
            stop([self._process])


@dataclass(frozen=True)
class Cluster:
    """A running Airflow of many workers.

    Attributes:
        airflow: its API.
        database: PostgreSQL.
        workers: by name.
        head: environment of the host that the scheduler is on.
    """

    airflow: Airflow
    database: Postgres
    workers: Mapping[str, Worker]
    head: Mapping[str, str]


@contextmanager
def cluster(
    folder: Path, checkouts: Mapping[str, Path], shared: Mapping[str, str], queues: Mapping[str, str]
) -> Iterator[Cluster]:
    """Run PostgreSQL, Redis, Airflow's three services and Celery workers until the block ends.

    Args:
        folder: an empty folder; each host gets one below it.
        checkouts: a checkout of the project for the host `head` (scheduler, web server) and for each worker.
        shared: environment that all hosts have in common. `{mlflow}` in a value is replaced by the address of an empty
            database for the model registry.
        queues: of each worker, by its name: `default`, or `control` for what must not wait behind a training.

    Raises:
        ServiceError: something is not installed or does not start.
    """
    with ExitStack() as stack:
        database, broker = stack.enter_context(postgres()), stack.enter_context(redis_server(folder / "redis"))
        for name in ("airflow", "mlflow"):
            database.make_database(name)
        common = {
            **airflow_environment(folder / "head" / "airflow", checkouts["head"] / "dags", free_port(0)),
            **_settings(database, broker),
            **{name: value.replace("{mlflow}", database.address("mlflow")) for name, value in shared.items()},
        }
        head = {**common, **_own(folder / "head", checkouts["head"], "head")}
        password = airflow_password(folder / "head" / "airflow")
        services = _services(folder / "head", head)
        prepare_airflow(services[0], folder, len(queues) - list(queues.values()).count(CONTROL))
        stack.enter_context(running(services, folder, _PATIENCE))
        workers = {
            name: Worker(name, folder / name, {**common, **_own(folder / name, checkouts[name], name)}, queue)
            for name, queue in queues.items()
        }
        for worker in workers.values():
            stack.callback(worker.end)
            worker.start()
        for worker in workers.values():
            worker.require_ready()
        yield Cluster(Airflow(head["AIRFLOW__API__BASE_URL"], password), database, workers, head)


def _settings(database: Postgres, broker: str) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "ONWARD_CONTROL_QUEUE": CONTROL,
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "tools.testbeds.worker_name.worker_name",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.address("airflow", "postgresql+psycopg2"),
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+" + database.address("airflow", "postgresql+psycopg2"),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(_HEARTBEAT),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
        # A worker can die between taking a message and saying so; then the task is still "queued".
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "2",
    }


def _own(folder: Path, checkout: Path, name: str) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(checkout / "dags"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "ONWARD_PROJECT": str(checkout),
        "ONWARD_WORKSPACES": str(folder / "workspaces"),
        "ONWARD_WORKER": name,
        # Its own checkout's code, and the benchmarks' for the callable that names it.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(checkout / "src"), str(ROOT), os.environ.get("PYTHONPATH")])),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def _services(folder: Path, environment: Mapping[str, str]) -> list[Service]:
    address = environment["AIRFLOW__API__BASE_URL"]
    programs = {"api-server": (), "scheduler": ("--skip-serve-logs",), "dag-processor": ()}
    return [
        Service(
            f"Airflow {name}", (sys.executable, "-m", "airflow", name, *options), environment, folder / f"{name}.log",
            address if name == "api-server" else None,
        )
        for name, options in programs.items()
    ]  # fmt: skip
