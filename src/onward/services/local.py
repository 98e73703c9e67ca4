"""The services of one machine, all on loopback: the MLflow and Evidently UIs, the pages of reports/, and Airflow."""

import json
import os
import secrets
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from onward.errors import ServiceError
from onward.services.airflow_sqlite import SETTINGS, SETTINGS_FILE
from onward.services.processes import Service

HOST = "127.0.0.1"
STAGE_POOL = "onward_stages"
DASHBOARD_PORTS = (5000, 8000, 8070)
"""Where MLflow, Evidently and the page for on-call are looked for first."""

# One process, since importing Airflow costs more than both commands.
_PREPARE = """
import sys
from airflow.cli.cli_parser import get_parser
for words in (["db", "migrate"], ["pools", "set", *sys.argv[1:]]):
    arguments = get_parser().parse_args(words)
    arguments.func(arguments)
"""


def free_port(preferred: int) -> int:
    """The preferred port if nobody listens there, else any free one; 0 prefers none."""
    for port in (preferred or _unlisted_port(), *(_unlisted_port() for _ in range(20))):
        with socket.socket() as probe:
            # As servers do: a port that is only waiting out its last connection counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServiceError(f"no free port on {HOST}; end something that listens there")


def _unlisted_port() -> int:
    # Never from 32768 on: there the kernel takes ports for clients, and a server that starts a minute later finds its
    # port gone.
    return 20000 + secrets.randbelow(12768)


def dashboard_services(
    registry_address: str, workspace: Path, reports: Path, logs: Path, preferred: tuple[int, int, int]
) -> list[Service]:
    """The MLflow UI over the registry, the Evidently UI over the workspace, and the pages of the reports folder.

    Each takes its preferred port if that is free, 0 being any; see `DASHBOARD_PORTS`.
    """
    reports.mkdir(parents=True, exist_ok=True)
    quiet = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    mlflow, evidently, oncall = map(free_port, preferred)
    mlflow_options = ("--host", HOST, "--port", str(mlflow), "--workers", "1")
    mlflow_server = (sys.executable, "-m", "mlflow", "server", *mlflow_options)
    # In the environment: an address may hold a password, and every user of the machine can read command lines.
    store = {**quiet, "MLFLOW_BACKEND_STORE_URI": registry_address}
    program = "from evidently.cli import app; app()"
    evidently_options = ("--workspace", str(workspace), "--host", HOST, "--port", str(evidently))
    evidently_ui = (sys.executable, "-W", "ignore", "-c", program, "ui", *evidently_options)
    report_server = (sys.executable, "-m", "http.server", "--bind", HOST, "--directory", str(reports), str(oncall))
    return [
        Service("MLflow", mlflow_server, store, logs / "mlflow.log", f"http://{HOST}:{mlflow}"),
        Service("Evidently", evidently_ui, quiet, logs / "evidently.log", f"http://{HOST}:{evidently}"),
        Service("On call", report_server, {}, logs / "oncall.log", f"http://{HOST}:{oncall}/oncall.html"),
    ]


def airflow_environment(home: Path, dags: Path, port: int) -> dict[str, str]:
    """Settings for one machine: SQLite, LocalExecutor, loopback, and a login."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        # Seconds to wait for another process that writes; Python's own five are too few on a busy machine.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.absolute() / 'airflow.db'}?timeout=60",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://{HOST}:{port}",
        "AIRFLOW__API__WORKERS": "1",
        # Made anew for every start and shared by all services: a token from yesterday opens nothing.
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(64),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        # Each look asks the database many questions: ten a second took a seventh of a core with nothing to do.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "ONWARD_PROJECT": str(dags.parent),
        "ONWARD_POOL": STAGE_POOL,
        "ONWARD_DEADLINES": "1",
    }


def airflow_password(home: Path) -> str:
    """The password of user admin; generated once, readable by the owner only."""
    path = home / "passwords.json"
    if path.is_file():
        return str(json.loads(path.read_text(encoding="utf-8"))["admin"])
    home.mkdir(parents=True, exist_ok=True)
    password = secrets.token_urlsafe(12)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123 - the mode must be right from the first byte
        json.dump({"admin": password}, stream)
    return password


def airflow_services(home: Path, dags: Path, logs: Path, preferred: int) -> list[Service]:
    """Web server (on the preferred port, if that is free), task API, scheduler and DAG processor over one SQLite file.

    The API that tasks report to is a process of its own. Airflow's web server writes its audit log inside its event
    loop; in one process with the tasks' open transactions, which end only when that loop goes on, the two would wait
    for each other until SQLite gives up, whenever somebody triggers a run while a task starts.
    """
    port, tasks_port = free_port(preferred), free_port(0)
    tasks_address = f"http://{HOST}:{tasks_port}/execution/"
    environment = airflow_environment(home, dags, port) | {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": tasks_address}
    # The scheduler's log server would listen on every interface; on one machine the web server reads the files itself.
    programs = {
        "api-server": (("api-server", "--apps", "core"), f"http://{HOST}:{port}"),
        "task-api": (("api-server", "--apps", "execution", "--port", str(tasks_port)), tasks_address),
        "scheduler": (("scheduler", "--skip-serve-logs"), None),
        "dag-processor": (("dag-processor",), None),
    }
    return [
        Service(
            f"Airflow {name}",
            (sys.executable, "-m", "airflow", *arguments),
            environment,
            logs / f"airflow-{name}.log",
            address,
        )
        for name, (arguments, address) in programs.items()
    ]


def prepare_airflow(service: Service, folder: Path, stages_at_once: int) -> None:
    """Make or migrate Airflow's database, with the pool that says how many stages run at once.

    Done once for a version of Airflow: a note in Airflow's folder saves the seconds at the next start.

    Raises:
        ServiceError: that failed.
    """
    home = Path(service.environment["AIRFLOW_HOME"])
    (home / SETTINGS_FILE).parent.mkdir(parents=True, exist_ok=True)
    (home / SETTINGS_FILE).write_text(SETTINGS, encoding="utf-8")
    note = home / "prepared.json"
    database = home / "airflow.db"
    prepared = {"airflow": version("apache-airflow"), "stages_at_once": stages_at_once}
    if database.is_file() and note.is_file() and json.loads(note.read_text(encoding="utf-8")) == prepared:
        return
    service.log.parent.mkdir(parents=True, exist_ok=True)
    pool_use = "Stages of Onward: as many at once as this machine has cores for"
    pool_arguments = (STAGE_POOL, str(stages_at_once), pool_use)
    with service.log.open("wb") as log:
        process = subprocess.run(
            [sys.executable, "-c", _PREPARE, *pool_arguments],
            cwd=folder,
            env={**os.environ, **service.environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if process.returncode != 0:
        raise ServiceError(f"airflow db migrate: ended with status {process.returncode}; see {service.log}")
    note.write_text(json.dumps(prepared), encoding="utf-8")
