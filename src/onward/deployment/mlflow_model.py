"""The files that make a registered bundle one of MLflow's own models, for shops that run none of Onward's servers.

`MLmodel` names the bundle's folder as data and this version's source code as code, so that `mlflow.pyfunc.load_model`
and `mlflow models serve` need the requirements installed and nothing of Onward.
"""

import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

import onward
from onward.deployment import pyfunc_model
from onward.deployment.bundle_store import CODE
from onward.model.pair_model import SCORER_FILE

# What `pyfunc_model` imports, and what serves it; a test holds the two together.
DISTRIBUTIONS = ("lightgbm", "mlflow", "numba", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")


def scores_pairs(bundle: Path) -> bool:
    """Whether a folder holds what scores pairs, and not the lists of a graph."""
    return (bundle / SCORER_FILE).is_file()


def write_model_files(folder: Path, bundle: str) -> None:
    """Write MLmodel, requirements, environment and code into the folder in which a bundle lies, or will.

    Args:
        folder: exists.
        bundle: name of the bundle's folder in it.
    """
    package = Path(onward.__file__).parent
    shutil.copytree(package, folder / CODE / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    versions = {name: version(name) for name in DISTRIBUTIONS}
    requirements = "".join(f"{name}=={number}\n" for name, number in versions.items())
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    python = platform.python_version()
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    _write_yaml(folder / "python_env.yaml", environment)
    # By hand, as importing `mlflow.pyfunc` takes seconds: https://mlflow.org/docs/latest/ml/model#storage-format
    function = {
        "loader_module": pyfunc_model.__name__,
        "data": bundle,
        "code": CODE,
        "env": {"virtualenv": "python_env.yaml"},
        "python_version": python,
    }
    _write_yaml(folder / "MLmodel", {"flavors": {"python_function": function}, "mlflow_version": versions["mlflow"]})


def _write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
