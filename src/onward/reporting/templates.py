"""The templates of this room, filled with a page's values."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def page_template(name: str, filters: Mapping[str, Callable[..., Any]]) -> Template:
    """A template by its file's name; text is escaped, and a value that nobody gives is an error."""
    environment = Environment(
        loader=PackageLoader("onward.reporting", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(name)
