"""What can be said of images, compose file and pod template without a container engine."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builders.compose_file import DOCKER, ROOT, VARIABLE, fill_in, read_compose

COMPOSE = read_compose()
SERVICES = COMPOSE["services"]
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}
INSTRUCTIONS = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
ARGUMENTS = dict(words.split("=", 1) for kind, words in INSTRUCTIONS if kind == "ARG")
STAGES: dict[str, list[tuple[str, str]]] = {}
for kind, words in INSTRUCTIONS:
    if kind == "FROM":
        STAGES[words.partition(" AS ")[2]] = []
    elif STAGES:
        STAGES[list(STAGES)[-1]].append((kind, words))
# A user of the object store is called by its access key's id, which is no secret.
SECRET = re.compile(r"PASSWORD|SECRET|(?<!ACCESS)_KEY|TOKEN")


def each_service(function):
    return pytest.mark.parametrize("name", SERVICES)(function)


@each_service
def test_a_service_runs_as_a_lesser_user_within_limits_and_cannot_gain_more(name):
    service = SERVICES[name]
    assert service["user"] not in ("root", "0", "0:0", 0)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    assert "privileged" not in service
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@each_service
def test_a_service_that_stays_says_whether_it_is_well(name):
    service = SERVICES[name]
    if name in ONCE:
        assert "healthcheck" not in service
        return
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= set(check)
    assert service["restart"] == "unless-stopped"


@each_service
def test_a_service_waits_for_what_can_tell_that_it_is_ready(name):
    for other, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how == {"condition": expected}, other


@each_service
def test_an_image_has_a_tag_of_its_own(name):
    repository, _, tag = SERVICES[name]["image"].rpartition(":")
    assert repository
    assert tag != "latest"
    if "build" in SERVICES[name]:
        assert tag == "local"
        targets = [words.split()[-1] for kind, words in INSTRUCTIONS if kind == "FROM"]
        assert SERVICES[name]["build"]["target"] in targets
        assert (DOCKER / SERVICES[name]["build"]["context"]).resolve() == ROOT
    else:
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?-\w+", tag)


@each_service
def test_pages_are_published_on_loopback_only(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@each_service
def test_secrets_come_from_the_environment_and_stand_on_no_command_line(name):
    for key, value in SERVICES[name].get("environment", {}).items():
        if SECRET.search(key) and not key.endswith("_FILE"):
            assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), key
        for found in re.finditer(r"://([^@/]*)@", str(value)):
            assert re.fullmatch(r"\w*:\$\{[A-Z_]+:\?[^}]+\}", found[1]), key
    assert VARIABLE.search(str(SERVICES[name].get("command", ""))) is None
    assert VARIABLE.search(str(SERVICES[name].get("healthcheck", ""))) is None


@each_service
def test_logs_are_rotated(name):
    assert SERVICES[name]["logging"]["options"].keys() == {"max-size", "max-file"}


@each_service
def test_what_keeps_data_is_on_no_network_with_a_way_out(name):
    networks = SERVICES[name]["networks"]
    assert networks
    assert COMPOSE["networks"]["back"] == {"internal": True}
    if name in ("postgres", "redis", "objects"):
        assert networks == ["back"]
    if "ports" in SERVICES[name]:
        assert "front" in networks
    else:
        assert networks == ["back"] or name in ("worker", "control")


def test_a_secret_is_known_to_those_alone_that_need_it():
    known: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for found in VARIABLE.finditer(str(service.get("environment", {}))):
            known.setdefault(found[1], set()).add(name)
    airflow = {"api-server", "scheduler", "dag-processor", "migrate", "worker", "control", "backup"}
    assert known["POSTGRES_PASSWORD"] == {"postgres"}
    assert known["AIRFLOW_DATABASE_PASSWORD"] == airflow | {"postgres"}
    assert known["MLFLOW_DATABASE_PASSWORD"] == {"postgres", "mlflow", "worker", "control", "backup", "collect"}
    assert known["SERVING_DATABASE_PASSWORD"] == {"postgres", "serving"}
    assert known["AIRFLOW_ADMIN_PASSWORD"] == {"migrate"}
    assert known["MLFLOW_ADMIN_PASSWORD"] == known["MLFLOW_SECRET_KEY"] == {"mlflow"}
    assert known["SERVING_API_KEYS"] == {"serving"}
    assert known["OBJECTS_ROOT_SECRET_KEY"] == {"objects", "prepare"}
    assert known["OBJECTS_STAGES_SECRET_KEY"] == {"prepare", "worker", "control"}
    for user in ("mlflow", "serving", "backup", "collect"):
        assert known[f"OBJECTS_{user.upper()}_SECRET_KEY"] == {"prepare", user}


def test_people_log_in_to_airflow_and_mlflow():
    for name in ("api-server", "scheduler", "migrate"):
        assert SERVICES[name]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"].endswith("FabAuthManager")
    assert "basic-auth" in SERVICES["mlflow"]["command"]


def test_changes_of_the_version_in_use_never_wait_behind_a_training():
    for name in ("scheduler", "dag-processor", "worker", "control"):
        assert SERVICES[name]["environment"]["ONWARD_CONTROL_QUEUE"] == "control"
    # The queue has a worker, and it is not the one that trains.
    assert SERVICES["control"]["command"][3:5] == ["--queues", "control"]
    assert "--queues" not in SERVICES["worker"]["command"]


def test_pages_and_served_answers_reach_those_that_show_and_judge_them():
    assert "pages:/srv/pages" in SERVICES["worker"]["volumes"]
    assert "pages:/srv/pages:ro" in SERVICES["pages"]["volumes"]
    assert SERVICES["worker"]["environment"]["ONWARD_PAGES"] == "/srv/pages"
    assert "served:/srv/served:ro" in SERVICES["worker"]["volumes"]
    assert SERVICES["worker"]["environment"]["ONWARD_SERVED"] == SERVICES["serving"]["environment"]["ONWARD_SERVED"]


def test_no_variable_has_a_default_and_the_example_lists_them_all_without_values():
    text = (DOCKER / "compose.yaml").read_text()
    used = {found[1] for found in VARIABLE.finditer(text)}
    assert {found[2] for found in VARIABLE.finditer(text)} == {":?"}
    lines = (DOCKER / ".env.example").read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert all(line.endswith("=") for line in listed)
    assert {line.removesuffix("=") for line in listed} == used
    with pytest.raises(KeyError):
        fill_in(COMPOSE, dict.fromkeys(sorted(used)[1:], "x"))


def test_volumes_are_declared_and_mounted_where_the_user_may_write():
    named = {
        (volume.split(":")[0], volume.split(":")[1], name)
        for name, service in SERVICES.items()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert {volume for volume, _, _ in named} == set(COMPOSE["volumes"])
    text = (DOCKER / "Dockerfile").read_text()
    for _, place, name in named:
        if "build" in SERVICES[name]:
            # A new volume takes its owner from the image's folder; without one it is root's.
            assert place in text, (name, place)


def test_all_python_packages_come_from_the_one_constraints_file():
    pinned = {canonicalize_name(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for name in ("airflow.txt", "serving.txt"):
        for requirement in requirements(name):
            assert canonicalize_name(requirement.name) in pinned, requirement
            assert not requirement.specifier, requirement
    installs = [words for kind, words in INSTRUCTIONS if kind == "RUN" and "pip install" in words]
    for words in installs:
        for command in re.findall(r"pip install [^&]*", words):
            assert "-c /build/constraints.txt" in command or "--no-deps" in command, command


def requirements(name):
    lines = (DOCKER / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_images_are_built_in_stages_from_pinned_bases_and_end_as_a_lesser_user():
    earlier: set[str] = set()
    for base, _, name in (words.partition(" AS ") for kind, words in INSTRUCTIONS if kind == "FROM"):
        base = re.sub(r"\$\{(\w+)\}", lambda found: ARGUMENTS[found[1]], base)
        assert base in earlier or re.search(r":v?\d+\.\d+\.\d+[\w.-]*$", base), base
        earlier.add(name)
    for target in ("airflow", "stages", "serving", "objects"):
        assert ("USER", "10001:10001") in STAGES[target]
        assert [kind for kind, _ in STAGES[target]].index("USER") > max(
            (place for place, (kind, _) in enumerate(STAGES[target]) if kind in ("RUN", "COPY")), default=0
        )
    for target in ("airflow", "stages", "serving"):
        # Compilers, caches and sources stay behind in the stage that installed.
        assert all("pip install" not in words for _, words in STAGES[target])
        assert any(kind == "COPY" and "--from=" in words for kind, words in STAGES[target])
    for kind, words in INSTRUCTIONS:
        assert kind != "ADD"
        assert not (kind in ("ARG", "ENV") and SECRET.search(words))
        if "apt-get install" in words:
            assert "--no-install-recommends" in words
            assert "rm -rf /var/lib/apt/lists/*" in words


def test_a_build_is_given_what_it_copies_and_nothing_else():
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    admitted = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = [
        source
        for kind, words in INSTRUCTIONS
        if kind == "COPY" and "--from=" not in words
        for source in [word for word in words.split() if not word.startswith("--")][:-1]
    ]
    assert set(copied) == admitted
    assert all((ROOT / source).exists() for source in copied)


def closure(names):
    """Distributions that are installed when these are."""
    found, left = set(), [(name, frozenset()) for name in names]
    left = [(requirement.name, frozenset(requirement.extras)) for requirement in names]
    seen = set()
    while left:
        name, extras = left.pop()
        if (canonicalize_name(name), extras) in seen:
            continue
        seen.add((canonicalize_name(name), extras))
        found.add(canonicalize_name(name))
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
                left.append((requirement.name, frozenset(requirement.extras)))
    return found


AS_IN_AN_IMAGE = """
import importlib.metadata, importlib.util, json, os, sys
from pathlib import Path

