"""What a benchmark's record says of the code that made it."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks.harness import form
from benchmarks.harness.form import Finding, commit, publish


@pytest.fixture
def checkout(tmp_path):
    for name in ("code.py", "benchmarks/results/one.json", "docs/images/one.svg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before\n")
    identity = ("-c", "user.name=one", "-c", "user.email=one@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    return tmp_path


def test_a_record_names_the_commit_whatever_benchmarks_wrote(checkout):
    clean = commit(checkout)
    assert len(clean) >= 7
    (checkout / "benchmarks" / "results" / "one.json").write_text("after\n")
    (checkout / "docs" / "images" / "one.svg").write_text("after\n")
    (checkout / "notes.txt").write_text("untracked\n")
    assert commit(checkout) == clean


def test_a_record_says_that_the_code_was_another(checkout):
    clean = commit(checkout)
    (checkout / "code.py").write_text("after\n")
    assert commit(checkout) == f"{clean}-dirty"


def test_outside_a_repository_the_commit_is_unknown(tmp_path):
    assert commit(tmp_path) == "unknown"


def test_a_record_names_the_command_that_made_it_wherever_the_module_lies(monkeypatch, tmp_path):
    monkeypatch.setattr(form, "ROOT", tmp_path)
    monkeypatch.setattr(form, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("sys.argv", ["any", "--data", "/somewhere/data"])
    for name, module in (("groups", "doubt.groups"), ("related", "related.__main__")):
        started = SimpleNamespace(__spec__=SimpleNamespace(name=f"benchmarks.{module}"))
        monkeypatch.setitem(sys.modules, "__main__", started)
        path = publish(Finding(name, [1], [{"a": 1}], {}))
        assert path.name == f"{name}.json"
        command = f"python -m benchmarks.{module.removesuffix('.__main__')} --data DIR"
        assert json.loads(path.read_text())["command"] == command


def test_a_log_holds_a_row_on_one_line_however_many_columns_it_has(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(form, "ROOT", tmp_path)
    monkeypatch.setattr(form, "RESULTS", tmp_path / "results")
    row = {f"a column of some length {number}": f"value{number}" for number in range(12)}
    publish(Finding("wide", [1], [row], {}))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if all(value in line for value in row.values())]
    assert [line for line in lines if all(name in line for name in row)]
