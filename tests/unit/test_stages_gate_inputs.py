"""What the gate is handed: the files of evaluate as they were written, and the limits of params.yaml."""

import pandas as pd
import pytest

from onward.artifacts import write_table
from onward.deployment.gate import Limits
from onward.deployment.list_gate import ListLimits
from onward.errors import ArtifactError
from onward.layout import Layout
from onward.params import Gate, read_params
from onward.stages.gate_inputs import limits_of, read_compared

TABLES = {
    "rows": pd.DataFrame({"customer": [4, 2], "source_product_id": ["p1", "p0"], "label": [1, 0]}),
    "answers": pd.DataFrame({"query": [0], "customer": [4], "relation": ["basket"], "product_id": ["p2"]}),
    "chance": pd.DataFrame({"product_id": ["p0", "p2"], "basket": [0.25, 0.75], "later": [0.5, 0.5]}),
}


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path)
    for name, table in TABLES.items():
        write_table(layout.evaluation / f"gate_{name}.parquet", table)
    return layout


def test_rows_and_queries_are_those_that_evaluate_wrote(layout):
    found = read_compared(layout)
    for name, table in TABLES.items():
        pd.testing.assert_frame_equal(getattr(found, name), table, check_dtype=False)


@pytest.mark.parametrize("name", TABLES)
def test_what_is_missing_is_named(layout, name):
    (layout.evaluation / f"gate_{name}.parquet").unlink()
    with pytest.raises(ArtifactError, match=rf"gate_{name}\.parquet"):
        read_compared(layout)


def test_every_limit_goes_where_it_is_meant(request):
    gate = Gate(
        max_nll_increase=0.01, max_recall_loss=0.02, max_hit_rate_loss=0.03, max_lift_loss=0.04, pcoc_low=0.5,
        pcoc_high=1.5,
    )  # fmt: skip
    assert limits_of(gate) == (
        Limits(max_nll_increase=0.01, max_recall_loss=0.02, pcoc_low=0.5, pcoc_high=1.5),
        ListLimits(max_hit_rate_loss=0.03, max_lift_loss=0.04),
    )
    known = read_params(request.config.rootpath / "params.yaml").gate
    scores, lists = limits_of(known)
    assert {**vars(scores), **vars(lists)} == known.model_dump()
