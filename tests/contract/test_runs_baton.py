"""A run passes from machine to machine over two remotes alone; killed, raced or repeated, it comes to the same."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builders.kill_moments import kill_moments
from builders.toy_runs import STAGES, Machine, git, hashes, make_toy, plain_repro
from onward.errors import RequestError, RunError
from onward.runs.history.reproduce import reproduce
from onward.runs.protocol.checkout import shared_code
from onward.runs.protocol.finish import finish
from onward.runs.protocol.hashing import hash_output
from onward.runs.protocol.transaction import run_stage, run_stages
from onward.runs.protocol.workspace import open_workspace

# Starts servers or the command line, again and again.
pytestmark = pytest.mark.slow


@pytest.fixture
def toy(tmp_path):
    return make_toy(tmp_path, 2)


def ignore(line):
    """What a command says is of no interest here."""


def complete(toy, run, say=ignore):
    """Run all stages one by one on alternating machines and finish."""
    for number, stage in enumerate(STAGES):
        assert run_stage(toy.machines[number % 2].places, run, stage, say)
    finish(toy.machines[0].places, run, say)


def test_machines_alternate_and_the_lock_is_that_of_plain_repro(toy, tmp_path):
    run = toy.machines[0].start(as_of="2017-11-27", run_id="alternating")
    complete(toy, run)
    assert toy.commits(run) == list(STAGES)
    lock = toy.git("show", f"runs/{run}:dvc.lock") + "\n"
    assert lock == plain_repro(toy, run, tmp_path / "plain")
    assert "as_of: '2017-11-27'" in lock
    # Nothing of the run stays on the machine that finished it, but the cache.
    assert [path.name for path in toy.machines[0].places.workspaces.iterdir()] == [".cache"]


def test_a_recorded_stage_is_never_run_again(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    run = toy.machines[0].start(as_of="2017-11-27")
    assert run_stage(toy.machines[0].places, run, "read", ignore)
    before = toy.git("rev-parse", f"runs/{run}")
    for machine in toy.machines:
        assert not run_stage(machine.places, run, "read", ignore)
    assert toy.git("rev-parse", f"runs/{run}") == before
    assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_stage_waits_for_those_before_it(toy):
    run = toy.machines[0].start()
    with pytest.raises(RunError, match="left needs read first"):
        run_stage(toy.machines[0].places, run, "left", ignore)
    with pytest.raises(RunError, match=r"not through: `onward run stage \S+ read` comes next"):
        finish(toy.machines[0].places, run, ignore)


def test_stages_that_run_together_are_recorded_each_as_plain_repro_would(toy, tmp_path):
    machine, run = toy.machines[0], toy.machines[0].start(as_of="2017-11-27")
    run_stages(machine.places, run, STAGES[:3], ignore)
    assert toy.commits(run) == list(STAGES[:3])
    run_stages(machine.places, run, STAGES[1:3], pytest.fail)
    run_stage(toy.machines[1].places, run, STAGES[3], ignore)
    assert toy.commits(run) == list(STAGES)
    assert toy.hashes(run) == hashes(plain_repro(toy, run, tmp_path / "plain"))


def test_stages_that_run_together_wait_for_those_before_them_and_for_those_that_run_alone(toy):
    places, run = toy.machines[0].places, toy.machines[0].start()
    with pytest.raises(RunError, match=rf"left cannot run together with others: `onward run stage {run} read` comes"):
        run_stages(places, run, ["left", "join"], ignore)
    forced = toy.machines[0].start(run_from="right", run_id="forced")
    with pytest.raises(RunError, match=rf"`onward run stage {forced} right` comes first"):
        run_stages(places, forced, ["read", "right"], ignore)
    assert toy.commits(run) == toy.commits(forced) == []


def test_stages_that_run_together_go_on_after_a_kill_on_another_machine_too(toy, tmp_path):
    run, log = toy.machines[0].start(as_of="2017-11-27", run_id="killed together"), tmp_path / "log"
    process = toy.machines[0].popen("run", "stage", run, *STAGES, TOY_SECONDS="1", TOY_LOG=str(log))
    while not log.exists() or "right" not in log.read_text():
        assert process.poll() is None
        time.sleep(0.02)
    kill(process, whole_group=True)
    assert toy.commits(run) == []
    for machine in toy.machines:
        done = machine.onward("run", "stage", run, *STAGES, TOY_LOG=str(log))
        assert done.returncode == 0, done.stderr
    said = [line.split()[0] for line in log.read_text().splitlines()]
    assert said.count("read") == 1, "finished before the kill"
    assert toy.commits(run) == list(STAGES)
    assert toy.hashes(run) == hashes(plain_repro(toy, run, tmp_path / "plain"))


def group_is_alive(group):
    return subprocess.run(["pgrep", "-g", str(group)], capture_output=True, check=False).returncode == 0


def kill(process, *, whole_group):
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def test_killed_at_random_moments_every_run_completes_and_no_stage_is_recorded_twice(toy, tmp_path):
    chance = kill_moments()
    run = toy.machines[0].start(as_of="2017-11-27", run_id="killed")
    kills = 0
    for stage in STAGES:
        # One dies before or in the stage, which takes long enough for that; one perhaps in what comes after it.
        for seconds, latest in (("60", 4.0), ("0", 2.5)):
            process = chance.choice(toy.machines).popen("run", "stage", run, stage, TOY_SECONDS=seconds)
            try:
                process.wait(timeout=chance.uniform(0.2, latest))
            except subprocess.TimeoutExpired:
                kill(process, whole_group=chance.random() < 0.5)
                kills += 1
        run_stage(chance.choice(toy.machines).places, run, stage, ignore)
        assert toy.commits(run).count(stage) == 1
    finish(toy.machines[1].places, run, ignore)
    print(f"{kills} kills")
    assert kills >= 4
    assert toy.commits(run) == list(STAGES)
    assert toy.hashes(run) == hashes(plain_repro(toy, run, tmp_path / "plain"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_an_ended_worker_started_ends_with_it_and_frees_the_run(toy, tmp_path, how):
    machine, log = toy.machines[0], tmp_path / "log"
    run = machine.start()
    process = machine.popen("run", "stage", run, "read", TOY_SECONDS="600", TOY_LOG=str(log))
    while not log.exists() or not log.read_text().endswith("\n"):
        assert process.poll() is None
        time.sleep(0.05)
    stage = int(log.read_text().split()[1])
    group = os.getpgid(stage)
    assert group != process.pid
    process.send_signal(how)
    process.wait()
    deadline = time.monotonic() + 30
    while group_is_alive(group):
        assert time.monotonic() < deadline, "the stage outlived the worker that started it"
        time.sleep(0.05)
    assert run_stage(machine.places, run, "read", ignore)


def test_a_stage_that_outlives_its_worker_keeps_the_run_locked(toy, tmp_path):
    """The guard was killed too: the next attempt must wait until the stage has ended, not work beside it."""
    machine, log = toy.machines[0], tmp_path / "log"
    run = machine.start()
    process = machine.popen("run", "stage", run, "read", TOY_SECONDS="3", TOY_LOG=str(log))
    while not log.exists() or not log.read_text().endswith("\n"):
        assert process.poll() is None
        time.sleep(0.05)
    stage = int(log.read_text().split()[1])
    # The guard is the worker's other child: it waits in a session of its own.
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        if os.getsid(int(child)) == int(child):
            os.kill(int(child), signal.SIGKILL)
    kill(process, whole_group=False)
    said = []
    assert Path(f"/proc/{stage}").exists()
    assert run_stage(machine.places, run, "read", said.append)
    assert not Path(f"/proc/{stage}").exists()
    assert any("waiting for another task" in line for line in said)


def test_two_machines_at_the_same_stage_record_it_once(toy, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "1.5")
    run = toy.machines[0].start()
    said = []
    with ThreadPoolExecutor(2) as pool:
        took = list(pool.map(lambda machine: run_stage(machine.places, run, "read", said.append), toy.machines))
    assert sorted(took) == [False, True]
    assert toy.commits(run) == ["read"]
    assert any("recorded read first, with the same outputs" in line or "already on branch" in line for line in said)


def test_two_machines_at_different_stages_of_one_run_are_merged(toy, tmp_path, monkeypatch):
    run = toy.machines[0].start()
    run_stage(toy.machines[0].places, run, "read", ignore)
    monkeypatch.setenv("TOY_SECONDS", "1.5")
    with ThreadPoolExecutor(2) as pool:
        pairs = zip(toy.machines, ("left", "right"), strict=True)
        assert all(pool.map(lambda pair: run_stage(pair[0].places, run, pair[1], ignore), list(pairs)))
    run_stage(toy.machines[1].places, run, "join", ignore)
    assert sorted(toy.commits(run)) == sorted(STAGES)
    assert toy.hashes(run) == hashes(plain_repro(toy, run, tmp_path / "plain"))


def test_runs_with_different_clocks_at_once_do_not_meet(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.2")
    days = ("2017-11-13", "2017-11-27")
    runs = {day: toy.machines[0].start(as_of=day, run_id="same") for day in days}

    def take(run):
        run_stage(toy.machines[0].places, run, STAGES[0], ignore)
        run_stages(toy.machines[0].places, run, STAGES[1:], ignore)

    threads = [threading.Thread(target=take, args=(run,)) for run in runs.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [toy.hashes(run) for run in runs.values()]
    assert found[0]["out/join"] != found[1]["out/join"]
    for day, run in runs.items():
        assert toy.hashes(run) == hashes(plain_repro(toy, run, tmp_path / f"plain{day}")), day


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A toy with three finished runs, newest last."""
    toy = make_toy(tmp_path_factory.mktemp("past"), 2)
    runs = [toy.machines[0].start(as_of=day) for day in ("2017-11-13", "2017-11-20", "2017-11-27")]
    for run in runs:
        run_stages(toy.machines[0].places, run, STAGES, ignore)
        finish(toy.machines[0].places, run, ignore)
    return toy, runs


