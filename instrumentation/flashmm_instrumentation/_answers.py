"""What a peer's answer to an export means: taken, later, never, or in smaller parts.

Source: OTLP 1.9, "Failures" and "Partial Success" of both transports. More is tried again than it asks for: a door
that is overloaded may forget to say when.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from google.rpc.error_details_pb2 import RetryInfo
from grpc import StatusCode


class Verdict(Enum):
    """What becomes of a batch. UNCLEAR: it failed, and nobody said whether for good."""

    TAKEN = auto()
    LATER = auto()
    NEVER = auto()
    SMALLER = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """refused: records of a batch otherwise taken. wait_s: least time until the next try. door: who answered."""

    verdict: Verdict
    why: str = ""
    remedy: str = ""
    door: str = ""
    refused: int = 0
    wait_s: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the same may be taken when it is offered again."""
        return self.verdict in (Verdict.LATER, Verdict.UNCLEAR)

    def final(self, records: int) -> bool:
        """Whether some of so many records offered are refused for good."""
        alone_too_large = self.verdict is Verdict.SMALLER and records == 1
        return self.refused > 0 or self.verdict is Verdict.NEVER or alone_too_large


TAKEN: Final = Answer(Verdict.TAKEN)
UNCLEAR: Final = Answer(Verdict.UNCLEAR, "the exporter failed")

_LATER_CODES: Final = frozenset(
    {
        StatusCode.CANCELLED,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.ABORTED,
        StatusCode.OUT_OF_RANGE,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    }
)
_UNCLEAR_CODES: Final = frozenset({StatusCode.UNKNOWN, StatusCode.INTERNAL})
_LATER_STATUSES: Final = frozenset({408, 429, 502, 503, 504})
_TOO_LARGE: Final = "larger than max"
"""In what gRPC's servers say, in C++ and in Go, of a message above their limit; the code is that of overload."""

_CREDENTIALS: Final = "give the token that it expects in OTEL_EXPORTER_OTLP_HEADERS or headers="
_ADDRESS: Final = "set OTEL_EXPORTER_OTLP_ENDPOINT and _PROTOCOL, or endpoint= and protocol=, to an OTLP receiver's"
_SIZE: Final = "raise its limit of a request, or record less at a time"
_LOG: Final = "its log should tell what it found wrong"
_CODE_REMEDIES: Final = {
    StatusCode.UNAUTHENTICATED: _CREDENTIALS,
    StatusCode.PERMISSION_DENIED: _CREDENTIALS,
    StatusCode.UNIMPLEMENTED: _ADDRESS,
    StatusCode.NOT_FOUND: _ADDRESS,
}
_STATUS_REMEDIES: Final = {401: _CREDENTIALS, 403: _CREDENTIALS, 404: _ADDRESS, 405: _ADDRESS, 413: _SIZE}


def of_grpc(door: str, code: StatusCode, details: str, retry_info: bytes | None) -> Answer:
    """A gRPC status other than OK. retry_info: the trailer `google.rpc.retryinfo-bin`."""
    why = f"{code.name} {details:.200}".strip()
    if code is StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in details:
        return Answer(Verdict.SMALLER, why, _SIZE, door)
    if code in _LATER_CODES:
        return Answer(Verdict.LATER, why, door=door, wait_s=_delay_s(retry_info))
    if code in _UNCLEAR_CODES:
        return Answer(Verdict.UNCLEAR, why, _LOG, door)
    return Answer(Verdict.NEVER, why, _CODE_REMEDIES.get(code, _LOG), door)


def of_http(door: str, status: int, reason: str, retry_after: str | None) -> Answer:
    """An HTTP status other than 2xx."""
    why = f"{status} {reason:.200}".strip()
    if status == 413:
        return Answer(Verdict.SMALLER, why, _SIZE, door)
    if status in _LATER_STATUSES:
        return Answer(Verdict.LATER, why, door=door, wait_s=_seconds(retry_after))
    if status >= 500:
        return Answer(Verdict.UNCLEAR, why, _LOG, door)
    remedy = _ADDRESS if status < 400 else _STATUS_REMEDIES.get(status, _LOG)
    return Answer(Verdict.NEVER, why, remedy, door)


def of_partial(door: str, refused: int, message: str) -> Answer:
    """Taken, but for so many records, which are refused for good."""
    return Answer(Verdict.TAKEN, message[:200], _LOG, door, refused=refused) if refused > 0 else TAKEN


def _delay_s(retry_info: bytes | None) -> float:
    if retry_info is None:
        return 0.0
    delay = RetryInfo.FromString(retry_info).retry_delay
    return delay.seconds + delay.nanos / 1e9


def _seconds(retry_after: str | None) -> float:
    # A date is legal too; the pace of the retries is bounded either way.
    try:
        seconds = float(retry_after or 0)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0
