"""`google.rpc.Status` and OTLP's responses, encoded by hand: a few fields, for both transports.

Source: https://opentelemetry.io/docs/specs/otlp/ (failures, partial success, throttling).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import orjson

from flashmm_receiver._decoder import Signal
from flashmm_receiver._intake import Answer
from flashmm_receiver._wire import varint
from flashmm_receiver.errors import (
    ComeBack,
    Forbidden,
    Malformed,
    Overloaded,
    RequestRefused,
    TooLarge,
    Unauthenticated,
)

_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"
_REJECTED: Final = {
    Signal.METRICS: "rejectedDataPoints",
    Signal.TRACES: "rejectedSpans",
    Signal.LOGS: "rejectedLogRecords",
}


class RpcCode(IntEnum):
    """The gRPC status codes that a receiver gives."""

    OK = 0
    INVALID_ARGUMENT = 3
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Status:
    """An error as OTLP tells it. retry_after_s: None where the sender must not come back."""

    code: RpcCode
    message: str
    retry_after_s: float | None = None

    def to_protobuf(self) -> bytes:
        """The google.rpc.Status message."""
        details = b"" if self.retry_after_s is None else _field(3, _any(_RETRY_INFO, _field(1, self._delay())))
        return _varint_field(1, self.code) + _field(2, self.message.encode("utf-8", "replace")) + details

    def _delay(self) -> bytes:
        seconds, fraction = divmod(self.retry_after_s or 0.0, 1)
        return _varint_field(1, int(seconds)) + _varint_field(2, int(fraction * 1e9))

    def to_json(self) -> bytes:
        """The same in protobuf's JSON form."""
        details = (
            [] if self.retry_after_s is None else [{"@type": _RETRY_INFO, "retryDelay": f"{self.retry_after_s}s"}]
        )
        return orjson.dumps({"code": int(self.code), "message": self.message, "details": details})


def refused_status(error: RequestRefused, retry_after_s: float) -> Status:
    """The status of a refused request."""
    match error:
        case Overloaded():
            return Status(RpcCode.RESOURCE_EXHAUSTED, str(error), retry_after_s)
        case ComeBack():
            return Status(RpcCode.UNAVAILABLE, str(error), retry_after_s)
        case Unauthenticated():
            return Status(RpcCode.UNAUTHENTICATED, str(error))
        case Forbidden():
            return Status(RpcCode.PERMISSION_DENIED, str(error))
        case TooLarge():
            return Status(RpcCode.RESOURCE_EXHAUSTED, str(error))
        case Malformed():
            return Status(RpcCode.INVALID_ARGUMENT, str(error))
        case _:
            return Status(RpcCode.INTERNAL, str(error))


def response_protobuf(answer: Answer) -> bytes:
    """The Export…ServiceResponse; the three have the same fields. Empty where nothing was refused."""
    if not answer.refused:
        return b""
    partial = _varint_field(1, answer.refused) + _field(2, answer.message.encode("utf-8", "replace"))
    return _field(1, partial)


def response_json(signal: Signal, answer: Answer) -> bytes:
    """The same in protobuf's JSON form."""
    if not answer.refused:
        return b"{}"
    return orjson.dumps({"partialSuccess": {_REJECTED[signal]: str(answer.refused), "errorMessage": answer.message}})


def _any(url: str, message: bytes) -> bytes:
    return _field(1, url.encode()) + _field(2, message)


def _field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _varint_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value) if value else b""