def test_reproduce_restores_past_runs_byte_for_byte_in_a_clean_clone(past, tmp_path):
    toy, runs = past
    git(tmp_path, "clone", "-q", str(toy.shared / "git"), "clean")
    # Nothing but the clone: the run's branch is found where it was cloned from, its outputs where the run says.
    command = [sys.executable, "-m", "onward.cli", "reproduce"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ONWARD_")}
    for run in runs:
        done = subprocess.run(
            [*command, run], cwd=tmp_path / "clean", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"8 of 8 outputs are byte for byte those of run {run}" in done.stdout
        folder = tmp_path / "clean" / ".onward" / "reproduced" / run
        assert {path: hash_output(folder / path) for path in toy.hashes(run)} == toy.hashes(run)
        assert "2017-11-" + run[8:10] in (folder / "out" / "read" / "params").read_text()


def test_reproduce_says_which_output_differs(past):
    toy, (run, *_) = past
    wanted = toy.hashes(run)["out/join"]
    (spoilt,) = (toy.shared / "dvc").rglob(f"{wanted[:2]}/{wanted[2:]}")
    spoilt.chmod(0o644)
    spoilt.write_text("spoilt\n")
    done = toy.machines[1].onward("reproduce", run, ONWARD_WORKSPACES="empty")
    assert done.returncode == 1
    assert "DIFFERENT out/join" in done.stdout
    assert "7 of 8 outputs" in done.stdout


def test_reproduce_refuses_a_folder_that_holds_something_else(past, tmp_path):
    toy, (run, *_) = past
    (tmp_path / "mine").touch()
    with pytest.raises(RunError, match="holds something else"):
        reproduce(toy.machines[0].places, run, toy.machines[1].root, ignore)
    with pytest.raises(RunError, match="holds something else"):
        reproduce(toy.machines[0].places, run, tmp_path, ignore)


HOSTILE = [
    "../2017-11-20-3f2a9c1b", "2017-11-20-3f2a9c1b/..", "2017-11-20-3f2a9c1b\n", "\n2017-11-20-3f2a9c1b", "main",
    "2017-11-20-3F2A9C1B", "2017-11-20-3f2a9c1b;touch canary", "$(touch canary)", "`touch canary`", "-x",
    "--upload-pack=x", "", " ",
    "2017-11-20-3f2a9c1b ", "२०१७-११-२०-3f2a9c1b", "a" * 100_000, "/etc/passwd", "2017-11-20-3f2a9c1b\x1b[2J",
]  # fmt: skip


@pytest.fixture
def no_commands(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a command was started"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a command was started"))


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_run_names_come_near_no_command(tmp_path, name, no_commands):
    places = Machine(tmp_path, tmp_path / "shared").places
    for act in (
        lambda: run_stage(places, name, "read", ignore),
        lambda: finish(places, name, ignore),
        lambda: reproduce(places, name, None, ignore),
    ):
        with pytest.raises(RunError, match="is no run's name") as raised:
            act()
        assert len(str(raised.value)) < 300
        assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["-f", "--all", "../read", "read:x", "dvc.yaml", "read;ls", "$(ls)", "read\n", "", "é"]
)
def test_hostile_stage_names_come_near_no_command(tmp_path, name, no_commands):
    places = Machine(tmp_path, tmp_path / "shared").places
    with pytest.raises(RunError, match="is no stage's name"):
        run_stage(places, "2017-11-20-3f2a9c1b", name, ignore)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_run_and_an_unknown_stage_are_named(toy):
    places = toy.machines[0].places
    with pytest.raises(RunError, match="no run 2017-11-20-00000000"):
        run_stage(places, "2017-11-20-00000000", "read", ignore)
    run = toy.machines[0].start()
    with pytest.raises(RequestError, match="has no stage 'reed'; it has read, left, right, join"):
        run_stage(places, run, "reed", ignore)


