"""A service over a registry of tiny bundles, asked without a server between; every reply must be a declared one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from fastapi.routing import APIRoute

from builders.tiny_bundle import make_bundle
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.registry import Registry, Version
from onward.serving.app import make_app
from onward.serving.service import Service

TAGS = {"source": "simulator", "as_of": "2017-11-20"}


def make_registry(root: Path, bundles: int = 2) -> Registry:
    """A registry of so many versions, the first in use."""
    registry = Registry(root / "mlruns")
    for seed in range(bundles):
        folder = root / f"bundle{seed}"
        write_bundle(folder, make_bundle(seed))
        registry.register(folder, bundle_hash(folder), TAGS, {})
    registry.promote(1)
    return registry


class Shelf:
    """What a service needs of a registry, without MLflow's tables, which take seconds to make."""

    def __init__(self, *folders: Path) -> None:
        self.folders = dict(enumerate(folders, 1))
        self.versions = [Version(number, bundle_hash(folder), "", TAGS) for number, folder in self.folders.items()]

    def champion(self) -> Version:
        return self.versions[0]

    def folder(self, version: Version) -> Path:
        return self.folders[version.number]


def make_shelf(root: Path) -> Shelf:
    """A shelf with one tiny bundle."""
    write_bundle(root / "bundle", make_bundle(0))
    return Shelf(root / "bundle")


class Client:
    """Ask an app; a reply whose status or body its route does not declare is an error."""

    def __init__(self, service: Service, host: str = "localhost", **headers: str) -> None:
        self.service = service
        self.app = make_app(service)
        self.routes = [route for route in self.app.routes if isinstance(route, APIRoute)]
        assert {"/v1/score", "/health/ready"} <= {route.path for route in self.routes}
        self.address = f"http://{host}"
        self.headers = headers

    def ask(self, method: str, page: str, **asked) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=self.address, headers=self.headers) as client:
                return await client.request(method, page, **asked)

        reply = asyncio.run(send())
        self._require_declared(method, reply)
        return reply

    def get(self, page: str, **asked) -> httpx.Response:
        return self.ask("GET", page, **asked)

    def post(self, page: str, body, **asked) -> httpx.Response:
        return self.ask("POST", page, json=body, **asked)

    def _require_declared(self, method: str, reply: httpx.Response) -> None:
        for route in self.routes:
            if method not in route.methods or not route.path_regex.match(reply.url.path):
                continue
            if not route.include_in_schema:
                return
            declared = {int(status): said.get("model") for status, said in route.responses.items()}
            declared[route.status_code or 200] = route.response_model
            assert reply.status_code in declared, (route.path, reply.status_code, reply.text)
            model = declared[reply.status_code]
            if model is not None:
                model.model_validate_json(reply.content)
            return


@contextmanager
def served(registry: Registry | Shelf, folder: Path, **settings) -> Iterator[Service]:
    """A service that has looked for its champion once."""
    service = Service(registry, folder, **({"every": 3600.0, "flush_seconds": 0.01} | settings))
    service.start()
    try:
        assert service.champion.looked(60)
        yield service
    finally:
        service.close()
