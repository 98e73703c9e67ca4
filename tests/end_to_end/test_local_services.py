"""The real services start, ask for a login where they should, and leave nothing behind."""

import json
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from builders.local_services import children, end, start
from onward.deployment.registry import Registry
from onward.services.processes import session_members

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "dags").mkdir()
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "monitoring" / "workspace").mkdir(parents=True)
    Registry(tmp_path / "mlruns")._make_database()
    return tmp_path


def ask(address, body=None, token=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(address, data=json.dumps(body).encode() if body else None, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_dashboards_start_and_leave_nothing_behind(project):
    process, printed = start(project, "dashboards", "--any-ports")
    addresses = re.findall(r"http://127\.0\.0\.1:\S+", printed)
    # No version is in use, so there is no page for on-call, and no link that leads nowhere.
    assert [ask(address)[0] for address in addresses] == [200, 200]
    assert "The page for on-call is not up to date: no version is in use" in " ".join(printed.split())
    listening = listeners([member for session in children(process.pid) for member in session_members(session)])
    assert set(listening) == {"0100007F"}
    end(process)


def test_airflow_asks_for_a_login_and_leaves_nothing_behind(project):
    process, printed = start(project, "airflow", "--port", "0")
    (address,) = re.findall(r"http://127\.0\.0\.1:\d+", printed)
    password = re.search(r"password (\S+)", printed).group(1)
    assert ask(f"{address}/api/v2/dags")[0] == 401
    assert ask(f"{address}/auth/token", {"username": "admin", "password": "wrong"})[0] == 401
    status, answer = ask(f"{address}/auth/token", {"username": "admin", "password": password})
    assert status == 201
    assert ask(f"{address}/api/v2/dags", token=json.loads(answer)["access_token"])[0] == 200
    listening = listeners([member for session in children(process.pid) for member in session_members(session)])
    assert set(listening) == {"0100007F"}
    end(process)


def listeners(processes):
    """Hexadecimal addresses on which any of the processes listens, IPv4 and IPv6 (proc(5))."""
    inodes = set()
    for process in processes:
        for entry in Path(f"/proc/{process}/fd").iterdir():
            try:
                inodes |= set(re.findall(r"socket:\[(\d+)\]", str(entry.readlink())))
            except OSError:
                continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(fields[1].partition(":")[0])
    return found
