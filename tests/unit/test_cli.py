import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from builders.made_assessments import daily, verdict
from builders.registries import new_registry
from builders.report_texts import texts
from builders.tiny_bundle import TAGS, make_bundle
from onward import cli
from onward.artifacts import write_json, write_table, write_text
from onward.commands import pipeline, promotion, report, services, status
from onward.commands import recommend as recommend_command
from onward.commands.recommend import print_list
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.reasons import events
from onward.deployment.registry import Registry
from onward.errors import DataError, RegistryError
from onward.reporting.report_files import EDGES, PRODUCTS, REPORT_FILES
from onward.services.processes import Service
from onward.serving.recommend import Recommendation

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "params.yaml").write_text(PARAMS.read_text())
    registry = new_registry(root / "mlruns")
    for seed in (0, 1):
        folder = root / f"bundle{seed}"
        write_bundle(folder, make_bundle(seed))
        registry.register(folder, bundle_hash(folder), TAGS, {})
    registry.promote(1)
    for name, text in texts().items():
        write_text(root / REPORT_FILES[name], text)
    write_table(root / PRODUCTS, pd.DataFrame({"name": ["phone", "case", "strap"]}))
    pairs = {"source": [0, 1], "target": [1, 2], "support": [30, 40], "reverse_support": [3, 4]}
    write_table(root / EDGES, pd.DataFrame(pairs))
    write_table(root / "artifacts" / "monitoring" / "daily.parquet", daily(date(2017, 11, 20)))
    write_json(root / "artifacts" / "monitoring" / "verdict.json", verdict(date(2017, 11, 20), version=1))
    write_json(root / "artifacts" / "deployment" / "deployment.json", deployment(root, 1))
    write_bundle(root / "artifacts" / "deployment" / "bundle", make_bundle(1))
    return root


def deployment(root, version):
    sha256 = Registry(root / "mlruns").version(version).bundle_sha256
    known = {**json.loads(texts()["deployment"]), "bundle_sha256": sha256, "version": version}
    return {**known, "reasons": ["refused: NLL moves by +0.1"] if version == 2 else ["passed: AUC 0.7"]}


@pytest.fixture
def run(project, monkeypatch):
    monkeypatch.chdir(project)
    # Rich folds to the width it finds, and tests ask for whole lines.
    for command in (pipeline, promotion, recommend_command, report, services, status):
        monkeypatch.setattr(command._out, "width", 200)
    return lambda *words: CliRunner().invoke(cli.app, list(words), catch_exceptions=False)


def test_help_reads_like_a_page():
    shown = CliRunner().invoke(cli.app, ["--help"]).stdout
    for word in ("recommend", "status", "report", "dashboards", "airflow", "check-params", "rollback", "Examples"):
        assert word in shown
    assert shown.index("Ask the deployed model") < shown.index("Change what is deployed") < shown.index("Watch and run")


