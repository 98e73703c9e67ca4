"""The one reader of dvc.yaml and dvc.lock: who needs what, and what was recorded when a stage last ran."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from onward.errors import RequestError, RunError
from onward.yaml_text import load_yaml

PIPELINE_FILE, LOCK_FILE = "dvc.yaml", "dvc.lock"


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
        always: it runs whether or not anything changed.
        frozen: it does not run whatever changed; what it wrote stays.
        trains: it makes the model that stages after it may be asked to keep.
    """

    name: str
    cmd: Any
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    kept_by_git: tuple[str, ...]
    always: bool = False
    frozen: bool = False
    trains: bool = False


@dataclass(frozen=True)
class Pipeline:
    """The stages of dvc.yaml, in its order."""

    stages: Mapping[str, Stage]

    def stage(self, name: str) -> Stage:
        """Return a stage by name.

        Raises:
            RequestError: there is none.
        """
        if name not in self.stages:
            raise RequestError(f"dvc.yaml has no stage {name!r}; it has {', '.join(self.stages)}")
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

    def all_outs(self) -> dict[str, str]:
        """Hashes of what all stages wrote, by path."""
        return {path: md5 for stage in self.entries for path, md5 in self.outs(stage).items()}

    def hash_of(self, path: str) -> str | None:
        """Hash of an output, whoever made it; None for what nobody made."""
        return self.all_outs().get(path)

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
        raw = load_yaml(content or b"")
        stages = {name: _stage(name, described) for name, described in raw["stages"].items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"dvc.yaml holds no stages that can be read ({' '.join(str(error).split())})") from None
    return Pipeline(stages)


def parse_lock(content: bytes | None) -> Lock:
    """Read dvc.lock; no file is a lock without entries.

    Raises:
        RunError: it cannot be read.
    """
    try:
        text = (content or b"").decode()
        entries = (load_yaml(text) or {}).get("stages") or {}
        return Lock(text, {name: {**entry} for name, entry in entries.items()})
    except (yaml.YAMLError, AttributeError, TypeError, UnicodeDecodeError):
        raise RunError("dvc.lock is cut off or no lock; restore it with `git checkout dvc.lock`, and commit") from None


def is_whole(text: str) -> bool:
    r"""Tell whether the text of a dvc.lock is one that DVC will read; a kill can leave one that is cut off.

    >>> is_whole("schema: '2.0'\nstages:\n  ingest:\n    cmd: python -m x\n")
    True
    >>> is_whole(""), is_whole("schema: '2.0'\nsta"), is_whole("schema: '2.0'\nstages:\n  ingest:\n    cmd")
    (False, False, False)
    """
    try:
        lock = load_yaml(text)
    except yaml.YAMLError:
        return False
    if not (isinstance(lock, dict) and lock.get("schema") and isinstance(lock.get("stages"), dict)):
        return False
    return all(isinstance(stage, dict) and "cmd" in stage for stage in lock["stages"].values())


def _stage(name: str, described: Mapping[str, Any]) -> Stage:
    outs, kept = list[str](), list[str]()
    for entry in [*described.get("outs", []), *described.get("metrics", []), *described.get("plots", [])]:
        path, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
        (outs if (options or {}).get("cache", True) else kept).append(path)
    deps = tuple(described.get("deps", []))
    params = tuple(described.get("params", []))
    always, frozen = (bool(described.get(option, False)) for option in ("always_changed", "frozen"))
    trains = bool((described.get("meta") or {}).get("trains", False))
    return Stage(name, described["cmd"], deps, params, tuple(outs), tuple(kept), always, frozen, trains)


def _holder(stage: Stage, path: str) -> str | None:
    return next((out for out in stage.outs + stage.kept_by_git if path == out or path.startswith(f"{out}/")), None)


def _blocks(text: str) -> dict[str, str]:
    """Cut dvc.lock into the text of each stage's entry."""
    parts = re.split(r"(?m)^(?=  [^\s-][^\n]*:$)", text)
    return {part.split(":", 1)[0].strip(): part for part in parts[1:]}
