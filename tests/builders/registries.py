"""Registries that start with MLflow's empty tables: made once in a process, then copied."""

import functools
import tempfile
from pathlib import Path

from onward.deployment.registry import Registry


def new_registry(root: Path) -> Registry:
    """An empty registry in a folder, as after `_make_database`, which would take a second for each."""
    registry = Registry(root)
    root.mkdir(parents=True, exist_ok=True)
    registry.database.write_bytes(_empty_database())
    return registry


@functools.cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        registry._make_database()
        content = registry.database.read_bytes()
        # Else the copies would write where the first one lay. MLflow's experiment "Default" names the working
        # directory, whatever the registry; Onward's own experiments are made at the first registration.
        assert folder.encode() not in content
        return content
