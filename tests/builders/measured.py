"""Coverage in the processes that tests start: off, since it doubles their time, but where a test asks for it."""

import os
from collections.abc import MutableMapping

_PREFIX = "COVERAGE_"
VARIABLES: dict[str, str] = {}
"""What a process must have in its environment to be measured; empty where nothing is measured."""


def take_from(environment: MutableMapping[str, str] = os.environ) -> None:
    """Keep the variables that start coverage in every process, so that only who adds them is measured."""
    VARIABLES.update({name: environment.pop(name) for name in list(environment) if name.startswith(_PREFIX)})
