"""Build every image of docker/Dockerfile without a daemon, and start each service of compose.yaml inside its own.

`make images`. It takes buildah, root, and half an hour; where no registry of images is in reach, debootstrap makes the
base. The services are those of `tests/contract/test_compose_commands.py`, run in the images' files as the images' user.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
TARGETS = ("airflow", "stages", "serving")
BASE = "localhost/onward-base:local"
_BUILDAH = ("buildah", "--storage-driver", os.environ.get("STORAGE_DRIVER") or "overlay")
_INSTALL = "on Debian: apt-get install buildah debootstrap"
# Where Debian's own python3 stands in for python:3.11-slim, venv comes apart, and `python` under another name.
_PACKAGES = "ca-certificates,python3,python3-venv"
_TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")


class ImageError(Exception):
    """Something is missing or failed; the message names the remedy."""


def main(
    wheels: Annotated[Path | None, typer.Option(help="Folder of wheels for pip, such as torch's CPU build.")] = None,
    torch_index: Annotated[str | None, typer.Option(help="Index with torch's CPU build, if not PyTorch's own.")] = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the images in buildah's store.")] = False,
) -> None:
    """Build, look, and clean up."""
    try:
        status = build_and_look(wheels, torch_index)
        if not keep:
            remove_images()
    except ImageError as error:
        typer.echo(f"images: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(status)


def build_and_look(wheels: Path | None, torch_index: str | None) -> int:
    """Build every target, start the services, and return the status of the test that did."""
    require("buildah")
    if os.geteuid() != 0:
        raise ImageError("images are built and looked into as root here; run it with sudo")
    base, stand_in = find_base()
    arguments = {"BASE": base, **({} if torch_index is None else {"TORCH_INDEX": torch_index})}
    for target in TARGETS:
        build(target, arguments, wheels)
    # The object store's program is in somebody else's image: without a registry only our own lines are tried.
    build("objects", {**arguments, **({"OBJECTS": base} if stand_in else {})}, None)
    if stand_in:
        say("objects: built on a stand-in, since no registry is in reach; the server itself was not tried")
    with ExitStack() as stack:
        roots = {f"onward-{target}": stack.enter_context(mounted(target)) for target in TARGETS}
        require_small_torch(roots["onward-stages"])
        return start_services(roots)


def remove_images() -> None:
    """Take off what was built, and nothing else that lies in buildah's store."""
    for name in (*(f"localhost/onward-{target}:local" for target in (*TARGETS, "objects")), BASE):
        subprocess.run([*_BUILDAH, "rmi", "--force", name], capture_output=True, check=False)
    say("images removed; `buildah rmi --prune` removes the layers that were kept for the next time")


def require(program: str) -> None:
    """Name the remedy where a program is missing."""
    if shutil.which(program) is None:
        raise ImageError(f"{program} is not installed; {_INSTALL}")


def find_base() -> tuple[str, bool]:
    """Return the base of the Dockerfile from its registry, else one made by debootstrap, and whether it is that."""
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    named = found[1] if found else ""
    say(f"base {named}")
    pulled = subprocess.run(
        [*_BUILDAH, "pull", "--quiet", f"docker.io/library/{named}"], capture_output=True, text=True, check=False
    )
    if pulled.returncode == 0:
        return f"docker.io/library/{named}", False
    kept = subprocess.run([*_BUILDAH, "inspect", "--type", "image", BASE], capture_output=True, check=False)
    if kept.returncode == 0:
        say("no registry is in reach: the base that was kept")
        return BASE, True
    say("no registry is in reach: debootstrap makes a base with Debian's Python")
    require("debootstrap")
    with tempfile.TemporaryDirectory(prefix="onward-base-") as folder:
        run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", folder)
        (Path(folder) / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        # What this machine trusts its packages from, the base trusts too.
        shutil.copyfile(_TRUSTED, f"{folder}{_TRUSTED}")
        container = run(*_BUILDAH, "from", "scratch").strip()
        run(*_BUILDAH, "copy", "--quiet", container, folder, "/")
        run(*_BUILDAH, "commit", "--quiet", container, BASE.removeprefix("localhost/"))
        run(*_BUILDAH, "rm", container)
    return BASE, True


def build(target: str, arguments: Mapping[str, str], wheels: Path | None) -> None:
    """Build one target."""
    began = time.monotonic()
    given = dict(arguments)
    mount: list[str] = []
    if wheels is not None:
        given["PIP_FIND_LINKS"] = "/wheels"
        mount = ["--volume", f"{wheels.resolve()}:/wheels:ro"]
    words = [word for name, value in given.items() for word in ("--build-arg", f"{name}={value}")]
    run(
        *_BUILDAH, "bud", "--quiet", "--isolation", "chroot", "--layers", "--format", "docker",
        "--file", str(DOCKERFILE), "--ignorefile", f"{DOCKERFILE}.dockerignore",
        "--target", target, "--tag", f"onward-{target}:local", *mount,
        *words, str(ROOT),
    )  # fmt: skip
    user = json.loads(run(*_BUILDAH, "inspect", "--type", "image", f"onward-{target}:local"))["OCIv1"]["config"]["User"]
    if user != "10001:10001":
        raise ImageError(f"{target}: the image's user is {user or 'root'}; mend docker/Dockerfile")
    say(f"{target}: built in {time.monotonic() - began:.0f} s, user {user}")


@contextmanager
def mounted(target: str) -> Iterator[str]:
    """Yield where a container's files lie on this machine; what is written there goes with it."""
    container = run(*_BUILDAH, "from", "--pull-never", f"localhost/onward-{target}:local").strip()
    try:
        yield run(*_BUILDAH, "mount", container).strip()
    finally:
        run(*_BUILDAH, "umount", container)
        run(*_BUILDAH, "rm", container)


def require_small_torch(root: str) -> None:
    """Torch for a GPU would bring several GB that nothing here uses."""
    gpu = [path.name for path in Path(root, "opt/venv/lib/python3.11/site-packages").glob("nvidia*")]
    if gpu:
        raise ImageError(f"stages: {len(gpu)} packages of CUDA came along, {gpu[0]} first; see --torch-index, --wheels")
    say("stages: torch is the CPU build")


def start_services(roots: Mapping[str, str]) -> int:
    """Start every service inside its image, as compose would, and return the status of the test that does it."""
    say("starting every service of docker/compose.yaml inside its image")
    test = "tests/contract/test_compose_commands.py"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--verbose", "--no-header", test]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "ONWARD_IMAGE_ROOTS": json.dumps(roots)}, check=False
    ).returncode


def run(*command: str) -> str:
    """Run a command and return what it printed; its errors are its last lines."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise ImageError(f"`{' '.join(command[:6])} …` ended with status {done.returncode}: {last}")
    return done.stdout


def say(line: str) -> None:
    """One line of progress."""
    typer.echo(f"[images] {line}")


if __name__ == "__main__":
    typer.run(main)
