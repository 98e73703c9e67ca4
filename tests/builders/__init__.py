"""Builders that several test modules share: made logs, shops, bundles, runs and services."""

import pytest

# Contracts hold assertions: without this, a failure would not show the values.
pytest.register_assert_rewrite("builders.sampler_contract", "builders.estimator_contract")
