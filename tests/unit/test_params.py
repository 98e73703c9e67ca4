"""params.yaml: every wrong value gives one line that names the key, its value and what is allowed."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from onward.errors import ParamsError
from onward.params import parse_params, read_params

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "params.yaml").read_text()


def edited(key: str, value: object) -> str:
    raw = yaml.safe_load(TEXT)
    section = raw
    *parents, last = key.split(".")
    for parent in parents:
        section = section[parent]
    if value is DELETE:
        del section[last]
    else:
        section[last] = value
    return yaml.safe_dump(raw)


DELETE = object()

WRONG = [
    ("run.source", "shopify", "complete_journey"),
    ("sources.edge_list.test", 1.0, "less than 1"),
    ("sources.edge_list.test", 0.48, "at most 0.5"),
    ("sources.edge_list.edges", None, "valid path"),
    ("sources.sequences.learners", 2, "greater than or equal to 3"),
    ("sources.sequences.per_proposer", 0, "greater than or equal to 1"),
    ("run.as_of", "yesterday", "is not a date"),
    ("run.as_of", date(2017, 11, 20), "quoted date"),
    ("run.attribution_days", 0, "greater than or equal to 1"),
    ("run.attribution_days", 2.5, "valid integer"),
    ("run.attribution_days", "28", "valid integer"),
    ("run.seed", -1, "greater than or equal to 0"),
    ("run.threads", 0, "greater than or equal to 1"),
    ("run.colour", "red", "unknown key"),
    ("run.as_of", DELETE, "missing"),
    ("run.history_days", 60, "history_days must be at least"),
    ("delays", {}, "unknown key"),
    ("delay", DELETE, "missing"),
    ("delay.estimator", "oracle", "soft_label"),
    ("delay.learning_rate", 0, "greater than 0"),
    ("delay.learning_rate", float("nan"), "finite"),
    ("splits.train", 0.9, "must sum to 1"),
    ("splits.test", 0.0, "greater than 0"),
    ("splits.salt", "", "at least 1 character"),
    ("encoder.fan_out", [10, 10], "one number a layer"),
    ("encoder.batch_pairs", 1, "greater than or equal to 2"),
    ("encoder.processes", 0, "greater than or equal to 1"),
    ("encoder.processes", 3, "batch_pairs: 1024 cannot be shared evenly by 3 processes"),
    ("encoder.fan_out", [10, -1], "greater than or equal to 1"),
    ("thresholds.precision_target", 1.0, "less than 1"),
    ("thresholds.search", "best", "'auto', 'single'"),
    ("ranking", DELETE, "missing"),
    ("encoder.degree_power", -0.5, "greater than or equal to 0"),
    ("ranking.popularity_weight", 1.5, "less than or equal to 1"),
    ("ranking.list_length", 0, "greater than or equal to 1"),
    ("ranking.popularity_prior", 0.0, "greater than 0"),
    ("ranking.feature_share", 0.0, "greater than 0"),
    ("ranking.weight", 0.3, "unknown key"),
    ("uncertainty.levels", True, "valid integer"),
    ("validation.max_quarantined_share", 1.5, "less than or equal to 1"),
    ("gate.pcoc_low", 1.5, "less than or equal to 1"),
    ("evaluation.top_k", [], "at least 1 item"),
]


@pytest.mark.parametrize(("key", "value", "allowed"), WRONG, ids=[f"{key}={value!r:.20}" for key, value, _ in WRONG])
def test_a_wrong_value_is_refused_in_one_line_that_names_it(key, value, allowed):
    with pytest.raises(ParamsError) as refusal:
        parse_params(edited(key, value))
    line = str(refusal.value)
    assert "\n" not in line
    assert line.startswith("params.yaml: ")
    assert key.split(".")[0] in line
    assert allowed in line
    if allowed.startswith(("valid", "greater", "less", "finite")) and not isinstance(value, list):
        assert repr(value) in line


def test_a_graph_is_trained_in_one_process():
    several = edited("encoder.processes", 2)
    assert parse_params(several).encoder.processes == 2
    with pytest.raises(ParamsError, match=r"encoder\.processes: edge_list is trained in one process; write 1"):
        parse_params(several.replace("source: complete_journey", "source: edge_list"))


@pytest.mark.parametrize("text", ["", "- a\n- b", "run: [1", "just words"])
def test_a_file_that_is_not_sections_is_refused_in_one_line(text):
    with pytest.raises(ParamsError) as refusal:
        parse_params(text)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_names_itself_and_the_remedy(tmp_path):
    with pytest.raises(ParamsError, match=r"params.yaml.*git checkout"):
        read_params(tmp_path / "params.yaml")


def test_sections_are_frozen():
    params = parse_params(TEXT)
    with pytest.raises(ValueError, match="frozen"):
        params.run.seed = 1


def test_windows_follow_from_as_of():
    run = parse_params(TEXT).run
    assert run.clock == datetime(2017, 11, 20)
    assert run.clock - run.training_start == timedelta(days=56)
    assert run.clock - run.history_start == timedelta(days=112)
    assert run.horizon == run.clock + timedelta(days=14 + 28)
