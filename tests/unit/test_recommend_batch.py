from dataclasses import replace

import pandas as pd
import pytest

from builders.tiny_bundle import make_bundle
from onward.deployment.served_lists import no_lists
from onward.errors import DataError
from onward.ranking.list_names import LISTS
from onward.serving import batch_lists
from onward.serving.batch_lists import SCHEMA, parts_of, write_part
from onward.serving.recommend import recommend_all


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


def write_all(bundle, folder, version="a" * 64, count=3):
    parts = parts_of(bundle, version, folder, count, products_a_part=4)
    for part in parts:
        if not part.finished:
            write_part(bundle, part)
    return parts


def test_the_parts_hold_every_list_of_every_product_as_it_is_answered(bundle, tmp_path):
    parts = write_all(bundle, tmp_path)
    rows = pd.concat([pd.read_parquet(part.path) for part in parts], ignore_index=True)
    assert rows.columns.tolist() == SCHEMA.names
    wanted = [
        (answer.product_id, name, rank, entry.product_id, entry.probability, entry.decision, entry.why)
        for answer in recommend_all(bundle.listed, range(6), 3, bundle.typical.scores)
        for name in LISTS
        for rank, entry in enumerate(getattr(answer, name), 1)
    ]
    columns = ["product_id", "list", "rank", "other_id", "probability", "decision", "why"]
    assert list(rows[columns].itertuples(index=False, name=None)) == wanted
    assert rows.loc[rows["product_id"] == "p4", "of_its_type"].all()


def test_a_run_that_was_stopped_goes_on_where_it_was(bundle, tmp_path, monkeypatch):
    first, last = parts_of(bundle, "a" * 64, tmp_path, 3, products_a_part=4)
    write_part(bundle, first)
    before = first.path.stat().st_mtime_ns
    written = []
    write = batch_lists.write_table
    monkeypatch.setattr(batch_lists, "write_table", lambda path, table: (written.append(path), write(path, table)))
    write_all(bundle, tmp_path)
    assert written == [last.path]
    assert first.path.stat().st_mtime_ns == before


def test_a_part_that_is_killed_while_it_is_written_is_not_there(bundle, tmp_path, monkeypatch):
    (part, _) = parts_of(bundle, "a" * 64, tmp_path, 3, products_a_part=4)

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pyarrow.parquet.write_table", fail)
    with pytest.raises(KeyboardInterrupt):
        write_part(bundle, part)
    assert not part.finished


@pytest.mark.parametrize("other", [{"version": "b" * 64}, {"count": 2}])
def test_another_version_or_length_takes_the_place_of_what_is_there(bundle, tmp_path, other):
    (tmp_path / "notes.parquet").write_bytes(b"somebody else's")
    old = write_all(bundle, tmp_path)
    new = write_all(bundle, tmp_path, **other)
    assert not any(part.path.exists() for part in old)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*(part.path.name for part in new), "notes.parquet"]
    )


def test_products_without_lists_make_an_empty_part(bundle, tmp_path):
    part = parts_of(bundle, "a" * 64, tmp_path, 3, products_a_part=5)[1]
    write_part(bundle, part)
    assert pd.read_parquet(part.path).empty


def test_a_model_from_before_lists_says_what_to_do(bundle, tmp_path):
    with pytest.raises(DataError, match="dvc repro"):
        write_all(replace(bundle, lists=no_lists(6)), tmp_path)
