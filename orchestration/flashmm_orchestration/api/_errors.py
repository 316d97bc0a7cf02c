"""Errors of the API: one form, `{"error": {"code", "message"}}`, and the status that fits."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from flashmm_backends.ports import NotFound, QueryRefused, Unavailable
from flashmm_orchestration.api._gate import Busy
from flashmm_orchestration.api._parameters import RepeatedParameter, UnknownParameter
from flashmm_orchestration.api._times import BadTime
from flashmm_orchestration.api.telemetry import HttpTelemetry


def install(app: FastAPI, telemetry: HttpTelemetry) -> None:
    """Turn what the ports and the parameters raise into answers; count clients that go away amid a request."""

    async def gone(_: Request, error: Exception) -> Response:
        del error
        telemetry.connections_ended.labels("disconnect").inc()
        return Response(status_code=400)  # nobody reads it

    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(BadTime, _bad_request)
    app.add_exception_handler(QueryRefused, _bad_request)
    app.add_exception_handler(UnknownParameter, _bad_request)
    app.add_exception_handler(RepeatedParameter, _bad_request)
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _by_the_framework)


def problem(status: int, code: str, message: str, **headers: str) -> Response:
    """An error as this API answers it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers or None)


async def _bad_request(_: Request, error: Exception) -> Response:
    return problem(400, "bad_request", str(error))


async def _not_found(_: Request, error: Exception) -> Response:
    return problem(404, "not_found", str(error))


async def _unavailable(_: Request, error: Exception) -> Response:
    return problem(503, "unavailable", str(error), **{"retry-after": "1"})


async def _busy(_: Request, error: Exception) -> Response:
    return problem(503, "busy", str(error), **{"retry-after": "1"})


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place, *inner = first["loc"]
    where = ".".join(str(part) for part in (inner if place == "query" else (place, *inner)))
    return problem(422, "invalid_parameter", f"{where}: {first['msg']}")


async def _by_the_framework(_: Request, error: Exception) -> Response:
    """Such as for a body that cannot be read as JSON at all."""
    assert isinstance(error, HTTPException)
    return problem(error.status_code, HTTPStatus(error.status_code).name.lower(), error.detail, **error.headers or {})