def test_a_broken_workspace_is_replaced(toy):
    machine, said = toy.machines[0], []
    run = machine.start()
    run_stage(machine.places, run, "read", ignore)
    folder = machine.places.workspaces / run
    (folder / ".git" / "HEAD").write_text("rubbish")
    (folder / "dvc.lock").write_text("schema: '2.0'\nsta")
    run_stage(machine.places, run, "left", said.append)
    assert any("taking a new one" in line for line in said)
    (folder / ".git" / "index.lock").touch()
    (folder / "dvc.lock").write_text("schema: '2.0'\nsta")
    (folder / ".dvc" / "tmp" / "rwlock").write_text('{"x": {"write": {"pid": 1, "cmd": "dvc repro"}}}')
    assert run_stage(machine.places, run, "right", ignore)


def test_runs_of_the_same_code_share_one_copy_of_it_and_other_code_has_its_own(toy, tmp_path, monkeypatch):
    """So that what Python and numba compile is there for the next run; what runs import is what git recorded."""
    machine = toy.machines[0]
    with open_workspace(machine.places, machine.start(), ignore) as space:
        space.synchronise(ignore)
        assert shared_code(space.git, machine.places) == space.root / "src", "a pipeline without code of its own"
    copies = {}
    for word in ("one", "one", "other"):
        (machine.root / "src").mkdir(exist_ok=True)
        (machine.root / "src" / "said.py").write_text(f"WORD = {word!r}\n")
        git(machine.root, "add", "src")
        git(machine.root, "commit", "-q", "--allow-empty", "-m", word)
        with open_workspace(machine.places, machine.start(), ignore) as space:
            space.synchronise(ignore)
            (space.root / "src" / "said.py").write_text("WORD = 'changed in the folder only'\n")
            copies.setdefault(word, set()).add(shared_code(space.git, machine.places))
            wrote = tmp_path / "wrote"
            with space.executing("-c", f"import said; open({str(wrote)!r}, 'w').write(said.WORD)") as process:
                assert process.wait() == 0
            assert wrote.read_text() == word
    assert {word: len(paths) for word, paths in copies.items()} == {"one": 1, "other": 1}
    assert copies["one"] != copies["other"]
    old = time.time() - 30 * 86_400
    os.utime(*copies["one"], (old, old))
    with open_workspace(machine.places, machine.start(), ignore) as space:
        space.synchronise(ignore)
    assert not next(iter(copies["one"])).exists(), "unused for a month"
    assert next(iter(copies["other"])).exists()


