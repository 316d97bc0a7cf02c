"""The stock exporters over HTTP overheard; apart, because `requests` is loaded for them alone."""

import os
from collections.abc import Callable
from typing import Any, Final

import requests
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from requests.adapters import HTTPAdapter

from flashmm_instrumentation._answers import TAKEN, Answer, Verdict, of_http
from flashmm_instrumentation._listening import Response, of_response, overheard, tell

_PROTOBUF: Final = "application/x-protobuf"
_RESPONSES: Final = {"logs": ExportLogsServiceResponse, "traces": ExportTraceServiceResponse}
_CREDENTIALS: Final = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_{}CREDENTIAL_PROVIDER"


def listened_http(make: Callable[..., Any], settings: dict[str, object], signal: str) -> Any:  # noqa: ANN401
    """A stock exporter over a session that listens; the session of an author's credential provider is left alone."""
    if any(os.environ.get(_CREDENTIALS.format(of)) for of in ("", f"{signal.upper()}_")):
        return make(**settings)
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(_RESPONSES[signal]))
    return overheard(make(**settings, session=session))


class Refused(Exception):
    """A peer's refusal, raised through the stock exporter, which takes it for no reason to try again."""


def _root(error: BaseException) -> BaseException:
    """What it began with, of the errors that each library wrapped in one of its own."""
    while error.__context__ is not None:
        error = error.__context__
    return error


class _Adapter(HTTPAdapter):
    def __init__(self, response: type[Response]) -> None:
        super().__init__()
        self._response = response

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401
        door = str(request.url)
        try:
            response = super().send(request, *args, **options)
            body = response.content  # read in any case, so that the connection can be used again
        except requests.RequestException as error:
            raise self._refused(Answer(Verdict.LATER, f"{_root(error)!s:.200}", door=door)) from error
        if not 200 <= response.status_code < 300:
            retry_after = response.headers.get("Retry-After")
            raise self._refused(of_http(door, response.status_code, str(response.reason), retry_after))
        tell(self._read(door, response, body))
        return response

    def _refused(self, answer: Answer) -> Refused:
        tell(answer)
        return Refused(answer.why)

    def _read(self, door: str, response: requests.Response, body: bytes) -> Answer:
        if response.headers.get("Content-Type") != _PROTOBUF:
            return TAKEN
        try:
            return of_response(door, self._response.FromString(body))
        except DecodeError:
            return TAKEN
