"""Spark counts what DuckDB counts, to the last customer; what it cannot do is one clear line."""

import gc
import os
import subprocess
import sys
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from onward.artifacts import write_table
from onward.errors import EngineError, ParamsError
from onward.graph.counting import count_in_process, count_on_spark
from onward.graph.counts import CountRules

# Starts a Java machine, which `make test` installs; Spark leaves its end of some connections to the collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

START = datetime(2020, 1, 1)
BEFORE = START + timedelta(days=200)
RULES = CountRules(
    min_customers=2, min_support=2, fresh_days=40, follow_days=20, shrinkage=5.0, neighbours_per_product=4
)

COUNT = """
import sys
from datetime import datetime
from pathlib import Path
from onward.errors import EngineError
from onward.graph.counting import count_on_spark
from onward.graph.counts import CountRules
try:
    count_on_spark(Path(sys.argv[1]), datetime(2020, 7, 1), CountRules(2, 2, 40, 20, 5.0, 4), "local[1]")
except EngineError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def _sockets_are_collected_here():
    yield
    gc.collect()


def purchases(folder, rows, seed=3):
    """Many customers of few products, several times a day, so that every rule and every tie has its case."""
    generator = np.random.default_rng(seed)
    seconds = generator.integers(0, 220 * 86_400, rows)
    table = pa.table(
        {
            "customer": pa.array(generator.integers(0, 40, rows), pa.int32()),
            "product": pa.array((generator.random(rows) ** 2 * 15).astype(np.int32), pa.int32()),
            "purchased_at": pa.array([START + timedelta(seconds=int(each)) for each in seconds], pa.timestamp("us")),
        }
    )
    path = folder / "purchases.parquet"
    write_table(path, table)
    return path, table


@pytest.mark.parametrize("rows", [0, 3000])
def test_counts_are_the_same(tmp_path, rows):
    path, table = purchases(tmp_path, rows)
    expected = count_in_process(table, BEFORE, RULES, threads=1)
    found = count_on_spark(path, BEFORE, RULES, "local[2]")
    assert (len(expected[0]) > 30) is (rows > 0)
    for ours, theirs in zip(expected, found, strict=True):
        pd.testing.assert_frame_equal(theirs, ours, check_exact=False, rtol=1e-9, atol=0.0)
        whole = [name for name in ours if ours[name].dtype.kind == "i"]
        pd.testing.assert_frame_equal(theirs[whole], ours[whole])


def test_a_master_that_is_none_is_one_clear_line(tmp_path):
    path, _ = purchases(tmp_path, 10)
    with pytest.raises(EngineError, match=r"Spark at nonsense failed \(.*[Mm]aster.*\); mend it, or write") as refused:
        count_on_spark(path, BEFORE, RULES, "nonsense")
    assert "\n" not in str(refused.value)


def test_a_machine_without_java_is_told_so(tmp_path):
    """In a process of its own: this one may have started Java already."""
    path, _ = purchases(tmp_path, 10)
    environment = {**os.environ, "JAVA_HOME": str(tmp_path), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, path], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.startswith("counting: Spark at local[1] failed (")
    assert len(done.stdout.splitlines()) == 1


def test_where_spark_is_not_installed_the_remedy_is_named(tmp_path, monkeypatch):
    path, _ = purchases(tmp_path, 10)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pyspark", "py4j")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ParamsError, match=r"-e '\.\[spark\]'"):
        count_on_spark(path, BEFORE, RULES, "local[2]")
