"""What a peer's answer means for the batch."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from grpc import StatusCode

from flashmm_instrumentation._answers import TAKEN, Verdict, of_grpc, of_http, of_partial

DOOR = "127.0.0.1:4317"
FINAL = {
    StatusCode.INVALID_ARGUMENT,
    StatusCode.NOT_FOUND,
    StatusCode.ALREADY_EXISTS,
    StatusCode.PERMISSION_DENIED,
    StatusCode.FAILED_PRECONDITION,
    StatusCode.UNIMPLEMENTED,
    StatusCode.UNAUTHENTICATED,
}


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK])
def test_every_grpc_status_has_its_verdict(code: StatusCode) -> None:
    """OTLP's retryable codes are tried again, an error of the server's for a time, the others never."""
    expected = Verdict.NEVER if code in FINAL else Verdict.LATER
    if code in {StatusCode.UNKNOWN, StatusCode.INTERNAL}:
        expected = Verdict.UNCLEAR
    answer = of_grpc(DOOR, code, "why", None)
    assert (answer.verdict, answer.door, answer.why) == (expected, DOOR, f"{code.name} why")
    assert bool(answer.remedy) == (expected is not Verdict.LATER)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (302, Verdict.NEVER),
        (400, Verdict.NEVER),
        (401, Verdict.NEVER),
        (404, Verdict.NEVER),
        (408, Verdict.LATER),
        (413, Verdict.SMALLER),
        (429, Verdict.LATER),
        (500, Verdict.UNCLEAR),
        (502, Verdict.LATER),
        (503, Verdict.LATER),
        (504, Verdict.LATER),
        (505, Verdict.UNCLEAR),
    ],
)
def test_every_http_status_has_its_verdict(status: int, verdict: Verdict) -> None:
    """As OTLP has it; a server's own error is tried again for a time."""
    assert of_http(DOOR, status, "why", None).verdict is verdict


@pytest.mark.parametrize(
    "details", ["Received message larger than max (5 vs. 4)", "grpc: received message larger than max (5 vs. 4)"]
)
def test_a_message_above_a_servers_limit_is_no_overload(details: str) -> None:
    """gRPC uses one code for both; only the words differ."""
    assert of_grpc(DOOR, StatusCode.RESOURCE_EXHAUSTED, details, None).verdict is Verdict.SMALLER


def test_the_wait_that_a_door_asks_for_is_read() -> None:
    """RetryInfo and Retry-After; what is no number of seconds asks for nothing."""
    hint = RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)).SerializeToString()
    assert of_grpc(DOOR, StatusCode.UNAVAILABLE, "", hint).wait_s == 2.5
    waits = [of_http(DOOR, 503, "", text).wait_s for text in ("3", None, "nan", "Wed, 21 Oct 2026 07:28:00 GMT")]
    assert waits == [3.0, 0.0, 0.0, 0.0]


def test_a_partial_success_is_taken_but_for_what_was_rejected() -> None:
    """Nothing rejected is plainly taken, whatever the message says."""
    assert of_partial(DOOR, 0, "a warning") is TAKEN
    answer = of_partial(DOOR, 2, "no such bot")
    assert (answer.verdict, answer.refused, answer.why) == (Verdict.TAKEN, 2, "no such bot")
    assert answer.final(5)
    assert not TAKEN.final(1)
