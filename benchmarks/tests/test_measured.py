"""A measured command says its time, its highest memory and its output; one that fails says why."""

import resource
import sys

import pytest

from benchmarks.harness.measured import measure


def test_time_memory_and_output_are_those_of_the_command(tmp_path):
    small, large = (
        measure((sys.executable, "-c", f"import os; held = b'x' * {size}; print(os.getcwd())"), tmp_path)
        for size in (1, 300_000_000)
    )
    assert small.said.strip() == str(tmp_path)
    # Never below what this process holds itself, see `Measured`.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert 0 < small.gigabytes <= max(own, 0.1)
    assert 300_000_000 / 2**30 < large.gigabytes < 1.2 * max(own, 300_000_000 / 2**30)
    assert small.seconds > 0


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(tmp_path):
    with pytest.raises(SystemExit, match=r"status 3: (.|\n)*no bread"):
        measure((sys.executable, "-c", "import sys; print('no bread', file=sys.stderr); sys.exit(3)"), tmp_path)
