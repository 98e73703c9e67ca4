"""Pods that share an object store and no folder: what one has scored the next one assesses, acts on and shows."""

import json
import os
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from builders.daily_files import params_of
from builders.object_stores import BUCKET, bucket_client, object_store
from builders.registries import new_registry
from builders.tiny_bundle import TAGS, make_bundle
from onward import cli
from onward.artifacts import write_table
from onward.daily import completeness
from onward.daily import score as scoring
from onward.daily.completeness import Complete
from onward.daily.shared_folders import SharedFolder, days_from
from onward.data.contract import RawLog
from onward.deployment import bundle_files
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.errors import MonitoringError, ServiceError
from onward.settings import ProjectSettings
from onward.uncertainty.uncertainty_model import PairPredictions

# Starts an object store and the command line, again and again.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FIRST, DAYS = date(2017, 11, 20), 10
AS_OF = FIRST + timedelta(days=DAYS)
WATCHING = f"s3://{BUCKET}/watching"


@pytest.fixture
def pods(tmp_path, monkeypatch):
    """Return a way to run a command in a pod: a folder of its own, the common store, and the shop's log."""
    tables = shops_log()
    value = 0.15

    def predict(self, features, source, target, threads=1):
        same = np.full(len(source), value)
        return PairPredictions(same, same, np.zeros(len(source), np.int64), same)

    folder = tmp_path / "bundle"
    write_bundle(folder, make_bundle())
    registry = new_registry(tmp_path / "mlruns")
    registry.promote(registry.register(folder, bundle_hash(folder), TAGS, {}).number)
    names = [f"cat_{side}_{what}" for side in ("source", "target") for what in ("category", "department")]
    bundle = replace(make_bundle(), categories={name: ["food > shelf", "food"] for name in names})
    bundle.facts["as_of"] = FIRST.isoformat()
    monkeypatch.setattr(type(bundle), "predict", predict)
    monkeypatch.setattr(bundle_files, "read_bundle", lambda _: bundle)
    monkeypatch.setattr(scoring, "read_log", lambda *_: RawLog({name: table(each) for name, each in tables.items()}))
    monkeypatch.setattr(completeness, "complete_until", lambda *_: Complete(date(2018, 1, 1), "the log is closed"))
    with object_store() as store:
        for name, said in store.items():
            monkeypatch.setenv(name, said)
        monkeypatch.setenv("ONWARD_WATCHING", WATCHING)
        monkeypatch.setenv("ONWARD_REGISTRY", f"sqlite:///{registry.database}")

        def in_pod(name: str, *words: str):
            pod = tmp_path / name
            if not pod.is_dir():
                (pod / "monitoring").mkdir(parents=True)
                for each in ("alerts.yaml", "panels.yaml", "runbook.md"):
                    (pod / "monitoring" / each).write_text((ROOT / "monitoring" / each).read_text())
                for each in tables:
                    write_table(pod / "data" / "log" / f"{each}.parquet", tables[each])
                params_of(pod)
            monkeypatch.setenv("ONWARD_PROJECT", str(pod))
            return CliRunner().invoke(cli.app, list(words), input="", catch_exceptions=False)

        in_pod.folder, in_pod.store = tmp_path, store
        yield in_pod


def shops_log() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(4)
    n, products = 400, [f"p{number}" for number in range(6)]
    time = (pd.Timestamp(FIRST) + pd.to_timedelta(np.sort(rng.uniform(0, DAYS, n)), "D")).astype("datetime64[us]")
    source = rng.integers(0, 6, n)
    names, others = [products[at] for at in source], [products[(at + 1) % 6] for at in source]
    ids = [f"i{number}" for number in range(n)]
    bought = rng.random(n) < 0.15
    return {
        "products": pd.DataFrame({"product_id": products, "name": products, "category": "food > shelf"}),
        "purchases": pd.DataFrame({
            "customer_id": "c1", "order_id": [f"o{number}" for number in range(n)], "product_id": names,
            "purchased_at": time, "quantity": 1.0, "amount": 2.0,
        }),
        "impressions": pd.DataFrame({
            "impression_id": ids, "customer_id": "c1", "source_product_id": names, "target_product_id": others,
            "shown_at": time,
        }),
        "conversions": pd.DataFrame({"impression_id": ids, "converted_at": time + pd.Timedelta(hours=1)})[bought],
        "engagements": pd.DataFrame({
            "impression_id": ids, "kind": "view", "happened_at": time + pd.Timedelta(minutes=1),
        }),
    }  # fmt: skip


def table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def kept(pods):
    """Names in the store."""
    with bucket_client(pods.store) as client:
        return {each["Key"] for each in client.list_objects_v2(Bucket=BUCKET)["Contents"]}


