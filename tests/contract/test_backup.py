"""Backup, loss of everything but the backup, restore: the version in use answers, the last run reproduces."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from builders.object_stores import empty_bucket, object_store
from builders.tiny_bundle import TAGS, make_bundle
from builders.toy_runs import STAGES, Machine, Toy, make_toy
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.registry import Registry
from onward.settings import ProjectSettings
from tools.testbeds.local_servers import Postgres, postgres

# Starts servers or the command line, again and again.
pytestmark = pytest.mark.slow

DECIDED = "day=2017-11-27/version=1.parquet"
LOOKED = "version=1/as_of=2017-11-28/verdict.json"


@dataclass
class Shop:
    """A toy project with one finished run, one version in use, and what the monitor keeps."""

    folder: Path
    toy: Toy
    variables: dict[str, str]
    database: Postgres | None
    store: dict[str, str] | None
    run: str = ""
    answer: str = ""
    outputs: dict[str, bytes] = field(default_factory=dict)

    @property
    def machine(self) -> Machine:
        return self.toy.machines[0]

    def onward(self, *words: str, machine: Machine | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return (machine or self.machine).onward(*words, **(self.variables | more))

    def must(self, *words: str, machine: Machine | None = None, **more: str) -> str:
        done = self.onward(*words, machine=machine, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def settings(self, machine: Machine) -> ProjectSettings:
        named = {
            name.removeprefix("ONWARD_").lower(): value for name, value in self.variables.items() if "ONWARD" in name
        }
        return ProjectSettings(project=machine.root, **named)

    def lose_everything(self) -> None:
        """Every machine, both remotes, every database; what is left is the backup."""
        shutil.rmtree(self.machine.root)
        shutil.rmtree(self.toy.shared)
        shutil.rmtree(self.folder / "watching", ignore_errors=True)
        if self.store is not None:
            assert empty_bucket(self.store) > 10
        if self.database is not None:
            for name in ("mlflow", "airflow"):
                self.make_anew(name)

    def make_anew(self, name: str) -> None:
        with psycopg.connect(self.database.address("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        self.database.make_database(name)

    def another_machine(self) -> Machine:
        """A clone of the code from the backup, with nothing beside it."""
        root = self.folder / "anew"
        subprocess.run(["git", "clone", "-q", str(self.folder / "backup" / "git.bundle"), str(root)], check=True)
        assert (root / "params.yaml").is_file(), "a clone of the backup checks out the code"
        return Machine(root, self.toy.shared)


@pytest.fixture(scope="module", params=["folders", "servers"])
def shop(request, tmp_path_factory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    toy = make_toy(folder, 1)
    with ExitStack() as stack:
        if request.param == "folders":
            shared = folder / "shared"
            variables = {
                "ONWARD_REGISTRY": f"sqlite:///{shared / 'mlruns' / 'mlflow.db'}",
                "ONWARD_DECISIONS": str(folder / "watching" / "decisions"),
                "ONWARD_LOOKS": str(folder / "watching" / "looks"),
                "ONWARD_ACTIONS": str(folder / "watching" / "actions"),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "",
            }  # fmt: skip
            made = Shop(folder, toy, variables, None, None)
        else:
            database, store = stack.enter_context(postgres()), stack.enter_context(object_store())
            for name in ("mlflow", "airflow"):
                database.make_database(name)
            variables = {
                **store,
                "ONWARD_DVC_REMOTE": "s3://onward/dvc", "ONWARD_DVC_REMOTE_ENDPOINT": store["AWS_ENDPOINT_URL"],
                "ONWARD_REGISTRY": database.address("mlflow"), "ONWARD_REGISTRY_ARTIFACTS": "s3://onward/registry",
                "ONWARD_WATCHING": "s3://onward/watching",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.address("airflow", "postgresql+psycopg2"),
            }  # fmt: skip
            made = Shop(folder, toy, variables, database, store)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                if name.startswith("AWS"):
                    patch.setenv(name, value)
            fill(made)
            yield made


def fill(shop: Shop) -> None:
    started = shop.must("run", "start", feed=json.dumps({"as_of": "2017-11-27"}))
    shop.run = json.loads(started.splitlines()[-1])["run"]
    shop.must("run", "stage", shop.run, *STAGES)
    bundle = shop.folder / "bundle"
    write_bundle(bundle, make_bundle())
    registry = Registry.of(shop.settings(shop.machine))
    registry.promote(registry.register(bundle, bundle_hash(bundle), TAGS, {"auc": 0.7}).number)
    shop.answer = answer_of(shop, shop.machine)
    shop.outputs = outputs_of(shop, shop.machine)
    for folder, name in (("decisions", DECIDED), ("looks", LOOKED)):
        write(shop, folder, name)
    if shop.database is not None:
        with psycopg.connect(shop.database.address("airflow")) as connection:
            connection.execute("CREATE TABLE dag_run AS SELECT 'retrain' AS dag_id")


def write(shop: Shop, folder: str, name: str) -> None:
    from onward.daily.shared_folders import SharedFolder

    settings = shop.settings(shop.machine)
    path = Path(getattr(settings, folder)) / name
    path.parent.mkdir(parents=True)
    path.write_text(f"what was kept of {name}")
    SharedFolder.of(settings, folder).give()


def kept(shop: Shop, machine: Machine, folder: str, name: str) -> str:
    from onward.daily.shared_folders import SharedFolder

    settings = shop.settings(machine)
    SharedFolder.of(settings, folder).take()
    return (Path(getattr(settings, folder)) / name).read_text()


def answer_of(shop: Shop, machine: Machine) -> str:
    return shop.must("recommend", "Bread", "--json", machine=machine)


def outputs_of(shop: Shop, machine: Machine) -> dict[str, bytes]:
    """Every byte of the run's outputs, in a folder that held nothing before."""
    folder = machine.root.parent / f"again-{machine.root.name}"
    shutil.rmtree(machine.root / ".onward", ignore_errors=True)
    said = shop.must("reproduce", shop.run, "--folder", str(folder), machine=machine)
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()
    }
    # An output and a metric each.
    assert f"{2 * len(STAGES)} of {2 * len(STAGES)} outputs" in said
    shutil.rmtree(folder)
    return found


