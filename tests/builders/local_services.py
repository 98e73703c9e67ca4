"""Services of the command line, started as a person starts them and ended by Ctrl-C."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onward.services.processes import session_members


def start(folder, *command):
    """Start a command and read its lines until it says how to end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "onward.cli", *command],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            return process, "".join(lines)
    pytest.fail("".join(lines))


def children(parent):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def end(process):
    sessions = children(process.pid)
    assert sessions
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert "ended" in rest
    assert process.returncode == 0
    assert [session for session in sessions if session_members(session)] == []


def listening_addresses(process):
    """Hexadecimal addresses on which anything listens that a process has started, IPv4 and IPv6 (proc(5))."""
    inodes = set()
    for member in [member for session in children(process.pid) for member in session_members(session)]:
        for entry in Path(f"/proc/{member}/fd").iterdir():
            try:
                inodes |= set(re.findall(r"socket:\[(\d+)\]", str(entry.readlink())))
            except OSError:
                continue
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                addresses.add(fields[1].partition(":")[0])
    return addresses


LOOPBACK = {"0100007F"}
"""What `listening_addresses` says of a service that nobody else can reach."""
