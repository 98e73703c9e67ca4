"""docker/compose.yaml as compose would read it: merged, and with its variables filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(?:(:?[-?])([^}]*))?\}")


class UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice, as compose does and PyYAML does not."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict:
    written = [key.value for key, _ in node.value]
    if len(written) != len(set(written)):
        raise ValueError(f"line {node.start_mark.line + 1}: a key stands twice among {written}")
    loader.flatten_mapping(node)
    return {loader.construct_object(key): loader.construct_object(value, deep=True) for key, value in node.value}


UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_compose() -> dict[str, Any]:
    return yaml.load((DOCKER / "compose.yaml").read_text(), UniqueKeys)


def fill_in(value: Any, variables: Mapping[str, str]) -> Any:
    """Replace `${NAME:?…}` by its value and `$$` by `$`; a variable without a value is an error, as in compose."""
    if isinstance(value, dict):
        return {key: fill_in(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [fill_in(each, variables) for each in value]
    if not isinstance(value, str):
        return value
    return VARIABLE.sub(lambda found: variables[found[1]], value).replace("$$", "$")
