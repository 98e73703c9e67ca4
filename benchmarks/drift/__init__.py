"""Drift: what the daily monitor finds, how soon, and how often it cries wolf."""
