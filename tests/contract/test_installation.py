"""What an installation promises: a library user needs no Airflow, and an archive says what it lacks."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_AIRFLOW = "import sys; sys.modules['airflow'] = None; sys.argv = ['onward', *{words}]; {program}"


def without_airflow(program, *words):
    command = [sys.executable, "-c", WITHOUT_AIRFLOW.format(words=list(words), program=program)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("program", ["import onward", "from onward.cli import main; main()"], ids=["library", "help"])
def test_a_library_user_needs_no_airflow(program):
    done = without_airflow(program, "--help")
    assert done.returncode == 0, done.stderr


def test_onward_airflow_without_airflow_names_the_extra_that_brings_it():
    done = without_airflow("from onward.cli import main; main()", "airflow")
    assert done.returncode == 1
    assert "'.[airflow]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_downloaded_archive_is_told_how_to_become_a_git_checkout(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "checkout"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "git init" in done.stdout


def test_dvc_reads_yaml_by_a_parser_in_c():
    # In Python it took a third of a `dvc repro` that had nothing to do: ruamel leaves its C parser for us to install.
    assert YAML(typ="safe").Parser.__module__.endswith("_ruamel_yaml")
