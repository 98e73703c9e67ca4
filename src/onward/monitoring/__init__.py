"""Positivity per uncertainty level, before and after labels mature."""
