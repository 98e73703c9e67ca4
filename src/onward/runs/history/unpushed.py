"""Whether the run that put a version in use has said so on its branch.

A stage that deploys changes the registry first and pushes after it. Ended for good in between, it leaves a champion
whose code, params and outputs lie nowhere but on the machine that made it.
"""

from pathlib import Path

from onward.errors import RunError
from onward.layout import Layout
from onward.pipeline_file import PIPELINE_FILE, parse_pipeline
from onward.runs.protocol.git import Git
from onward.runs.protocol.locations import RunLocations
from onward.runs.protocol.manifest import FILE, parse_manifest
from onward.runs.protocol.names import branch_of, require_run
from onward.runs.protocol.transaction import STAGE_TRAILER

_DEPLOYMENT = str(Layout(Path()).deployment_record)


def unpushed_deployment(locations: RunLocations, run: str) -> str | None:
    """Say what a run's branch lacks of the deployment that the run has made; None if it lacks nothing.

    Args:
        locations: of this machine.
        run: name of the run.

    Raises:
        RunError: the git remote does not answer, or the branch is none of a run.
    """
    branch = branch_of(require_run(run))
    git = Git(locations.project)
    listed = git("ls-remote", locations.git_remote, f"refs/heads/{branch}")
    if not listed:
        return f"branch {branch} does not exist"
    tip = listed.split()[0]
    git("fetch", "-q", "--no-tags", "--no-write-fetch-head", locations.git_remote, f"refs/heads/{branch}")
    manifest = parse_manifest(git.file(tip, FILE), run)
    stage = parse_pipeline(git.file(tip, PIPELINE_FILE) or b"").maker(_DEPLOYMENT)
    if stage is None:
        raise RunError(f"branch {branch} holds a pipeline that deploys nothing")
    form = f"%(trailers:key={STAGE_TRAILER},valueonly,separator=%x20)"
    recorded = git("log", f"--format={form}", f"{manifest.code_commit}..{tip}").split()
    return None if stage in recorded else f"branch {branch} does not hold its stage {stage}"
