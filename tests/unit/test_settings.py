"""What a machine's environment says: names, defaults, and that one module reads it."""

import ast
import os
import re
from pathlib import Path

import pytest

from onward.errors import SettingsError
from onward.settings import ProjectSettings, as_environment, read_settings

ROOT = Path(__file__).resolve().parents[2]
# What a process hands on to those that it starts, or sets for a library of its own process; none of it names a place.
HANDED_ON = {
    "reporting/evidently_pages.py", "services/processes.py", "services/airflow_cleaning.py", "services/local.py",
    "stages/__init__.py", "stages/encoder_processes.py", "stages/runner.py", "deployment/registry.py", "runs/replay.py",
    "runs/backup/databases.py", "runs/protocol/checkout.py", "runs/protocol/git.py",
}  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("ONWARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_project_is_the_one_that_is_named_else_the_folder_at_hand(monkeypatch, elsewhere):
    assert ProjectSettings().project == elsewhere
    assert ProjectSettings().looks == elsewhere / "monitoring" / "looks"
    monkeypatch.setenv("ONWARD_PROJECT", "")
    assert ProjectSettings().project == elsewhere
    monkeypatch.setenv("ONWARD_PROJECT", "/srv/shop")
    assert ProjectSettings().looks == Path("/srv/shop/monitoring/looks")
    assert ProjectSettings(project=elsewhere).looks == elsewhere / "monitoring" / "looks"


def test_places_count_from_the_project_and_an_empty_variable_is_none(monkeypatch):
    given = {"PROJECT": "/srv/shop", "LOOKS": "seen", "ACTIONS": "/srv/done", "DECISIONS": "", "DVC_REMOTE": "../store"}
    for name, value in given.items():
        monkeypatch.setenv(f"ONWARD_{name}", value)
    settings = ProjectSettings()
    assert (settings.looks, settings.actions) == (Path("/srv/shop/seen"), Path("/srv/done"))
    assert settings.decisions == Path("/srv/shop/monitoring/decisions")
    assert (settings.git_remote, settings.dvc_remote) == ("/srv/shop", "/srv/store")


def test_a_long_password_is_left_out_of_the_line_that_refuses_it_and_nothing_else_is_named(monkeypatch):
    monkeypatch.setenv("ONWARD_GIT_REMOTE", f"https://shop:{'Zx9' * 40}@git.example.org/shop.git")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert "Zx9" not in str(refused.value)
    assert str(refused.value).count("ONWARD_") == 1


def test_what_is_handed_on_is_what_another_process_reads(monkeypatch):
    handed = as_environment(project="/srv/shop", registry="postgresql://host/mlflow", looks="/srv/looks")
    for name, value in handed.items():
        monkeypatch.setenv(name, value)
    read = ProjectSettings()
    assert (read.project, read.registry, read.looks) == (
        Path("/srv/shop"),
        handed["ONWARD_REGISTRY"],
        Path("/srv/looks"),
    )
    with pytest.raises(ValueError, match="no such setting: regsitry"):
        as_environment(regsitry="x")


def test_no_other_module_reads_the_environment():
    source = ROOT / "src" / "onward"
    reading = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert reading <= HANDED_ON


def test_every_field_is_in_the_modules_table_and_the_dag_files_mean_the_same_project():
    told = set(re.findall(r"\| `ONWARD_([A-Z_]+)`", (ROOT / "src" / "onward" / "settings.py").read_text()))
    assert {name.lower() for name in told} == set(ProjectSettings.model_fields)
    dags = (ROOT / "dags" / "onward_tasks" / "settings.py").read_text()
    assert set(re.findall(r"ONWARD_([A-Z_]+)", dags)) & told == {"PROJECT"}
