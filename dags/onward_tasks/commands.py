"""Run Onward's commands: argument lists and standard input, never a shell; all output goes into the task's log."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from onward_tasks.settings import PROJECT

# As in `onward.errors`, which is not imported here: with this status a command ends that no retry can mend.
NOT_TO_BE_RETRIED = 2


def run(
    *arguments: str, stdin: str | None = None, project: Path = PROJECT, variables: Mapping[str, str] | None = None
) -> str:
    """Run `onward …` in the project's folder, its output streamed, and return the last line it wrote.

    Args:
        arguments: of the command.
        stdin: its standard input.
        project: the folder.
        variables: of its environment besides, such as secrets, which every user could read in its arguments.

    Raises:
        AirflowFailException: it failed for what it was given, which no retry mends; the task fails at once.
        RuntimeError: it failed otherwise; either message holds its last line and how to repeat it by hand.
    """
    # Stage commands say `python`: put this interpreter's folder first, whatever a login shell would choose.
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        **(variables or {}),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "onward.cli", *arguments],
        cwd=project,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    last = ""
    with process:
        try:
            if process.stdin is not None:
                # A command that ends before it has read everything says why in its output.
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(stdin or "")
                    process.stdin.close()
            for line in process.stdout or ():
                print(line, end="", flush=True)  # noqa: T201 - the task's log is standard output
                last = line.strip() or last
        except BaseException:
            # A timeout of Airflow's ends this thread of work, not the process that does it.
            process.terminate()
            raise
    if process.returncode != 0:
        words = " ".join(arguments)
        error = AirflowFailException if process.returncode == NOT_TO_BE_RETRIED else RuntimeError
        raise error(f"{last} [`onward {words}` in {project} ended with status {process.returncode}]")
    return last


def ask(
    *arguments: str, question: dict[str, Any] | None = None, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a command whose last line is a JSON object, with a JSON object as its input, and return that line's value.

    Raises:
        RuntimeError: the command failed, or its last line is something else.
    """
    last = run(*arguments, stdin=None if question is None else json.dumps(question), variables=variables)
    try:
        answer: dict[str, Any] = json.loads(last)
    except json.JSONDecodeError:
        raise RuntimeError(f"`onward {' '.join(arguments)}`: the last line is not JSON: {last[:200]}") from None
    return answer
