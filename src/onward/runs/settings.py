"""Change a few keys of params.yaml and leave every other character as it is."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import yaml


def with_values(text: str, changes: Mapping[str, Mapping[str, Any]]) -> str:
    r"""Return the file's text with these keys set, its comments kept.

    Where the file is not laid out line by line, it is written anew, without comments.

    Args:
        text: sections of keys, in YAML.
        changes: new values by section and key; values that the file holds already change nothing.

    >>> print(with_values('run:\n  as_of: "2017-11-20"   # the clock\n', {"run": {"as_of": "2017-11-27"}}), end="")
    run:
      as_of: '2017-11-27'   # the clock
    """
    before = yaml.safe_load(text)
    wanted = copy.deepcopy(before)
    for section, values in changes.items():
        wanted[section].update(values)
    for section, values in changes.items():
        for key, value in values.items():
            if before[section][key] != value:
                text = _set(text, section, key, value)
    return text if yaml.safe_load(text) == wanted else yaml.safe_dump(wanted, sort_keys=False)


def _set(text: str, section: str, key: str, value: object) -> str:
    # As YAML, which reads JSON's 1e-05 as text.
    shown = yaml.safe_dump(value).splitlines()[0]
    pattern = (
        rf"(?m)(^{re.escape(section)}:[^\n]*\n(?:[ #][^\n]*\n|\n)*? +{re.escape(key)}: *)([^#\n]*?)( *(?:#[^\n]*)?$)"
    )
    return re.sub(pattern, lambda found: found[1] + shown + found[3], text, count=1)
