"""A run works with the code of the commit that it began with, and its tasks say whether a retry helps."""

from pathlib import Path

import pytest

from builders.toy_runs import git, hashes, make_toy, plain_repro
from onward.errors import NOT_TO_BE_RETRIED, RequestError, RunError
from onward.runs.protocol.transaction import run_stage

# Runs stages in processes of their own.
pytestmark = pytest.mark.slow

SOURCE = Path(__file__).resolve().parents[2] / "src"

# A stage with code of its own in `src`, as the project's stages have, through the project's own runner.
CODE = """
import sys
from onward import errors
from onward.stages.runner import main
def stage(layout, params):
    ENDS
    (layout.root / "out").mkdir(exist_ok=True)
    (layout.root / "out" / "read").write_text("SAYS")
    return "done"
main("read", stage)
"""
PIPELINE = """
stages:
  read:
    cmd: python src/work.py
    deps: [src/work.py]
    outs: [out/read]
"""


def ignore(line):
    pass


@pytest.fixture
def toy(tmp_path):
    return make_toy(tmp_path, 2)


def commit(machine, says, ends="pass"):
    """Commit another code to the project, as people do while runs are going on, and hand it to the git remote."""
    (machine.root / "src").mkdir(exist_ok=True)
    code = CODE.replace("SAYS", says).replace("ENDS", ends)
    # Of this checkout, wherever the package is installed from.
    (machine.root / "src" / "work.py").write_text(f"import sys\nsys.path.insert(0, {str(SOURCE)!r})\n{code}")
    (machine.root / "dvc.yaml").write_text(PIPELINE)
    git(machine.root, "add", "-A")
    git(machine.root, "commit", "-qm", says)


def test_a_run_goes_on_with_the_code_that_it_began_with(toy, tmp_path):
    first, second = toy.machines
    commit(first, "the code of its own commit")
    run = first.start(as_of="2017-11-20")
    # On both machines the checkout that Airflow reads goes on; the second has never seen the run's commit.
    commit(first, "later code")
    commit(second, "other code", ends="raise SystemExit(9)")
    (second.root / "src" / "work.py").write_text("raise SystemExit(9)")
    run_stage(second.places, run, "read", ignore)
    assert toy.hashes(run) == hashes(plain_repro(toy, run, tmp_path / "plain"))
    made = second.places.workspaces / run / "out" / "read"
    assert made.read_text() == "the code of its own commit"


@pytest.mark.parametrize(
    ("error", "raised"), [("DataError", RequestError), ("RegistryError", RunError), ("ArtifactError", RunError)]
)
def test_why_a_stage_failed_is_the_error_of_its_task_and_whether_a_retry_helps(toy, error, raised):
    machine = toy.machines[0]
    commit(machine, "never", ends=f"raise errors.{error}('the log: 3 rows; mend them')")
    run = machine.start(as_of="2017-11-20")
    with pytest.raises(RunError) as failed:
        run_stage(machine.places, run, "read", ignore)
    assert type(failed.value) is raised
    assert str(failed.value) == "stage read: the log: 3 rows; mend them"


def test_a_stage_that_ends_without_a_word_may_be_tried_again(toy):
    machine = toy.machines[0]
    commit(machine, "never", ends="sys.exit(2)")
    run = machine.start(as_of="2017-11-20")
    with pytest.raises(RunError, match="stage read ended with status") as failed:
        run_stage(machine.places, run, "read", ignore)
    assert failed.value.status != NOT_TO_BE_RETRIED
