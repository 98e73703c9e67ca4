"""What dvc.yaml and dvc.lock say about stages: who needs what, what was recorded, and what would run again."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from onward.errors import RunError


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml; every path counts from the project's root.

    Attributes:
        name: of the stage.
        cmd: what it runs.
        deps: files and folders that it reads.
        params: sections or dotted keys of params.yaml that it depends on.
        outs: folders and files that DVC keeps.
        kept_by_git: metrics and plots that git keeps.
    """

    name: str
    cmd: Any
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    kept_by_git: tuple[str, ...]


@dataclass(frozen=True)
class Pipeline:
    """The stages of dvc.yaml, in its order."""

    stages: Mapping[str, Stage]

    def stage(self, name: str) -> Stage:
        """Return a stage by name.

        Raises:
            RunError: there is none.
        """
        if name not in self.stages:
            raise RunError(f"dvc.yaml has no stage {name!r}; it has {', '.join(self.stages)}")
        return self.stages[name]

    def maker(self, path: str) -> str | None:
        """Name the stage that makes a path, or the folder it lies in; None if nobody does."""
        return next((stage.name for stage in self.stages.values() if _holder(stage, path)), None)

    def output(self, path: str) -> str | None:
        """Return the output that a path is or lies in; None if nobody makes it."""
        return next((out for stage in self.stages.values() if (out := _holder(stage, path))), None)

    def upstream(self, name: str) -> list[str]:
        """Name the stages whose outputs a stage reads, in the order of dvc.yaml."""
        makers = {self.maker(dep) for dep in self.stage(name).deps}
        return [other for other in self.stages if other in makers]

    def from_stage(self, name: str) -> list[str]:
        """Name a stage and all that follow it, in an order in which they can run."""
        self.stage(name)
        found = [name]
        for other in self.order():
            if other not in found and set(self.upstream(other)) & set(found):
                found.append(other)
        return found

    def order(self) -> list[str]:
        """Name all stages so that each comes after those it needs."""
        left, done = list(self.stages), list[str]()
        while left:
            ready = next((name for name in left if set(self.upstream(name)) <= set(done)), None)
            if ready is None:
                raise RunError(f"dvc.yaml: stages {', '.join(left)} need each other; see `dvc dag`")
            done.append(ready)
            left.remove(ready)
        return done


@dataclass(frozen=True)
class Lock:
    """dvc.lock: what every stage read and wrote when it last ran."""

    text: str
    entries: Mapping[str, Mapping[str, Any]]

    def outs(self, stage: str) -> dict[str, str]:
        """Hashes of what a stage wrote, by path; nothing for a stage that never ran."""
        return {each["path"]: each["md5"] for each in self.entries.get(stage, {}).get("outs", [])}

    def deps(self, stage: str) -> dict[str, str]:
        """Hashes of what a stage read, by path."""
        return {each["path"]: each["md5"] for each in self.entries.get(stage, {}).get("deps", []) if "md5" in each}

    def hash_of(self, path: str) -> str | None:
        """Hash of an output, whoever made it; None for what nobody made."""
        for stage in self.entries:
            if path in (outs := self.outs(stage)):
                return outs[path]
        return None

    def with_entry_of(self, other: "Lock", stage: str) -> "Lock":
        """This lock with a stage's entry taken from another one, every other character kept."""
        blocks, theirs = _blocks(self.text), _blocks(other.text)
        blocks[stage] = theirs[stage]
        return parse_lock((_HEAD + "".join(blocks.values())).encode())


_HEAD = "schema: '2.0'\nstages:\n"


def parse_pipeline(content: bytes | None) -> Pipeline:
    """Read dvc.yaml.

    Raises:
        RunError: there is none, or it holds no stages.
    """
    try:
        raw = yaml.safe_load(content or b"")
        stages = {name: _stage(name, described) for name, described in raw["stages"].items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"dvc.yaml holds no stages that can be read ({' '.join(str(error).split())})") from None
    return Pipeline(stages)


def parse_lock(content: bytes | None) -> Lock:
    """Read dvc.lock; no file is a lock without entries.

    Raises:
        RunError: it cannot be read.
    """
    text = (content or b"").decode()
    try:
        return Lock(text, (yaml.safe_load(text) or {}).get("stages") or {})
    except (yaml.YAMLError, AttributeError):
        raise RunError("dvc.lock is cut off or no lock; restore it with `git checkout dvc.lock`, and commit") from None


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
    entry, read = lock.entries[name], lock.deps(name)
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
    recorded = entry.get("params", {}).get("params.yaml", {})
    stale = [key for key in stage.params if key not in recorded or recorded[key] != _look_up(params, key)]
    return [*reasons, *(f"{key} in params.yaml changed" for key in stale)]


def would_run(
    pipeline: Pipeline, lock: Lock, params: Mapping[str, Any], hash_file: Callable[[str], str | None],
    forced: Mapping[str, str],
) -> dict[str, str]:  # fmt: skip
    """Say which stages would run and why, in the order in which they would; see `changes` for the other arguments.

    Stages that are `forced` run for the reason given there. A stage after one that runs is listed too: whether it runs
    shows only when the earlier one's outputs are there.
    """
    found: dict[str, str] = {}
    for name in pipeline.order():
        reasons = changes(pipeline, lock, params, hash_file, name)
        earlier = [other for other in pipeline.upstream(name) if other in found]
        if name in forced:
            found[name] = forced[name]
        elif reasons:
            found[name] = reasons[0] + (f", and {len(reasons) - 1} more" if len(reasons) > 1 else "")
        elif earlier:
            found[name] = f"if the outputs of {', '.join(earlier)} change"
    return found


def hash_bytes(content: bytes) -> str:
    """MD5 of a file's bytes, which DVC calls it by."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _stage(name: str, described: Mapping[str, Any]) -> Stage:
    outs, kept = list[str](), list[str]()
    for entry in [*described.get("outs", []), *described.get("metrics", []), *described.get("plots", [])]:
        path, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
        (outs if (options or {}).get("cache", True) else kept).append(path)
    deps = tuple(described.get("deps", []))
    return Stage(name, described["cmd"], deps, tuple(described.get("params", [])), tuple(outs), tuple(kept))


def _holder(stage: Stage, path: str) -> str | None:
    return next((out for out in stage.outs + stage.kept_by_git if path == out or path.startswith(f"{out}/")), None)


def _look_up(params: Mapping[str, Any], key: str) -> object:
    value: Any = params
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _blocks(text: str) -> dict[str, str]:
    """Cut dvc.lock into the text of each stage's entry."""
    parts = re.split(r"(?m)^(?=  [^\s-][^\n]*:$)", text)
    return {part.split(":", 1)[0].strip(): part for part in parts[1:]}