installed = set(json.loads(sys.argv[1]))
def known(of):
    return {each.lower().replace("_", "-").replace(".", "-") for each in of} & installed

absent = {name for name, of in importlib.metadata.packages_distributions().items() if not known(of)}
# A package that is installed for editing is in no list.
absent |= {"onward"} - installed

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""

SERVE = (
    AS_IN_AN_IMAGE
    + """
import uvicorn, onward.cli
from onward.reporting.service_page import service_page
service_page()
from onward.deployment.registry import Registry
from onward.serving.app import make_app
from onward.serving.recommend import recommend_all
from onward.serving.service import Service
service = Service(Registry(Path(sys.argv[2])), Path(sys.argv[3]))
app = make_app(service)
service.champion.look()
bundle = service.champion.now().holds
answers = recommend_all(bundle.listed, [2, 4], 1, bundle.typical.scores)
print(next(answers).name, len(next(answers).goes_with), "torch" in absent, "airflow" in absent)
"""
)


@pytest.mark.slow
def test_serving_works_with_no_other_package_than_its_image_holds(tmp_path):
    from builders.registries import new_registry
    from builders.tiny_bundle import make_bundle
    from onward.deployment.bundle_files import bundle_hash, write_bundle

    write_bundle(tmp_path / "bundle", make_bundle())
    registry = new_registry(tmp_path / "mlruns")
    registry.register(tmp_path / "bundle", bundle_hash(tmp_path / "bundle"), {"source": "s", "as_of": "2017-11-20"}, {})
    registry.promote(1)
    (tmp_path / "mlruns" / "champion.json").unlink()
    installed = json.dumps(sorted(closure(requirements("serving.txt")) | {"onward", "mlflow"}))
    done = subprocess.run(
        [sys.executable, "-c", SERVE, installed, str(tmp_path / "mlruns"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["Bread", "1", "True", "True"], done.stderr[-3000:]


PARSE = (
    AS_IN_AN_IMAGE
    + """
sys.path.insert(0, "dags")
import monitor, promote, retrain
print("pipeline.deploy" in retrain.retrain().task_dict, "torch" in absent, "mlflow" in absent)
"""
)


@pytest.mark.slow
def test_the_dags_parse_with_what_airflows_image_holds(tmp_path):
    holds = closure(requirements("airflow.txt"))
    assert {"celery", "redis", "kubernetes", "psycopg2-binary", "pyyaml"} <= holds
    if ("RUN", "pip install --no-deps /build") in STAGES["airflow-packages"]:
        holds.add("onward")
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", PARSE, json.dumps(sorted(holds))],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split()[-3:] == ["True"] * 3, done.stderr[-3000:]


@pytest.fixture(scope="module")
def pod():
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    return PodGenerator.deserialize_model_file(str(DOCKER / "kubernetes" / "pod-template.yaml"))


@pytest.mark.slow
def test_airflow_reads_the_pod_template_without_losing_a_field(pod):
    from kubernetes.client import ApiClient

    written = yaml.safe_load((DOCKER / "kubernetes" / "pod-template.yaml").read_text())
    # The client drops names that it does not know: a typing error would vanish here.
    assert ApiClient().sanitize_for_serialization(pod) == written


def test_a_pod_runs_as_a_lesser_user_within_limits_and_knows_no_secret_of_its_own(pod):
    (container,) = pod.spec.containers
    assert container.name == "base"
    assert not container.image.endswith(":latest")
    assert pod.spec.security_context.run_as_non_root
    assert pod.spec.automount_service_account_token is False
    assert container.security_context.allow_privilege_escalation is False
    assert container.security_context.capabilities.drop == ["ALL"]
    assert {"cpu", "memory"} <= set(container.resources.limits)
    assert all(not SECRET.search(each.name) for each in container.env)
    assert pod.spec.restart_policy == "Never"


def test_the_executor_makes_a_tasks_pod_of_the_template(pod):

    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    made = PodGenerator.construct_pod(
        dag_id="retrain", task_id="pipeline.ingest", pod_id="retrain-ingest", try_number=1, kube_image="", date=None,
        args=["airflow", "version"], pod_override_object=None, base_worker_pod=pod, namespace="onward",
        scheduler_job_id="1", run_id="manual__x",
    )  # fmt: skip
    (container,) = made.spec.containers
    assert container.args == ["airflow", "version"]
    assert container.image == pod.spec.containers[0].image
    assert made.metadata.namespace == "onward"
    assert {"onward", "own"} <= {each.config_map_ref.name for each in container.env_from if each.config_map_ref} | {
        each.name for each in made.spec.volumes
    }


def entrypoint(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(DOCKER / "entrypoint.py"), *command], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
    )  # fmt: skip


def test_the_entry_point_brings_the_code_and_becomes_the_command(tmp_path):
    remote, project = tmp_path / "code.git", tmp_path / "some" / "project"
    work = tmp_path / "work"
    git = ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
    for content in ("first", "second"):
        (work / "x.txt").write_text(content)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", content], check=True)
        if not remote.exists():
            subprocess.run(["git", "clone", "-q", "--bare", str(work), str(remote)], check=True)
        subprocess.run([*git, "push", "-q", str(remote), "main"], check=True)
        done = entrypoint(
            tmp_path, "cat", str(project / "x.txt"), ONWARD_PROJECT=str(project), ONWARD_GIT_REMOTE=str(remote)
        )
        assert done.stdout == content, done.stderr
        (project / "x.txt").write_text("edited")
    assert entrypoint(tmp_path, "false").returncode == 1
    assert (
        entrypoint(tmp_path, "true", ONWARD_PROJECT=str(tmp_path / "y"), ONWARD_GIT_REMOTE="/nowhere").returncode != 0
    )


def test_every_variable_that_the_code_reads_is_explained():
    files = [path for folder in ("src", "dags", "docker") for path in (ROOT / folder).rglob("*.*")]
    texts = [path.read_text() for path in files if path.suffix in (".py", ".yaml") and path.is_file()]
    used = {name for text in texts for name in re.findall(r"\bONWARD_[A-Z_]*[A-Z]", text)}
    told = "".join(
        (ROOT / "docs" / "how-to" / name).read_text() for name in ("many-hosts.md", "airflow.md", "alerts.md")
    )
    assert {"ONWARD_REGISTRY", "ONWARD_PROJECT"} <= used
    assert sorted(name for name in used if f"`{name}`" not in told) == []
