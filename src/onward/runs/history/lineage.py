"""What made a version: data, code, params, the version before it, the gate's verdict, and the pages about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.tree import Tree

from onward.deployment.reasons import events
from onward.deployment.registry import Version
from onward.runs.history.records import RunRecord

_NOT_KNOWN = "[dim]not known: this version came from `dvc repro` by hand, not from a run[/]"

# Metrics and plots lie on the branch itself; what DVC keeps is what has to be named by its hash.
_SMALL = ("metrics/", "plots/")


@dataclass(frozen=True)
class Lineage:
    """Everything that is known of a version's origin.

    Attributes:
        version: the version.
        place: "champion", "challenger" or neither.
        record: the run that registered it first; None if no run did.
        figures: what the gate judged it by.
        pages: places of the files attached to it.
    """

    version: Version
    place: str | None
    record: RunRecord | None
    figures: Mapping[str, float]
    pages: Sequence[str]

    def tree(self) -> Tree:
        """The lineage for a terminal."""
        version = self.version
        record = self.record
        tags = self.version.tags
        place = self.place or ("rolled back" if version.rolled_back else "not in use")
        tree = Tree(f"[bold]Version {version.number}[/] ({place}), bundle {version.bundle_sha256}")
        data = tree.add(f"[bold]Data[/] {escape(tags['source'])}, known until {tags['as_of']}")
        code = tree.add(f"[bold]Code[/] commit {tags['git_commit']}, dvc.lock {tags['dvc_lock_sha256'][:12]}")
        params = tree.add("[bold]Params[/]")
        before = tree.add("[bold]Parent champion[/]")
        gate = tree.add("[bold]Gate[/]")
        if record is None:
            data.add(_NOT_KNOWN)
            params.add(_NOT_KNOWN)
            before.add(f"version {version.replaced}" if version.replaced else "none")
        else:
            kept = {path: digest for path, digest in record.outs().items() if not path.startswith(_SMALL)}
            for path, digest in kept.items():
                data.add(f"{escape(path)}  [dim]{digest}[/]")
            code.add(f"started from commit {record.manifest.code_commit}")
            for section, values in sorted(record.params().items()):
                requested = record.manifest.asked.get(section, {})
                words = (
                    f"[bold]{k} = {_as_text(v)}[/] (asked)" if k in requested else f"{k} = {_as_text(v)}"
                    for k, v in values.items()
                )
                params.add(f"{section}: {', '.join(words)}")
            parent = record.manifest.parent_champion
            before.add("none was in use" if parent is None else f"version {parent}")
            ended = record.manifest.finished or {}
            for reason in ended.get("reasons", []):
                gate.add(escape(reason))
        for name, value in self.figures.items():
            gate.add(f"{escape(name)} = {value:.4g}")
        self._add_history(tree)
        return tree

    def _add_history(self, tree: Tree) -> None:
        told = events(self.version.tags)
        history = tree.add("[bold]In and out of use[/]" if told else "[bold]Never in use[/]")
        for event in told:
            history.add(f"{event.at[:19]} UTC {event.what} by {escape(event.reason.by)}: {escape(event.reason.text)}")
        record = self.record
        run = tree.add(f"[bold]Run[/] {record.name if record else self.version.tags.get('run', 'none')}")
        if record is not None:
            run.add(f"branch {record.branch}, commit {record.commit}, {record.state}")
            run.add(f"started {escape(record.manifest.trigger)}, as {escape(record.manifest.run_id)}")
            run.add(f"restore it with `onward reproduce {record.name}`")
        pages = tree.add("[bold]Pages[/]" if self.pages else "[bold]Pages[/] none attached")
        for page in self.pages:
            pages.add(escape(page))
        pages.add("`onward dashboards` shows them in MLflow, and the figures over time in Evidently")


def _as_text(value: object) -> str:
    if isinstance(value, Mapping):
        return escape("{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}")
    return escape(str(value))
