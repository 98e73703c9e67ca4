"""Draw the pictures of docs/concepts that no benchmark draws.

Usage:
    python -m tools.concepts
"""

from pathlib import Path

from onward.ranking.link_scores import GRIDS
from tools.results import best_node_fact, best_pair_score, claims
from tools.svg import BLUE, GREEN, INK, LINE, ORANGE, SOFT, Drawing

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def direction() -> str:
    """How often the way of an edge is known on Amazon Photo, from the recorded benchmark; a coin knows half."""
    fact = best_node_fact()
    bars = (
        ("a coin", 0.5, LINE),
        (f"best of {len(GRIDS)} kinds of scores of the pair", best_pair_score(), SOFT),
        (fact["method"], fact["both matched"], SOFT),
        ("boosted trees", claims("direction_matched")["photo_both_matched"], BLUE),
    )
    drawing = Drawing(760, 70 + 46 * len(bars), "How often the way of an edge is known")
    drawing.words(20, 32, "Which of two products comes after the other? Share of pairs told right", bold=True)
    for number, (name, value, colour) in enumerate(bars):
        top = 54 + 46 * number
        drawing.words(20, top + 20, name)
        drawing.box(290, top, 400 * value, 30, fill=colour, line=colour)
        drawing.words(300 + 400 * value, top + 20, f"{value:.2f}", bold=True)
    return drawing.text()


def doubt() -> str:
    """A sketch: pairs of one score, three levels of uncertainty, one cut each."""
    levels = (("sure", 0.42, GREEN), ("less sure", 0.55, BLUE), ("doubtful", 0.74, ORANGE))
    drawing = Drawing(760, 250, "One cut a level of uncertainty: a sketch")
    drawing.words(
        20, 32, "The more doubtful the score, the higher the cut that keeps the same precision (a sketch)", bold=True
    )
    for number, (name, cut, colour) in enumerate(levels):
        top = 54 + 54 * number
        drawing.words(20, top + 24, name)
        drawing.box(120, top, 600, 36)
        drawing.box(120 + 600 * cut, top, 600 * (1 - cut), 36, fill=colour, line=colour)
        drawing.words(130, top + 24, "hide", colour=SOFT)
        drawing.words(710, top + 24, "show", colour="#ffffff", bold=True, anchor="end")
    drawing.arrow(120, 226, 720, 226)
    drawing.words(120, 243, "low score", size=12, colour=SOFT)
    drawing.words(720, 243, "high score", size=12, colour=INK, anchor="end")
    return drawing.text()


PICTURES = {"direction.svg": direction, "doubt.svg": doubt}


def main() -> None:
    """Write the pictures."""
    for name, draw in PICTURES.items():
        (IMAGES / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
