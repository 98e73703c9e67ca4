"""A champion that no challenger replaces any more, and one that nothing leads back to, are named."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders.made_assessments import FIRST, write_assessment
from builders.registries import new_registry
from builders.toy_runs import git, make_toy
from onward import cli
from onward.commands import status
from onward.commands.oncall import monitored_project
from onward.daily.champion_notices import abandoned, refused
from onward.daily.oncall import write_page
from onward.deployment.provenance import provenance
from onward.deployment.reasons import PROMOTED, ROLLED_BACK, Reason, tag_for
from onward.deployment.registry import Registry, Version
from onward.reporting.oncall_page import Links
from onward.runs.history.unpushed import unpushed_deployment
from onward.runs.protocol.transaction import run_stage
from onward.settings import ProjectSettings

ROOT = Path(__file__).resolve().parents[2]
MONDAY = date(2017, 10, 2)
NOW = datetime(2017, 12, 1, 12, tzinfo=UTC)
IN_USE = dict([tag_for(PROMOTED, Reason("better on the same rows", "the gate"), NOW - timedelta(hours=1))])


def version(number, week, *events, **tags):
    as_of = (MONDAY + timedelta(days=7 * week)).isoformat()
    return Version(number, "a" * 64, "run", {"source": "simulator", "as_of": as_of, **tags, **dict(events)})


def event(what, week):
    return tag_for(what, Reason("as it was asked for", "ada"), NOW + timedelta(days=7 * week))


def told(champion, *others, weeks=4):
    notice = refused(champion, (champion, *others), weeks)
    return None if notice is None else notice.says


def test_four_weeks_of_refusals_in_a_row_are_told_and_three_are_not():
    champion = version(1, 0, event(PROMOTED, 0))
    row = [version(number, number - 1) for number in range(2, 6)]
    assert told(champion, *row[:3]) is None
    said = told(champion, *row)
    assert "For 4 weeks in a row every challenger was refused, the last one version 5 as of 2017-10-30" in said
    assert "version 1, in use, knows the log until 2017-10-02" in said
    # Two tries in a week are one week.
    assert told(champion, *row[:3], version(9, 3)) is None


def test_what_is_no_refusal_in_a_row_is_not_told():
    champion = version(1, 0, event(PROMOTED, 0))
    row = [version(number, number - 1) for number in range(2, 7)]
    # In use for a while, then rolled back: the gate had let it in.
    taken_back = version(4, 3, event(PROMOTED, 3), event(ROLLED_BACK, 4))
    assert told(champion, *row[:2], taken_back, *row[3:]) is None
    # A backfill of earlier weeks is refused for knowing less, and another shop's model is not compared.
    assert told(version(9, 9, event(PROMOTED, 9)), *row) is None
    assert told(champion, *[version(each.number, 0, **{**each.tags, "source": "parquet"}) for each in row]) is None


def test_a_champion_is_asked_about_only_where_its_run_has_not_finished():
    asked = []

    def unpushed(run):
        asked.append(run)
        return f"branch runs/{run} does not exist"

    made = {**IN_USE, "made_by_run": "2017-11-20-3f2a9c1b"}
    for tags in (IN_USE, {**made, "run": "2017-11-20-3f2a9c1b"}):
        assert abandoned(version(1, 0, *tags.items()), 30, NOW, unpushed) is None
    # The push takes its time.
    assert abandoned(version(1, 0, *made.items()), 61, NOW, unpushed) is None
    assert asked == []
    notice = abandoned(version(7, 0, *made.items()), 60, NOW, unpushed)
    assert "Version 7 was put in use at 2017-12-01 11:00 UTC by run 2017-11-20-3f2a9c1b, and branch" in notice.says
    assert "`onward rollback --expected 7" in notice.says
    assert abandoned(version(7, 0, *made.items()), 60, NOW, lambda _: None) is None


# As much of the stage `deploy` as matters: it puts a version in use, and is then ended for good.
DEPLOY = """
import os, sys
from pathlib import Path
sys.path.insert(0, "SRC")
from onward.artifacts import write_json
from onward.deployment.provenance import provenance
from onward.deployment.reasons import Reason
from onward.deployment.registry import Registry
from onward.settings import ProjectSettings
root = Path.cwd()
registry = Registry.of(ProjectSettings(project=root))
Path("bundle").mkdir(exist_ok=True)
Path("bundle/model.txt").write_text("a model")
tags = {**provenance(root), "source": "simulator", "as_of": "2017-08-01"}
version = registry.register(Path("bundle"), "b" * 64, tags, {})
registry.promote(version.number, Reason("better on the same rows", "the gate"))
if os.environ.get("TOY_ABANDONED"):
    os.kill(os.getpid(), 9)
