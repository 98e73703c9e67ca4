"""The HTTP service: routes, errors and documentation put together over a `Service`."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from onward import __version__
from onward.errors import OnwardError, RegistryError
from onward.serving.docs_page import docs_page
from onward.serving.home import home_routes
from onward.serving.protection import Gate, TooBusyError, TooSlowError
from onward.serving.replies import AnswerError, error_reply
from onward.serving.routes_health import health_routes, moved_routes
from onward.serving.routes_questions import question_routes
from onward.serving.routes_related import related_routes
from onward.serving.schemas import ERRORS
from onward.serving.service import Service

_MOST_PROBLEMS = 10
_CODES = {400: "unreadable", 404: "no_such_route", 405: "method_not_allowed"}
_ABOUT = """Related products that know direction, delay and doubt.

Beyond this machine, send a key as `X-API-Key` or as `Authorization: Bearer`. Every answer has a request id, which its
decisions are logged under and feedback refers to. Errors have one form and a code of their own."""


def make_app(service: Service, page: str | None = None) -> FastAPI:
    """The app over a service, which its lifespan starts and stops.

    Args:
        service: what answers.
        page: HTML at `/`; without one there is no such route.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    # FastAPI's own pages of documentation load scripts from a host of others.
    app = FastAPI(
        title="Onward", version=__version__, description=_ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None,
        redirect_slashes=False,
    )  # fmt: skip
    app.include_router(related_routes(service), responses=ERRORS)
    app.include_router(question_routes(service), responses=ERRORS)
    app.include_router(health_routes(service))
    app.include_router(moved_routes())
    if page is not None:
        app.include_router(home_routes(page))
    _add_errors(app)
    _add_documentation(app)
    app.add_middleware(Gate, limits=service.limits, keys=service.keys, metrics=service.metrics)
    return app


def _add_errors(app: FastAPI) -> None:
    """Every error in the one form; see schemas.Error."""

    @app.exception_handler(AnswerError)
    def answered(request: Request, error: AnswerError) -> Response:
        return error_reply(request, error.status, error.code, str(error))

    @app.exception_handler(RegistryError)
    def no_model(request: Request, error: RegistryError) -> Response:
        return error_reply(request, 503, "no_model", str(error))

    @app.exception_handler(TooBusyError)
    def busy(request: Request, error: TooBusyError) -> Response:
        return error_reply(request, 429, "too_busy", str(error))

    @app.exception_handler(TooSlowError)
    def slow(request: Request, error: TooSlowError) -> Response:
        return error_reply(request, 503, "too_slow", str(error))

    @app.exception_handler(OnwardError)
    def refused(request: Request, error: OnwardError) -> Response:
        return error_reply(request, 422, "cannot_answer", str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        problems = [
            {"where": ".".join(map(str, one["loc"])), "message": str(one["msg"])}
            for one in error.errors()[:_MOST_PROBLEMS]
        ]
        what = "; ".join(f"{one['where']}: {one['message']}" for one in problems[:2])
        return error_reply(request, 422, "invalid_request", what, problems)

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "error")
        message = "no such route; /docs lists them" if error.status_code == 404 else str(error.detail)
        reply = error_reply(request, error.status_code, code, message)
        reply.headers.update(error.headers or {})
        return reply


def _add_documentation(app: FastAPI) -> None:
    """The schema with its keys, and a page of it that loads nothing from anywhere."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        components = schema.setdefault("components", {})
        components["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                if path.startswith("/v1/") or path == "/metrics":
                    operation["security"] = [{"key": []}, {"bearer": []}, {}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))
