"""The runbook's headings, for people who have the page for on-call in hand and nothing else."""

import re

from markupsafe import Markup, escape


def runbook_sections(text: str) -> dict[str, Markup]:
    r"""Return the parts of runbook.md's first chapter, one a rule, by heading, as HTML.

    Only what the runbook uses is understood: paragraphs of bold, code and links; a link elsewhere than on the page
    keeps its words only, since the page goes where the repository does not.

    >>> runbook_sections("# Runbook\n## drift\n**Act**: run `a < b`.\n[more](x.md)")["drift"]
    Markup('<p><strong>Act</strong>: run <code>a &lt; b</code>. more</p>')
    """
    first = re.split(r"^# ", text, flags=re.MULTILINE)[1]
    parts = re.split(r"^## (.+)$", first, flags=re.MULTILINE)[1:]
    return {name.strip(): _html(part) for name, part in zip(parts[::2], parts[1::2], strict=True)}


def _html(text: str) -> Markup:
    found = Markup()
    # Each bold word that opens a line begins a paragraph; the rest of a paragraph's lines are one.
    for block in re.split(r"\n\s*\n|\n(?=\*\*|- )", text.strip()):
        said = str(escape(" ".join(block.split())))
        said = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", said)
        said = re.sub(r"`([^`]+)`", r"<code>\1</code>", said)
        said = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", said)
        said = re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"<em>\1</em>", said)
        found += Markup("<p>") + Markup(said) + Markup("</p>")  # noqa: S704 - escaped above
    return found