def test_after_the_loss_of_everything_but_the_backup_the_champion_answers_and_the_run_reproduces(shop):
    to = shop.folder / "backup"
    said = json.loads(shop.must("backup", str(to)).splitlines()[-1])
    assert (said["champion"], said["absent_outputs"], said["lost_versions"]) == (1, 0, [])
    assert to.stat().st_mode & 0o077 == 0
    shop.lose_everything()
    machine = shop.another_machine()
    assert shop.onward("recommend", "Bread", machine=machine).returncode != 0
    said = json.loads(shop.must("restore", str(to), machine=machine).splitlines()[-1])
    assert said["champion"] == 1
    assert answer_of(shop, machine) == shop.answer
    assert outputs_of(shop, machine) == shop.outputs
    for folder, name in (("decisions", DECIDED), ("looks", LOOKED)):
        assert kept(shop, machine, folder, name) == f"what was kept of {name}"
    if shop.database is not None:
        with psycopg.connect(shop.database.address("airflow")) as connection:
            assert connection.execute("SELECT dag_id FROM dag_run").fetchall() == [("retrain",)]


def test_a_second_restore_changes_nothing_and_says_why(shop):
    machine = Machine(shop.folder / "anew", shop.toy.shared)
    done = shop.onward("restore", str(shop.folder / "backup"), machine=machine)
    assert done.returncode == 1
    assert "the database is not empty; drop it" in done.stderr
    assert answer_of(shop, machine) == shop.answer


def test_a_backup_that_was_damaged_or_cut_off_restores_nothing(shop):
    machine = Machine(shop.folder / "anew", shop.toy.shared)
    copy = shop.folder / "copy"
    shutil.copytree(shop.folder / "backup", copy)
    (copy / "decisions" / DECIDED).write_text("somebody else's")
    done = shop.onward("restore", str(copy), machine=machine)
    assert "version=1.parquet is missing or damaged" in " ".join(done.stderr.split())
    (copy / "backup.json").unlink()
    done = shop.onward("restore", str(copy), machine=machine)
    assert "is no whole backup" in done.stderr
    shutil.rmtree(copy)


def test_a_place_that_holds_something_else_is_left_alone(shop):
    machine = Machine(shop.folder / "anew", shop.toy.shared)
    empty = f"sqlite:///{shop.folder / 'elsewhere' / 'mlflow.db'}"
    known = {"ONWARD_REGISTRY": empty, "ONWARD_REGISTRY_ARTIFACTS": str(shop.folder / "elsewhere")}
    stray = shop.folder / "elsewhere" / "stray.txt"
    stray.parent.mkdir()
    stray.write_text("mine")
    words = ("restore", str(shop.folder / "backup"), "--without-airflow")
    done = shop.onward(*words, machine=machine, **known)
    assert "holds 1 files that are not of this backup, the first stray.txt" in " ".join(done.stderr.split())
    assert list(stray.parent.iterdir()) == [stray]
    shutil.rmtree(stray.parent)


def test_a_restore_that_was_broken_off_goes_on(shop):
    """Files and branches that a killed restore has put are put again; the registry comes last."""
    machine = Machine(shop.folder / "anew", shop.toy.shared)
    if shop.database is None:
        shutil.rmtree(shop.toy.shared / "mlruns")
    else:
        for name in ("mlflow", "airflow"):
            shop.make_anew(name)
    said = shop.must("restore", str(shop.folder / "backup"), machine=machine)
    assert "of them again" in said
    assert answer_of(shop, machine) == shop.answer


def test_what_a_killed_push_left_half_written_in_the_remote_is_no_damage(shop):
    if shop.store is not None:
        pytest.skip("only a folder shows what is being written")
    anew = Machine(shop.folder / "anew", shop.toy.shared)
    machine = anew if anew.root.is_dir() else shop.machine
    left = shop.toy.shared / "dvc" / "files" / "md5" / "ab" / ".Xc4.tmp"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"half")
    done = shop.onward("backup", str(shop.folder / "beside-a-push"), machine=machine)
    left.unlink()
    assert done.returncode == 0, done.stderr
    assert not list((shop.folder / "beside-a-push").rglob("*.tmp"))


def test_damage_in_the_dvc_remote_is_found_when_the_backup_is_made(shop):
    if shop.store is not None:
        pytest.skip("the same code as for folders")
    machine = Machine(shop.folder / "anew", shop.toy.shared)
    damaged = next(path for path in (shop.toy.shared / "dvc").rglob("*") if path.is_file())
    damaged.chmod(0o644)
    content = damaged.read_bytes()
    damaged.write_bytes(content + b" ")
    done = shop.onward("backup", str(shop.folder / "second"), machine=machine)
    damaged.write_bytes(content)
    assert "of the DVC remote is damaged" in " ".join(done.stderr.split())
    assert not (shop.folder / "second").exists()
