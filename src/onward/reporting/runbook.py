"""The runbook's headings, for people who have the page for on-call in hand and nothing else."""

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup


def runbook_sections(text: str) -> dict[str, Markup]:
    r"""Return the parts of runbook.md's first chapter, one a rule, by heading, as HTML.

    A link keeps its words only, since the page goes where the repository does not; HTML in the text stays text.

    >>> runbook_sections("# Runbook\n## drift\n**Act**: run `a < b`.\n[more](x.md)")["drift"]
    Markup('<p><strong>Act</strong>: run <code>a &lt; b</code>.\nmore</p>\n')
    """
    markdown = MarkdownIt("commonmark", {"html": False})
    tokens = markdown.parse(text)
    chapters = [number for number, token in enumerate(tokens) if _opens(token, "h1")]
    chapter = tokens[chapters[0] : chapters[1] if len(chapters) > 1 else len(tokens)]
    starts = [number for number, token in enumerate(chapter) if _opens(token, "h2")]
    sections = {}
    for start, end in zip(starts, [*starts[1:], len(chapter)], strict=True):
        # A heading is three tokens: it opens, says something, and closes.
        body = [_without_links(token) for token in chapter[start + 3 : end]]
        html = markdown.renderer.render(body, markdown.options, {})
        sections[chapter[start + 1].content] = Markup(html)  # noqa: S704 - rendered with `html` off
    return sections


def _opens(token: Token, tag: str) -> bool:
    return token.type == "heading_open" and token.tag == tag


def _without_links(token: Token) -> Token:
    kept: Sequence[Token] | None = token.children and [
        child for child in token.children if child.type not in {"link_open", "link_close"}
    ]
    return token.copy(children=kept)
