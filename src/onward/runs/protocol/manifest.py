"""run.json: what a run was asked, by whom, from which code, and how it ended."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from onward.errors import RunError
from onward.layout import RUN_FILE

FILE = RUN_FILE


@dataclass(frozen=True)
class Manifest:
    """The record that lies at the root of a run's branch.

    Attributes:
        name: the run's name.
        run_id: what started it.
        trigger: how, in a word.
        asked: the settings of params.yaml that were asked for, by section; as_of is always among them.
        run_from: the stage from which on everything was asked to run; None if nothing was.
        forced: the stages that run whether or not anything changed.
        code_commit: what the branch started from.
        parent_champion: the version in use when the run started; None if there was none.
        dvc_remote: where its outputs lie.
        started_at: in UTC, ISO 8601.
        finished: None until the run is finished; then when (`at`), what it registered (`version`, `promoted`) and
            which version was in use (`champion`), as far as the pipeline deploys one.
        kept: stages that do not run, and the run that recorded what they wrote; see `kept_training`.
    """

    name: str
    run_id: str
    trigger: str
    asked: dict[str, dict[str, Any]]
    run_from: str | None
    forced: list[str]
    code_commit: str
    parent_champion: int | None
    dvc_remote: str
    started_at: str
    finished: dict[str, Any] | None = None
    kept: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The record as text, keys sorted."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()

    def finish(self, facts: dict[str, Any]) -> "Manifest":
        """The same run, finished."""
        return replace(self, finished=facts)


def parse_manifest(content: bytes | None, run: str) -> Manifest:
    """Read the record of a run; fields that a later release added are left out.

    Raises:
        RunError: the branch holds none, or one that lacks a field.
    """
    try:
        record = json.loads(content or b"")
        return Manifest(**{name: record[name] for name in (each.name for each in fields(Manifest)) if name in record})
    except (ValueError, TypeError, RecursionError):
        raise RunError(f"the branch of run {run} holds no readable {FILE}; start another run") from None
