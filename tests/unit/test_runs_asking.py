import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders.registries import new_registry
from builders.run_branches import STAGES, Made, make_repository
from onward import cli
from onward.commands import history as asking
from onward.deployment.reasons import Reason
from onward.deployment.registry import Version
from onward.errors import OnwardError, RunError
from onward.runs.history import records
from onward.runs.history.find import Equal, Item, Metric, join, select
from onward.runs.history.records import read_records
from onward.runs.protocol.locations import RunLocations
from onward.settings import ProjectSettings

# Makes git repositories with many branches.
pytestmark = pytest.mark.slow

FRESH, HALF = Made(0, stages=0), Made(1, stages=3)
GOOD, POOR = Made(2, auc=0.8, version=1, promoted=True), Made(3, auc=0.72, target=0.12, version=2)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A clone of a remote with four runs, and a registry with their versions and one that no run made."""
    root = tmp_path_factory.mktemp("shop")
    remote = make_repository(root / "remote.git", [FRESH, HALF, GOOD, POOR])
    clone = root / "clone"
    subprocess.run(["git", "clone", "-q", str(remote), str(clone)], check=True)
    registry = new_registry(root / "registry")
    bundle = root / "bundle"
    bundle.mkdir()
    (bundle / "x.txt").write_text("x")
    tags = {"source": "complete_journey", "git_commit": "a" * 40, "dvc_lock_sha256": "b" * 64}
    for run, auc in ((GOOD, 0.8), (POOR, 0.72), (None, 0.9)):
        known = {**tags, "as_of": run.as_of if run else "2016-01-01"}
        version = registry.register(bundle, f"hash of {run and run.name}", known, {"auc_value": auc, "auc_low": 0.1})
        if run:
            registry.tag(version, {"run": run.name})
            registry.attach(version, [bundle / "x.txt"], f"runs/{run.name}")
    registry.promote(1, Reason("passed: AUC [fine]", "the gate"))
    return {
        "ONWARD_PROJECT": str(clone), "ONWARD_GIT_REMOTE": str(remote), "ONWARD_DVC_REMOTE": str(root / "dvc"),
        "ONWARD_REGISTRY": registry.address, "ONWARD_REGISTRY_ARTIFACTS": str(root / "registry" / "artifacts"),
    }  # fmt: skip


def places_of(shop):
    return RunLocations.of(
        ProjectSettings(**{name.removeprefix("ONWARD_").lower(): value for name, value in shop.items()})
    )


@pytest.fixture
def ask(shop, monkeypatch):
    for name, value in shop.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(asking._out, "width", 220)
    return lambda *words: CliRunner().invoke(cli.app, list(words), catch_exceptions=False).stdout


def test_runs_shows_how_far_each_is_and_no_figure_that_is_not_its_own(ask):
    shown = ask("runs").splitlines()
    assert [line.split()[0] for line in shown] == ["run", POOR.name, GOOD.name, HALF.name, FRESH.name]
    assert f"{STAGES[2]} (3 of {len(STAGES)})" in shown[3]
    assert "started" in shown[4]
    # The code commit holds the metrics of an older run: a run that has not been evaluated has no AUC.
    assert all("0.9" not in line for line in shown)
    assert "0.800" in shown[2]
    assert "1 promoted" in shown[2]
    assert "2 refused" in shown[1]
    assert "finished" in shown[1]
    assert "3 earlier ones: --limit 4" in ask("runs", "--limit", "1")


def test_reading_fetches_new_runs_and_touches_neither_branches_nor_files(shop):
    clone = Path(shop["ONWARD_PROJECT"])

    def look():
        return (
            subprocess.run(
                ["git", "-C", str(clone), "status", "--porcelain", "--branch"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            + subprocess.run(["git", "-C", str(clone), "branch"], capture_output=True, text=True, check=True).stdout
        )

    before = look()
    found = read_records(places_of(shop))
    assert [record.name for record in found] == [run.name for run in (POOR, GOOD, HALF, FRESH)]
    assert look() == before
    assert found[2].stages == STAGES[:3]
    assert found[2].outs()["artifacts/serving"] == "01ingest.dir"
    assert found[3].outs() == {}


def test_a_run_that_is_gone_from_the_remote_is_gone_from_the_list(tmp_path, shop):
    remote = make_repository(tmp_path / "remote.git", [GOOD, POOR])
    places = places_of({**shop, "ONWARD_GIT_REMOTE": str(remote)})
    assert len(read_records(places)) == 2
    subprocess.run(["git", "-C", str(remote), "branch", "-qD", f"runs/{GOOD.name}"], check=True)
    assert [record.name for record in read_records(places)] == [POOR.name]


def test_the_projects_own_branches_are_read_where_it_is_the_remote(tmp_path, shop):
    remote = make_repository(tmp_path / "remote.git", [GOOD])
    places = places_of({**shop, "ONWARD_PROJECT": str(remote), "ONWARD_GIT_REMOTE": str(remote)})
    assert [record.name for record in read_records(places)] == [GOOD.name]
    assert read_records(places_of({**shop, "ONWARD_PROJECT": str(remote), "ONWARD_GIT_REMOTE": "."}))[0].auc == 0.8


@pytest.mark.parametrize("count", [0, 2, 50])
def test_the_number_of_processes_does_not_grow_with_the_number_of_runs(tmp_path, monkeypatch, shop, count):
    remote = make_repository(tmp_path / "remote.git", [Made(number, version=number + 1) for number in range(count)])
    started, run = [], subprocess.run
    monkeypatch.setattr(records.subprocess, "run", lambda *words, **more: started.append(words) or run(*words, **more))
    found = read_records(places_of({**shop, "ONWARD_PROJECT": str(remote), "ONWARD_GIT_REMOTE": str(remote)}))
    assert len(found) == count
    assert all(len(record.stages) == len(STAGES) and record.auc == 0.7 for record in found)
    assert len(started) <= 4


def test_a_shop_without_runs_says_where_to_begin(tmp_path, ask, monkeypatch):
    monkeypatch.setenv("ONWARD_GIT_REMOTE", str(make_repository(tmp_path / "remote.git", [])))
    assert "onward run start" in ask("runs")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], {"1", "2", "3", "-"}),
        (["--metric", "auc>=0.78"], {"1", "3"}),
        (["--metric", "auc >= 0.78", "--metric", "auc<0.85"], {"1"}),
        (["--metric", "evaluation.auc.low=0.1"], {"1", "2"}),
        (["--metric", "delay.z.auc<1"], {"1", "2", "-"}),
        (["--metric", "ece<1"], {"1", "2"}),
        (["--param", "thresholds.precision_target=0.12"], {"2"}),
        (["--param", "thresholds.precision_target=0.080"], {"1", "-"}),
        (["--source", "complete_journey"], {"1", "2", "3", "-"}),
        (["--param", f"run.as_of={GOOD.as_of}"], {"1"}),
        (["--tag", f"run={POOR.name}"], {"2"}),
        (["--tag", f"git_commit={'a' * 40}", "--metric", "auc>0.75"], {"1", "3"}),
    ],
)
def test_find_returns_what_all_conditions_hold_for(ask, conditions, expected):
    lines = [line for line in ask("find", *conditions).splitlines()[1:] if "onward lineage" not in line]
    assert {
        line.split()[0] if line[0].isdigit() else "-" for line in lines if not line.startswith("None of")
    } == expected


def test_find_shows_the_data_and_which_version_is_in_use(ask):
    shown = ask("find", "--metric", "auc>=0.78")
    assert "1 (in use)" in shown
    assert "02ingest.dir" in shown
    assert "None of 5" in ask("find", "--source", "simulator")


@pytest.mark.parametrize(
    "condition",
    [["--metric", "auc"], ["--metric", "auc>=good"], ["--metric", "; rm -rf"], ["--metric", "auc>=0.7 or 1"],
     ["--param", "auc"], ["--param", "=0.1"], ["--tag", "run="]],
)  # fmt: skip
def test_a_condition_that_is_none_is_refused_in_a_line(ask, condition):
    with pytest.raises(OnwardError, match=condition[0]):
        ask("find", *condition)


def test_lineage_tells_where_a_version_came_from(ask):
    shown = ask("lineage", "1")
    for words in (
        "Version 1", "(champion)", "complete_journey, known until " + GOOD.as_of, "artifacts/serving  02ingest.dir",
        "a" * 40, "started from commit " + "c" * 40, f"as_of = {GOOD.as_of} (asked)", "none was in use",
        "passed: AUC 0.7 [fine]", "auc_value = 0.8", "promoted by the gate: passed: AUC [fine]",
        f"branch runs/{GOOD.name}", f"onward reproduce {GOOD.name}", f"runs/{GOOD.name}/x.txt",
    ):  # fmt: skip
        assert words in shown, words
    assert "Never in use" in ask("lineage", "2")


def test_lineage_of_a_version_that_no_run_made_says_what_is_not_known(ask):
    shown = ask("lineage", "3")
    assert shown.count("not known") == 2
    assert "none attached" in shown
    with pytest.raises(OnwardError, match="version 9 is not registered"):
        ask("lineage", "9")


def test_runs_and_versions_are_joined_once_each():
    version = Version(7, "x", "run", {"source": "simulator", "as_of": "2017-01-01", "git_commit": "a"})
    (item,) = join([], [version], lambda _: {"auc_value": 0.5})
    assert (item.source, item.as_of, item.figure("auc"), item.param("run.as_of")) == (
        "simulator",
        "2017-01-01",
        0.5,
        None,
    )
    assert select([item], [Metric.parse("auc>0.4")], [], [], None) == [item]
    assert select([item], [], [Equal.parse("run.seed=1", "--param")], [], None) == []
    assert not Metric.parse("auc>0.4").holds(Item(None, version, {}))


def test_numbers_are_compared_as_numbers_and_words_without_case():
    assert Equal("x", "1e-1").holds(0.1)
    assert Equal("x", "True").holds(True)
    assert not Equal("x", "1").holds(True)
    assert not Equal("x", "none").holds(None)
    assert not Equal("x", "abc").holds(3)
    with pytest.raises(RunError):
        Metric.parse("auc=>0.1.2")
