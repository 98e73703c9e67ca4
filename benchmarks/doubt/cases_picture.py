"""Three scorers, well fitted and damaged: what a cut a level, recalibration and repair gain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.harness.form import ROOT
from benchmarks.harness.picture import STYLE, save_svg
from onward.metrics.matched_volume import MatchedGain

PICTURE = ROOT / "docs" / "images" / "doubt_cases.svg"
_COLOURS = {"a cut a level": "#0072b2", "recalibration": "#d55e00", "repair of the scorer": "#009e73"}
_WIDTH = 0.26


@dataclass(frozen=True)
class Case:
    """One scorer.

    Attributes:
        title: of the panel.
        gains: by method, by share shown: recall gained over one cut on the score as it is.
    """

    title: str
    gains: Mapping[str, Mapping[float, MatchedGain]]


def draw(cases: Sequence[Case], path: Path = PICTURE) -> None:
    """Write the picture as SVG; the same figures give the same bytes."""
    with rc_context({**STYLE, "axes.grid.axis": "y"}):
        figure = Figure(figsize=(3.4 * len(cases), 3.6), layout="constrained")
        panels = figure.subplots(1, len(cases), squeeze=False)[0]
        for axes, case in zip(panels, cases, strict=True):
            _draw(axes, case)
        panels[0].set_ylabel("points of recall gained\nat the same number shown")
        handles = dict[str, Artist]()
        for axes in panels:
            handles |= {name: handle for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_svg(figure, path)


def _draw(axes: Axes, case: Case) -> None:
    for place, (method, by_volume) in enumerate(case.gains.items()):
        at = [number + (place - (len(case.gains) - 1) / 2) * _WIDTH for number in range(len(by_volume))]
        values = [100.0 * gain.recall for gain in by_volume.values()]
        below = [100.0 * (gain.recall - gain.low) for gain in by_volume.values()]
        axes.bar(at, values, _WIDTH * 0.9, color=_COLOURS[method], label=method)
        axes.errorbar(at, values, below, fmt="none", ecolor="#344054", elinewidth=1, capsize=2)
    volumes = list(next(iter(case.gains.values())))
    axes.set_xticks(range(len(volumes)), [f"{volume:.0%}" for volume in volumes])
    axes.axhline(0.0, color="#344054", linewidth=0.8)
    axes.set(title=case.title, xlabel="share shown")
