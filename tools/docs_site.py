"""Hooks of `mkdocs build`: pages that lie outside docs/, the API reference, and the decisions.

README.md becomes the first page, others from outside docs/ keep their path, and what they link to is copied along.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "onward"
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", "monitoring/runbook.md")
"""Pages outside docs/."""

_LINK = re.compile(r"(\]\(|src=\")([^)\s\"#]+)(#[^)\s\"]*)?(?=[)\"])")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the decisions and the reference, which are found in the folders, into the table of contents."""
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    navigation: list[Any] = config.nav or []
    navigation.insert(-2, {"Decisions": [f"decisions/{path.name}" for path in decisions]})
    navigation.insert(-2, {"Reference": [{name: f"reference/{name}.md"} for name in public_modules()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/, what they link to, and a page of reference a room."""
    for source in PAGES:
        files.append(_generated(config, site_path(source), (ROOT / source).read_text(encoding="utf-8")))
    for name, modules in public_modules().items():
        body = "\n\n".join(f"::: {module}" for module in modules)
        files.append(_generated(config, f"reference/{name}.md", f"# {name}\n\n{body}\n"))
    for page in [*PAGES, *(f"docs/{path.relative_to(ROOT / 'docs')}" for path in (ROOT / "docs").rglob("*.md"))]:
        for linked in linked_files(page):
            if files.get_file_from_path(linked) is None:
                files.append(File.generated(config, linked, content=(ROOT / linked).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - the hook's signature
    """Turn links as the repository has them into links as the site has them."""
    source = repository_path(page.file.src_uri)
    return markdown if page.file.src_uri.startswith("reference/") else with_site_links(markdown, source)


def public_modules() -> dict[str, list[str]]:
    """Every room with its public modules; modules that are no package stand by themselves."""
    rooms: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts == ("__init__",) or any(part.startswith("_") and part != "__init__" for part in parts):
            continue
        name = ".".join(["onward", *(part for part in parts if part != "__init__")])
        rooms.setdefault(parts[0], []).append(name)
    return rooms


def site_path(source: str) -> str:
    """Where a file of the repository lies below the site's root.

    >>> site_path("README.md"), site_path("docs/how-to/airflow.md"), site_path("monitoring/runbook.md")
    ('index.md', 'how-to/airflow.md', 'monitoring/runbook.md')
    """
    return "index.md" if source == "README.md" else source.removeprefix("docs/")


def repository_path(page: str) -> str:
    """Where a page of the site lies in the repository: the inverse of `site_path`."""
    if page == "index.md":
        return "README.md"
    return page if page in PAGES else f"docs/{page}"


def targets(markdown: str, source: str) -> list[str]:
    """The files of the repository that a page links to."""
    names = [
        normpath(PurePosixPath(source).parent / link) for _, link, _ in _LINK.findall(markdown) if "://" not in link
    ]
    return [name for name in names if (ROOT / name).exists()]


def linked_files(source: str) -> list[str]:
    """Files outside docs/ that a page links to and that are no pages."""
    names = targets((ROOT / source).read_text(encoding="utf-8"), source)
    return [name for name in names if not name.startswith("docs/") and (ROOT / name).is_file() and name not in PAGES]


def with_site_links(markdown: str, source: str) -> str:
    """The page's text with links from its place in the repository made links from its place on the site."""
    here = PurePosixPath(site_path(source)).parent

    def mended(match: re.Match[str]) -> str:
        before, link, anchor = match[1], match[2], match[3] or ""
        target = normpath(PurePosixPath(source).parent / link)
        if "://" in link or not (ROOT / target).exists():
            return match[0]
        if (ROOT / target).is_dir():
            first = min((ROOT / target).glob("*.md"))
            target = str(first.relative_to(ROOT))
        return f"{before}{relpath(site_path(target), here)}{anchor}"

    return _LINK.sub(mended, markdown)


def _generated(config: MkDocsConfig, path: str, text: str) -> File:
    return File.generated(config, path, content=text)
