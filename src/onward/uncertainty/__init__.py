"""How far to trust a score: spread, calibration, levels."""
