"""Write the tables of docs/direction.md from the results of the benchmarks of direction.

Usage:
    python -m tools.direction           # rewrite every table between its two markers
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.readme import between_markers

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "direction.md"
RESULTS = ROOT / "benchmarks" / "results"
TARGETS = (
    ("direction_dirlink", "cora_ml_hits100_blend", "Cora-ML, Hits@100, blend", 97.9),
    ("direction_dirlink", "cora_ml_hits100_encoder", "Cora-ML, Hits@100, encoder", 95.0),
    ("direction_dirlink", "photo_hits100_blend", "Photo, Hits@100, blend", 88.0),
    ("direction_dirlink", "photo_hits100_encoder", "Photo, Hits@100, encoder", 84.0),
    ("direction_dirlink", "photo_hr10_blend", "Photo, HR@10 of the catalogue, blend", 0.56),
    ("direction_dirlink", "photo_mrr10_blend", "Photo, MRR@10 of the catalogue, blend", 0.21),
    ("direction_sequences", "beauty_hr10_blend", "Beauty, HR@10, blend", 0.108),
    ("direction_sequences", "beauty_hr50_blend", "Beauty, HR@50, blend", 0.205),
    ("direction_sequences", "beauty_history_hr10_blend", "Beauty, HR@10 by the whole history, blend", 0.115),
    ("direction_retail", "complete_journey_hr10_gain_low", "Complete Journey, HR@10 gain of the blend, low end", 0.0),
    ("direction_retail", "uci_hr10_gain_low", "UCI, the same", 0.0),
    ("direction_matched", "photo_in_matched", "Photo, direction AUC, matched by in-degree", 0.86),
    ("direction_matched", "photo_both_matched", "Photo, direction AUC, matched by both degrees", 0.78),
    ("direction_matched", "uci_both_matched", "UCI, direction AUC, matched by both degrees", 0.78),
    ("direction_adaptive", "sets_gained", "Budgets by degree, sets where low degree gains and all lose nothing", 2.0),
    ("direction_adaptive", "low_bucket_gain", "Budgets by degree, HR@10 gain at degree ≤ 5, second best set", 0.50),
    ("direction_adaptive", "low_bucket_gain_low", "The same, low end", 0.20),
    ("direction_cold", "cora_ml_alone_ratio", "Cora-ML, new nodes among themselves, HR@10 over the rival's", 1.1),
    ("direction_cold", "cora_ml_alone_ratio_low", "The same, low end", 1.0),
    ("direction_cold", "photo_alone_ratio", "Photo, the same", 1.1),
    ("direction_cold", "photo_alone_ratio_low", "The same, low end", 1.0),
    ("related_cold", "cold_ratio", "Cold products of Complete Journey, HR@10 over the rival's", 1.1),
    ("related_cold", "cold_ratio_low", "The same, low end", 1.0),
    ("sampling", "ratio_alone", "Edges a second over PyG's loader, alone", 8.0),
    ("sampling", "ratio_in_training", "Edges a second over PyG's loader, alone, training's batches", 3.0),
    ("direction_adaptive", "adaptive_speed_ratio", "Edges a second, budgets by degree over uniform, worst set", 0.75),
    ("scorer_complete_journey", "auc_gain_from_gnn_low", "Complete Journey, AUC gained by the network, low end", 0.0),
    ("scorer_complete_journey", "nll_gain_from_gnn_low", "Complete Journey, log loss saved by it, low end", 0.0),
)  # fmt: skip
"""(benchmark, claim, what it is, target)."""

NAMES = tuple(dict.fromkeys(name for name, *_ in TARGETS))

Result = Mapping[str, Any]


def shown(value: float | None, digits: int = 3) -> str:
    """A figure as the page shows it."""
    return "–" if value is None else f"{value:.{digits}f}"


def targets(results: Mapping[str, Result]) -> list[str]:
    """Every claim of direction beside its target."""
    lines = ["| | measured | target | |", "|---|--:|--:|---|"]
    for name, claim, words, target in TARGETS:
        if name not in results:
            lines.append(f"| {words} | not run | {shown(target, 1 if target >= 3 else 3)} | |")
            continue
        value = results[name]["claims"][claim]
        met = value >= target and value != 0.0
        digits = 1 if target >= 3 else 3
        if not met and shown(value, digits) == shown(target, digits):
            digits += 1
        lines.append(f"| {words} | {shown(value, digits)} | {shown(target, digits)} | {'met' if met else 'missed'} |")
    return lines


Row = Mapping[str, Any]
Columns = Mapping[str, tuple[str, int]]
"""Key of a row → heading and digits."""


def rows_of(name: str, **wanted: str | int) -> Callable[[Mapping[str, Result]], list[Row]]:
    """The rows of a benchmark that hold the wanted values."""
    return lambda results: [row for row in results[name]["rows"] if all(row[key] == wanted[key] for key in wanted)]


def table(
    rows: Callable[[Mapping[str, Result]], list[Row]],
    columns: Columns,
    *,
    needs: str | None = None,
    best: str | None = None,
    most: int = 100,
) -> Callable[[Mapping[str, Result]], list[str]]:
    """A table of the rows that have a value in `needs`, at most `most`, the best by `best` first where it is named."""

    def cell(value: Any, digits: int) -> str:
        return value if isinstance(value, str) else shown(value, digits)

    def lines(results: Mapping[str, Result]) -> list[str]:
        needed = needs or best
        found = [row for row in rows(results) if needed is None or row[needed] is not None]
        if best is not None:
            found = sorted(found, key=lambda row: -row[best])
        head = "| " + " | ".join(words for words, _ in columns.values()) + " |"
        rule = "|---" + "|--:" * (len(columns) - 1) + "|"
        body = [
            "| " + " | ".join(cell(row[key], digits) for key, (_, digits) in columns.items()) + " |"
            for row in found[:most]
        ]
        return [head, rule, *body]

    return lines


_METHOD = {"method": ("", 0)}
_LINK = _METHOD | {"mean": ("Hits@100", 2), "sd": ("sd over splits", 2), "splits": ("splits", 0)}
_CATALOGUE = _METHOD | {"mean": ("HR@10", 4), "splits": ("splits", 0)}
_BOUNDS = {"hr@10 low": ("from", 4), "hr@10 high": ("to", 4)}
_HITS = _METHOD | {"hr@10": ("HR@10", 4)} | _BOUNDS
_DEEP = _HITS | {"hr@50": ("HR@50", 4), "mrr@10": ("MRR@10", 4)}
_WAY = _METHOD | {
    "both matched": ("matched by both degrees", 3), "both matched low": ("from", 3), "both matched high": ("to", 3),
    "both matched sd": ("sd over splits", 3), "both matched effective pairs": ("effective pairs", 0),
    "in matched": ("by in-degree", 3), "in matched low": ("from", 3), "in matched high": ("to", 3),
    "in matched sd": ("sd over splits", 3), "in matched effective pairs": ("effective pairs", 0),
}  # fmt: skip
_ADAPTIVE = {
    "sampler": ("", 0), "edges a query": ("edges", 0), "hr@10, all": ("HR@10", 4), "hr@10, low": ("≤ 5", 4),
    **{f"hr@10, degree {bucket}": (bucket, 4) for bucket in ("0", "1–2", "3–5", "6–15", "16+")},
    "gain low": ("gain, ≤ 5", 3), "gain low from": ("from", 3), "gain low to": ("to", 3),
    "gain all": ("gain, all", 3), "gain all from": ("from", 3), "gain all to": ("to", 3), "picked": ("picked", 0),
}  # fmt: skip
_COLD = _METHOD | {
    "hr@10, 0 edges": ("HR@10", 4), "hr@10 low": ("from", 4), "hr@10 high": ("to", 4),
    "to the rival's": ("to the rival's", 2), "to the rival's low": ("from", 2), "to the rival's high": ("to", 2),
    "hr@10, new nodes alone": ("new nodes alone", 4), "alone to the rival's": ("to the rival's", 2),
    "alone to the rival's low": ("from", 2), "alone to the rival's high": ("to", 2),
    **{f"hr@10, {many} edges": (f"{many} edges", 4) for many in (1, 2, 5, 10, "all")}, "recovered": ("recovered", 2),
    "hr@10 of known nodes": ("known nodes", 4),
}  # fmt: skip
_SAMPLING = {
    "setting": ("setting", 0), "sampler": ("sampler", 0), "million edges a second": ("million edges a second", 2),
    "edges a batch": ("edges a batch", 0), "milliseconds a batch": ("milliseconds a batch", 1),
}  # fmt: skip
_SCORER = {
    "clock": ("clock", 0), "scorer": ("scorer", 0), "AUC with the network": ("AUC with", 4),
    "AUC without": ("without", 4), "AUC gain low": ("gain from", 4), "AUC gain high": ("to", 4),
    "NLL with the network": ("log loss with", 4), "NLL without": ("without", 4), "NLL gain low": ("saved from", 5),
    "NLL gain high": ("to", 5), "PCOC with the network": ("PCOC with", 3), "PCOC without": ("without", 3),
}  # fmt: skip


def _shop(data: str) -> Callable[[Mapping[str, Result]], list[str]]:
    return table(rows_of("direction_retail", data=data), _HITS, needs="hr@10 low", best="hr@10")


def _which_way(data: str) -> Callable[[Mapping[str, Result]], list[str]]:
    return table(rows_of("direction_matched", data=data), _WAY, best="both matched", most=12)


def _adaptive(data: str) -> Callable[[Mapping[str, Result]], list[str]]:
    return table(rows_of("direction_adaptive", **{"data": data, "fan-out": 4}), _ADAPTIVE)


def _buckets(results: Mapping[str, Result]) -> list[Row]:
    return [row for row in results["direction_retail"]["rows"] if "out-degree" in row["method"] and row["hr@10"]]


TABLES: Mapping[str, Callable[[Mapping[str, Result]], list[str]]] = {
    "targets": targets,
    "cora": table(rows_of("direction_dirlink", data="Cora-ML", metric="Hits@100"), _LINK, best="mean"),
    "photo": table(rows_of("direction_dirlink", data="Photo", metric="Hits@100"), _LINK, best="mean"),
    "photo catalogue": table(
        rows_of("direction_dirlink", data="Photo catalogue", metric="hr@10, competing"), _CATALOGUE, best="mean"
    ),
    "beauty": table(rows_of("direction_sequences", query="previous item"), _DEEP, best="hr@10"),
    "beauty history": table(rows_of("direction_sequences", query="history"), _DEEP, best="hr@10"),
    "complete journey": _shop("Complete Journey"),
    "uci": _shop("UCI Online Retail"),
    "by degree": table(_buckets, {"data": ("shop", 0), **_METHOD, "hr@10": ("HR@10", 4)}),
    "which way photo": _which_way("photo"),
    "which way uci": _which_way("uci"),
    "adaptive photo": _adaptive("photo"),
    "adaptive beauty": _adaptive("beauty"),
    "adaptive uci": _adaptive("uci"),
    "adaptive simulated": _adaptive("simulated"),
    "cold cora": table(rows_of("direction_cold", data="Cora-ML"), _COLD),
    "cold photo": table(rows_of("direction_cold", data="Photo"), _COLD),
    "sampling": table(rows_of("sampling"), _SAMPLING),
    "scorer": table(rows_of("scorer_complete_journey", impressions="matured"), _SCORER),
}


def with_tables(page: str, results: Mapping[str, Result]) -> str:
    """The page with what is between its markers replaced.

    Raises:
        KeyError: the page names a table that is not in `TABLES`.
    """
    for name, lines in TABLES.items():
        begin = f"<!-- table: {name} -->"
        if begin in page:
            try:
                told = lines(results)
            except KeyError as missing:
                if missing.args[0] in results or missing.args[0] not in NAMES:
                    raise
                told = [f"The result of `benchmarks.{missing.args[0]}` is not there yet."]
            page = between_markers(page, begin, "\n".join(told))
    return page


def read_results() -> dict[str, Result]:
    """What the benchmarks wrote, of those that have run."""
    files = {name: RESULTS / f"{name}.json" for name in NAMES}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()}


def main() -> None:
    """Rewrite docs/direction.md."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), read_results()), encoding="utf-8")


if __name__ == "__main__":
    main()
