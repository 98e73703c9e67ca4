"""Half a year of Complete Journey once more, week by week: how long it takes, whether a kill shows, what it shows.

A clone of the project replays 2017 in one go, timed. A second clone replays the first weeks and is killed with all that
it started, at moments drawn at random; what it leaves at the end is compared with the first byte for byte. The picture
shows, for every week, what the version in use promised and what came of it: each version knew only the days before.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from onward.deployment.registry import Registry
from tools.testbeds.small_shop import clone_shop, environment

FIRST, LAST, LAST_TRAINING = date(2017, 6, 5), date(2017, 12, 4), date(2017, 11, 20)
WEEK = timedelta(days=7)
COMPARED, KILLS, LONGEST, SEED = 2, 5, 45.0, 20171204
# So far beyond what came, for so many weeks in a row, a promise is called broken in hindsight.
OVER, LASTING = 1.15, 3
PICTURE = ROOT / "docs" / "images" / "replay.svg"
STORE = ROOT / "artifacts" / "benchmarks" / "replay"
_EXPECTED, _CAME, _REFUSED = "#0072b2", "#d55e00", "#9a9a9a"
_SAID = {"ok": "#009e73", "inconclusive": "#d0d0d0", "drifted": "#cc3311", "failed": "#000000"}
_console = Console(stderr=True)


def command(last: date, last_training: date) -> list[str]:
    """The replay as a person asks for it."""
    words = ["replay", f"--from={FIRST}", f"--to={last}", "--every=7d", f"--last-training={last_training}"]
    return [sys.executable, "-m", "onward.cli", *words]


def folder_of(clone: Path) -> Path:
    """Where a clone's replay lies."""
    return clone / ".onward" / "replay" / f"{FIRST}-every-7d"


def walk_whole(clone: Path) -> tuple[float, float]:
    """Replay everything; returns the minutes by the clock and those of the cores."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command(LAST, LAST_TRAINING), cwd=clone, env=environment(clone), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cores = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (time.monotonic() - begun) / 60.0, cores / 60.0


def walk_killed(clone: Path) -> list[float]:
    """Replay the first weeks, killed again and again; returns after how many seconds each time."""
    generator, killed = np.random.default_rng(SEED), list[float]()
    asked = command(FIRST + COMPARED * WEEK, LAST_TRAINING)
    while True:
        patience = float(generator.uniform(5.0, LONGEST)) if len(killed) < KILLS else None
        process = subprocess.Popen(
            asked, cwd=clone, env=environment(clone), start_new_session=True, stdout=subprocess.DEVNULL
        )
        try:
            status = process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed.append(round(float(patience or 0.0), 1))
            _console.print(f"killed after {killed[-1]} s", highlight=False)
            continue
        if status != 0:
            raise subprocess.CalledProcessError(status, asked)
        return killed


def left_behind(replay: Path, end: date) -> dict[str, Any]:
    """Everything that weeks before `end` left: decisions, looks, actions, notes, and the bundles' hashes."""
    found: dict[str, Any] = {}
    # Notes and decisions are named by a first day, looks and actions by the first day that was not known.
    for name, last in (("weeks", end - WEEK), ("decisions", end - timedelta(days=1)), ("looks", end), ("actions", end)):
        for path in sorted((replay / name).rglob("*=????-??-??*")):
            files = [path] if path.is_file() else sorted(path.iterdir())
            if date.fromisoformat(path.name.partition("=")[2][:10]) <= last:
                found |= {str(file.relative_to(replay)): file.read_bytes() for file in files}
    for version in Registry(replay / "mlruns").versions():
        if date.fromisoformat(version.tags["as_of"]) < end:
            found[f"version {version.number}"] = version.bundle_sha256
    return found


def weeks_of(replay: Path) -> list[dict[str, Cell]]:
    """One row a week: which version decided, what it promised, what came of it and what the monitor said."""
    rows, before = [], None
    for path in sorted((replay / "weeks").glob("as_of=*.json")):
        note, first = json.loads(path.read_text(encoding="utf-8")), date.fromisoformat(path.stem.partition("=")[2])
        looks = sorted((replay / "looks" / f"version={note['version']}").glob("as_of=*/daily.parquet"))
        gate = "no training" if note["run"] is None else "kept" if note["version"] == before else "promoted"
        rows.append({"week": str(first), "gate": gate, **_came(looks, first), **_said(note)})
        before = note["version"]
    return rows


def _said(note: Mapping[str, Any]) -> dict[str, Cell]:
    return {"version": note["version"], "verdict": note["verdict"], "action": note["action"]}


