"""The stock OTLP exporters overheard: what a peer answered, of which they tell only whether it was a success.

They are also kept from trying again themselves: they would end after ten seconds, and could not be hurried when the
bot is closed. The pump tries again.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from flashmm_instrumentation._answers import Answer, of_grpc, of_partial
from flashmm_instrumentation._outages import Outages

Response = ExportLogsServiceResponse | ExportTraceServiceResponse
_RETRY_INFO: Final = "google.rpc.retryinfo-bin"

_NONE_RETRYABLE: Final = (grpc.StatusCode.OK,)
"""A gRPC exporter's `retryable_error_codes`: an empty list would mean its own."""


class Heard:
    """The last answer to the export that is under way."""

    def __init__(self, outages: Outages) -> None:
        self.outages: Final = outages
        self.answer: Answer | None = None


_heard: ContextVar[Heard | None] = ContextVar("flashmm_heard", default=None)


@contextmanager
def listening(outages: Outages) -> Generator[Heard]:
    """While it lasts, what a peer answers to this thread is heard."""
    token = _heard.set(heard := Heard(outages))
    try:
        yield heard
    finally:
        _heard.reset(token)


def heard_now() -> Heard | None:
    """The export that is under way in this thread, if it is one of ours."""
    return _heard.get()


def tell(answer: Answer) -> None:
    """To whoever listens in this thread."""
    heard = _heard.get()
    if heard is not None:
        heard.answer = answer


def overheard(exporter: Any) -> Any:  # noqa: ANN401 as in _exporters
    """The exporter, marked as one whose door is always heard where it is asked."""
    exporter.flashmm_overheard = True
    return exporter


def is_overheard(exporter: object) -> bool:
    """Whether a failure without an answer means that no door was asked."""
    return getattr(exporter, "flashmm_overheard", False)


def listened_grpc(make: Callable[..., Any], settings: dict[str, object]) -> Any:  # noqa: ANN401 as in _exporters
    """A stock exporter with an ear on its stub, and on those that it makes when it connects anew."""
    exporter = make(**settings, retryable_error_codes=_NONE_RETRYABLE)
    # The exporter has no public place for an interceptor.
    if not all(hasattr(exporter, name) for name in ("_stub", "_client", "_endpoint")):
        exporter.shutdown()
        return make(**settings)  # a release that we don't know: with its own retries, and unheard
    make_stub, door = exporter._stub, str(exporter._endpoint)
    exporter._stub = lambda channel: _Stub(make_stub(channel), door)  # pyright: ignore[reportUnknownLambdaType]
    exporter._client = _Stub(exporter._client, door)
    return overheard(exporter)


class _Stub:
    """A gRPC stub whose answers are told."""

    def __init__(self, stub: Any, door: str) -> None:  # noqa: ANN401 one of three generated classes
        self._stub = stub
        self._door = door

    def Export(self, **call: object) -> Response:  # noqa: N802 the service's name for it
        try:
            response: Response = self._stub.Export(**call)
        except grpc.RpcError as error:
            tell(_of_error(self._door, error))
            raise
        tell(of_response(self._door, response))
        return response


def _of_error(door: str, error: Any) -> Answer:  # noqa: ANN401 grpc's RpcError is also a Call
    trailers: dict[str, bytes] = dict(error.trailing_metadata() or ())
    return of_grpc(door, error.code(), error.details() or "", trailers.get(_RETRY_INFO))


def of_response(door: str, response: Response) -> Answer:
    """Taken, all or in part."""
    partial = response.partial_success
    if isinstance(response, ExportLogsServiceResponse):
        return of_partial(door, response.partial_success.rejected_log_records, partial.error_message)
    return of_partial(door, response.partial_success.rejected_spans, partial.error_message)
