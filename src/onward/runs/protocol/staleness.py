"""Which stages DVC would run again, and why: dvc.yaml and dvc.lock held against params.yaml and the source files."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from onward.layout import PARAMS_FILE
from onward.pipeline_file import Lock, Pipeline


def changes(
    pipeline: Pipeline, lock: Lock, params: Mapping[str, Any], hash_file: Callable[[str], str | None], name: str
) -> list[str]:
    """Say why DVC would run a stage whose outputs are at hand; nothing if it would not.

    Args:
        pipeline: dvc.yaml.
        lock: dvc.lock, with the outputs of earlier stages as they are.
        params: params.yaml.
        hash_file: MD5 of a source file, in hexadecimal; None for one that is missing or no file.
        name: of the stage.
    """
    stage = pipeline.stage(name)
    if name not in lock.entries:
        return ["it has never run"]
    if stage.frozen:
        return []
    if stage.always:
        return ["always, because DVC does not see what it looks at"]
    entry = lock.entries[name]
    read = lock.deps(name)
    reasons = ["its command changed"] if entry["cmd"] != stage.cmd else []
    if set(read) != set(stage.deps):
        reasons.append("its list of dependencies changed")
    if set(lock.outs(name)) != set(stage.outs + stage.kept_by_git):
        reasons.append("its list of outputs changed")
    for dep in stage.deps:
        now = lock.hash_of(dep) if pipeline.maker(dep) else hash_file(dep)
        # One file of an output's folder has no hash of its own there: it changes when its maker's output does.
        inside = pipeline.output(dep) not in (dep, None)
        if dep in read and read[dep] != now and not inside:
            reasons.append(f"{dep} changed")
    recorded = entry.get("params", {}).get(PARAMS_FILE, {})
    stale = [key for key in stage.params if key not in recorded or recorded[key] != _look_up(params, key)]
    return [*reasons, *(f"{key} in {PARAMS_FILE} changed" for key in stale)]


def would_run(
    pipeline: Pipeline,
    lock: Lock,
    params: Mapping[str, Any],
    hash_file: Callable[[str], str | None],
    forced: Mapping[str, str],
) -> dict[str, str]:
    """Say which stages would run and why, in the order in which they would; see `changes` for the other arguments.

    Stages that are `forced` run for the reason given there. A stage after one that runs is listed too: whether it runs
    shows only when the earlier one's outputs are there.
    """
    plan: dict[str, str] = {}
    for name in pipeline.order():
        reasons = changes(pipeline, lock, params, hash_file, name)
        earlier = [other for other in pipeline.upstream(name) if other in plan]
        if name in forced:
            plan[name] = forced[name]
        elif reasons:
            plan[name] = reasons[0] + (f", and {len(reasons) - 1} more" if len(reasons) > 1 else "")
        elif earlier and not pipeline.stage(name).frozen:
            plan[name] = f"if the outputs of {', '.join(earlier)} change"
    return plan


def hash_bytes(content: bytes) -> str:
    """MD5 of a file's bytes, which DVC calls it by."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _look_up(params: Mapping[str, Any], key: str) -> object:
    value: Any = params
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
