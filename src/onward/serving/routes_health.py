"""Routes for machines that watch, and for those who still ask the old routes; none passes the scoring pool."""

from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from onward.serving.replies import error_reply
from onward.serving.schemas import ERRORS, Error, Live, Ready
from onward.serving.service import Service

_MOVED = {
    "/recommend": "GET /v1/search?q=… finds a product, GET /v1/related/{product_id} answers its lists",
    "/health": "GET /health/ready says which model answers",
    "/alive": "GET /health/live answers as long as the process does",
}


def health_routes(service: Service) -> APIRouter:
    """The routes over a service."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", response_model=Live)
    async def live() -> Response:
        """Answer as long as the process does, model or not."""
        return Response(b'{"status":"alive"}', media_type="application/json")

    @router.get(
        "/health/ready",
        response_model=Ready,
        responses={503: {"model": Ready, "description": "No model has been read yet."}},
    )
    async def ready() -> Response:
        """Whether there is a model to answer from, and what is not as it should be.

        "degraded" answers 200: the old model answers on though registry, store or disk fail.
        """
        loaded = service.champion.state.loaded
        problems = service.problems
        status = "not ready" if loaded is None else ("degraded" if problems else "ready")
        body: dict[str, Any] = {
            "status": status,
            "version": loaded.number if loaded else None,
            "as_of": str(loaded.holds.facts["as_of"]) if loaded else None,
            "loaded_seconds": (datetime.now(UTC) - loaded.loaded_at).total_seconds() if loaded else None,
            "problems": problems,
        }
        headers = {"Retry-After": "1"} if loaded is None else None
        return Response(orjson.dumps(body), 503 if loaded is None else 200, headers, media_type="application/json")

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses={status: ERRORS[status] for status in (401, 403, 500)},
    )
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def moved_routes() -> APIRouter:
    """The routes of earlier releases, each with a pointer to what took its place."""
    router = APIRouter(tags=["moved"])
    gone: dict[int | str, dict[str, Any]] = {410: {"model": Error, "description": "Gone, with a pointer."}}

    def answer(request: Request) -> Response:
        return error_reply(request, 410, "moved", _MOVED[request.url.path])

    for path, pointer in _MOVED.items():
        router.add_api_route(
            path, answer, methods=["GET"], responses=gone, status_code=410, response_model=Error, deprecated=True,
            name=f"moved {path}", description=f"Gone: {pointer}.",
        )  # fmt: skip
    return router
