"""YAML that means one thing: a key that comes twice is refused, where YAML's parsers let the last one win silently."""

from typing import Any

import yaml

# The C parser where there is one: ten times as fast, and a listing of runs reads many files.
SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_OPENINGS = 5_000
_MOST_DEEP = 1_000
_MERGE = "tag:yaml.org,2002:merge"


class _EachKeyOnce(SAFE_LOADER):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own
        met = set()
        for key, _ in node.value:
            # `<<` brings in keys that the mapping itself may overrule, which is what it is for.
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in met:
                raise yaml.YAMLError(
                    f"key {key.value[:60]!r} comes twice, again in line {key.start_mark.line + 1}; keep one of them"
                )
            met.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load_yaml(text: str | bytes) -> Any:
    r"""Read one YAML document made of plain values.

    Raises:
        yaml.YAMLError: it is none, or a key comes twice in one mapping.

    >>> load_yaml("run: {as_of: '2017-11-20'}")
    {'run': {'as_of': '2017-11-20'}}
    >>> load_yaml("as_of: a\nas_of: b")
    Traceback (most recent call last):
    yaml.error.YAMLError: key 'as_of' comes twice, again in line 2; keep one of them
    """
    try:
        _refuse_deep(text)
        return yaml.load(text, _EachKeyOnce)  # noqa: S506 - a safe loader
    except RecursionError:
        raise yaml.YAMLError("nested too deep to be read") from None
    except ValueError as error:
        # PyYAML passes on what Python says of a date such as 2017-13-01, or of a number of thousands of digits.
        raise yaml.YAMLError(str(error)) from error


def _refuse_deep(text: str | bytes) -> None:
    """Refuse nesting that would overflow the C parser's stack, which ends the process without a word."""
    content = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    # Block nesting by indentation grows a file with the square of its depth: only these can go deep in a small one.
    if sum(content.count(opening) for opening in (b"[", b"{", b"- ", b"? ")) <= _MOST_OPENINGS:
        return
    depth = 0
    for event in yaml.parse(text, SAFE_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEEP:
            raise yaml.YAMLError(f"nested more than {_MOST_DEEP} deep")
