import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from onward.errors import ServiceError
from onward.services.local import (
    DASHBOARD_PORTS,
    HOST,
    airflow_environment,
    airflow_password,
    airflow_services,
    dashboard_services,
    free_port,
)
from onward.services.processes import Service, require_alive, running, session_members

# Starts and ends processes.
pytestmark = pytest.mark.slow

# A page, and a worker that leaves its parent's process group and ignores SIGTERM.
STUBBORN = """
import os, signal, subprocess, sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
worker = "import os, signal, time; os.setpgid(0, 0); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
subprocess.Popen([sys.executable, "-c", worker])
HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
"""


def page(folder, name="page", code=STUBBORN):
    port = free_port(0)
    command = (sys.executable, "-c", code, str(port))
    return Service(name, command, {}, folder / f"{name}.log", f"http://{HOST}:{port}")


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr("onward.services.processes._PATIENCE", 1.0)


def test_services_answer_while_running_and_leave_no_process(tmp_path, hurried):
    with running([page(tmp_path, "one"), page(tmp_path, "two")], tmp_path, patience=20) as started:
        members = [session_members(process.pid) for process in started]
        assert all(len(each) == 2 for each in members)
    assert not any(session_members(process.pid) for process in started)
    assert all(process.returncode is not None for process in started)


def test_a_service_that_does_not_start_is_named_with_its_log_and_takes_the_others_down(tmp_path, hurried):
    good, bad = page(tmp_path, "good"), page(tmp_path, "bad", "raise SystemExit('no luck')")
    with (
        pytest.raises(ServiceError, match=r"bad: ended with status 1; see .*bad\.log"),
        running([good, bad], tmp_path, 20),
    ):
        pass
    assert "no luck" in (tmp_path / "bad.log").read_text()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, int(good.command[-1])), timeout=1)


def test_a_service_that_never_answers_is_not_waited_for_without_end(tmp_path, hurried):
    silent = page(tmp_path, "silent", "import time; time.sleep(60)")
    with pytest.raises(ServiceError, match="silent: no answer in 1 s"), running([silent], tmp_path, patience=1):
        pass


def test_a_service_that_ends_later_is_noticed(tmp_path):
    last_word = tmp_path / "last word"
    os.mkfifo(last_word)
    command = (sys.executable, "-c", "import sys; open(sys.argv[1]).read()", str(last_word))
    short = Service("short", command, {}, tmp_path / "short.log")
    with running([short], tmp_path, patience=5) as started:
        require_alive([short], started)
        last_word.write_text("")  # it has waited for this, however slow the machine
        started[0].wait(60)
        with pytest.raises(ServiceError, match="short: ended with status 0"):
            require_alive([short], started)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_an_end_or_a_closed_terminal_stop_everything(tmp_path, sign):
    code = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import onward.services.processes as services
        from test_deployment_services import page
        services._PATIENCE = 1.0
        try:
            with services.running([page(Path({str(tmp_path)!r}))], Path.cwd(), 20) as started:
                print(started[0].pid, flush=True)
                time.sleep(60)
        except KeyboardInterrupt:
            print("ended", flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    leader = int(process.stdout.readline())
    assert len(session_members(leader)) == 2
    process.send_signal(sign)
    time.sleep(0.3)
    process.send_signal(sign)  # once more, while the services are being ended
    rest, _ = process.communicate(timeout=30)
    assert rest.strip() == "ended"
    assert session_members(leader) == []


def test_a_taken_port_is_replaced_by_a_free_one():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    time.sleep(0)
    assert free_port(port) == port


def test_everything_listens_on_loopback_only(tmp_path):
    for service in dashboard_services("sqlite:///x.db", tmp_path, tmp_path, tmp_path, DASHBOARD_PORTS):
        (option,) = {"--host", "--bind"} & set(service.command)
        assert service.command[service.command.index(option) + 1] == HOST
        assert service.address.startswith(f"http://{HOST}:")
    assert airflow_environment(tmp_path, tmp_path, 1)["AIRFLOW__API__HOST"] == HOST


def test_a_registrys_address_with_its_password_stands_on_no_command_line(tmp_path):
    address = "postgresql://onward:secret@127.0.0.1/mlflow"
    services = dashboard_services(address, tmp_path, tmp_path, tmp_path, (0, 0, 0))
    assert "secret" not in " ".join(word for service in services for word in service.command)
    assert services[0].environment["MLFLOW_BACKEND_STORE_URI"] == address


def test_airflow_asks_for_a_generated_password_that_only_the_owner_reads(tmp_path):
    password = airflow_password(tmp_path / "home")
    assert len(password) >= 16
    assert airflow_password(tmp_path / "home") == password
    assert stat.S_IMODE((tmp_path / "home" / "passwords.json").stat().st_mode) == 0o600
    assert airflow_password(tmp_path / "other") != password


def test_airflow_services_share_one_secret_and_only_the_web_server_has_a_page(tmp_path):
    services = airflow_services(tmp_path, tmp_path / "dags", tmp_path, 0)
    assert [service.name for service in services] == [
        "Airflow api-server", "Airflow task-api", "Airflow scheduler", "Airflow dag-processor",
    ]  # fmt: skip
    assert [service.command[3] for service in services] == ["api-server", "api-server", "scheduler", "dag-processor"]
    assert [service.address is None for service in services] == [False, False, True, True]
    assert "--skip-serve-logs" in services[2].command
    assert len({service.environment["AIRFLOW__API_AUTH__JWT_SECRET"] for service in services}) == 1
    assert services[0].environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"


def test_tasks_report_to_another_process_than_the_one_that_people_trigger_runs_in(tmp_path):
    people, tasks, *others = airflow_services(tmp_path, tmp_path / "dags", tmp_path, 0)
    assert people.command[-2:] == ("--apps", "core")
    assert tasks.command[-4:-1] == ("--apps", "execution", "--port")
    assert people.address != tasks.address
    assert {each.environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] for each in others} == {tasks.address}
