"""Change a few keys of params.yaml and leave everything else as it is, comments included."""

from collections.abc import Mapping
from io import StringIO
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

# Longer than any line, so that none is folded.
_WIDTH = 2**16


class _AsPyYamlReads(RoundTripRepresenter):
    """Scalars as PyYAML writes them, which reads params.yaml: ruamel's 1e-05 would be text to it."""

    def scalar(self, value: object) -> ScalarNode:
        kind = "null" if value is None else "float"
        return self.represent_scalar(f"tag:yaml.org,2002:{kind}", yaml.safe_dump(value).splitlines()[0])


_AsPyYamlReads.add_representer(type(None), _AsPyYamlReads.scalar)
_AsPyYamlReads.add_representer(float, _AsPyYamlReads.scalar)


def with_values(text: str, changes: Mapping[str, Mapping[str, Any]]) -> str:
    r"""Return the file's text with these keys set.

    Args:
        text: sections of keys, in YAML.
        changes: new values by section and key; values that the file holds already change nothing.

    >>> print(with_values('run:\n  as_of: "2017-11-20"   # the clock\n', {"run": {"as_of": "2017-11-27"}}), end="")
    run:
      as_of: "2017-11-27"   # the clock
    """
    editor = YAML()
    editor.Representer = _AsPyYamlReads
    editor.preserve_quotes = True
    editor.width = _WIDTH
    document = editor.load(text)
    stale = {
        (section, key): value
        for section, values in changes.items()
        for key, value in values.items()
        if document[section][key] != value
    }
    if not stale:
        return text
    for (section, key), value in stale.items():
        document[section][key] = value
    edited = StringIO()
    editor.dump(document, edited)
    return edited.getvalue()