def test_help_answers_at_once_because_nothing_heavy_is_imported():
    code = (
        "import sys, onward.cli; print(sorted({'pandas', 'numpy', 'mlflow', 'evidently', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_recommend_says_the_four_lists_and_why(run):
    shown = run("recommend", "bread", "-n", "3").stdout
    titles = ("Goes with Bread", "Bought after Bread", "Bought before Bread", "Instead of Bread")
    places = [shown.index(title) for title in titles]
    assert places == sorted(places)
    assert "Butter" in shown[places[0] : places[1]]
    assert "in 214 baskets together, 9.2 times chance" in shown[places[0] : places[1]]
    assert "Whole Milk" in shown[places[2] : places[3]]
    assert "within 28 days" in shown


def test_recommend_says_what_abstain_means_where_it_stands(run):
    assert "Abstain: too little is known to decide" in run("recommend", "bread").stdout
    assert "bstain" not in run("recommend", "milk").stdout


def test_recommend_says_whose_lists_a_thin_product_is_given_and_that_of_some_nothing_is_known(run):
    shown = run("recommend", "strawberry").stdout
    assert "Too few customers have bought it: what follows is of its type." in shown
    assert "Butter" in shown
    nothing = run("recommend", "candles").stdout
    assert "of its type" not in nothing
    assert nothing.count("nothing known") == 4


def test_recommend_says_where_a_log_has_no_order(run, project):
    bundle = make_bundle()
    assert "no order beyond frequency and season" not in run("recommend", "bread").stdout
    folder, registry = project / "undirected", Registry(project / "mlruns")
    write_bundle(folder, replace(bundle, lists=replace(bundle.lists, directed=False)))
    registry.register(folder, bundle_hash(folder), TAGS, {})
    registry.promote(3)
    shown = run("recommend", "bread").stdout
    registry.promote(1)
    assert "no order beyond frequency and season" in shown


def test_recommend_answers_many_ids_as_one_json_object_a_line(run, tmp_path):
    (tmp_path / "ids.txt").write_text("p4\n\np2 \n")
    lines = run("recommend", "--ids", str(tmp_path / "ids.txt"), "--count", "2", "--json").stdout.splitlines()
    jam, bread = (json.loads(line) for line in lines)
    assert (jam["product_id"], bread["product_id"]) == ("p4", "p2")
    assert {"product_id", "name", "goes_with", "after", "before", "instead"} <= set(bread)
    assert [each["product_id"] for each in bread["goes_with"]] == ["p3", "p0"]
    fields = {"product_id", "name", "score", "probability", "low", "high", "level", "doubt", "decision", "why"}
    assert set(bread["goes_with"][0]) == fields
    (alone,) = run("recommend", "bread", "--count", "2", "--json").stdout.splitlines()
    assert json.loads(alone) == bread


def test_recommend_writes_all_lists_and_keeps_finished_parts(run, tmp_path):
    first = run("recommend", "--batch", str(tmp_path / "lists")).stdout
    assert "1 parts, 0 of them kept" in first
    assert "1 of them kept" in run("recommend", "--batch", str(tmp_path / "lists")).stdout
    assert len(list((tmp_path / "lists").glob("*.parquet"))) == 1


def test_recommend_says_what_the_encoder_finds_like_a_product(run):
    assert "Like Bread" in run("recommend", "bread", "--similar").stdout
    (line,) = run("recommend", "bread", "--similar", "--json", "--count", "2").stdout.splitlines()
    assert len(json.loads(line)["similar"]) == 2


def test_recommend_refuses_what_it_cannot_answer_in_one_line(run, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("p1\nnew\nnewer\n")
    with pytest.raises(DataError, match="2 of 3 ids are not in the catalogue, first 'new'"):
        run("recommend", "--ids", str(ids))
    ids.write_text("\n")
    with pytest.raises(DataError, match=r"holds no id; give one product id a line"):
        run("recommend", "--ids", str(ids))
    ids.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot read"):
        run("recommend", "--ids", str(ids))
    with pytest.raises(DataError, match="cannot read"):
        run("recommend", "--ids", str(tmp_path / "none.txt"))
    ids.write_text("p1\n")
    for words in ([], ["milk", "--ids", str(ids)]):
        with pytest.raises(DataError, match="give a product's name, or --ids"):
            run("recommend", *words)


def test_recommend_picks_the_popular_product_and_names_the_others(run):
    shown = run("recommend", "milk").stdout
    assert shown.startswith("Oat Milk")
    assert "Also named like that: Whole Milk (p0)" in shown


def test_status_says_what_is_deployed_from_what_and_what_next(run):
    shown = run("status").stdout
    for word in ("version 1", "simulator", "0123456789ab", "2017-11-20", "passed: AUC", "level 0: ok", "Next"):
        assert word in shown
    assert "Challenger" not in shown


def test_status_names_a_challenger_that_was_refused_and_how_to_overrule(run, project):
    path = project / "artifacts" / "deployment" / "deployment.json"
    before = path.read_text()
    write_json(path, deployment(project, 2))
    shown = run("status").stdout
    path.write_text(before)
    assert "Challenger" in shown
    assert "refused: NLL" in shown
    assert "onward promote 2" in shown


def test_status_sends_a_drift_to_its_remedy_and_an_old_model_to_retraining(run, project):
    path = project / "artifacts" / "monitoring" / "verdict.json"
    before = path.read_text()
    write_json(path, {**json.loads(before), "verdict": "drifted"})
    assert "`onward act` says what to do about it" in run("status").stdout
    path.write_text(before)
    (project / "params.yaml").write_text(PARAMS.read_text().replace('as_of: "2017-11-20"', 'as_of: "2017-12-04"'))
    shown = run("status").stdout
    (project / "params.yaml").write_text(PARAMS.read_text())
    assert "14 days behind the pipeline's clock 2017-12-04" in shown
    assert "trains a challenger as of 2017-12-04" in shown


def test_status_of_an_empty_project_says_where_to_begin(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(cli.app, ["status"], catch_exceptions=False).stdout
    assert "nothing" in shown
    assert "make run" in shown
    with pytest.raises(RegistryError, match="nothing is deployed"):
        CliRunner().invoke(cli.app, ["recommend", "milk"], catch_exceptions=False)
    with pytest.raises(RegistryError, match="nothing is registered"):
        CliRunner().invoke(cli.app, ["dashboards"], catch_exceptions=False)


def test_report_writes_both_pages_and_prints_the_headline(run, project):
    shown = run("report").stdout
    assert "reports/index.html" in shown
    assert "AUC" in shown
    assert "design" not in shown
    page = (project / "reports" / "index.html").read_text()
    assert "<html" in page
    asked = json.loads(run("recommend", "Oat Milk", "--json").stdout)
    assert asked["goes_with"]
    for each in asked["goes_with"]:
        assert each["name"] in page
        assert each["why"] in page
    assert "level 0" in (project / "reports" / "positivity.html").read_text()


def test_a_person_can_promote_and_roll_back(run, project):
    registry = Registry(project / "mlruns")
    assert "Version 2 is in use" in run("promote", "2", "--reason=-5 % in the last week", "--by", "ada").stdout
    assert registry.champion().number == 2
    assert "Version 1 is in use again" in run("rollback", "--reason", "complaints about milk").stdout
    assert registry.champion().number == 1
    told = events(registry.version(2).tags)
    assert [(event.what, event.reason.text) for event in told] == [
        ("promoted", "-5 % in the last week"),
        ("rolled back", "complaints about milk"),
    ]
    assert told[0].reason.by == "ada"


@pytest.mark.parametrize("command", [["promote", "2"], ["rollback"]])
def test_a_change_without_a_reason_is_refused(run, project, command):
    before = Registry(project / "mlruns").champion()
    assert run(*command).exit_code == 2
    for reason in ("too short", "x" * 501, "two lines, and\nso a forged log entry", "          "):
        with pytest.raises(RegistryError, match="--reason"):
            run(*command, "--reason", reason)
    assert Registry(project / "mlruns").champion() == before


def test_status_tells_other_programs_what_is_in_use(run, project, monkeypatch, tmp_path):
    champion = Registry(project / "mlruns").champion()
    told = json.loads(run("status", "--json").stdout)
    assert (told["version"], told["bundle_sha256"]) == (champion.number, champion.bundle_sha256)
    monkeypatch.chdir(tmp_path)
    assert json.loads(run("status", "--json").stdout) == {"version": None}


def test_check_params_reads_the_file_only(run):
    assert "params.yaml is fine" in run("check-params").stdout


def test_an_error_of_the_user_s_is_one_red_line_and_status_2(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS.read_text().replace("seed: 7", "sead: 7"))
    command = [sys.executable, "-m", "onward.cli", "check-params"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: params.yaml: ")
    assert done.stderr.count("\n") == 1
    assert "sead" in done.stderr


def test_services_are_shown_and_ended_by_ctrl_c(tmp_path, monkeypatch, capsys):
    looks = iter([False, True])

    def interrupted(*_):
        if next(looks):
            raise KeyboardInterrupt

    monkeypatch.setattr("onward.services.processes.require_alive", interrupted)
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    started = time.monotonic()
    services._serve([Service("idle", command, {}, tmp_path / "idle.log")], tmp_path, ["a page"])
    assert time.monotonic() - started < 8
    assert "a page" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["dashboards", "airflow"])
def test_both_commands_start_what_they_name(run, monkeypatch, command):
    served = []
    monkeypatch.setattr(services, "_serve", lambda wanted, folder, lines: served.append((wanted, lines)))
    monkeypatch.setattr("onward.services.local.prepare_airflow", lambda *_: None)
    assert run(command).exit_code == 0
    ((started, lines),) = served
    names = ["MLflow", "Evidently"] if command == "dashboards" else ["Airflow api-server"]
    assert [service.name for service in started][: len(names)] == names
    assert any("http://127.0.0.1:" in line for line in lines)
    assert ("password" in lines[-1]) == (command == "airflow")


def test_names_with_brackets_are_printed_not_interpreted(capsys):
    console = Console(width=200)
    odd = Recommendation("p[1]", "Tea [bold]", 0.5, 0.1, 0.05, 0.2, 0, "sure", "show", "in 3 [red] baskets")
    print_list(console, "after", (odd,))
    shown = capsys.readouterr().out
    assert "Tea [bold]" in shown
    assert "p[1]" in shown
    assert "in 3 [red] baskets" in shown
    print_list(console, "Bought before Candles", ())
    assert "Bought before Candles: nothing known" in capsys.readouterr().out


def test_a_reason_stands_in_one_line_below_the_figures_and_long_names_wrap(capsys):
    long = "MARGARINE TUBS AND BOWLS · 45 OZ · National brand of spreads"
    entries = [
        Recommendation(number, name, 0.5, 0.012, 0.008, 0.017, 0, "fairly unsure", "don't show", why)
        for number, name, why in (("7", "Tea", "in 3 baskets together, 19 times chance"), ("8", long, ""))
    ]
    print_list(Console(width=80), "Goes with Milk", entries)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "Goes with Milk"
    assert lines[1].split() == ["product", "chance", "range", "doubt", "decision"]
    assert lines[2].split() == ["Tea", "1.2%", "0.8%", "to", "1.7%", "fairly", "unsure", "don't", "show"]
    assert lines[3] == "  7: in 3 baskets together, 19 times chance"
    assert " ".join(line[:25].strip() for line in lines[4:-1]).startswith("MARGARINE TUBS AND BOWLS")
    assert lines[-1] == "  8"


def test_dashboards_say_why_there_is_no_page_for_on_call_and_link_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    new_registry(tmp_path / "mlruns")
    shown = []
    monkeypatch.setattr(services, "_serve", lambda _services, _folder, lines: shown.extend(lines))
    assert CliRunner().invoke(cli.app, ["dashboards", "--any-ports"], catch_exceptions=False).exit_code == 0
    assert [line.split()[0] for line in shown[:2]] == ["MLflow", "Evidently"]
    assert "The page for on-call is not up to date[/]: no version is in use" in shown[2]
