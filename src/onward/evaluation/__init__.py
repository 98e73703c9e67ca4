"""The backtest: ranking, calibration, decisions, baselines, the report."""
