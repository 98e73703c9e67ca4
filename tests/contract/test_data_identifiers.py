"""What ingest hands on: dense integers, one order, and a clean cut at as_of."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from builders.small_log import AS_OF, CLOCKS, HORIZON, WINDOW, by_name, ingest, small_log
from onward.artifacts import read_json
from onward.data.contract import RawLog
from onward.data.identifiers import encode
from onward.data.session import session
from onward.data.validation import TableCount, refuse_excess, validate
from onward.errors import DataError
from onward.layout import Layout
from onward.params import Params, parse_params
from onward.stages.ingest import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def log():
    return ingest(small_log())


def frame(tables, name):
    return tables[name].to_pandas()


def test_ids_are_dense_and_ordered(log):
    for name, number, outside in (("products", "product", "product_id"), ("customers", "customer", "customer_id")):
        table = frame(log.serving, name)
        assert table[number].tolist() == list(range(len(table)))
        assert table[outside].tolist() == sorted(table[outside])
    impressions = frame(log.serving, "impressions")
    assert impressions["impression"].tolist() == list(range(len(impressions)))
    assert impressions.sort_values(["shown_at", "impression_id"]).index.tolist() == impressions.index.tolist()
    later = frame(log.backtest, "impressions")["impression"].tolist()
    assert later == list(range(len(impressions), len(impressions) + len(later)))


def test_types_are_those_of_the_artefacts(log):
    kinds = {field.name: str(field.type) for field in log.serving["purchases"].schema}
    assert kinds == {
        "customer": "int32",
        "order": "int64",
        "product": "int32",
        "purchased_at": "timestamp[us]",
        "quantity": "float",
        "amount": "float",
    }
    kinds = {field.name: str(field.type) for field in log.serving["impressions"].schema}
    assert [kinds[name] for name in ("impression", "customer", "source", "target")] == ["int64", *["int32"] * 3]
    assert not any(name.startswith("context_") for name in kinds)


def test_serving_ends_at_as_of_and_backtest_begins_there(log):
    for name, clock in (
        ("purchases", "purchased_at"),
        ("impressions", "shown_at"),
        ("conversions", "converted_at"),
        ("engagements", "happened_at"),
    ):
        assert frame(log.serving, name)[clock].max() < AS_OF
        assert frame(log.backtest, name)[clock].min() >= AS_OF
        assert frame(log.backtest, name)[clock].max() < HORIZON
    assert frame(log.serving, "impressions")["shown_at"].min() >= CLOCKS.history_start
    assert frame(log.backtest, "impressions")["shown_at"].max() < CLOCKS.backtest_end
    assert frame(log.serving, "purchases")["purchased_at"].min() < CLOCKS.history_start


def test_the_backtest_knows_test_customers_only(log):
    assert set(frame(log.backtest, "impressions")["split"]) == {"test"}
    names = frame(log.backtest, "customers").set_index("customer")["customer_id"]
    assert set(frame(log.backtest, "purchases")["customer"].map(names)) == {"c00", "c01", "c02", "c03"}
    assert log.purchases.num_rows == small_log()["purchases"].num_rows


def test_rows_speak_of_the_same_things_as_the_source(log):
    products = frame(log.serving, "products").set_index("product")["product_id"]
    customers = frame(log.serving, "customers").set_index("customer")["customer_id"]
    raw = small_log()["impressions"].to_pandas().set_index("impression_id")
    coded = frame(log.serving, "impressions").set_index("impression_id")
    raw = raw.loc[coded.index]
    assert coded["source"].map(products).tolist() == raw["source_product_id"].tolist()
    assert coded["target"].map(products).tolist() == raw["target_product_id"].tolist()
    assert coded["customer"].map(customers).tolist() == raw["customer_id"].tolist()
    assert log.context["serving"]["context_score"].to_pylist() == raw["context_score"].tolist()


def test_every_valid_row_goes_to_one_place(log):
    for name, table in small_log().items():
        assert sum(log.destinations[name].values()) == table.num_rows
    assert {name: log.serving[name].num_rows for name in log.destinations} == {
        name: places["serving"] for name, places in log.destinations.items()
    }


def test_an_order_number_of_two_customers_is_two_orders():
    tables = small_log()
    place = tables["purchases"].column_names.index("order_id")
    days = [name.split("-")[1] for name in tables["purchases"]["order_id"].to_pylist()]
    tables["purchases"] = tables["purchases"].set_column(place, "order_id", pa.array(days))
    assert ingest(tables).serving["purchases"].equals(ingest(small_log()).serving["purchases"])


def only(table, clock, before):
    return table.filter(pc.less(table[clock], pa.scalar(before, pa.timestamp("us"))))


@pytest.mark.parametrize(
    ("spoil", "fragment"),
    [
        (
            lambda t: t | {"purchases": only(t["purchases"], "purchased_at", AS_OF)},
            "outcomes are needed until 2024-02-15",
        ),
        (lambda t: t | {"purchases": t["purchases"].slice(0, 0)}, "no valid row"),
        (lambda t: t | {"impressions": only(t["impressions"], "shown_at", AS_OF)}, "none of test customers"),
        (
            lambda t: t | {"impressions": only(t["impressions"], "shown_at", CLOCKS.history_start)},
            "nothing can be learnt",
        ),
        (lambda t: t | {"conversions": t["conversions"].slice(0, 0)}, "conversions: none in [2024-01-08, 2024-02-01)"),
    ],
    ids=["too short", "no purchase", "no test impression", "no impression", "no conversion"],
)
def test_a_log_that_cannot_be_learnt_from_is_refused(spoil, fragment):
    valid = validate(RawLog(small_log()), HORIZON, WINDOW, threads=1)
    with (
        session(1, spoil(dict(valid.tables))) as connection,
        pytest.raises(DataError, match=r"^[^\n]*;[^\n]*$") as caught,
    ):
        encode(connection, CLOCKS, by_name, "test")
    assert fragment in str(caught.value)


def test_a_short_silence_before_the_horizon_is_fine():
    tables = small_log()
    tables["purchases"] = only(tables["purchases"], "purchased_at", HORIZON - timedelta(days=2))
    assert ingest(tables, replace(CLOCKS, horizon=HORIZON)).purchases.num_rows == tables["purchases"].num_rows


def test_too_many_bad_rows_are_refused_by_name():
    good, bad = TableCount(100, 100, {}), TableCount(1000, 970, {"amount is negative": 10, "quantity is null": 20})
    refuse_excess({"products": good, "purchases": bad}, 0.03)
    with pytest.raises(
        DataError, match=r"purchases: 30 of 1000 rows \(3\.0%\) break the contract, mostly 'quantity is null'"
    ):
        refuse_excess({"products": good, "purchases": bad}, 0.0299)
    refuse_excess({"engagements": TableCount(0, 0, {})}, 0.0)


def params(folder: Path, **changes) -> Params:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["run"] |= {
        "source": "parquet",
        "as_of": AS_OF.date().isoformat(),
        "attribution_days": WINDOW.days,
        "training_days": 10,
        "history_days": (AS_OF - CLOCKS.history_start).days,
        "backtest_days": (CLOCKS.backtest_end - AS_OF).days,
        "threads": 1,
    }
    values["sources"]["parquet"]["folder"] = str(folder)
    values["splits"] |= {"train": 0.3, "selection": 0.1, "calibrate": 0.1, "threshold": 0.1, "test": 0.4}
    values["validation"] |= changes
    return parse_params(yaml.safe_dump(values))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "log"
    path.mkdir()
    for name, table in small_log().items():
        pq.write_table(table, path / f"{name}.parquet")
    return path


def written(root: Path) -> dict[str, bytes]:
    files = [*(root / "artifacts").rglob("*"), *(root / "metrics").rglob("*")]
    return {str(path.relative_to(root)): path.read_bytes() for path in files if path.is_file()}


def test_the_stage_writes_the_same_bytes_twice(tmp_path, folder):
    layout = Layout(tmp_path / "a")
    line = run(layout, params(folder))
    assert "impressions known at 2024-02-01" in line
    first = written(layout.root)
    assert run(layout, params(folder)) == line
    assert written(layout.root) == first
    assert {path.rsplit("/", 1)[0] for path in first} == {
        "artifacts/serving",
        "artifacts/backtest",
        "artifacts/quarantine",
        "metrics",
    }
    assert not [path for path in first if "partial" in path]


def test_the_stage_counts_every_row(tmp_path, folder):
    layout = Layout(tmp_path / "a")
    run(layout, params(folder))
    for name, counts in read_json(layout.metrics / "ingest.json")["tables"].items():
        assert counts["rows_in"] == small_log()[name].num_rows
        assert counts["rows_in"] == counts["rows_kept"] + sum(counts["rows_quarantined"].values())
        assert counts["rows_kept"] == counts["serving"] + counts["backtest"] + counts["outside_window"]


def test_features_come_row_by_row_with_the_impressions(tmp_path, folder):
    layout = Layout(tmp_path / "a")
    run(layout, params(folder))
    for place in (layout.serving, layout.backtest):
        impressions, features = pq.read_table(place / "impressions.parquet"), pq.read_table(place / "features.parquet")
        assert features["impression"].to_pylist() == impressions["impression"].to_pylist()
    assert {"context_score", "cat_context_place"} <= set(features.column_names)


def test_the_stage_leaves_the_quarantine_when_it_refuses(tmp_path, folder):
    layout = Layout(tmp_path / "a")
    purchases = pq.read_table(folder / "purchases.parquet")
    amounts = pa.array([-1.0] * purchases.num_rows)
    pq.write_table(purchases.set_column(5, "amount", amounts), folder / "purchases.parquet")
    with pytest.raises(DataError, match="amount is negative"):
        run(layout, params(folder))
    assert pq.read_table(layout.quarantine / "purchases.parquet").num_rows == purchases.num_rows
    assert not layout.serving.exists()


def test_a_log_that_went_on_gives_the_same_serving_side(tmp_path, folder):
    before, after = Layout(tmp_path / "a"), Layout(tmp_path / "b")
    run(before, params(folder))
    purchases = pq.read_table(folder / "purchases.parquet")
    later = purchases.slice(0, 50).set_column(3, "purchased_at", pa.array([HORIZON] * 50, pa.timestamp("us")))
    pq.write_table(pa.concat_tables([later, purchases]), folder / "purchases.parquet")
    run(after, params(folder))
    assert read_json(after.metrics / "ingest.json")["notes"]["rows_at_or_after_horizon"]["purchases"] == 50
    same = {name: data for name, data in written(before.root).items() if name.startswith("artifacts/")}
    assert {name: data for name, data in written(after.root).items() if name.startswith("artifacts/")} == same
