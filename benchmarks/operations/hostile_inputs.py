"""Hostile and malformed inputs at every door: each is refused in a line that says why, or gone on without, by name.

Commands run in a project of their own, each in a process of its own. Values of Airflow's form meet the schema by which
its REST interface refuses them, and then, as requests, the command that the task would start. HTTP requests go to a
running `onward serve`.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import import_module
from itertools import chain
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.operations import hostile_cases as cases
from benchmarks.operations.hostile_cases import CommandCase, HttpCase
from benchmarks.operations.serving_load import progress, serving
from onward.deployment.registry import Registry
from onward.errors import ServiceError
from onward.monitoring.decision_log import SCHEMA, place
from onward.services.local import HOST
from onward.serving.loaded_version import load_version
from onward.settings import ProjectSettings

SEED = 20261123
_DAYS = 30
_PATIENCE_S = 120.0
_MOST_LINES = 8
_console = Console(stderr=True)


@dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Attributes:
        door: through which it came.
        name: of the case.
        traceback: a traceback, a death by signal, no end, or a status of 500 and above.
        silent: it was taken as if nothing were wrong, or refused without a word.
        said: the last line, or the status.
    """

    door: str
    name: str
    traceback: bool
    silent: bool
    said: str


def judge(case: CommandCase, status: int | None, printed: str, errors: str) -> Outcome:
    """Say what came of a command; status None is one that did not end."""
    lines = [line for line in errors.splitlines() if line.strip()]
    broke = status is None or status < 0 or "Traceback (most recent call last)" in errors + printed
    refused = status != 0 and 0 < len(lines) <= _MOST_LINES
    silent = case.warned not in errors if case.warned else not refused
    return Outcome(case.door, case.name, broke, silent, lines[-1][:200] if lines else f"status {status}")


def run_case(case: CommandCase, template: Path, place_: Path) -> Outcome:
    """Run a case on a copy of the project, in a fork of this process, which has imported everything."""
    root = place_ / "project"
    shutil.copytree(template, root)
    try:
        if case.spoil is not None:
            case.spoil(root)
        out, err, feed = (place_ / name for name in ("out", "err", "feed"))
        feed.write_bytes(case.feed)
        child = os.fork()
        if child == 0:
            _be_the_command(case, root, feed, out, err)
        status = _wait(child)
        printed, errors = (path.read_text(encoding="utf-8", errors="replace") for path in (out, err))
        if (root / "canary").exists():
            return Outcome(case.door, case.name, traceback=True, silent=True, said="the canary file was made")
        return judge(case, status, printed, errors)
    finally:
        shutil.rmtree(root)


