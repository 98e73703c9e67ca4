"""Delay: every estimator on simulated worlds and on Complete Journey."""
