"""Tell Airflow which version is in use, as an event of the asset `onward_champion`."""

from datetime import timedelta

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from onward_tasks.assets import CHAMPION, MODEL
from onward_tasks.commands import ask
from onward_tasks.settings import CONTROL


@task(
    **CONTROL, inlets=[MODEL, CHAMPION], outlets=[CHAMPION], execution_timeout=timedelta(minutes=10),
    doc_md="Tell of the version in use, if it is another than was told of last.",
)  # fmt: skip
def tell_champion() -> None:
    """Raise an event of the version in use; once, however often it is asked.

    Raises:
        AirflowSkipException: it was told of before, or nothing is in use.
    """
    champion = ask("status", "--json")
    context = get_current_context()
    last = list(context["inlet_events"][CHAMPION].ascending(ascending=False).limit(1))
    if champion["version"] is None:
        raise AirflowSkipException("nothing is in use")
    if last and last[0].extra.get("version") == champion["version"]:
        raise AirflowSkipException(f"version {champion['version']} is in use, as was told before")
    context["outlet_events"][CHAMPION].extra = champion
