"""What a run may be asked, and how it reaches params.yaml."""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from onward import cli
from onward.errors import RunError
from onward.params import parse_params
from onward.runs.protocol.params_edit import with_values
from onward.runs.protocol.request import MOST_BYTES, Asked, parse_asked

PARAMS = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()


def test_an_empty_request_leaves_everything_to_params():
    asked = parse_asked("{}")
    assert asked == Asked()
    nothing = {"delay": {}, "thresholds": {}, "ranking": {}, "encoder": {}}
    assert asked.settings(date(2017, 11, 20)) == {"run": {"as_of": "2017-11-20"}, **nothing}
    assert asked.identity != asked.identity


def test_the_clock_is_asked_for_or_the_intervals_end_or_that_of_params():
    day, end, otherwise = date(2017, 11, 1), date(2017, 11, 8), date(2017, 11, 20)
    both = parse_asked('{"as_of": "2017-11-01", "interval_end": "2017-11-08"}')
    assert both.clock(otherwise) == day
    assert parse_asked('{"as_of": null, "interval_end": "2017-11-08"}').clock(otherwise) == end
    assert parse_asked("{}").clock(otherwise) == otherwise


REFUSED = [
    "", "null", "[]", "1", '"x"', "{", "{'a': 1}", '{"as_of": }', "[" * 100_000, '{"a":' * 50_000, "9" * 5000,
    '{"unknown": 1}', '{"\\ud800": 1}', '{"source": "mysql"}', '{"source": "complete_journey; rm -rf /"}',
    '{"source": ["simulator"]}', '{"source": ""}', '{"source": "simulator\\n"}', '{"as_of": "20171120"}',
    '{"as_of": "2017-W47-1"}', '{"as_of": "2017-11-31"}', '{"as_of": "2017-11-20\\n"}', '{"as_of": "2017-11-20T00:00"}',
    '{"as_of": 20171120}', '{"as_of": "$(touch canary)"}', '{"as_of": "../2017-11-20"}', '{"as_of": "0001-01-01"}',
    '{"as_of": "9999-12-31"}', '{"as_of": "२०१७-११-२०"}', '{"as_of": true}', '{"interval_end": "tomorrow"}',
    '{"threads": 0}', '{"threads": "2"}', '{"threads": 2.5}', '{"threads": true}',
    '{"precision_target": 0}', '{"precision_target": 1}', '{"precision_target": -0.1}', '{"precision_target": "0.1"}',
    '{"precision_target": true}', '{"precision_target": NaN}', '{"precision_target": Infinity}',
    '{"precision_target": 1e999}', '{"precision_target": [0.1]}', '{"estimator": "best"}', '{"estimator": {}}',
    '{"run_from": "-x"}', '{"run_from": "a b"}', '{"run_from": "a;b"}', '{"run_from": ""}', '{"run_from": "ingest\\n"}',
    '{"run_from": 1}', '{"dry_run": "true"}', '{"dry_run": 1}', '{"dry_run": null}', '{"run_id": ""}',
    '{"run_id": "a\\nb"}', '{"run_id": "\\u0000"}', '{"run_id": "\\u001b[2J"}', '{"run_id": 7}',
    '{"run_id": "\\ud800"}',
    json.dumps({"run_id": "x" * 251}), '{"trigger": "Manual"}', '{"trigger": "a b"}', '{"trigger": "a\\n"}',
    json.dumps({"source": "x" * 1_000_000}), json.dumps({"as_of": "x" * 60_000}), json.dumps({"x" * 60_000: 1}),
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_anything_else_is_refused_in_one_short_line(text):
    with pytest.raises(RunError) as raised:
        parse_asked(text)
    said = str(raised.value)
    assert 0 < len(said) < 500
    assert said.isprintable()
    said.encode()


def test_the_limit_counts_bytes():
    assert parse_asked("{" + " " * (MOST_BYTES - 2) + "}") == Asked()
    with pytest.raises(RunError, match="longer than"):
        parse_asked('{"run_id": "' + "é" * (MOST_BYTES // 2) + '"}')


def test_every_wrong_key_is_named():
    with pytest.raises(RunError, match=r"source = 'mysql': .*; precision_target = 2: "):
        parse_asked('{"source": "mysql", "precision_target": 2}')


# Each example writes and reads all of params.yaml, a fifth of a second.
@settings(max_examples=20)
@given(
    source=st.sampled_from(["complete_journey", "simulator", "parquet"]),
    day=st.dates(date(1970, 1, 1), date(2199, 12, 31)),
    target=st.floats(1e-6, 0.999),
    estimator=st.sampled_from(["soft_label", "importance_weight"]),
    search=st.sampled_from(["single", "mist"]),
)
def test_only_the_keys_asked_for_change_and_every_comment_stays(source, day, target, estimator, search):
    asked = {
        "source": source, "as_of": day.isoformat(), "precision_target": target, "estimator": estimator,
        "search": search, "threads": 7,
    }  # fmt: skip
    text = with_values(PARAMS, parse_asked(json.dumps(asked)).settings(date(2017, 11, 20)))
    expected = yaml.safe_load(PARAMS)
    expected["run"] |= {"source": source, "as_of": day.isoformat(), "threads": 7}
    expected["thresholds"] |= {"precision_target": target, "search": search}
    expected["delay"]["estimator"] = estimator
    assert yaml.safe_load(text) == expected
    parse_params(text)
    pairs = zip(PARAMS.splitlines(), text.splitlines(), strict=True)
    changed = [(before, after) for before, after in pairs if before != after]
    assert len(changed) <= 6
    assert all(before.partition("#")[2] == after.partition("#")[2] for before, after in changed)


def test_values_that_hold_already_change_nothing():
    same = {"run": {"source": "complete_journey", "as_of": "2017-11-20"}, "delay": {"estimator": "auto"}}
    assert with_values(PARAMS, same) == PARAMS


def test_a_file_without_lines_of_its_own_is_written_anew():
    text = "{run: {source: simulator, as_of: '2017-11-20'}, delay: {estimator: soft_label}}\n"
    changed = yaml.safe_load(with_values(text, {"run": {"as_of": "2017-11-27"}}))
    assert changed == {"run": {"source": "simulator", "as_of": "2017-11-27"}, "delay": {"estimator": "soft_label"}}


def test_a_key_of_the_same_name_in_another_section_is_left_alone():
    text = "a:\n  seed: 1\nb:\n  # words\n\n  other: 2\n  seed: 3   # three\nc:\n  seed: 4\n"
    assert with_values(text, {"b": {"seed": 9}}) == text.replace("seed: 3", "seed: 9")


def test_a_run_may_keep_the_model_of_the_run_that_made_the_version_in_use(monkeypatch):
    from onward.commands import run as commands
    from onward.runs.protocol import start as protocol

    asked = []

    def start(places, request, champion, say, trained_by):
        asked.extend([champion(), trained_by()])
        return SimpleNamespace(plan=None, run=None, as_of=date(2017, 11, 20), new=True)

    champion = SimpleNamespace(number=4, tags={"run": "2017-11-13-3f2a9c1b"})
    monkeypatch.setattr(commands, "project_registry", lambda: SimpleNamespace(champion=lambda: champion))
    monkeypatch.setattr(commands, "run_locations", lambda: None)
    monkeypatch.setattr(protocol, "start", start)
    done = CliRunner().invoke(cli.app, ["run", "start"], input="{}", catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert asked == [4, "2017-11-13-3f2a9c1b"]
