"""The data contract, validation with quarantine, sources, splits and as-of features."""
