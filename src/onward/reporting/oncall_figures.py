"""The one figure a level that the page for on-call shows: what was predicted, what seems to come, what came."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from onward.monitoring.daily_series import Series
from onward.reporting.figures import INK, SERIES, svg_figure

PREDICTED = INK
NOWCAST = SERIES[0]
MATURED = SERIES[2]
ALARM = SERIES[1]
_FADED = 0.45


def level_over_time(lines: Sequence[Series], began: Mapping[int, date], since: date | None) -> Markup:
    """Draw one level over time, every version that decided in it.

    Args:
        lines: of one level, one a version, the one in use last.
        began: first day of each version, marked where another came before.
        since: first day of a drift, or None; the days from it on are shaded.
    """
    now = lines[-1]
    top = max(float(np.nanmax([line.predicted, line.high, line.matured])) for line in lines)
    first, last = min(line.days[0] for line in lines), max(line.days[-1] for line in lines)

    def draw(axes: Axes) -> None:
        for line in lines:
            days = [day.toordinal() for day in line.days]
            alpha = 1.0 if line is now else _FADED
            axes.fill_between(days, line.low, line.high, color=NOWCAST, alpha=0.16 * alpha, linewidth=0)
            axes.plot(days, line.nowcast, color=NOWCAST, linewidth=1.8, alpha=alpha)
            axes.plot(days, line.matured, color=MATURED, linewidth=2.6, alpha=0.9 * alpha, solid_capstyle="round")
            axes.plot(days, line.predicted, color=PREDICTED, linewidth=1.2, linestyle=(0, (4, 2.5)), alpha=alpha)
        if since is not None:
            axes.axvspan(since.toordinal(), last.toordinal(), color=ALARM, alpha=0.1, linewidth=0)
            axes.axvline(since.toordinal(), color=ALARM, linewidth=1.4)
        for before, version in pairwise(sorted(began, key=lambda number: began[number])):
            axes.axvline(began[version].toordinal(), color=INK, linewidth=0.8, linestyle=":")
            axes.annotate(
                f"v{before} to v{version}",
                (began[version].toordinal(), 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(4, -11),
                textcoords="offset points",
                fontsize=8.5,
                alpha=0.75,
            )
        axes.set(ylim=(0, 1.12 * top), xlim=(first.toordinal(), last.toordinal()))
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        ticks = _ticks(first, last)
        axes.set_xticks([day.toordinal() for day in ticks], [f"{day.day} {day:%b}" for day in ticks])

    return svg_figure(f"level{now.level}", _said(now, since), draw, width=4.8, height=2.5)


def _ticks(first: date, last: date) -> list[date]:
    """About five days, from the last one backwards, whole weeks apart."""
    weeks = max(1, round((last - first).days / 7 / 4))
    return [day for number in range(6) if (day := last - timedelta(weeks=weeks * number)) >= first][::-1]


def _said(now: Series, since: date | None) -> str:
    matured = now.matured[np.isfinite(now.matured)]
    parts = [
        f"Level {now.level} over time, last week: predicted {now.predicted[-1]:.2%}",
        f"nowcast {now.nowcast[-1]:.2%} ({now.low[-1]:.2%} to {now.high[-1]:.2%})",
        f"last matured week {matured[-1]:.2%}" if len(matured) else "nothing matured yet",
    ]
    return ", ".join(parts) + (f"; drifted since {since}." if since else ".")
