"""The page at `/` of the service: lists, neighbourhood and the model in use, asked of the service by the browser."""

from onward.reporting.templates import page_template


def service_page() -> str:
    """The page as HTML that loads nothing: style and script stand in it, and no product does."""
    return page_template("service_page.html.jinja", {}).render()
