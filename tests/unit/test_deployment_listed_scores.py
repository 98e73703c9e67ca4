"""What is looked up is what would be worked out, to the last bit, and only what stands on no list is worked out."""

from dataclasses import fields, replace

import numpy as np
import pytest

from builders.tiny_bundle import make_bundle
from onward.artifacts import StoredFiles
from onward.deployment.bundle_files import read_bundle, worked_out_by, write_bundle
from onward.deployment.listed_products import ListedProducts
from onward.deployment.listed_scores import FILE, ListedScores
from onward.deployment.typical_answer import TypicalScores
from onward.ranking.list_names import LISTS
from onward.serving.recommend import recommend_all

EVERY = np.array([(source, target) for source in range(6) for target in range(6)]).T


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


def assert_same(one: TypicalScores, other: TypicalScores) -> None:
    for field in fields(TypicalScores):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def refuse(source, target):
    pytest.fail(f"{len(source)} pairs were worked out: {source} {target}")


@pytest.mark.parametrize("threads", [1, 3])
def test_every_listed_pair_is_kept_as_it_is_worked_out(bundle, threads, monkeypatch):
    monkeypatch.setattr("onward.deployment.listed_scores._PAIRS_AT_ONCE", 2)
    listed = bundle.with_listed_scores(threads).listed_scores
    source, target = listed.pair // 6, listed.pair % 6
    assert_same(listed.answer(source, target, refuse), bundle.typical.scores(source, target))
    table = bundle.lists.table
    for row in table.itertuples():
        ends = (row.other, row.product) if row.list == "before" else (row.product, row.other)
        assert ends[0] * 6 + ends[1] in listed.pair


def test_entries_behind_the_first_are_worked_out_when_they_are_asked_for(bundle, monkeypatch):
    monkeypatch.setattr("onward.deployment.listed_scores._FIRST", 1)
    few = bundle.with_listed_scores()
    assert 0 < len(few.listed_scores.pair) < len(bundle.listed_scores.pair)
    answers = recommend_all(few.listed, range(4), 3, few.typical.scores)
    assert list(answers) == list(recommend_all(bundle.listed, range(4), 3, refuse))


def test_other_pairs_are_worked_out_and_come_in_their_places(bundle):
    asked = []

    def work_out(source, target):
        asked.append(len(source))
        return bundle.typical.scores(source, target)

    source, target = EVERY
    assert_same(bundle.listed_scores.answer(source, target, work_out), bundle.typical.scores(source, target))
    assert asked == [36 - len(bundle.listed_scores.pair)]


def test_answers_are_read_from_files_without_the_model(bundle, tmp_path):
    write_bundle(tmp_path, bundle)
    whole = read_bundle(tmp_path)
    for part in ("embeddings.npz", "edges.parquet", "heads/head_0.txt", "contexts.parquet", "state.parquet"):
        (tmp_path / part).unlink()
    listed = ListedProducts.from_files(StoredFiles(tmp_path))
    own = [0, 1, 2, 3]  # Jam is given Bread's lists: its pairs stand on none
    answers = list(recommend_all(listed, own, 3, refuse))
    assert answers == list(recommend_all(whole.listed, own, 3, whole.typical.scores))
    assert sum(len(getattr(answer, name)) for answer in answers for name in LISTS) > 10


def test_a_bundle_from_before_is_worked_out_pair_by_pair(bundle, tmp_path):
    write_bundle(tmp_path, replace(bundle, listed_scores=None))
    assert not (tmp_path / FILE).exists()
    listed = ListedProducts.from_files(StoredFiles(tmp_path))
    assert len(listed.scores.pair) == 0
    answers = recommend_all(listed, range(6), 3, worked_out_by(tmp_path))
    assert list(answers) == list(recommend_all(bundle.listed, range(6), 3, bundle.typical.scores))


def test_no_pair_is_listed_of_a_catalogue_without_lists(bundle):
    lists = replace(bundle.lists, table=bundle.lists.table.iloc[:0])
    listed = ListedScores.of(lists, bundle.uncertainty.levels, bundle.policy, refuse)
    source, target = EVERY
    assert_same(listed.answer(source, target, bundle.typical.scores), bundle.typical.scores(source, target))
