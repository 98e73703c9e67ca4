"""Peers: what is handed over holds no answer of the test, and what comes back is judged as Onward is."""

import ast
import json
import stat
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.direction.datasets import Sequences
from benchmarks.peers import graphs, published, sittings
from benchmarks.peers.beauty import Beauty
from benchmarks.peers.exams import NO_PAIRS, Ask, Exam, Queries
from benchmarks.peers.gifts import lists_of
from benchmarks.peers.journey import outcome_of
from benchmarks.peers.models import exam_paper
from benchmarks.peers.models.exam_paper import presence
from benchmarks.peers.models.grids import PEERS
from benchmarks.peers.sittings import PeerError, Room
from benchmarks.peers.standings import NOT_RUN, ONWARD, Line, claims_of, rows_of
from onward.evaluation.related_quality import Outcome, columns_of
from onward.metrics.intervals import Interval
from onward.ranking.link_ranks import target_ranks
from onward.ranking.link_split import random_split
from onward.ranking.purchase_log import PurchaseLog
from onward.ranking.sequence_moments import QueryMoment

ITEMS = 12
MODELS = sorted(Path(exam_paper.__file__).parent.glob("*.py"))


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(3)
    users = tuple(rng.permutation(ITEMS)[: rng.integers(5, 9)].astype(np.int64) for _ in range(40))
    return Beauty(Sequences(users, ITEMS, sp.csr_matrix((ITEMS, 1), dtype=np.float32)))


def paper_of(exam, folder):
    exam.write(folder)
    return exam_paper.read_paper(folder)


def test_a_paper_is_read_as_it_was_written(shop, tmp_path):
    paper = paper_of(shop.exam, tmp_path)
    assert paper.refit
    assert paper.lessons["test"].items == ITEMS
    for moment in ("validation", "test"):
        written = shop.exam.lists[moment]
        assert all(np.array_equal(*each) for each in zip(paper.lessons[moment].lists, written, strict=True))
    for ask in paper.asks:
        written = shop.exam.asks[ask.name]
        assert all(np.array_equal(*each) for each in zip(ask.test.histories, written.test.histories, strict=True))
        assert np.array_equal(ask.answers, written.answers)
        assert np.array_equal(ask.excluded.toarray() > 0, written.excluded.toarray() > 0)


def test_no_answer_of_the_test_is_handed_over(shop, tmp_path):
    paper = paper_of(shop.exam, tmp_path)
    users = shop.sequences.users
    for user, known in zip(users, paper.lessons["test"].lists, strict=True):
        assert np.array_equal(known, user[:-2])
    for ask in paper.asks:
        for customer, history in zip(shop.customers["test"], ask.test.histories, strict=True):
            assert users[customer][-1] not in history


def test_validation_is_one_item_earlier_than_the_test(shop, tmp_path):
    paper = paper_of(shop.exam, tmp_path)
    users = shop.sequences.users
    for user, known in zip(users, paper.lessons["validation"].lists, strict=True):
        assert np.array_equal(known, user[:-3])
    wanted = [users[customer][-2] for customer in shop.customers["validation"]]
    assert paper.asks[0].answers[:, 1].tolist() == wanted


def test_scores_are_judged_as_the_benchmark_of_sequences_judges_onward(shop):
    scores = np.random.default_rng(0).integers(0, 4, (len(shop.answers), ITEMS)).astype(np.float32)  # with ties
    moment = QueryMoment.of(shop.sequences.users, ITEMS, shop.customers["test"], None, 1)
    own = target_ranks(lambda queries: scores[queries].astype(np.float64), moment.pairs, moment.seen)
    assert np.array_equal(shop.judge("history", scores), own)
    assert np.array_equal(moment.pairs, shop.answers)


def made_ask(measure, answers, excluded):
    asked = exam_paper.Queries((np.array([0]), np.array([0])), np.arange(2))
    return exam_paper.Ask("x", measure, asked, np.array(answers), NO_PAIRS, 1000, excluded, asked)


def test_validation_takes_the_mean_rank_of_ties_and_leaves_out_what_is_excluded():
    scores = np.zeros((2, 30), np.float32)
    excluded = presence([np.arange(1, 12), np.array([5])], 30)
    ask = made_ask("pairs", [[0, 20], [1, 20]], excluded)
    # 19 candidates compete in the first query: all tie, and the mean rank 10 is a hit. 29 do in the second: it is none.
    assert exam_paper.quality(ask, lambda _: scores.copy()) == 0.5


