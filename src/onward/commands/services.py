"""`onward dashboards`, `onward serve` and `onward airflow`: what runs on this machine until Ctrl-C."""

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from onward.commands import oncall
from onward.commands.project import project_layout, project_registry, project_settings
from onward.errors import OnwardError, RegistryError, ServiceError

if TYPE_CHECKING:
    from onward.data.shop_clock import ShopClock

_out = Console()


def dashboards(
    *,
    any_ports: Annotated[
        bool, typer.Option("--any-ports", help="Take free ports, instead of 5000, 8000 and 8070 where those are free.")
    ] = False,
    airflow: Annotated[
        str | None, typer.Option(help="Address of Airflow's pages, for links.", envvar="AIRFLOW__API__BASE_URL")
    ] = None,
) -> None:
    """Start the MLflow and Evidently UIs and the page for on-call on loopback; Ctrl-C ends all three.

    The page is written anew from the last assessment, with links to these very UIs.
    """
    from onward.services.local import DASHBOARD_PORTS, dashboard_services

    layout = project_layout()
    registry = project_registry()
    if not registry.exists:
        raise RegistryError("nothing is registered yet, so MLflow has nothing to show; run `dvc repro` first")
    logs = layout.root / ".airflow" / "logs"
    preferred = (0, 0, 0) if any_ports else DASHBOARD_PORTS
    workspace = project_settings().dashboards
    services = dashboard_services(registry.address, workspace, project_settings().pages, logs, preferred)
    mlflow, evidently, page = services
    problem = _oncall_problem(airflow, str(mlflow.address), str(evidently.address))
    lines = [f"{service.name}  [link]{service.address}[/link]" for service in (mlflow, evidently)]
    if oncall.oncall_page().is_file():
        lines.append(f"{page.name}  [link]{page.address}[/link]")
    if problem is not None:
        lines.append(f"[yellow]The page for on-call is not up to date[/]: {escape(problem)}")
    _serve(services, layout.root, lines)


def _oncall_problem(airflow: str | None, mlflow: str, evidently: str) -> str | None:
    """Write the page for on-call, or return why there is nothing to write."""
    try:
        oncall.write_oncall_page(airflow, mlflow, evidently)
    except OnwardError as error:
        return str(error)
    return None


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback need keys, see ONWARD_API_KEYS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8090,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds until a promotion is noticed.")] = 2.0,
    threads: Annotated[int, typer.Option(min=1, help="Requests that are scored at once.")] = 2,
) -> None:
    """Answer over HTTP from the model in use: lists, scores, a page at / and its routes at /docs. Ctrl-C ends it."""
    import logging

    import uvicorn

    from onward.redaction import RedactedFormatter
    from onward.reporting.service_page import service_page
    from onward.serving.app import make_app
    from onward.serving.protection import Keys, Limits, is_loopback
    from onward.serving.service import Service

    settings = project_settings()
    keys = Keys(settings.api_keys) if settings.api_keys is not None else None
    if keys is None and not is_loopback(host):
        raise ServiceError(
            f"serve: {host} reaches others, who must show a key; set ONWARD_API_KEYS to a file with one key a line"
        )
    handler = logging.StreamHandler()
    handler.setFormatter(RedactedFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    service = Service(
        project_registry(),
        settings.served,
        every=every,
        flush_seconds=settings.flush_seconds,
        limits=Limits(threads=threads),
        keys=keys,
        clock=_shop_clock(),
    )
    # Standard output is for the access log, one JSON object a line.
    Console(stderr=True).print(f"http://{host}:{port}/", soft_wrap=True)
    uvicorn.run(
        make_app(service, service_page()),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def _shop_clock() -> "ShopClock":
    """The clock of params.yaml; UTC on a machine that only serves and has none."""
    from onward.data.shop_clock import ShopClock
    from onward.params import read_params

    path = project_layout().params
    return ShopClock(read_params(path).shop.time_zone) if path.is_file() else ShopClock()


def airflow(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the web pages; another one if this is taken, 0 for any.")
    ] = 8080,
) -> None:
    """Start Airflow (web UI, scheduler, DAG processor) on loopback with a login; Ctrl-C ends all of it."""
    from onward.params import read_params
    from onward.services.local import airflow_password, airflow_services, prepare_airflow

    if find_spec("airflow") is None:
        raise ServiceError("Airflow is not installed; run `pip install -c constraints.txt -e '.[airflow]'`")
    layout = project_layout()
    stages_at_once = max(1, (os.cpu_count() or 1) // read_params(layout.params).run.threads)
    home = layout.root / ".airflow"
    password = airflow_password(home)
    services = airflow_services(home, layout.root / "dags", home / "logs", port)
    prepare_airflow(services[0], layout.root, stages_at_once)
    _serve(services, layout.root, [f"Airflow  [link]{services[0].address}[/link]", f"user admin, password {password}"])


def _serve(services: list[Any], folder: Path, lines: list[str]) -> None:
    from onward.services.processes import require_alive, running

    _out.print("[dim]starting …[/]")
    try:
        with running(services, folder, patience=120.0) as started:
            for line in [*lines, "[dim]Ctrl-C ends it[/]"]:
                _out.print(line)
            while True:
                require_alive(services, started)
                time.sleep(0.5)
    except KeyboardInterrupt:
        _out.print("[dim]ended[/]")
