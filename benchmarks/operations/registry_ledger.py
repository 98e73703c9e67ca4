"""What the model registry's database says, asked again and again while others change it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from onward.errors import ServiceError
from tools.testbeds.local_servers import Postgres


@dataclass(frozen=True)
class Ledger:
    """The registry's tables, each statement a transaction of its own: what it reads is what is committed."""

    connection: "psycopg.Connection[tuple[str, ...]]"

    def champion(self) -> int | None:
        """Number of the version in use."""
        found = self._rows("SELECT version FROM registered_model_aliases WHERE alias = 'champion'")
        return int(found[0][0]) if found else None

    def versions(self) -> dict[int, str]:
        """The run of the pipeline that registered each version, by number."""
        found = self._rows("SELECT version, value FROM model_version_tags WHERE key = 'run'")
        return {int(number): run for number, run in sorted(found, key=lambda row: int(row[0]))}

    def events(self, what: str, reason: str = "") -> list[int]:
        """Versions that came into use (`promoted`) or out of it (`rolled back`), once for each time that it is told.

        Args:
            what: promoted or rolled back.
            reason: only those for this reason; empty for all.
        """
        found = self._rows("SELECT version, value FROM model_version_tags WHERE key LIKE %s", f"{what} %")
        return [int(number) for number, note in found if not reason or json.loads(note)["reason"] == reason]

    def barred(self) -> set[int]:
        """Versions that were rolled back, and that only a person may put back in use."""
        found = self._rows("SELECT version FROM model_version_tags WHERE key = 'rolled_back' AND value = 'true'")
        return {int(number) for (number,) in found}

    def bundles(self) -> tuple[int, int]:
        """How many versions there are, and how many different bundles they hold."""
        question = "SELECT count(*), count(DISTINCT value) FROM model_version_tags WHERE key = 'bundle_sha256'"
        versions, bundles = self._rows(question)[0]
        return int(versions), int(bundles)

    def holders(self) -> set[str]:
        """MLflow's runs that hold the versions' files."""
        return {run for (run,) in self._rows("SELECT run_id FROM model_versions")}

    def runs_without_version(self) -> int:
        """MLflow's runs that no version holds: what a killed registration or collection has left."""
        question = "SELECT count(*) FROM runs WHERE run_uuid NOT IN (SELECT run_id FROM model_versions)"
        return int(self._rows(question)[0][0])

    def _rows(self, question: str, *values: str) -> list[tuple[str, ...]]:
        return self.connection.execute(question.encode(), values).fetchall()


@contextmanager
def ledger_of(database: Postgres) -> Iterator[Ledger]:
    """Have a connection to the registry's database.

    Raises:
        ServiceError: it does not answer.
    """
    try:
        connection = psycopg.connect(database.address("mlflow"), autocommit=True)
    except psycopg.OperationalError as error:
        raise ServiceError(f"the registry's database does not answer: {error}") from error
    with connection:
        yield Ledger(connection)