def test_validation_and_test_agree_on_pairs(shop, tmp_path):
    paper = paper_of(shop.exam, tmp_path)
    ask = paper.asks[0]
    scores = np.random.default_rng(1).normal(size=(len(ask.validation.owners), ITEMS)).astype(np.float32)
    excluded = sp.csr_matrix(ask.excluded)
    ranks = target_ranks(lambda queries: scores[queries].astype(np.float64), ask.answers, excluded)
    assert exam_paper.quality(ask, lambda _: scores.copy()) == pytest.approx((ranks <= exam_paper.TOP).mean())


def test_any_counts_queries():
    scores = np.tile(-np.arange(30, dtype=np.float32), (2, 1))
    excluded = presence([np.array([0]), np.array([0])], 30)
    answers = [[0, 1], [0, 2], [1, 29]]
    assert exam_paper.quality(made_ask("any", answers, excluded), lambda _: scores.copy()) == 0.5


def made_task(catalogue):
    rng = np.random.default_rng(2)
    edges = np.unique(rng.integers(0, 40, (600, 2)), axis=0)
    edges = edges[edges[:, 0] != edges[:, 1]]
    split = random_split((edges, 40, None), "Made", 0, 0.1, 0.2)
    metrics = ("hr@10", "mrr@10") if catalogue else ("Hits@100",)
    words = sp.csr_matrix(np.eye(40, dtype=np.float32))
    return graphs.Task("Made", "Made", metrics, [split], words, catalogue), split


@pytest.mark.parametrize("catalogue", [False, True])
def test_a_graphs_exam_holds_training_edges_alone(catalogue, tmp_path):
    task, split = made_task(catalogue)
    paper = paper_of(task.exam(split), tmp_path)
    lesson = paper.lessons["test"]
    assert not paper.refit
    handed = {(source, int(target)) for source, known in enumerate(lesson.lists) for target in known}
    assert handed == set(map(tuple, split.graph.edges.tolist()))
    assert handed & set(map(tuple, split.test.tolist())) == set()
    asked = {name: array for name, array in np.load(tmp_path / "paper.npz").items() if name.startswith("links")}
    held_back = {tuple(pair) for pair in np.concatenate([split.test, split.test_absent]).tolist()}
    assert {tuple(pair) for pair in asked["links_answers"].tolist()} & held_back == set()
    assert lesson.words.shape == (40, 40)


def test_a_perfect_score_of_edges_hits_them_all_and_the_worst_none():
    task, split = made_task(catalogue=False)
    truth = np.zeros((40, 40))
    truth[split.test[:, 0], split.test[:, 1]] = 1.0
    assert task.judge(split, lambda nodes: truth[nodes].copy())[0] == 100.0
    assert task.judge(split, lambda nodes: -truth[nodes])[0] == 0.0


def test_models_import_nothing_of_onward_and_of_the_examiner():
    for path in MODELS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            inside = [name for name in names if name.split(".")[0] in {"onward", "benchmarks", "tools"}]
            assert all(name.startswith("benchmarks.peers.models") for name in inside), (path.name, inside)


def test_every_peer_has_a_module_with_its_class_and_fields():
    for name, peer in PEERS.items():
        tree = ast.parse((MODELS[0].parent / f"{peer.module}.py").read_text(encoding="utf-8"))
        kind = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == peer.kind)
        fields = {node.target.id for node in kind.body if isinstance(node, ast.AnnAssign)}
        assert all(set(setting) <= fields for setting in (*peer.lists, *peer.graph)), name
        assert peer.graph or peer.why_not, name


STAND_IN = """#!{python}
import json, sys
from pathlib import Path
import numpy as np
folder = Path(sys.argv[3])
told = json.loads((folder / "paper.json").read_text())
with np.load(folder / "paper.npz") as paper:
    for ask in told["asks"]:
        queries = len(paper[f"{{ask}}_test_owners"])
        np.save(folder / f"scores {{ask}} 0.npy", np.tile(np.arange(told["items"], dtype=np.float32), (queries, 1)))
picked = {{ask: {{"setting": {{"penalty": 1.0}}, "look": 1, "validation": 0.5}} for ask in told["asks"]}}
tried = [{{"stopped by its time": False, "seconds": 1.0}}]
(folder / "told.json").write_text(json.dumps({{"tried": tried, "picked": picked, "versions": {{}}}}))
"""


