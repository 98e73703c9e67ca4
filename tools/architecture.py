"""Draw a row's way from source to dashboard, from dvc.yaml and from what the code imports.

Usage:
    python -m tools.architecture         # writes docs/images/architecture.svg
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import grimp
import yaml

from onward.choices import SOURCES
from tools.stage_deps import stage_module
from tools.svg import BLUE, GREEN, SOFT, Drawing

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
READERS = {
    "onward report": ("onward.commands.report", "reports/index.html"),
    "onward recommend": ("onward.commands.recommend", "the terminal"),
    "onward monitor": ("onward.commands.daily", "the day's check"),
    "onward oncall": ("onward.commands.oncall", "reports/oncall.html"),
    "onward dashboards, serve": ("onward.commands.services", "MLflow, Evidently, HTTP"),
}
"""What reads the pipeline's outputs: command → its module, and where a person sees it."""

_ENTRY = {"onward.cli", "onward.params", "onward.artifacts", "onward.errors"}
_HEIGHT, _LEFT, _RIGHT = 92, 210, 760


def rooms_called(module: str, graph: grimp.ImportGraph) -> list[str]:
    """The rooms that a module imports itself or through its neighbours in its own room, sorted."""
    own = module.rsplit(".", 1)[0]
    waiting, seen, rooms = [module], {module}, set()
    while waiting:
        for name in graph.find_modules_directly_imported_by(waiting.pop()):
            if name.startswith(f"{own}.") and name not in seen:
                seen.add(name)
                waiting.append(name)
            elif not name.startswith(own) and name not in _ENTRY and name.count(".") >= 2:
                rooms.add(name.split(".")[1])
    return sorted(rooms)


def written(stage: Mapping[str, Any]) -> list[str]:
    """The folder that a stage writes, and its metrics; plots are told by their number."""
    outs = [_path(out) for kind in ("outs", "metrics") for out in stage.get(kind, [])]
    plots = len(stage.get("plots", []))
    return [*outs, *([f"plots/ ({plots})"] if plots else [])]


def draw(pipeline: Mapping[str, Any], graph: grimp.ImportGraph) -> str:
    """The picture of a parsed dvc.yaml and an import graph."""
    stages = pipeline["stages"]
    height = 136 + _HEIGHT * len(stages) + 62 * len(READERS)
    drawing = Drawing(960, height, "A row's way from source to dashboard")
    drawing.words(20, 34, "A row's way from source to dashboard", size=18, bold=True)
    drawing.words(20, 66, "reads", size=12, colour=SOFT)
    drawing.words(_RIGHT + 20, 66, "writes", size=12, colour=SOFT)
    drawing.words(_LEFT, 66, f"source: {', '.join(SOURCES)}", size=12, colour=SOFT)
    top = 82.0
    for name, stage in stages.items():
        drawing.box(_LEFT, top, _RIGHT - _LEFT, _HEIGHT - 18)
        drawing.words(_LEFT + 14, top + 22, name, bold=True, size=14)
        drawing.words(_LEFT + 14, top + 42, _short(stage["desc"]), size=12)
        rooms = rooms_called(stage_module(stage["cmd"]), graph)
        drawing.words(_LEFT + 14, top + 62, f"rooms: {', '.join(rooms)}", size=12, colour=BLUE)
        _column(drawing, 20, top, [_path(dep) for dep in stage["deps"] if not _path(dep).startswith("src/")])
        _column(drawing, _RIGHT + 20, top, written(stage))
        drawing.arrow(_LEFT + 30, top + _HEIGHT - 18, _LEFT + 30, top + _HEIGHT - 2)
        top += _HEIGHT
    drawing.words(_LEFT, top + 26, "what people read", size=12, colour=SOFT)
    top += 38
    for command, (module, shown) in READERS.items():
        drawing.box(_LEFT, top, _RIGHT - _LEFT, 52)
        drawing.words(_LEFT + 14, top + 21, command, bold=True)
        rooms = rooms_of_command(module, graph)
        drawing.words(_LEFT + 14, top + 40, f"rooms: {', '.join(rooms)}", size=12, colour=BLUE)
        drawing.words(_RIGHT + 20, top + 30, shown, size=12, colour=GREEN)
        top += 62
    return drawing.text()


def rooms_of_command(module: str, graph: grimp.ImportGraph) -> list[str]:
    """The rooms that a command imports itself, sorted."""
    names = graph.find_modules_directly_imported_by(module)
    return sorted({name.split(".")[1] for name in names if name.count(".") >= 2} - {"commands"})


def _column(drawing: Drawing, x: float, top: float, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        drawing.words(x, top + 16 + 15 * number, line, size=12, colour=SOFT)


def _path(entry: str | Mapping[str, Any]) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))


def _short(words: str) -> str:
    return words if len(words) <= 86 else f"{words[:84].rsplit(' ', 1)[0].rstrip(',')} …"


def current() -> str:
    """The picture of the project as it is."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    return draw(pipeline, grimp.build_graph("onward", cache_dir=None))


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(current(), encoding="utf-8")


if __name__ == "__main__":
    main()
