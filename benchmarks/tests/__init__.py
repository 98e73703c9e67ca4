"""Tests of the code that only benchmarks run."""
