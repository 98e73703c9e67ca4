"""MLflow's runs that no version holds: what is left of a registration, or of a collection, that was killed half-way.

Both are done under the registry's lock. So whoever holds it and meets such a run knows that nobody will finish it.
"""

from typing import TYPE_CHECKING

from onward.deployment.bundle_store import BundleStore
from onward.deployment.registry import MODEL, Registry
from onward.deployment.registry_lock import advisory_lock, file_lock
from onward.deployment.registry_settings import RegistrySettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

_HASH = "bundle_sha256"
_MOST = 50_000


def forget_strays(registry: Registry, *, dry_run: bool) -> tuple[str, ...]:
    """Delete runs that hold a bundle and belong to no version, with their files, for good.

    Args:
        registry: where to look; runs that are not Onward's are left alone.
        dry_run: only look.

    Returns:
        Their names in MLflow.
    """
    if not registry.exists:
        return ()
    # Silences MLflow, which is imported here for the first time.
    registry.versions()
    from mlflow import MlflowClient

    places = registry.settings or RegistrySettings.in_folder(registry.root)
    bundles = BundleStore(places.artifacts, places.fetched, places.patience_s)
    with advisory_lock(places.address) if places.address else file_lock(places.root / ".lock"):
        client = MlflowClient(places.database_address, places.database_address)
        strays = _strays(client)
        for run in {} if dry_run else strays:
            bundles.discard(run)
            if strays[run] == "active":
                client.delete_run(run)
            # MLflow keeps a deleted run until `mlflow gc`, which does this.
            client._tracking_client.store._hard_delete_run(run)  # noqa: SLF001
    return tuple(strays)


def _strays(client: "MlflowClient") -> dict[str, str]:
    """Such runs, and whether they are active or deleted."""
    from mlflow.entities import ViewType

    experiments = [
        each.experiment_id
        for each in client.search_experiments(view_type=ViewType.ALL)
        if each.name == MODEL or each.name.startswith(f"{MODEL} ")
    ]
    if not experiments:
        return {}
    runs = client.search_runs(experiments, run_view_type=ViewType.ALL, max_results=_MOST)
    return {
        run.info.run_id: run.info.lifecycle_stage
        for run in runs
        if _HASH in run.data.tags and not client.search_model_versions(f"run_id='{run.info.run_id}'")
    }
