"""Answers."""

import orjson
from fastapi.responses import Response

from flashmm_orchestration.api._wire import JsonValue


def json(value: JsonValue, status: int = 200) -> Response:
    """A JSON answer that no cache keeps."""
    body = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, status, {"cache-control": "no-store"}, "application/json")