def _be_the_command(case: CommandCase, root: Path, feed: Path, out: Path, err: Path) -> None:
    """Be `onward WORDS`, in the child; it ends here."""
    status = 1
    try:
        os.setsid()
        for descriptor, path, flags in (
            (0, feed, os.O_RDONLY),
            (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            os.dup2(os.open(path, flags, 0o600), descriptor)
        os.chdir(root)
        for name in [name for name in os.environ if name.startswith(("ONWARD_", "PYTHONWARNINGS"))]:
            del os.environ[name]
        os.environ |= dict(case.variables)
        for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        sys.argv = ["onward", *case.words]
        from onward.cli import main as command

        try:
            command()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:  # noqa: BLE001 - what a person would see is what counts
            sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int) -> int | None:
    """The exit status of a child, negative for a signal; None if it had to be ended."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def make_project(folder: Path) -> None:
    """A project that nothing is wrong with: settings, rules, a small log, a month of decisions, one commit."""
    for name in ("params.yaml", "dvc.yaml", ".dvc/config", "monitoring/alerts.yaml", "monitoring/panels.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("source: complete_journey ", "source: parquet ").replace(
        'as_of: "2017-11-20"', 'as_of: "2017-03-31"'
    )
    (folder / "params.yaml").write_text(text.replace("attribution_days: 28", "attribution_days: 7"), encoding="utf-8")
    _write_log(folder)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*_IDENTITY, "commit", "-qm", "Shop"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


_IDENTITY = ("-c", "user.name=onward", "-c", "user.email=onward@example.org")


def _write_log(folder: Path) -> None:
    random = np.random.default_rng(SEED)
    first, per_day = date.fromisoformat(cases.AS_OF) - timedelta(days=_DAYS), 60
    ids, times = [], []
    for number in range(_DAYS):
        day = first + timedelta(days=number)
        seconds = np.sort(random.integers(0, 86_400, per_day))
        moments = pd.Series(pd.Timestamp(day) + pd.to_timedelta(seconds, "s"))
        mine = [f"i{number:02}{row:03}" for row in range(per_day)]
        probability = random.uniform(0.05, 0.25, per_day)
        rows = pd.DataFrame({
            "impression": mine, "customer": [f"c{row % 20}" for row in range(per_day)],
            "time": moments.astype("datetime64[us]"), "score": probability, "probability": probability,
            "uncertainty": 0.5, "level": np.zeros(per_day, np.int8), "decision": "show", "category": "food",
            "version": np.int32(3),
        })  # fmt: skip
        path = folder / "monitoring" / "decisions" / place(day, 3)
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pandas(rows, SCHEMA, preserve_index=False), path)
        ids += mine
        times += moments.tolist()
    happened = pd.Series(times) + pd.to_timedelta(random.uniform(1, 86_400, len(times)), "s")
    chosen = random.random(len(ids)) < 0.15
    events = pd.DataFrame({"impression_id": ids, "converted_at": happened.astype("datetime64[us]")})[chosen]
    (folder / "data" / "log").mkdir(parents=True)
    events.to_parquet(folder / "data" / "log" / "conversions.parquet", index=False)
    seen = events.rename(columns={"converted_at": "happened_at"}).assign(kind="visit")
    seen[["impression_id", "kind", "happened_at"]].to_parquet(
        folder / "data" / "log" / "engagements.parquet", index=False
    )


def ask(case: HttpCase, client: httpx.Client) -> Outcome:
    """Send a request that must be refused with a status from 400 to 499 and a reason in JSON."""
    try:
        answer = client.request(case.method, case.path, content=case.body, headers=dict(case.headers))
    except httpx.InvalidURL as error:
        raise ServiceError(f"the case {case.name} cannot be sent: {error}") from None
    except httpx.HTTPError as error:
        return Outcome("HTTP", case.name, traceback=True, silent=False, said=type(error).__name__)
    told = answer.headers["content-type"].startswith("application/json") and len(answer.content) > 2
    return Outcome(
        "HTTP", case.name, answer.status_code >= 500, answer.status_code < 400 or not told, f"{answer.status_code}"
    )


def hostile_commands() -> list[CommandCase]:
    """Every case that is a command."""
    return [
        *chain(
            cases.of_the_command_line(),
            cases.of_act(),
            cases.of_requests(),
            cases.of_settings(),
            cases.of_tables(),
            cases.of_the_pipeline(),
            cases.of_the_environment(),
        )
    ]


def run_commands(chosen: Sequence[CommandCase], folder: Path) -> list[Outcome]:
    """Run cases, one after the other, on copies of one project."""
    _import_all()
    template = folder / "template"
    template.mkdir()
    make_project(template)
    with progress(f"{len(chosen)} commands"):
        return [run_case(case, template, folder) for case in chosen]


def _import_all() -> None:
    """Import once what the commands import, so that each fork begins at once; nothing of it starts a thread."""
    import onward.cli
    import onward.daily.monitor
    import onward.daily.oncall
    import onward.deployment.registry
    import onward.runs.history.records
    import onward.runs.protocol.start  # noqa: F401


def try_form() -> list[Outcome]:
    """Hold each value against the form's schema, by which Airflow answers a REST request with 400 or takes it."""
    sys.path.insert(0, str(ROOT / "dags"))
    from airflow.sdk.exceptions import ParamValidationError

    read_yaml = import_module("onward_tasks.settings").read_yaml
    form = import_module("onward_tasks.form").retrain_form(
        read_yaml("dvc.yaml", ROOT)["stages"], read_yaml("params.yaml", ROOT)
    )
    outcomes = []
    for key, value in cases.of_the_form():
        try:
            form[key].resolve(value)
            said = "taken"
        except ParamValidationError as error:
            said = " ".join(str(error).split())[:200]
        outcomes.append(
            Outcome("REST form", f"{key} = {str(value)[:40]!r}", traceback=False, silent=said == "taken", said=said)
        )
    return outcomes


def run_requests(project: Path, folder: Path) -> list[Outcome]:
    """Ask a service on the project's deployed bundle."""
    registry = Registry.of(ProjectSettings(project=project))
    champion = registry.champion()
    if champion is None:
        raise ServiceError("nothing is deployed; run `dvc repro` first")
    product = load_version(champion, registry.folder(champion)).catalogue[1][0]
    with (
        serving(registry, folder) as server,
        httpx.Client(base_url=f"http://{HOST}:{server.port}", timeout=60.0, trust_env=False) as client,
    ):
        outcomes = [ask(case, client) for case in cases.of_http(product)]
        alive = client.get("/health/ready").status_code
        if alive != 200:
            raise ServiceError(f"the service does not answer any more ({alive})")
    return outcomes


def rows_of(outcomes: Sequence[Outcome]) -> list[dict[str, Cell]]:
    """One row a door."""
    doors = Counter(outcome.door for outcome in outcomes)
    return [
        {
            "door": door,
            "inputs": inputs,
            "tracebacks": sum(outcome.traceback for outcome in outcomes if outcome.door == door),
            "silent": sum(outcome.silent for outcome in outcomes if outcome.door == door),
        }
        for door, inputs in doors.items()
    ]


def main() -> None:
    """Try every door and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=ROOT, help="whose deployed bundle is served")
    parser.add_argument("--dry", action="store_true", help="publish nothing")
    arguments = parser.parse_args()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as commands, tempfile.TemporaryDirectory() as served:
        # Forks first: the service's client starts threads.
        outcomes = run_commands(hostile_commands(), Path(commands))
        outcomes += try_form()
        outcomes += run_requests(arguments.project, Path(served))
    wrong = [outcome for outcome in outcomes if outcome.traceback or outcome.silent]
    for outcome in wrong:
        _console.print(f"{outcome.door}: {outcome.name}: {outcome.said}", highlight=False, markup=False)
    rows = rows_of(outcomes)
    claims = {
        "inputs": float(len(outcomes)),
        "tracebacks": float(sum(outcome.traceback for outcome in outcomes)),
        "silent": float(sum(outcome.silent for outcome in outcomes)),
        "seconds": time.perf_counter() - begun,
    }
    if arguments.dry:
        _console.print(rows, claims)
    else:
        publish(Finding("hostile_inputs", [SEED], rows, claims))


if __name__ == "__main__":
    main()
