"""Finish a run: its pages are rendered, the version it made leads back to it, and its folder is given up."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from onward.deployment.registry import Registry
from onward.errors import RunError
from onward.layout import Layout
from onward.pipeline_file import Pipeline
from onward.reporting.report_files import EDGES, PRODUCTS, REPORT_FILES
from onward.runs.protocol.git import GitError
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.manifest import FILE, Manifest
from onward.runs.protocol.transaction import done_stages, message
from onward.runs.protocol.workspace import Say, Workspace, open_workspace, require_status

_FROM_ROOT = Layout(Path())
_DEPLOYMENT = str(_FROM_ROOT.deployment_record)
_VERDICT = str(_FROM_ROOT.verdict)
_PASSED_THROUGH = str(_FROM_ROOT.passed_through("monitoring"))
_DAILY = str(_FROM_ROOT.daily_positivity)
_PAGES = (str(_FROM_ROOT.report_page), str(_FROM_ROOT.positivity_page))
_ATTEMPTS = 20


@dataclass(frozen=True)
class Finished:
    """How a run ended; see `Manifest.finished`."""

    run: str
    facts: Mapping[str, Any]


def finish(locations: RunLocations, run: str, say: Say, *, pages: bool = True) -> Finished:
    """Render the run's pages, attach them to its version, record the end on the branch, remove the folder.

    A pipeline that deploys nothing is only recorded as finished. Killed at any moment, it is done again from the start.

    Args:
        locations: of this machine.
        run: name of the run.
        say: told in a line what happens.
        pages: False renders none: nobody reads those of a replay's weeks, and `onward reproduce` leads to them.

    Raises:
        RunError: a stage has not been recorded, or the registry lacks the version that the run deployed.
    """
    with open_workspace(locations, run, say) as space:
        commit = space.synchronise(say)
        manifest = space.manifest(commit)
        if manifest.finished is None:
            pipeline = space.pipeline()
            done = done_stages(space, manifest.code_commit, commit)
            left = [name for name in pipeline.order() if name not in done]
            if left:
                raise RunError(f"run {run} is not through: `onward run stage {run} {left[0]}` comes next")
            facts = _publish(space, pipeline, commit, pages=pages) if pipeline.maker(_DEPLOYMENT) else {}
            manifest = _record(space, manifest, commit, facts)
        space.remove()
    return Finished(run, manifest.finished or {})


def _publish(space: Workspace, pipeline: Pipeline, commit: str, *, pages: bool) -> dict[str, Any]:
    """Render the pages and hang them on the version; return what the manifest says of the end."""
    lock = space.locked_state()
    needed = dict[str, str]()
    for file in (*((*REPORT_FILES.values(), EDGES, PRODUCTS) if pages else ()), _DAILY):
        maker = pipeline.maker(file)
        outs = pipeline.stage(maker).outs if maker else ()
        needed |= {out: lock.outs(str(maker))[out] for out in outs if file.startswith(f"{out}/")}
    missing = space.bring(needed)
    if missing:
        raise RunError(
            f"the report needs {', '.join(sorted(missing))}, which DVC remote {space.locations.dvc_remote} lacks"
        )
    deployment = json.loads((space.root / _DEPLOYMENT).read_bytes())
    registry = Registry.of(space.locations.settings)
    files = files_about(space.root, pages=pages)
    # Both the pages and the registry take seconds to start, so they start together.
    with _rendering(space) if _PAGES[0] in files else nullcontext():
        version = registry.find(deployment["bundle_sha256"])
    if version is None:
        raise RunError(
            f"version {deployment['version']} of run {space.run} is not in registry "
            f"{registry.address}; start a run with run_from `deploy`"
        )
    registry.attach(version, [space.root / name for name in files], f"runs/{space.run}")
    if "run" not in version.tags:
        # The run that made a version stays its origin, however many later runs come to the same bundle.
        lock_hash = hashlib.sha256(lock.text.encode()).hexdigest()
        registry.tag(version, {"run": space.run, "git_commit": commit, "dvc_lock_sha256": lock_hash})
    champion = registry.champion()
    verdict = {"promoted": deployment["promoted"], "reasons": deployment["reasons"]}
    return {"version": version.number, "champion": champion and champion.number, **verdict}


def files_about(root: Path, *, pages: bool) -> tuple[str, ...]:
    """What is attached to a run's version; of a source without impressions nothing is drawn and nothing monitored."""
    if (root / _PASSED_THROUGH).is_file():
        return (_PASSED_THROUGH, FILE)
    return (*(_PAGES if pages else ()), _VERDICT, FILE)


@contextmanager
def _rendering(space: Workspace) -> Iterator[None]:
    """Have the pages rendered during a block, which ends when they are."""
    with space.executing("-m", "onward.cli", "report") as report:
        yield
    require_status(report.returncode, "the report")


def _record(space: Workspace, manifest: Manifest, commit: str, facts: dict[str, Any]) -> Manifest:
    ended = manifest.finish({"at": datetime.now(UTC).isoformat(timespec="seconds"), **facts})
    for _ in range(_ATTEMPTS):
        text = f"{message(f'Finish run {space.run}', space.run)}Onward-Finished: {space.run}\n"
        try:
            space.push(space.git.commit_files(commit, {FILE: ended.to_json()}, text))
        except GitError as error:
            before, commit = commit, space.fetch()
            if commit == before:
                raise RunError(f"branch {space.branch} cannot be pushed: {error}") from None
            theirs = space.manifest(commit)
            if theirs.finished is not None:
                return theirs
            continue
        return ended
    raise RunError(f"branch {space.branch} moved {_ATTEMPTS} times while it was finished; run it again")
