"""A page of SVG: boxes, words and arrows in the colours of Onward's reports."""

from html import escape

INK, SOFT, LINE, CARD, PAPER = "#1b1b1f", "#6b6b76", "#d9d9de", "#ffffff", "#f6f6f4"
BLUE, GREEN, ORANGE = "#0072b2", "#009e73", "#d55e00"


class Drawing:
    """An SVG picture that is filled from the back to the front; places and sizes are in pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._parts: list[str] = []
        self.box(0, 0, width, height, fill=PAPER, line=PAPER)

    def box(self, x: float, y: float, width: float, height: float, *, fill: str = CARD, line: str = LINE) -> None:
        """A box with round corners."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{fill}" stroke="{line}"/>'
        )

    def words(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 13,
        colour: str = INK,
        bold: bool = False,
        anchor: str = "start",
    ) -> None:
        """A line of text whose baseline is at y."""
        weight = "600" if bold else "400"
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def arrow(self, x1: float, y1: float, x2: float, y2: float, *, colour: str = SOFT) -> None:
        """A line with a head at its second end."""
        self._parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="1.5" '
            f'marker-end="url(#head)"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, *, colour: str = SOFT) -> None:
        """A plain line."""
        self._parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="1.5"/>'
        )

    def text(self) -> str:
        """The file."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'font-family="system-ui, sans-serif">\n<title>{escape(self._title)}</title>\n'
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{SOFT}"/></marker></defs>\n'
        )
        return head + "\n".join(self._parts) + "\n</svg>\n"
