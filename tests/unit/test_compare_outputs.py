from onward.pipeline_file import parse_lock
from tools.compare_outputs import differences

BEFORE = b"""
stages:
  ingest: {outs: [{path: artifacts/log, md5: "1"}, {path: artifacts/old, md5: "2"}]}
  monitor: {outs: [{path: metrics/monitoring.json, md5: "3"}]}
"""
AFTER = b"""
stages:
  ingest: {outs: [{path: artifacts/log, md5: "1"}]}
  monitor: {outs: [{path: metrics/monitoring.json, md5: "4"}, {path: artifacts/first, md5: "5"}]}
"""


def test_every_output_of_either_run_is_named_with_its_fate():
    assert list(differences(parse_lock(BEFORE), parse_lock(AFTER))) == [
        ("ingest", "artifacts/log", "same"),
        ("ingest", "artifacts/old", "gone"),
        ("monitor", "metrics/monitoring.json", "differs"),
        ("monitor", "artifacts/first", "new"),
    ]
