import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import httpx
import numpy as np
import pandas as pd
import pytest

from builders.tiny_bundle import TAGS, make_bundle, make_features
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.mlflow_model import DISTRIBUTIONS
from onward.deployment.pyfunc_model import PairScoringModel
from onward.deployment.registry import Registry
from onward.errors import DataError
from onward.services.local import free_port

PAIRS = pd.DataFrame({"source_id": ["p0", "p2", "p0"], "target_id": ["p2", "p3", "new"]})


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


@pytest.fixture(scope="module")
def version(tmp_path_factory, bundle):
    """A registry that holds a bundle, and where the version's files lie."""
    root = tmp_path_factory.mktemp("shop")
    write_bundle(root / "bundle", bundle)
    registry = Registry(root / "mlruns")
    registered = registry.register(root / "bundle", bundle_hash(root / "bundle"), TAGS, {})
    registry.promote(registered.number)
    return registry, registered


def test_pairs_alone_are_scored_for_a_typical_customer_and_unknown_products_not_at_all(bundle):
    scored = PairScoringModel(bundle).predict(PAIRS)
    features = pd.concat([bundle.contexts] * 2, ignore_index=True)
    state = {"target_sales_7d": [15.0, 20.0], "cat_target_category": [1.0, 0.0]}
    count = len(bundle.contexts)
    rows = features.assign(**{name: np.repeat(np.float32(values), count) for name, values in state.items()})
    each = bundle.score(rows, ["p0"] * count + ["p2"] * count, ["p2"] * count + ["p3"] * count)
    wanted = each["probability"].to_numpy().reshape(2, count).mean(axis=1)
    np.testing.assert_array_equal(scored["probability"][:2], wanted)
    assert scored.loc[2, ["score", "uncertainty", "probability"]].isna().all()
    assert (scored.loc[2, "level"], scored.loc[2, "decision"]) == (-1, "don't show")


def test_impressions_are_scored_as_the_bundle_scores_them(bundle):
    features = make_features(3, 4)
    scored = PairScoringModel(bundle).predict(pd.concat([PAIRS, features], axis=1))
    wanted = bundle.score(features, PAIRS["source_id"].tolist(), PAIRS["target_id"].tolist())
    pd.testing.assert_frame_equal(scored, wanted, check_exact=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [(PAIRS[["source_id"]], "no column target_id"), (PAIRS.assign(customer_visits_28d=1.0), "target_sales_7d")],
)
def test_what_cannot_be_scored_is_named(bundle, rows, message):
    with pytest.raises(DataError, match=message):
        PairScoringModel(bundle).predict(rows)


LOAD = """
import json, sys
import pandas as pd
from mlflow import pyfunc, set_tracking_uri

set_tracking_uri(sys.argv[1])
scored = pyfunc.load_model("models:/onward@champion").predict(pd.DataFrame(json.loads(sys.argv[2])))
import onward
print(json.dumps([onward.__file__, scored.to_json(double_precision=15)]))
"""


@pytest.fixture
def elsewhere(tmp_path):
    """Environment of a process that finds every installed package but Onward."""
    (tmp_path / "onward.py").write_text("raise ImportError('this shop has no Onward')")
    return os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(tmp_path)}


@pytest.mark.slow
def test_a_version_loads_by_its_alias_where_onward_is_not_installed(version, bundle, elsewhere):
    registry, registered = version
    command = [sys.executable, "-W", "ignore", "-c", LOAD, registry.address, PAIRS.to_json(orient="records")]
    done = subprocess.run(command, env=elsewhere, capture_output=True, text=True, check=True)
    code, scored = json.loads(done.stdout.splitlines()[-1])
    assert Path(code).is_relative_to(registry.root)
    wanted = PairScoringModel(bundle).predict(PAIRS)
    assert scored == wanted.to_json(double_precision=15)
    # The bundle itself is as it was, and what MLflow needs beside it is no report that somebody attached.
    assert bundle_hash(registry.folder(registered)) == registered.bundle_sha256
    assert registry.attached(registered) == []


@pytest.mark.slow
def test_mlflow_serves_a_version_where_onward_is_not_installed(version, bundle, elsewhere):
    registry, registered = version
    place = registry.folder(registered).parent
    port = free_port(0)
    words = ["-m", "mlflow", "models", "serve", "-m", str(place), "--env-manager", "local", "-p", str(port), "-w", "1"]
    with subprocess.Popen([sys.executable, *words], env=elsewhere, stderr=subprocess.PIPE, text=True) as server:
        try:
            # Uvicorn says when it listens.
            assert any("Uvicorn running" in line for line in server.stderr)
            body = {"dataframe_split": json.loads(PAIRS.to_json(orient="split"))}
            reply = httpx.post(f"http://127.0.0.1:{port}/invocations", json=body, timeout=30)
        finally:
            server.terminate()
    assert reply.status_code == 200, reply.text
    wanted = PairScoringModel(bundle).predict(PAIRS)["probability"].tolist()[:2]
    assert [row["probability"] for row in reply.json()["predictions"]][:2] == wanted


def test_what_scoring_imports_is_what_a_version_requires():
    graph = grimp.build_graph("onward", include_external_packages=True, cache_dir=None)
    ours = graph.find_upstream_modules("onward.deployment.pyfunc_model") | {"onward.deployment.pyfunc_model"}
    externals = {name for module in ours for name in graph.find_modules_directly_imported_by(module)}
    packages = {name for name in externals if not name.startswith("onward")} - set(sys.stdlib_module_names)
    installed = packages_distributions()
    assert {installed[name][0] for name in packages} <= set(DISTRIBUTIONS)
