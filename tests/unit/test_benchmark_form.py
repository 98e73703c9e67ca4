"""What a benchmark's record says of the code that made it."""

import subprocess

import pytest

from benchmarks.form import commit


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