def made_exam():
    lists = [np.array([0, 1]), np.array([2])]
    queries = Queries.of_nobody(lists)
    ask = Ask("pairs", queries, np.array([[0, 3]]), presence(lists, 5), queries)
    return Exam("made", 5, {"validation": lists, "test": [*lists, np.array([4])]}, {"next": ask})


def test_a_peer_sits_in_a_process_and_what_was_judged_is_kept(tmp_path):
    import sys

    python = tmp_path / "python"
    python.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    room = Room(python=python, store=tmp_path / "store")
    sat = room.sit(made_exam(), "EASE", lambda _ask, scores: scores.argmax(axis=1), 3)
    assert sat.judged["next"].tolist() == [[4, 4]]  # one seed: nothing in EASE is drawn
    assert sat.setting("next") == "penalty 1.0"
    python.unlink()
    again = Room(python=python, store=tmp_path / "store").sit(made_exam(), "EASE", lambda *_: 1 / 0, 3)
    assert again.judged["next"].tolist() == [[4, 4]]


def test_who_lacks_the_environment_is_told_and_who_asks_nobody_gets_nothing(tmp_path):
    room = Room(python=tmp_path / "none", store=tmp_path / "store")
    with pytest.raises(PeerError, match="make peers"):
        room.sit(made_exam(), "EASE", lambda _ask, scores: scores, 1)
    finished = Room(python=tmp_path / "none", finished=True, store=tmp_path / "store")
    assert finished.sit(made_exam(), "EASE", lambda _ask, scores: scores, 1) is None


def test_another_grid_or_another_exam_is_judged_anew():
    first = sittings.Room._digest("a", "EASE", 1, None)
    assert first != sittings.Room._digest("b", "EASE", 1, None)
    assert first != sittings.Room._digest("a", "EASE", 1, [{"penalty": 2.0}])


def interval(value, half=0.1):
    return Interval(value, value - half, value + half)


def test_shares_count_figures_and_a_tie_is_no_first_place():
    lines = [
        Line("a", "hr", ONWARD, interval(2.0)), Line("a", "hr", "p", interval(1.0), interval(1.0)),
        Line("b", "hr", ONWARD, interval(1.0)), Line("b", "hr", "p", interval(1.0), interval(0.0)),
        Line("c", "hr", ONWARD, interval(1.0)), Line("c", "hr", "p", None, note=NOT_RUN),
    ]  # fmt: skip
    claims = claims_of(lines)
    assert claims["rows"] == 2.0
    assert claims["peers_beaten_share"] == 0.5
    assert claims["peers_beaten_for_certain_share"] == 0.5
    assert claims["figures_not_run"] == 1.0
    assert [row["method"] for row in rows_of(lines) if row["first"]] == [ONWARD, "p", ONWARD]
    json.dumps(rows_of(lines), allow_nan=False)


def test_a_lead_without_an_interval_has_none():
    found = published.lead(Interval(2.0, 2.0, 2.0), interval(1.0))
    assert found.value == 1.0
    assert np.isnan(found.low)
    assert Line("a", "hr", "p", interval(1.0), found).row(first=False)["ahead low"] is None


def test_onwards_figures_are_those_that_were_recorded():
    recorded = published.Published.of("direction_sequences")
    assert recorded.figure("hr@10", query="history", method="blend").value > 0.0
    with pytest.raises(published.PublishedError, match="run its benchmark"):
        recorded.row(method="nobody")


def test_lists_of_a_shop_are_by_customer_and_may_be_empty():
    log = PurchaseLog.of(np.array([0, 2, 2]), np.array([1, 0, 1]), np.array([9, 5, 7]), 2, 30)
    assert [each.tolist() for each in lists_of(log, 4)] == [[1], [], [0, 1], []]


def test_an_outcome_is_what_its_columns_were_made_of():
    outcome = Outcome(*(np.array([float(number)]) for number in range(6)))
    assert columns_of(outcome_of(columns_of(outcome))).tolist() == columns_of(outcome).tolist()
