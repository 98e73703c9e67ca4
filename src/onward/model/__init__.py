"""Dual-embedding encoder, pair scorer and their training."""
