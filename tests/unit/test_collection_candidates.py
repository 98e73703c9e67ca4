"""Which runs may go: the lineage of one that stays reaches back through every model that was kept."""

from datetime import UTC, datetime, timedelta

import pytest

from onward.runs.collection.candidates import Wanted, runs_to_collect
from onward.runs.history.records import RunRecord
from onward.runs.protocol.manifest import Manifest

NOW = datetime(2017, 12, 1, tzinfo=UTC)


def record(name, weeks_ago, *, kept=None, finished=True):
    began = (NOW - timedelta(weeks=weeks_ago)).isoformat()
    manifest = Manifest(
        name, name, "test", {}, None, [], "a" * 40, None, "/srv/dvc", began, {"version": None} if finished else None,
        {"train": kept} if kept else {},
    )  # fmt: skip
    return RunRecord(manifest, "b" * 40, (), (), {})


# The latest first, as `read_records` gives them.
RECORDS = [
    record("later cuts", 1, kept="new cuts"),
    record("new cuts", 2, kept="trained"),
    record("on its own", 3),
    record("trained", 4),
    record("before", 5),
]


@pytest.mark.parametrize(
    ("keep", "protected", "going"),
    [
        (1, set(), ["before", "on its own"]),
        (3, set(), ["before"]),
        (1, {"before"}, ["on its own"]),
        (5, set(), []),
    ],
)
def test_a_run_whose_model_others_kept_stays_with_them(keep, protected, going):
    wanted = Wanted(keep, NOW, NOW)
    assert [gone.name for gone in runs_to_collect(RECORDS, protected, wanted)] == going


def test_a_run_whose_model_nobody_keeps_any_more_goes():
    newer = record("anew", 0.5)
    going = runs_to_collect([newer, *RECORDS], set(), Wanted(1, NOW, NOW))
    assert [gone.name for gone in going] == ["before", "trained", "on its own", "new cuts", "later cuts"]


def test_what_is_young_or_may_go_on_stays():
    unfinished = [record("going on", 0.5, finished=False), record("given up", 2, finished=False)]
    wanted = Wanted(1, NOW - timedelta(days=10), NOW)
    assert [gone.name for gone in runs_to_collect([record("latest", 0.1), *unfinished], set(), wanted)] == ["given up"]
    just_begun = [record("latest", 0.1), record("going on", 0.5, finished=False)]
    assert runs_to_collect(just_begun, set(), Wanted(1, NOW, NOW)) == []
    young = [record("latest", 0.1), record("a week old", 1)]
    assert runs_to_collect(young, set(), wanted) == []