def test_a_kill_while_dvc_notes_a_finished_stage_does_not_stop_the_next_attempt(toy):
    """DVC makes a folder, then the note in it, and cannot read a folder without one."""
    machine = toy.machines[0]
    first, second = (machine.start(as_of="2017-11-27", run_id=name) for name in ("first", "second"))
    run_stage(machine.places, first, "read", ignore)
    notes = [path for path in (machine.places.cache / "outputs" / "runs").rglob("*") if path.is_file()]
    assert notes
    for note in notes:
        note.unlink()
        os.utime(note.parent, (time.time() - 60, time.time() - 60))
    assert run_stage(machine.places, second, "read", ignore)


def test_forced_stages_run_though_nothing_changed(past, tmp_path, monkeypatch):
    toy, (*_, first) = past
    git(toy.machines[0].root, "fetch", "-q", str(toy.shared / "git"), f"runs/{first}")
    monkeypatch.setenv("ONWARD_CODE_REF", "FETCH_HEAD")
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    again = toy.machines[0].start(as_of="2017-11-27", run_id="unforced")
    complete(toy, again)
    assert not (tmp_path / "log").exists()
    assert toy.commits(again) == list(STAGES)
    assert "Keep join" in toy.git("log", "--format=%s", f"runs/{again}")
    forced = toy.machines[0].start(as_of="2017-11-27", run_id="forced", run_from="right")
    run_stages(toy.machines[0].places, forced, STAGES[:2], ignore)
    for stage in STAGES[2:]:
        assert run_stage(toy.machines[1].places, forced, stage, ignore)
    ran = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert ran == ["right", "join"]
    assert toy.hashes(first) == toy.hashes(again) == toy.hashes(forced)


def test_outputs_that_the_remote_lost_are_made_again(past, tmp_path, monkeypatch):
    toy, (*_, first) = past
    git(toy.machines[1].root, "fetch", "-q", str(toy.shared / "git"), f"runs/{first}")
    (toy.shared / "dvc").rename(tmp_path / "lost")
    monkeypatch.setenv("ONWARD_CODE_REF", "FETCH_HEAD")
    monkeypatch.setenv("ONWARD_WORKSPACES", "fresh")
    run = toy.machines[1].start(as_of="2017-11-27", run_id="again")
    for stage in STAGES[:2]:
        assert run_stage(toy.machines[1].places, run, stage, ignore)
    run_stages(toy.machines[1].places, run, STAGES[2:], ignore)
    assert toy.commits(run) == list(STAGES)
    assert toy.hashes(run) == toy.hashes(first)
    assert not reproduce(toy.machines[1].places, run, tmp_path / "restored", ignore).wrong