def last_line(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_what_one_pod_has_scored_the_next_assesses_acts_on_and_shows(pods):
    scored = last_line(pods("one", "score", f"--as-of={AS_OF}"))
    assert scored["days"] == DAYS
    looked = last_line(pods("two", "monitor", f"--as-of={AS_OF}"))
    assert looked["decisions"] == {"served_days": 0, "batch_days": DAYS}
    decided = last_line(pods("three", "act"))
    assert (decided["version"], decided["as_of"], decided["verdict"]) == (1, AS_OF.isoformat(), looked["verdict"])
    assert f"as of {AS_OF}" in pods("four", "status").stdout
    assert pods("four", "oncall").exit_code == 0
    # Nothing of it lies where a pod's own project keeps it.
    assert [path.name for path in (pods.folder / "one" / "monitoring").iterdir() if path.is_dir()] == []
    # A day that another pod has logged stays as it is.
    again = last_line(pods("five", "score", f"--as-of={AS_OF}"))
    assert (again["days"], again["kept"]) == (0, DAYS)


def test_a_look_that_failed_is_seen_by_the_others(pods):
    assert pods("one", "score", f"--as-of={AS_OF - timedelta(days=3)}").exit_code == 0
    with pytest.raises(MonitoringError, match="3 days of version 1 are not in the decision log"):
        pods("two", "monitor", f"--as-of={AS_OF}")
    assert last_line(pods("three", "act"))["verdict"] == "failed"


def test_an_action_that_a_run_carries_out_rests_for_every_pod(pods):
    pods("one", "score", f"--as-of={AS_OF}")
    pods("two", "monitor", f"--as-of={AS_OF}")
    last_line(pods("three", "act"))
    names = kept(pods)
    assert f"watching/actions/version=1/as_of={AS_OF}.json" in names
    assert f"watching/looks/version=1/as_of={AS_OF}/verdict.json" in names
    assert not [name for name in names if "partial" in name or ".shared" in name]


def test_a_look_that_could_not_begin_is_seen_by_the_others(pods):
    pods("one", "score", f"--as-of={AS_OF}")
    pods("two", "status")
    (pods.folder / "two" / "params.yaml").write_text("run: [")
    with pytest.raises(MonitoringError):
        pods("two", "monitor", f"--as-of={AS_OF}")
    assert f"watching/looks/version=1/as_of={AS_OF}/verdict.json" in kept(pods)
    assert last_line(pods("three", "act"))["verdict"] == "failed"


def test_an_action_is_there_for_every_pod_though_nobody_is_told_and_so_is_the_run_that_carries_it_out(pods):
    pods("one", "score", f"--as-of={AS_OF}")
    pods("two", "monitor", f"--as-of={AS_OF}")
    last_line(pods("three", "act", "--no-tell"))
    assert f"watching/actions/version=1/as_of={AS_OF}.json" in kept(pods)
    asked = json.dumps({"version": 1, "as_of": str(AS_OF), "action": "retrain"})
    pods("three", "status")
    CliRunner().invoke(cli.app, ["act", "--started-by=2017-11-20-3f2a9c1b"], input=asked, catch_exceptions=False)
    assert f"watching/actions/started/version=1/as_of={AS_OF}.json" in kept(pods)
    pods("four", "status")
    told = CliRunner().invoke(cli.app, ["act", "--whether-started"], input=asked, catch_exceptions=False)
    assert last_line(told)["run"] == "2017-11-20-3f2a9c1b"


@pytest.fixture
def two_machines(tmp_path, monkeypatch):
    with object_store() as store:
        for name, said in store.items():
            monkeypatch.setenv(name, said)
        settings = [ProjectSettings(project=tmp_path / name, watching=WATCHING) for name in ("here", "there")]
        yield [SharedFolder.of(each, "decisions") for each in settings]


def test_a_file_is_fetched_once_again_when_it_changes_and_goes_when_it_went(two_machines, monkeypatch):
    here, there = two_machines
    name = "day=2017-11-20/version=1.parquet"
    path = here.folder / name
    path.parent.mkdir(parents=True)
    path.write_text("first")
    here.give()
    there.take()
    assert (there.folder / name).read_text() == "first"
    fetched = []
    plain = type(there.store).fetch
    monkeypatch.setattr(type(there.store), "fetch", lambda *given: fetched.append(given[1]) or plain(*given))
    there.take()
    assert fetched == []
    path.write_text("revised, longer")
    here.give()
    there.take()
    assert fetched == [name]
    assert (there.folder / name).read_text() == "revised, longer"
    with there.shared(days_from(date(2017, 11, 21))):
        assert (there.folder / name).is_file()  # not asked for, so left alone
    known = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    with bucket_client(known) as client:
        client.delete_object(Bucket=BUCKET, Key=f"watching/decisions/{name}")
    there.take()
    assert not (there.folder / name).exists()


def test_a_file_that_a_killed_command_has_not_put_is_put_by_the_next_one(two_machines):
    here, there = two_machines
    left = here.folder / "day=2017-11-20" / "version=1.parquet"
    left.parent.mkdir(parents=True)
    left.write_text("decided, then killed")
    with here.shared():
        pass
    there.take()
    assert (there.folder / "day=2017-11-20" / "version=1.parquet").read_text() == "decided, then killed"


def test_a_store_that_is_down_is_named_with_the_remedy(two_machines, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    shared = SharedFolder.of(ProjectSettings(project=tmp_path, watching=WATCHING), "looks")
    with pytest.raises(ServiceError, match=r"s3://onward/watching/looks: .*is the store up"):
        shared.take()
