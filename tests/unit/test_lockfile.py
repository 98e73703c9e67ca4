"""A dvc.lock that a kill has cut off is replaced by the one from before."""

import sys

import pytest

from onward import cli
from onward.errors import ArtifactError
from onward.pipeline_file import is_whole
from onward.stages.lockfile import mend

WHOLE = "schema: '2.0'\nstages:\n  ingest:\n    cmd: python -m onward.stages.ingest\n    outs: []\n"


@pytest.fixture
def lock(tmp_path):
    (tmp_path / "dvc.lock").write_text(WHOLE)
    return tmp_path / "dvc.lock"


def test_a_whole_lock_is_left_alone(lock):
    assert mend(lock.parent) is None
    assert lock.read_text() == WHOLE


@pytest.mark.parametrize("length", range(0, len(WHOLE) - 40, 3))
def test_a_lock_cut_off_anywhere_is_mended_or_still_readable(lock, length):
    mend(lock.parent)
    lock.write_text(WHOLE[:length])
    said = mend(lock.parent)
    assert is_whole(lock.read_text())
    if said is not None:
        assert lock.read_text() == WHOLE


def test_a_broken_lock_without_a_copy_says_how_to_get_one(lock):
    lock.write_text("")
    with pytest.raises(ArtifactError, match=r"git checkout dvc\.lock"):
        mend(lock.parent)


@pytest.mark.parametrize(("note", "stays"), [("", False), ('{"params.yaml": {"read": [', False), ("{}", True)])
def test_a_note_of_files_in_use_that_a_kill_has_cut_off_goes(lock, note, stays):
    path = lock.parent / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True)
    path.write_text(note)
    assert mend(lock.parent) is None
    assert path.exists() == stays


def test_no_lock_is_no_fault(tmp_path):
    assert mend(tmp_path) is None


def test_repro_mends_first_and_then_becomes_dvc(lock, monkeypatch, capsys):
    mend(lock.parent)
    lock.write_text("")
    monkeypatch.chdir(lock.parent)
    seen = []
    monkeypatch.setattr("os.execv", lambda program, command: seen.append(command))
    cli.app(["repro", "--single-item", "ingest"], standalone_mode=False)
    assert seen == [[sys.executable, "-m", "dvc", "repro", "--single-item", "ingest"]]
    assert lock.read_text() == WHOLE
    assert "cut off by a kill" in capsys.readouterr().out
