"""Write the README's measured table, and those of docs/related.md, from benchmarks/results/related*.json.

Usage:
    python -m tools.readme           # rewrite the tables between their markers
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- table: benchmarks/results/related.json -->", "<!-- end of table -->"
STRANGERS = "<!-- table: benchmarks/results/related_strangers.json -->"
SERVED = "Onward"
SHOWN = ("popularity", "popularity among new", "co-occurrence", "cosine", "BM25 (implicit)", "ALS (implicit)")
ORDERS = {"w = 0": "Onward, most related", "w = 0.33": "Onward, in between", "w = 1": "Onward, most probable"}

_BOTH = ("same basket", "newly later")
_SERVED_LIST = "complements, same basket"


def means(result: dict[str, Any], relevant: str) -> list[dict[str, Any]]:
    """Rows of one relation that are means over the clocks and were measured."""
    rows = [row for row in result["rows"] if row["relevant"] == relevant and row["clock"] == "mean"]
    return [row for row in rows if row["hr@10"] is not None]


def table(result: dict[str, Any]) -> str:
    """Return the README's table: the list as served, Onward's orders of all products, the best known baselines."""
    found = {relation: means(result, relation) for relation in _BOTH}
    lines = [
        "| ten products after one that was bought | same basket: hit rate | lift | bought new later: hit rate | lift |",
        "|---|--:|--:|--:|--:|",
    ]
    (served,) = [row for row in means(result, _SERVED_LIST) if row["method"] == SERVED]
    lines.append(f"| **Onward, goes with, as served** | {_cells(served)} | – | – |")
    for setting, name in ORDERS.items():
        rows = [_only(found[relation], SERVED, setting) for relation in _BOTH]
        lines.append(f"| **{name}** | {' | '.join(_cells(row) for row in rows)} |")
    for name in SHOWN:
        rows = [next((row for row in found[relation] if row["method"] == name), None) for relation in _BOTH]
        if all(rows):
            lines.append(f"| {name} | {' | '.join(_cells(row) for row in rows if row)} |")
    return "\n".join(lines)


def whole_table(result: dict[str, Any]) -> str:
    """Return every row that is a mean over the clocks, with intervals, for docs/related.md."""
    lines = ["| relevant | method | setting | hit rate at 10 | lift at 10 | coverage |", "|---|---|---|--:|--:|--:|"]
    for relevant in (*_BOTH, "complements, same basket"):
        lines += [
            f"| {relevant} | {row['method']} | {row['setting']} | {_ranged(row, 'hr@10', 3)} | "
            f"{_ranged(row, 'lift@10', 2)} | {row['coverage']:.2f} |"
            for row in means(result, relevant)
        ]
    return "\n".join(lines)


def strangers_table(result: dict[str, Any]) -> str:
    """Return what habits are worth to those who have them and to others, for docs/related.md."""
    judges = {"counted": "whose purchases are counted", "strangers": "of which nothing is counted"}
    lines = ["| judged by | lists | hit rate at 10 | lift at 10 |", "|---|---|--:|--:|"]
    lines += [
        f"| households {judges[row['judged by']]} | {row['lists']} | {_ranged(row, 'hr@10', 3)} | "
        f"{_ranged(row, 'lift@10', 2)} |"
        for row in result["rows"]
    ]
    return "\n".join(lines)


def with_tables(page: str, result: dict[str, Any], strangers: dict[str, Any]) -> str:
    """Return docs/related.md with both tables between their markers replaced."""
    return between_markers(between_markers(page, BEGIN, whole_table(result)), STRANGERS, strangers_table(strangers))


def between_markers(page: str, begin: str, text: str) -> str:
    """Return the page with what is between a marker and the next `END` replaced."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n{text}\n{END}{after}"


def with_table(readme: str, result: dict[str, Any]) -> str:
    """Return the README with the table between its markers replaced."""
    return between_markers(readme, BEGIN, table(result))


def _only(rows: list[dict[str, Any]], method: str, setting: str) -> dict[str, Any]:
    return next(row for row in rows if (row["method"], row["setting"]) == (method, setting))


def _cells(row: dict[str, Any]) -> str:
    return f"{row['hr@10']:.3f} | {row['lift@10']:.2f}"


def _ranged(row: dict[str, Any], name: str, digits: int) -> str:
    value, low, high = (f"{row[key]:.{digits}f}" for key in (name, f"{name} low", f"{name} high"))
    return f"{value} ({low} to {high})"


def read(name: str) -> dict[str, Any]:
    """Return one file of results."""
    result: dict[str, Any] = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text(encoding="utf-8"))
    return result


def main() -> None:
    """Rewrite README.md and docs/related.md."""
    result = read("related")
    readme, page = ROOT / "README.md", ROOT / "docs" / "related.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), result), encoding="utf-8")
    text = with_tables(page.read_text(encoding="utf-8"), result, read("related_strangers"))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
