import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from onward import cli
from onward.artifacts import write_json
from onward.commands import diagnose as diagnose_command
from onward.diagnosis.answer import Answer
from onward.errors import ArtifactError
from onward.layout import Layout

DOUBT = Answer(
    "doubt", False, 0.5, 0.01, -0.01, 0.03, "recall gained", "Doubt does not [pay].", "One cut.", {"rows": 3}
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    layout = Layout(tmp_path)
    write_json(layout.model / "direction.json", replace(DOUBT, question="direction", sentence="No order.").to_dict())
    delay = replace(DOUBT, question="delay", yes=True, p_value=1e-9, sentence="Delay hurts.")
    write_json(layout.delay / "question.json", delay.to_dict())
    write_json(layout.uncertainty / "question.json", DOUBT.to_dict())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(diagnose_command._out, "width", 150)
    return lambda *words: CliRunner().invoke(cli.app, ["diagnose", *words], catch_exceptions=False)


def test_three_questions_each_with_answer_effect_p_value_and_consequence(run):
    shown = run().stdout
    assert shown.index("direction? no") < shown.index("delay hurt? yes") < shown.index("doubt pay? no")
    for part in (
        "No order.",
        "Delay hurts.",
        "Doubt does not [pay].",
        "1.0 [-1.0, 3.0]",
        "< 0.0001",
        "0.5000",
        "One cut.",
    ):
        assert part in shown


def test_json_holds_all_of_it(run):
    said = json.loads(run("--json").stdout)
    assert set(said) == {"direction", "delay", "doubt"}
    assert Answer.from_dict(said["doubt"]) == DOUBT


def test_a_stage_that_has_not_run_is_named(run, tmp_path):
    (tmp_path / "artifacts" / "delay" / "question.json").unlink()
    with pytest.raises(ArtifactError, match=r"question\.json: no such file; run `dvc repro`"):
        run()
