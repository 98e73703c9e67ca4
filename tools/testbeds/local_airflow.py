"""Airflow on one machine, exactly as `onward airflow` starts it for people."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from onward.errors import ServiceError
from tools.testbeds.airflow_rest import Airflow
from tools.testbeds.small_shop import Shop, environment

_PATIENCE = 60.0


@contextmanager
def local_airflow(shop: Shop, variables: Mapping[str, str] | None = None) -> Iterator[Airflow]:
    """Run `onward airflow` in a shop until the block ends.

    Args:
        shop: the project.
        variables: environment added to this process's.

    Raises:
        ServiceError: it does not start; the message holds what it printed.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "onward.cli", "airflow"], cwd=shop.root,
        env={**environment(shop.root), "COLUMNS": "200", "PYTHONUNBUFFERED": "1", **(variables or {})},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if "Ctrl-C" in line:
                break
        printed = "".join(lines)
        address, password = re.search(r"http://[\d.:]+", printed), re.search(r"password (\S+)", printed)
        if address is None or password is None:
            raise ServiceError(f"`onward airflow` does not start: {printed}")
        yield Airflow(address[0], password[1])
    finally:
        # Only to `onward airflow`, as from a terminal: it ends the sessions of what it has started.
        if process.poll() is None:
            os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=_PATIENCE)
