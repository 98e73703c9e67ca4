"""A stopped benchmark goes on where it was, and never with half a trial."""

import numpy as np
import pytest

from benchmarks.harness.trials import Kept, Trials
from onward.ranking.directed_graph import DirectedGraph
from onward.ranking.link_scores import PropagatedAttributes


def test_a_finished_trial_is_not_made_again(tmp_path):
    assert Trials("made", store=tmp_path).run("one", lambda: {"value": 1.5}) == {"value": 1.5}
    again = Trials("made", store=tmp_path)
    assert again.run("one", lambda: pytest.fail("made again")) == {"value": 1.5}
    assert again.run("two", lambda: {"value": 2.0}) == {"value": 2.0}
    assert Trials("made", fresh=True, store=tmp_path).run("one", lambda: {"value": 3.0}) == {"value": 3.0}


def test_a_line_that_a_killed_run_left_unfinished_is_forgotten(tmp_path):
    Trials("made", store=tmp_path).run("one", lambda: {"value": 1.0})
    with (tmp_path / "made.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"key": "two", "tri')
    trials = Trials("made", store=tmp_path)
    assert trials.run("two", lambda: {"value": 2.0}) == {"value": 2.0}
    assert Trials("made", store=tmp_path).done == {"one": {"value": 1.0}, "two": {"value": 2.0}}


def test_an_encoder_is_kept_by_graph_and_setting(tmp_path):
    attributes = np.eye(4, dtype=np.float32)
    graph = DirectedGraph.from_edges(np.array([[0, 1], [1, 2], [2, 3]]), 4, attributes)
    everyone = np.arange(4)
    first = Kept(PropagatedAttributes(1, 0), tmp_path).fit(graph)(everyone)
    assert np.array_equal(first, PropagatedAttributes(1, 0).fit(graph)(everyone))
    assert np.array_equal(first, Kept(PropagatedAttributes(1, 0), tmp_path).fit(graph)(everyone))
    assert len(list(tmp_path.glob("*.npz"))) == 1
    Kept(PropagatedAttributes(0, 1), tmp_path).fit(graph)
    Kept(PropagatedAttributes(1, 0), tmp_path).fit(graph.with_edges(graph.edges[:2]))
    assert len(list(tmp_path.glob("*"))) == 3
