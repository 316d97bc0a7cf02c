"""Asking the stores what they hold, until they hold it: the read side of a test's own telemetry."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.parts import Server

Value = TypeVar("Value")


def get(url: str, headers: Mapping[str, str] | None = None, **parameters: str | float) -> Any:
    """The JSON answer to a GET; None where the server knows nothing of it (404)."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    try:
        with urlopen(Request(f"{url}{query}", headers=dict(headers or {})), timeout=30) as answer:
            return json.load(answer)
    except HTTPError as error:
        if error.code == 404:
            return None
        raise


def get_text(url: str) -> str:
    """The text of the answer to a GET."""
    with urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def eventually(ask: Callable[[], Value], seconds: float = 60.0) -> Value:
    """What the question returns as soon as that is something. Raises AssertionError when it stays nothing.

    A server that is not reached yet, or says that it can't answer, has said nothing.
    """
    deadline = time.monotonic() + seconds
    while True:
        said: object = None
        try:
            if found := ask():
                return found
        except (OSError, HTTPException) as error:  # URLError, HTTPError and TimeoutError are OSErrors
            said = error
        assert time.monotonic() < deadline, f"asked in vain: {said}"
        time.sleep(0.02)


def prometheus(server: Server, promql: str) -> list[Any]:
    """The series of an instant query, now."""
    return get(f"{server.base_url}/api/v1/query", query=promql)["data"]["result"]


def exemplars(server: Server, promql: str) -> list[Any]:
    """The exemplars of the last hour, by series."""
    now = time.time()
    answer = get(f"{server.base_url}/api/v1/query_exemplars", query=promql, start=now - 3600, end=now + 60)
    return answer["data"]


def loki(server: Server, logql: str) -> list[Any]:
    """The streams of a range query over the last hour, each with labels and [time, line] pairs."""
    now = time.time_ns()
    url = f"{server.base_url}/loki/api/v1/query_range"
    answer = get(url, query=logql, start=now - 3600 * 10**9, end=now + 10**9, limit=5000)
    return answer["data"]["result"]


def loki_lines(server: Server, logql: str) -> list[str]:
    """The lines of the last hour that match, oldest first."""
    found = [(int(at), text) for stream in loki(server, logql) for at, text in stream["values"]]
    return [text for _, text in sorted(found)]


def tempo_trace(server: Server, trace_id: bytes) -> Any:
    """A trace's resource spans by its id; nothing while Tempo doesn't know it."""
    answer = get(f"{server.base_url}/api/v2/traces/{trace_id.hex()}")
    return answer and answer["trace"].get("resourceSpans")
