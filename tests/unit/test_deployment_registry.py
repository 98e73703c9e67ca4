import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builders.registries import new_registry
from onward.deployment.registry import CHALLENGER, CHAMPION, Registry
from onward.errors import RegistryError

# Makes MLflow's tables, and kills who makes them.
pytestmark = pytest.mark.slow


def make_bundle_folder(folder: Path, text: str) -> Path:
    (folder / "heads").mkdir(parents=True)
    (folder / "heads" / "head_0.txt").write_text(text)
    return folder


@pytest.fixture
def registry(tmp_path):
    return new_registry(tmp_path / "mlruns")


@pytest.fixture
def add(registry, tmp_path):
    def register(text: str):
        folder = tmp_path / text
        bundle = folder if folder.exists() else make_bundle_folder(folder, text)
        return registry.register(bundle, f"hash-{text}", {"source": "simulator", "as_of": "2017-11-20"}, {"auc": 0.7})

    return register


def count_versions(registry):
    return len(registry._client().search_model_versions("name='onward'"))


def test_an_empty_registry_knows_nothing_and_makes_no_file(tmp_path):
    registry = Registry(tmp_path / "mlruns")
    assert registry.champion() is None
    assert registry.find("x") is None
    assert registry.named(CHALLENGER) is None
    assert not registry.root.exists()


def test_a_bundle_is_stored_once_with_what_made_it(registry, add):
    first = add("a")
    assert add("a") == first
    assert count_versions(registry) == 1
    assert first.tags["source"] == "simulator"
    assert (registry.folder(first) / "heads" / "head_0.txt").read_text() == "a"
    assert registry._client().get_run(first.run).data.metrics == {"auc": 0.7}
    assert registry.find("hash-a") == first
    assert registry.named(CHALLENGER) == first
    assert registry.champion() is None


def test_promotion_moves_the_aliases_and_rollback_returns(registry, add):
    first, second = add("a"), add("b")
    registry.promote(first.number)
    assert registry.champion().number == first.number
    registry.promote(second.number)
    assert registry.champion().number == second.number
    assert registry.champion().replaced == first.number
    assert registry.named(CHALLENGER) is None
    assert registry.rollback().in_use.number == first.number
    assert registry.champion().number == first.number
    assert registry.version(second.number).rolled_back
    with pytest.raises(RegistryError, match="replaced no other"):
        registry.rollback()
    assert registry.promote(second.number).in_use.number == second.number
    assert not registry.version(second.number).rolled_back


def test_promoting_the_champion_again_changes_nothing(registry, add):
    first, second = add("a"), add("b")
    registry.promote(first.number)
    registry.promote(second.number)
    before = registry.champion()
    registry.promote(second.number)
    assert registry.champion() == before
    assert add("b").number == second.number
    assert registry.named(CHALLENGER) is None


def test_what_is_not_there_is_named(registry, add):
    with pytest.raises(RegistryError, match="nothing is deployed"):
        registry.rollback()
    with pytest.raises(RegistryError, match=r"version 7 is not registered \(registered: none\)"):
        registry.promote(7)
    version = add("a")
    with pytest.raises(RegistryError, match="registered: 1"):
        registry.promote(7)
    (registry.folder(version) / "heads" / "head_0.txt").unlink()
    (registry.folder(version) / "heads").rmdir()
    registry.folder(version).rmdir()
    with pytest.raises(RegistryError, match="lost its bundle"):
        registry.folder(version)


def test_a_moved_project_keeps_its_registry(registry, add, tmp_path):
    version = registry.promote(add("a").number).in_use
    moved = tmp_path / "elsewhere"
    registry.root.rename(moved)
    assert (Registry(moved).folder(version) / "heads" / "head_0.txt").read_text() == "a"


def test_the_champion_is_known_without_mlflow_until_the_database_changes(registry, add):
    first, second = add("a"), add("b")
    registry.promote(first.number)
    code = (
        "import sys; from pathlib import Path; from onward.deployment.registry import Registry\n"
        f"print(Registry(Path({str(registry.root)!r})).champion().number, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(first.number), "False"]
    # As another program would, the MLflow UI for one.
    registry._client().set_registered_model_alias("onward", CHAMPION, str(second.number))
    assert registry.champion().number == second.number
    (registry.root / "champion.json").write_text("{half")
    assert registry.champion().number == second.number


@pytest.mark.parametrize(
    "method", ["create_run", "log_artifacts", "create_model_version", "set_registered_model_alias"]
)
@pytest.mark.parametrize("after", [False, True])
def test_interrupted_anywhere_and_run_again_there_is_one_version(registry, add, monkeypatch, method, after):
    from mlflow import MlflowClient

    original = getattr(MlflowClient, method)

    def interrupted(*arguments, **named):
        if after:
            original(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, method, interrupted)
        with pytest.raises(KeyboardInterrupt):
            add("a")
    version = add("a")
    assert count_versions(registry) == 1
    assert (registry.folder(version) / "heads" / "head_0.txt").read_text() == "a"
    assert registry.named(CHALLENGER).number == version.number


def test_a_kill_while_the_tables_are_made_leaves_a_registry_that_works(tmp_path):
    registry = Registry(tmp_path / "mlruns")
    registry.root.mkdir()
    code = (
        "import os, sqlite3; from pathlib import Path; from onward.deployment.registry import Registry\n"
        "def killed(self, database=None):\n"
        "    sqlite3.connect(database).execute('CREATE TABLE _alembic_tmp_params (x)'); os.kill(os.getpid(), 9)\n"
        "Registry._client = killed\n"
        f"Registry(Path({str(registry.root)!r}))._make_database()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert registry.champion() is None
    registry.register(make_bundle_folder(tmp_path / "a", "a"), "a", {}, {})
    assert count_versions(registry) == 1


def test_a_killed_holder_of_the_lock_blocks_nobody(registry, add):
    code = (
        "import time; from pathlib import Path; from onward.deployment.registry import Registry\n"
        f"with Registry(Path({str(registry.root)!r}))._alone(): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    started = time.monotonic()
    add("a")
    assert time.monotonic() - started < 20
