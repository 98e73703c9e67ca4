"""The directed product graph: counts, structure, sampling."""
