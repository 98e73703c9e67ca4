"""The reader of Criteo's public file, on a made file of that schema."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.delay.criteo_clicks import read_clicks
from benchmarks.delay.stream import METHODS, Log, replay
from onward.errors import DataError

LINE = "{click}\t{conversion}\t1\t\t-3\t4\t5\t6\t7\t8\taa\t\tcc\tdd\tee\tff\tgg\thh\tii"


def made(path: Path, clicks: list[tuple[str, str]]) -> Path:
    path.write_text("\n".join(LINE.format(click=a, conversion=b) for a, b in clicks) + "\n", encoding="utf-8")
    return path


def test_times_become_days_and_clicks_come_in_order(tmp_path: Path) -> None:
    clicks = read_clicks(made(tmp_path / "data.txt", [("86400", "172800"), ("0", ""), ("43200", "43200")]))
    assert clicks.clicked.tolist() == [0.0, 0.5, 1.0]
    assert clicks.delay.tolist() == [np.inf, 0.0, 1.0]
    assert np.all(clicks.design[:, 0] == 1.0)
    assert clicks.design[0, 2] == 0.0
    assert clicks.design[0, 3] == pytest.approx(-np.log(4))
    np.testing.assert_array_equal(clicks.design[:, 9:].sum(axis=1), 9.0)
    assert len(read_clicks(tmp_path / "data.txt", rows=2).clicked) == 2


@pytest.mark.parametrize(
    ("clicks", "message"),
    [
        ([("0", "60"), ("soon", "")], "expected 19 tab-separated fields"),
        ([("100", "60")], "1 conversions precede their click"),
        ([("", "60")], "1 lines without the time of the click"),
    ],
)
def test_what_is_not_that_file_is_refused(tmp_path: Path, clicks: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_clicks(made(tmp_path / "data.txt", clicks))


def test_the_protocol_runs_on_what_was_read(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    seconds = np.sort(draw.integers(0, 22 * 86_400, 4000))
    late = draw.integers(60, 5 * 86_400, 4000)
    rows = [(str(a), str(a + b) if draw.random() < 0.2 else "") for a, b in zip(seconds, late, strict=True)]
    clicks = read_clicks(made(tmp_path / "data.txt", rows))
    log = Log(clicks.clicked, clicks.delay, clicks.design, np.isfinite(clicks.delay) * 1.0, 30.0)
    predicted = replay(log)
    assert set(predicted) == {*METHODS, "pretrained"}
    for score in predicted.values():
        assert len(score) == np.sum(clicks.clicked >= 21.0)
        assert np.all((score > 0.02) & (score < 0.8))
