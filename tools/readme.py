"""Write the README's measured table from benchmarks/results/complete_journey.json, or check that it is that.

Usage:
    python -m tools.readme           # rewrite the table between its two markers
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- table: benchmarks/results/complete_journey.json -->", "<!-- end of table -->"


def table(result: dict[str, Any]) -> str:
    """Return the Markdown table of a benchmark's rows with intervals."""
    lines = ["| backtest on held-out households | value | 95 % interval |", "|---|--:|--:|"]
    lines += [
        f"| {row['what']} | {row['value']:.3f} | {row['low']:.3f} to {row['high']:.3f} |" for row in result["rows"]
    ]
    return "\n".join(lines)


def between_markers(page: str, begin: str, text: str) -> str:
    """Return the page with what is between a marker and the next `END` replaced."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n{text}\n{END}{after}"


def with_table(readme: str, result: dict[str, Any]) -> str:
    """Return the README with the table between its markers replaced."""
    return between_markers(readme, BEGIN, table(result))


def main() -> None:
    """Rewrite README.md."""
    path = ROOT / "README.md"
    result = json.loads((ROOT / "benchmarks/results/complete_journey.json").read_text(encoding="utf-8"))
    path.write_text(with_table(path.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
