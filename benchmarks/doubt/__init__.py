"""Doubt: calibration, uncertainty levels, thresholds and what a promise about precision costs."""
