"""What the replay's benchmark reads out of a replay: weeks, what came of them, and what a kill could have changed."""

import json
from datetime import date, timedelta

import pandas as pd
import pytest

from benchmarks.operations import replay
from onward.deployment.registry import Registry

FIRST = date(2017, 6, 5)


def write_week(root, number, version, trained=True):
    first = FIRST + number * replay.WEEK
    path = root / "weeks" / f"as_of={first}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"verdict": "ok", "action": "none", "reason": "as promised"}
    path.write_text(json.dumps({"run": f"run {first}" if trained else None, "version": version, **said}))
    decisions = root / "decisions" / f"day={first}" / f"version={version}.parquet"
    decisions.parent.mkdir(parents=True)
    decisions.write_bytes(b"decided")
    return first


def write_look(root, version, first, as_of, matured, weeks=1):
    folder = root / "looks" / f"version={version}" / f"as_of={as_of}"
    folder.mkdir(parents=True)
    days = [first + timedelta(days=number) for number in range(7 * weeks) for _ in range(3)]
    pd.DataFrame({
        "day": days, "level": [-1, 0, 1] * (7 * weeks), "n": [5, 100, 300] * (7 * weeks),
        "predicted": [float("nan"), 0.02, 0.04] * (7 * weeks),
        "matured_positives": [0, 3, 11 if matured else 0] * (7 * weeks),
        "matured_n": [5, 100, 300 if matured else 0] * (7 * weeks),
    }).to_parquet(folder / "daily.parquet")  # fmt: skip


@pytest.fixture
def walked(tmp_path):
    for number, version in enumerate((1, 2, 2)):
        write_week(tmp_path, number, version, trained=number < 2)
    write_look(tmp_path, 1, FIRST, FIRST + replay.WEEK, matured=False)
    write_look(tmp_path, 2, FIRST + replay.WEEK, FIRST + 2 * replay.WEEK, matured=False)
    write_look(tmp_path, 2, FIRST + replay.WEEK, FIRST + 3 * replay.WEEK, matured=False, weeks=2)
    write_look(tmp_path, 1, FIRST, FIRST + 6 * replay.WEEK, matured=True)
    return tmp_path


def test_a_week_tells_what_was_promised_and_what_came_once_all_of_it_has(walked):
    first, second, third = replay.weeks_of(walked)
    assert [row["gate"] for row in (first, second, third)] == ["promoted", "promoted", "no training"]
    assert first["decisions"] == 7 * 400
    assert first["predicted"] == pytest.approx(14 / 400)
    assert first["converted"] == pytest.approx(14 / 400)
    assert first["promised / came"] == pytest.approx(1.0)
    assert second["converted"] is None


def test_a_lasting_over_promise_is_found_by_the_first_look_that_says_so():
    ratios = [1.2, 1.0, 1.2, 1.16, 1.3, 1.0, None]
    words = ["drifted", "inconclusive", "ok", "ok", "inconclusive", "drifted", "ok"]
    rows = [
        {"week": str(FIRST + number * replay.WEEK), "promised / came": ratio, "verdict": word}
        for number, (ratio, word) in enumerate(zip(ratios, words, strict=True))
    ]
    # It begins in the third week; the sixth week's look comes at its end.
    assert replay.days_to_find(rows) == 4 * 7
    assert replay.with_verdict(rows) == pytest.approx(5 / 7)
    assert replay.days_to_find(rows[:5]) is None
    assert replay.days_to_find(rows[:3]) is None


def test_the_picture_is_drawn_where_a_week_has_no_look(walked, monkeypatch):
    monkeypatch.setattr(replay, "PICTURE", walked / "replay.svg")
    rows = replay.weeks_of(walked)
    rows[1] |= dict.fromkeys(("decisions", "predicted", "converted", "promised / came"))
    replay.draw(rows)
    assert "promised" in (walked / "replay.svg").read_text()


def test_what_is_compared_ends_with_the_weeks_that_both_walked(walked, monkeypatch):
    monkeypatch.setattr(Registry, "versions", lambda self: [])
    end = FIRST + 2 * replay.WEEK
    assert sorted(replay.left_behind(walked, end)) == [
        "decisions/day=2017-06-05/version=1.parquet", "decisions/day=2017-06-12/version=2.parquet",
        "looks/version=1/as_of=2017-06-12/daily.parquet", "looks/version=2/as_of=2017-06-19/daily.parquet",
        "weeks/as_of=2017-06-05.json", "weeks/as_of=2017-06-12.json",
    ]  # fmt: skip