def _came(looks: list[Path], first: date) -> dict[str, Cell]:
    """Sums over the week by the last look that knows it; what has come counts where every window has closed."""
    if not looks:  # every look failed
        return dict.fromkeys(("decisions", "predicted", "converted", "promised / came"))
    daily = pd.read_parquet(looks[-1])
    week = daily[(daily["day"] >= first) & (daily["day"] < first + WEEK) & (daily["level"] >= 0)]
    decided, came, closed = (float(week[name].sum()) for name in ("n", "matured_positives", "matured_n"))
    expected, matured = float((week["predicted"] * week["n"]).sum()), closed == decided
    return {
        "decisions": int(decided),
        "predicted": expected / decided,
        "converted": came / decided if matured else None,
        "promised / came": expected / came if matured else None,
    }


def with_verdict(rows: list[dict[str, Cell]]) -> float:
    """Share of the weeks at whose end the monitor said yes or no."""
    return float(np.mean([row["verdict"] in {"ok", "drifted"} for row in rows]))


def days_to_find(rows: list[dict[str, Cell]]) -> float | None:
    """Days from the first day of the first lasting over-promise to the first look that says so; None if none does."""
    over = [row["promised / came"] is not None and float(str(row["promised / came"])) >= OVER for row in rows]
    begins = next((at for at in range(len(rows)) if sum(over[at : at + LASTING]) == LASTING), None)
    if begins is None:
        return None
    found = next((at for at in range(begins, len(rows)) if rows[at]["verdict"] == "drifted"), None)
    if found is None:
        return None
    first, last = (date.fromisoformat(str(rows[at]["week"])) for at in (begins, found))
    return float((last + WEEK - first).days)


def promised(rows: list[dict[str, Cell]]) -> list[float]:
    """Mean probability of the weeks' decisions."""
    return [float(str(row["predicted"])) for row in rows]


def draw(rows: list[dict[str, Cell]]) -> None:
    """Draw what was promised and what came, by week."""
    rows = [row for row in rows if row["decisions"] is not None]
    days = np.array([str(row["week"]) for row in rows], "datetime64[D]")
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    came = np.array([np.nan if row["converted"] is None else row["converted"] for row in rows], dtype=float)
    decided = np.array([row["decisions"] for row in rows], dtype=float)
    axes.bar(days, 100 * came, width=5.6, color=_CAME, alpha=0.35, label="converted within 28 days")
    error = 1.96 * np.sqrt(came * (1 - came) / decided)
    axes.errorbar(days, 100 * came, 100 * error, fmt="none", ecolor=_CAME, capsize=2)
    axes.plot(days, [100 * rate for rate in promised(rows)], "o-", color=_EXPECTED, label="promised")
    kept = days[[row["gate"] != "promoted" for row in rows]]
    axes.plot(kept, [0.05] * len(kept), "s", color=_REFUSED, ms=5,
              label="week without a new version")  # fmt: skip
    top = 108 * np.nanmax([*came, *promised(rows)])
    for verdict, colour in _SAID.items():
        said = days[[row["verdict"] == verdict for row in rows]]
        axes.plot(said, [top] * len(said), "s", color=colour, ms=7,
                  label=f"monitor: {verdict}" if len(said) else None)  # fmt: skip
    axes.set(ylabel="% of recommendations", ylim=(0, 140 * np.nanmax([*came, *promised(rows)])))
    axes.set_title("Each week's model knew only the days before it", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))  # type: ignore[no-untyped-call]
    axes.legend(frameon=False, ncols=3, loc="upper right", fontsize=8)
    figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    """Replay, kill, compare, draw and publish."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.parse_args()
    shutil.rmtree(STORE, ignore_errors=True)
    whole, killed = STORE / "whole", STORE / "killed"
    for clone in (whole, killed):
        clone_shop(ROOT, clone)
    minutes, cores = walk_whole(whole)
    kills, end = walk_killed(killed), FIRST + COMPARED * WEEK
    ours, theirs = left_behind(folder_of(whole), end), left_behind(folder_of(killed), end)
    rows = weeks_of(folder_of(whole))
    draw(rows)
    found = days_to_find(rows)
    ratios = [float(str(row["promised / came"])) for row in rows if row["promised / came"] is not None]
    publish(Finding("replay", [SEED], rows, {
        "minutes": minutes, "core_minutes": cores, "cores": float(os.cpu_count() or 0),
        "weeks": float(len(rows)), "trainings": float(sum(row["gate"] != "no training" for row in rows)),
        "promotions": float(sum(row["gate"] == "promoted" for row in rows)),
        "kills": float(len(kills)), "files_compared": float(len(ours)),
        "files_different": float(sum(ours.get(name) != theirs.get(name) for name in {*ours, *theirs})),
        "promised_over_came_median": float(np.median(ratios)), "promised_over_came_lowest": min(ratios),
        "promised_over_came_highest": max(ratios), "weeks_with_verdict": with_verdict(rows),
        **({} if found is None else {"over_promise_found_days": found}),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
