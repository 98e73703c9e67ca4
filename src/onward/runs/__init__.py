"""Runs: git branches that carry the pipeline from stage to stage and from machine to machine."""
