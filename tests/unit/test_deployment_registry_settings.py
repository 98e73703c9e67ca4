import subprocess
import sys
from pathlib import Path

import pytest

from builders.registries import new_registry
from onward.deployment.registry import Registry
from onward.deployment.registry_settings import RegistrySettings
from onward.errors import RegistryError
from onward.settings import ProjectSettings

SHARED = "postgresql://onward:secret@db.example/mlflow"


def test_without_settings_the_registry_is_the_projects_own(tmp_path):
    own, settings = tmp_path / "mlruns", ProjectSettings(project=tmp_path)
    found = RegistrySettings.of(settings)
    assert found == RegistrySettings.in_folder(own)
    assert found.address == ""
    assert found.artifacts == str(own / "artifacts")
    assert Registry.of(settings).address == Registry(own).address == f"sqlite:///{own}/mlflow.db"


def test_a_workspace_uses_the_file_that_its_machine_shares(tmp_path):
    shared = tmp_path / "project" / "mlruns"
    places = {"registry": f"sqlite:///{shared}/mlflow.db", "registry_artifacts": str(tmp_path / "store")}
    registry = Registry.of(ProjectSettings(project=tmp_path / "workspace", **places))
    assert registry.database == shared / "mlflow.db"
    new_registry(shared)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "x.txt").write_text("x")
    version = registry.register(bundle, "hash", {}, {})
    assert registry.folder(version).is_relative_to(tmp_path / "store")
    assert (registry.folder(version) / "x.txt").read_text() == "x"
    assert not (tmp_path / "workspace").exists()


def test_hosts_that_share_a_database_share_a_place_for_bundles(tmp_path):
    with pytest.raises(RegistryError, match="ONWARD_REGISTRY_ARTIFACTS is not set"):
        RegistrySettings.of(ProjectSettings(project=tmp_path, registry=SHARED))
    bucket = {"project": tmp_path, "registry_artifacts": "s3://onward/bundles/"}
    found = RegistrySettings.of(ProjectSettings(registry=SHARED, **bucket))
    assert (found.address, found.artifacts) == (SHARED, "s3://onward/bundles")
    assert found.fetched == tmp_path / "mlruns" / "fetched"
    assert RegistrySettings.of(ProjectSettings(registry_cache="cache", **bucket)).fetched == tmp_path / "cache"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ONWARD_REGISTRY", "http://mlflow.example:5000"),
        ("ONWARD_REGISTRY", "mysql://root:secret@db/mlflow"),
        ("ONWARD_REGISTRY", "sqlite:///relative/mlflow.db"),
        ("ONWARD_REGISTRY", "sqlite:////srv/other.db"),
        ("ONWARD_REGISTRY_ARTIFACTS", "ftp://store.example/x"),
    ],
)
def test_what_cannot_be_a_registry_is_refused_without_showing_a_password(monkeypatch, variable, value):
    monkeypatch.setenv("ONWARD_REGISTRY_ARTIFACTS", "/srv/store")
    monkeypatch.setenv(variable, value)
    with pytest.raises(RegistryError, match=variable) as refused:
        RegistrySettings.of(ProjectSettings())
    assert "secret" not in str(refused.value)


def test_a_moved_project_registers_and_reads_in_its_new_place(tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "x.txt").write_text("first")
    old, new = new_registry(tmp_path / "old"), Registry(tmp_path / "new")
    first = old.register(bundle, "first", {}, {})
    old.root.rename(new.root)
    (bundle / "x.txt").write_text("second")
    second = new.register(bundle, "second", {}, {})
    assert (new.folder(first) / "x.txt").read_text() == "first"
    assert (new.folder(second) / "x.txt").read_text() == "second"
    assert not old.root.exists()


def test_an_address_that_does_not_answer_is_one_line_without_the_password(tmp_path):
    places = {"registry": "postgresql://onward:secret@127.0.0.1:9/mlflow", "registry_artifacts": "/srv"}
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9/mlflow") as refused:
        Registry.of(ProjectSettings(project=tmp_path, **places)).champion()
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_settings_are_read_without_mlflow():
    code = (
        "import sys; from onward.deployment.registry import Registry; from onward.settings import ProjectSettings\n"
        "Registry.of(ProjectSettings(project='x')).champion(); print({'mlflow', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path("/"))
    assert done.stdout.strip() == "set()"
