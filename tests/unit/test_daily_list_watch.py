"""A look says what the lists in use were worth, keeps their weeks, and the rules act on a fall."""

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from builders.daily_files import FIRST, ROOT, day_number, draw_rows, lay_out, params_of
from builders.registries import new_registry
from builders.tiny_bundle import TAGS, make_bundle
from onward.artifacts import read_json, read_table, write_table
from onward.daily import list_watch
from onward.daily.deployed_lists import deployed_lists
from onward.daily.list_watch import SCHEMA, ListWatch, versions_by_day
from onward.daily.monitor import assess_version, days_and_versions
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.reasons import Reason
from onward.errors import RegistryError
from onward.monitoring.alerts import Findings, decide, parse_rules

VERSION, DAYS = 1, 60
ALERTS = ROOT / "monitoring" / "alerts.yaml"
FIGURES = {"goes_with_lift10_value": 1.6, "goes_with_lift10_low": 1.4, "goes_with_lift10_high": 1.8}
GOES_WITH = {"p0": "p2", "p1": "p2", "p2": "p3", "p3": "p2"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    root = tmp_path_factory.mktemp("registry")
    bundle = make_bundle()
    bundle.facts["as_of"] = FIRST.isoformat()
    write_bundle(root / "bundle", bundle)
    registry = new_registry(root / "mlruns")
    registry.register(root / "bundle", bundle_hash(root / "bundle"), TAGS, FIGURES)
    registry.promote(VERSION, Reason("the first that passed", "the gate"))
    return registry


def purchases(holds_until=None, seed=0):
    """Baskets of one product and, up to a day, often what its list names; then anything else."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(-100, DAYS):
        at = datetime.combine(FIRST, datetime.min.time()) + timedelta(days=day, hours=9)
        for customer in rng.choice(400, 60, replace=False):
            first = f"p{rng.integers(0, 5)}"
            holds = holds_until is None or day < holds_until
            other = GOES_WITH.get(first, "p5") if holds and rng.random() < 0.7 else f"p{rng.choice([0, 1, 4, 5])}"
            rows += [(f"c{customer}", f"o{day}-{customer}", product, at) for product in {first, other}]
    table = pd.DataFrame(rows, columns=["customer_id", "order_id", "product_id", "purchased_at"])
    return table.assign(purchased_at=table["purchased_at"].astype("datetime64[us]"), quantity=1.0, amount=2.0)


def project(root, bought):
    rows = draw_rows(days=DAYS)
    rows["decisions"]["version"] = np.int32(VERSION)
    folder = lay_out(root, rows, version=VERSION)
    categories = [f"shop > type {number}" for number in range(6)]
    products = pd.DataFrame({"product_id": [f"p{number}" for number in range(6)], "name": "x", "category": categories})
    write_table(root / "data" / "log" / "products.parquet", products)
    if bought is not None:
        write_table(root / "data" / "log" / "purchases.parquet", bought)
    return folder


def look(root, registry, folder, as_of):
    params = params_of(root)
    lists = ListWatch(root, params, registry, root / "looks", tuple(days_and_versions(folder)))
    said = assess_version(root, params, VERSION, folder, root / "looks", as_of, lists=lists)
    return said, root / "looks" / f"version={VERSION}" / f"as_of={as_of}"


def signal(said):
    return next(signal for signal in said["signals"] if signal["name"] == "lists")


def test_a_look_keeps_the_weeks_of_the_lists_and_says_how_they_do(tmp_path, registry):
    folder = project(tmp_path, purchases())
    said, place = look(tmp_path, registry, folder, day_number(DAYS))
    weeks = read_table(place / "lists.parquet")
    assert list(weeks.columns) == SCHEMA.names
    goes_with = weeks[weeks["list"] == "goes_with"]
    assert len(goes_with) >= 7
    assert (goes_with["lift"] > 1.2).all()
    assert (goes_with["lift_low"] < goes_with["lift"]).all()
    assert signal(said)["verdict"] == "ok"
    assert "1.60 at the gate" in signal(said)["reason"]
    # The same day again is the same, and the day before knew no less of the weeks that were over.
    again, _ = look(tmp_path, registry, folder, day_number(DAYS))
    assert again == said
    _, earlier = look(tmp_path, registry, folder, day_number(DAYS - 10))
    before = read_table(earlier / "lists.parquet")
    both = before.merge(weeks, on=["day", "list"], suffixes=("", "_later"))
    assert len(both) >= 4
    assert (both["lift"] == both["lift_later"]).all()
    assert (both["coverage"] == both["coverage_later"]).all()


def test_lists_that_are_bought_by_no_more_ask_for_a_training(tmp_path, registry):
    folder = project(tmp_path, purchases(holds_until=30))
    said, place = look(tmp_path, registry, folder, day_number(DAYS))
    assert signal(said)["verdict"] == "changed"
    since = date.fromisoformat(signal(said)["since"])
    assert abs((since - day_number(30)).days) <= 7
    assert read_json(place / "verdict.json") == said
    quiet = {**said, "verdict": "ok", "levels": [], "signals": [signal(said)], "cause": "lists"}
    decision = decide(parse_rules(ALERTS.read_text()), Findings.of(quiet, None, None), [])
    assert (decision.rule, decision.action) == ("lists-weakened", "retrain")


def test_purchases_that_are_missing_fail_the_look_by_name(tmp_path, registry):
    folder = project(tmp_path, None)
    said, place = look(tmp_path, registry, folder, day_number(DAYS))
    assert said["verdict"] == "failed"
    assert "purchases.parquet" in said["reason"]
    assert not (place / "daily.parquet").exists()


def test_weeks_of_the_versions_before_are_judged_by_their_own_lists(tmp_path, registry, monkeypatch):
    project(tmp_path, purchases())
    changes_on = 28
    days = [day_number(number) for number in range(DAYS)]
    logged = tuple((day, 1 if number < changes_on else 2) for number, day in enumerate(days))
    asked = []

    def kept(registry_, looks, version):
        asked.append(version)
        return deployed_lists(registry, tmp_path, VERSION)

    monkeypatch.setattr(list_watch, "deployed_lists", kept)
    watch = ListWatch(tmp_path, params_of(tmp_path), registry, tmp_path / "looks", logged)
    weeks = watch.look(2, day_number(DAYS), {}).weeks.to_pandas()
    assert set(asked) == {1, 2}
    last_of_first = weeks.loc[weeks["version"] == 1, "day"].max()
    assert last_of_first <= day_number(changes_on + 7)
    assert weeks["version"].is_monotonic_increasing

    def gone(registry_, looks, version):
        if version == 1:
            raise RegistryError("version 1 lost its bundle")
        return deployed_lists(registry, tmp_path, VERSION)

    monkeypatch.setattr(list_watch, "deployed_lists", gone)
    left = watch.look(2, day_number(DAYS), {}).weeks.to_pandas()
    assert set(left["version"]) == {2}
    both = left.merge(weeks, on=["day", "list"])
    assert (both["lift_x"] == both["lift_y"]).all()


def test_the_lists_of_a_version_are_kept_beside_its_looks(tmp_path, registry):
    lists = deployed_lists(registry, tmp_path, VERSION)
    assert lists.promised["goes_with"].value == 1.6
    assert np.isnan(lists.promised["after"].value)
    # By other numbers of products: what is not among them keeps its place, empty.
    among = lists.among(["p3", "p2", "new"])
    assert among["goes_with"][0].tolist()[:2] == [1, -1]
    assert among["goes_with"][1].tolist()[:3] == [0, -1, -1]
    assert (among["goes_with"][2] == -1).all()
    assert deployed_lists(None, tmp_path, VERSION).lists.keys() == lists.lists.keys()


def test_the_assessed_version_speaks_for_its_days_and_none_after_it():
    days = [FIRST + timedelta(days=number) for number in range(3)]
    logged = [(days[0], 3), (days[1], 3), (days[1], 4), (days[2], 4), (days[2], 5)]
    start = (days[0] - date(1970, 1, 1)).days
    assert versions_by_day(logged, 4, days[2]) == {start: 3, start + 1: 4}
    assert versions_by_day(logged, 4, days[2] + timedelta(days=1)) == {start: 3, start + 1: 4, start + 2: 4}