write_json(Path("artifacts/deployment/deployment.json"), {"version": version.number})
"""
PIPELINE = """
stages:
  deploy:
    cmd: python deploy.py
    deps: [deploy.py]
    outs: [artifacts/deployment]
"""


@pytest.fixture
def abandoned_project(tmp_path, monkeypatch):
    """A machine whose run was ended for good after it had put its version in use, and before it pushed."""
    machine = make_toy(tmp_path, 1).machines[0]
    (machine.root / "dvc.yaml").write_text(PIPELINE)
    (machine.root / "deploy.py").write_text(DEPLOY.replace("SRC", str(ROOT / "src")))
    (machine.root / "monitoring").mkdir()
    for name in ("monitoring/alerts.yaml", "monitoring/panels.yaml", "monitoring/runbook.md"):
        (machine.root / name).write_text((ROOT / name).read_text())
    git(machine.root, "add", "-A")
    git(machine.root, "commit", "-qm", "A pipeline that deploys")
    git(machine.root, "push", "-q", str(machine.shared / "git"), "main")
    for name, value in machine.environment.items():
        if name.startswith("ONWARD_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("ONWARD_REGISTRY", f"sqlite:///{new_registry(tmp_path / 'registry').database}")
    monkeypatch.setattr(status._out, "width", 400)
    run = machine.start(run_id="weekly")
    monkeypatch.setenv("TOY_ABANDONED", "1")
    with pytest.raises(Exception, match="deploy"):
        run_stage(machine.places, run, "deploy", print)
    monkeypatch.delenv("TOY_ABANDONED")
    return machine, run


@pytest.mark.slow
def test_a_champion_whose_run_ended_before_its_push_is_named_until_the_run_goes_on(abandoned_project, monkeypatch):
    machine, run = abandoned_project
    registry = Registry.of(ProjectSettings())
    champion = registry.champion()
    assert champion.tags["made_by_run"] == run
    assert unpushed_deployment(machine.places, run) == f"branch runs/{run} does not hold its stage deploy"

    def shown():
        return CliRunner().invoke(cli.app, ["status"], catch_exceptions=False).stdout

    # It came into use this minute, so its push may be on the way.
    assert "champion-abandoned" not in shown()
    (name,) = [tag for tag in champion.tags if tag.startswith("promoted ")]
    client, long_ago = registry._client(), "promoted 2017-11-20T06:00:00.000000Z"
    client.delete_model_version_tag("onward", str(champion.number), name)
    client.set_model_version_tag("onward", str(champion.number), long_ago, champion.tags[name])
    assert f"champion-abandoned: Version 1 was put in use at 2017-11-20 06:00 UTC by run {run}" in shown()
    looks = machine.root / "monitoring" / "looks"
    write_assessment(looks, date(2017, 9, 6), version=1, first=FIRST, per_level=50)
    decided = CliRunner().invoke(cli.app, ["act"], catch_exceptions=False).stdout.splitlines()[-1]
    assert [notice["name"] for notice in json.loads(decided)["notices"]] == ["champion-abandoned"]
    # As `onward oncall` does, which would publish to Evidently besides.
    write_page(monitored_project(), machine.root / "page.html", Links(), datetime.now(UTC))
    assert 'id="notice-champion-abandoned"' in (machine.root / "page.html").read_text()
    monkeypatch.setenv("ONWARD_GIT_REMOTE", str(machine.shared / "nowhere"))
    assert "nobody can tell whether it was pushed" in shown()
    monkeypatch.setenv("ONWARD_GIT_REMOTE", str(machine.shared / "git"))
    run_stage(machine.places, run, "deploy", print)
    assert "Notice" not in shown()
    # The alert is over with the next look.
    assert "champion-abandoned-v1 for 0 h" in shown()
    CliRunner().invoke(cli.app, ["act"], catch_exceptions=False)
    assert "champion-abandoned" not in shown()


def test_a_checkout_that_holds_a_run_s_record_is_not_that_run_s_folder(tmp_path):
    for name, named in (("2017-11-20-3f2a9c1b", True), ("shop", False)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "run.json").write_text('{"name": "2017-11-20-3f2a9c1b"}')
        assert ("made_by_run" in provenance(folder)) == named
