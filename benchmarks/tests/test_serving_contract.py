"""The service answers what its OpenAPI document declares, whatever schemathesis makes of that document."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI, Response

from benchmarks.operations.serving_contract import check_contract
from builders.served_app import make_shelf
from onward.serving.app import make_app
from onward.serving.service import Service

KNOWN = [f"p{number}" for number in range(6)]


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """A server in a thread; its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    ready = threading.Event()

    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def serve() -> None:
            serving = asyncio.create_task(server.serve([listener]))
            while not server.started:
                assert not serving.done()
                await asyncio.sleep(0)
            ready.set()
            await serving

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            assert ready.wait(30)
            yield f"http://localhost:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


@pytest.mark.slow
def test_no_case_brings_a_mistake_or_an_undeclared_answer(tmp_path):
    service = Service(make_shelf(tmp_path), tmp_path / "served", every=3600.0)
    with listening(make_app(service)) as address:
        assert service.champion.looked(60)
        report = check_contract(address, KNOWN, 400)
    assert report.failures == []
    answered = {name for name, status in report.statuses if status < 300}
    assert {"GET /v1/related/{product_id}", "POST /v1/score", "POST /v1/rank", "POST /v1/feedback"} <= answered
    assert {status for _, status in report.statuses} >= {200, 404, 422}


def test_an_answer_that_breaks_its_document_is_noticed():
    app = FastAPI()

    @app.get("/broken")
    def broken(number: int) -> int:
        return Response("{}", 500 if number % 2 else 418, media_type="application/json")

    with listening(app) as address:
        report = check_contract(address, KNOWN, 20)
    said = "".join(report.failures)
    assert "Undocumented status code" in said
    assert "Server error" in said
