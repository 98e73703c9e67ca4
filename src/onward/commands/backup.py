"""`onward backup` and `onward restore`: all that machines share, as one folder, and back."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from onward.commands.project import project_registry, run_locations
from onward.errors import RunError
from onward.redaction import redact

_Airflow = Annotated[
    str | None,
    typer.Option(
        "--airflow-database",
        help="Address of Airflow's database, which is kept too; without one it is left out.",
        envvar="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        show_default=False,
    ),
]


def backup(to: Annotated[Path, typer.Argument(help="A new folder.")], airflow: _Airflow = None) -> None:
    """Keep git, outputs, bundles, databases and what the monitor keeps in one folder, while others go on working.

    The folder appears once all of it is there and every hash is right. The last line is JSON. Keep it as carefully as
    the databases: it holds what they hold. Airflow's Fernet key and the passwords are not in it.
    """
    from onward.runs.backup.keep import keep
    from onward.runs.backup.pieces import Pieces

    locations = run_locations()
    pieces = Pieces.of(locations, airflow)
    kept = keep(locations, project_registry(), pieces, to.absolute(), datetime.now(UTC), _say)
    for number in kept.lost:
        _say(f"version {number} has lost its bundle, and cannot be put in use again")
    if kept.absent:
        _say(
            f"{kept.absent} outputs of runs are not in the DVC remote, so they are not in the backup; `dvc push` there"
        )
    typer.echo(
        json.dumps(
            {
                "files": kept.files,
                "bytes": kept.size,
                "champion": kept.champion,
                "absent_outputs": kept.absent,
                "lost_versions": list(kept.lost),
            }
        )
    )


def restore(
    source: Annotated[Path, typer.Argument(help="Folder of a backup.", metavar="FROM")],
    airflow: _Airflow = None,
    *,
    without_airflow: Annotated[
        bool, typer.Option("--without-airflow", help="Leave Airflow's database out, though the backup holds it.")
    ] = False,
) -> None:
    """Make all of a backup again where this machine's settings say, in places that hold nothing else.

    Nothing is changed unless every file has its hash. Killed, it is run again. The last line is JSON.
    """
    from onward.deployment.bundle_files import bundle_hash
    from onward.runs.backup.pieces import Pieces
    from onward.runs.backup.restore import restore as restore_pieces

    locations = run_locations()
    note = restore_pieces(
        locations, Pieces.of(locations, None if without_airflow else airflow), source.absolute(), _say,
        without_airflow=without_airflow,
    )  # fmt: skip
    registry = project_registry()
    champion = registry.champion()
    number = None if champion is None else champion.number
    if number != note["champion"] or (
        champion is not None and bundle_hash(registry.folder(champion)) != champion.bundle_sha256
    ):
        raise RunError(
            f"restore: version {note['champion']} was in use and version {number} is now; see `onward status`"
        )
    typer.echo(json.dumps({"files": len(note["files"]), "champion": number, "at": note["at"]}))


def _say(line: str) -> None:
    typer.echo(redact(line))
