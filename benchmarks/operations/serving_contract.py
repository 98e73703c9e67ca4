"""Thousands of requests that schemathesis makes from the service's OpenAPI document, good ones and hostile ones.

A real `onward serve` on the deployed bundle answers them. Half of what the document allows and names a product is given
one that the model knows, so that answers are more than refusals. What must not be: an answer of 500 or above, a status,
a content type or a body that the document does not declare.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from rich.console import Console
from schemathesis.checks import CHECKS, load_all_checks

from benchmarks.harness.form import ROOT, Cell, Finding, publish
from benchmarks.operations.serving_load import progress, serving
from onward.deployment.registry import Registry
from onward.errors import ServiceError
from onward.services.local import HOST
from onward.serving.loaded_version import LoadedVersion, load_version
from onward.settings import ProjectSettings

SEED = 20261123
_CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
_ROUNDS = 4
_KNOWN = 500
_IDENTITIES = frozenset({"product_id", "source", "target", "recent", "candidates"})
_console = Console(stderr=True)


@dataclass
class ContractReport:
    """What came of the cases.

    Attributes:
        cases: requests sent, by operation.
        statuses: answers by operation and status.
        failures: one text a case that broke the contract.
    """

    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def check_contract(address: str, identities: Sequence[str], cases: int) -> ContractReport:
    """Ask every operation of the document at `/openapi.json` in turn, until so many cases have been sent.

    Args:
        address: of the service.
        identities: products that the model knows.
        cases: at least.
    """
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    read: list[Any] = list(schema.get_all_operations())
    operations = [one.ok() for one in read]
    load_all_checks()
    checks = CHECKS.get_by_names(_CHECKED)
    report = ContractReport()
    share = -(-cases // (_ROUNDS * len(operations) * 2))
    turn = 0
    with requests.Session() as session:
        session.trust_env = False
        while report.cases.total() < cases:
            for operation in operations:
                for mode in schemathesis.GenerationMode:
                    _ask(operation, mode, checks, address, identities, session, report, share, turn)
            turn += 1
    return report


def _ask(
    operation: Any, mode: Any, checks: list[Any], address: str, identities: Sequence[str], session: requests.Session,
    report: ContractReport, share: int, turn: int,
) -> None:  # fmt: skip
    name = operation.label

    @seed(SEED + turn)
    @settings(
        max_examples=share, database=None, deadline=None, phases=[Phase.generate], print_blob=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def ask(case: Any, data: Any) -> None:
        if data.draw(st.booleans()):
            case = with_known_products(case, identities, data)
        report.cases[name] += 1
        response = case.call(base_url=address, session=session)
        report.statuses[name, response.status_code] += 1
        try:
            case.validate_response(response, checks=checks)
        except (schemathesis.core.failures.FailureGroup, schemathesis.core.failures.Failure) as failure:
            told = [str(one) for one in getattr(failure, "exceptions", [failure])]
            report.failures.append(f"{case.as_curl_command()}\n{response.status_code}: {'; '.join(told)}")

    # Nothing of an operation without parameters can be wrong.
    with suppress(Unsatisfiable):
        ask()


def with_known_products(case: Any, identities: Sequence[str], data: Any) -> Any:
    """A case whose products are ones that the model knows."""

    def known() -> str:
        return str(data.draw(st.sampled_from(identities)))

    def exchanged(value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {key: exchanged(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [exchanged(inner, name) for inner in value]
        return known() if name in _IDENTITIES and isinstance(value, str) else value

    for part in ("path_parameters", "body"):
        held = getattr(case, part)
        if isinstance(held, (dict, list)):
            setattr(case, part, exchanged(held, ""))
    return case


def rows_of(report: ContractReport) -> list[dict[str, Cell]]:
    """One row an operation: cases, and answers by the first digit of their status."""
    rows: list[dict[str, Cell]] = []
    for name, cases in report.cases.items():
        of_class = Counter[int]()
        for (operation, status), count in report.statuses.items():
            of_class[status // 100] += count if operation == name else 0
        rows.append({"operation": name, "cases": cases, **{f"{digit}xx": of_class[digit] for digit in (2, 4, 5)}})
    return rows


def _deployed(registry: Registry) -> LoadedVersion:
    champion = registry.champion()
    if champion is None:
        raise ServiceError("nothing is deployed; run `dvc repro` first")
    return load_version(champion, registry.folder(champion))


def main() -> None:
    """Serve, ask and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--project", type=Path, default=ROOT, help="whose deployed bundle is served")
    arguments = parser.parse_args()
    registry = Registry.of(ProjectSettings(project=arguments.project))
    catalogue = _deployed(registry).catalogue[1]
    identities = catalogue[:: max(1, len(catalogue) // _KNOWN)]
    begun = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as place,
        serving(registry, Path(place)) as server,
        progress(f"{arguments.cases} cases"),
    ):
        report = check_contract(f"http://{HOST}:{server.port}", identities, arguments.cases)
    for failure in report.failures[:5]:
        _console.print(failure, highlight=False, markup=False)
    rows = rows_of(report)
    publish(Finding("serving_contract", [SEED], rows, {
        "cases": float(report.cases.total()), "operations": float(len(rows)),
        "server_errors": float(sum(int(str(row["5xx"])) for row in rows)),
        "undeclared": float(len(report.failures)), "seconds": time.perf_counter() - begun,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
