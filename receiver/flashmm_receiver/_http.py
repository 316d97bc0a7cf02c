"""OTLP over HTTP: routes, encodings, compression, errors."""

import math
from http import HTTPStatus
from typing import Final

from flashmm_receiver._access import TokenCheck
from flashmm_receiver._bounds import check_json
from flashmm_receiver._decoder import Signal
from flashmm_receiver._gzip import decompressed, unpacked_if_small
from flashmm_receiver._http_messages import RequestHead, Response
from flashmm_receiver._intake import Answer, InFlight, Intake
from flashmm_receiver._json import protobuf_of_json
from flashmm_receiver._status import RpcCode, Status, refused_status, response_json, response_protobuf
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver._worker import Worker
from flashmm_receiver.errors import (
    ComeBack,
    Forbidden,
    Overloaded,
    RequestRefused,
    TooLarge,
    Unauthenticated,
)
from flashmm_receiver.hosts import KnownHosts, is_own_origin
from flashmm_receiver.settings import Address, ReceiverSettings

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_PATHS: Final = {f"/v1/{signal}": signal for signal in Signal}
_QUICK_BYTES: Final = 16_384
"""Unpacked, or translated from JSON, without a thread."""


class OtlpHttp:
    """Answers requests; knows nothing of connections."""

    def __init__(
        self,
        settings: ReceiverSettings,
        intake: Intake,
        worker: Worker,
        in_flight: InFlight,
        telemetry: ReceiverTelemetry,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._worker = worker
        self._in_flight = in_flight
        self._telemetry = telemetry
        self._token = TokenCheck(settings.token)
        self._hosts = KnownHosts((Address.parse("http_bind", settings.http_bind).host, *settings.allowed_hosts))
        self._guarded = bool(settings.token or settings.tls_client_ca)
        self._scheme = "https" if settings.tls_certificate else "http"

    def refusal(self, head: RequestHead) -> Response | None:
        """The answer to a request that need not be read to its end; None for one that is to be read."""
        try:
            self._token.check(head.headers.get("authorization", ""))
            self._check_names(head)
            if (head.content_length or 0) > self._settings.request_bytes_max:
                raise TooLarge("request_bytes_max", self._settings.request_bytes_max)
        except RequestRefused as error:
            return self.refused(head, error)
        status = _unroutable(head)
        return None if status is None else self._plain(head, status)

    def _check_names(self, head: RequestHead) -> None:
        """Where nothing else guards: a foreign name or a foreign page is some browser that was led here."""
        host, origin = head.headers.get("host", ""), head.headers.get("origin")
        if origin is not None and not is_own_origin(origin, self._scheme, host):
            raise Forbidden("origin", "this port takes nothing from pages of other sites")
        if not self._guarded and not self._hosts.knows(host):
            raise Forbidden("host", f"the Host {host[:64]!r} is not known here; see allowed_hosts")

    def _plain(self, head: RequestHead, status: HTTPStatus) -> Response:
        headers = {"allow": "POST"} if status is HTTPStatus.METHOD_NOT_ALLOWED else {}
        code = RpcCode.UNIMPLEMENTED if status is HTTPStatus.NOT_FOUND else RpcCode.INVALID_ARGUMENT
        return self._counted(head, _error(head, status, Status(code, _HINTS[status]), headers))

    def refused(self, head: RequestHead, error: RequestRefused) -> Response:
        """The answer to a request that is refused."""
        status = refused_status(error, self._settings.retry_after_s)
        headers = {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
        if status.retry_after_s is not None:
            headers = {"retry-after": str(math.ceil(status.retry_after_s))}
        self._telemetry.requests_refused.labels(_signal_name(head), error.reason).inc()
        return self._counted(head, _error(head, _http_status(error), status, headers))

    def failed(self, head: RequestHead) -> Response:
        """The answer where the receiver itself is at fault."""
        status = Status(RpcCode.INTERNAL, "the receiver failed; its log says why")
        return self._counted(head, _error(head, HTTPStatus.INTERNAL_SERVER_ERROR, status, {}))

    async def answer(self, head: RequestHead, body: bytes) -> Response:
        """The answer to a complete request that `refusal` let pass. The body's bytes are in flight already."""
        signal = _PATHS[head.path]
        extra = 0
        try:
            content = await self._content(head, body)
            if content is not body:
                self._in_flight.enter(len(content))
                extra = len(content)
            answer = await self._intake.take(signal, await self._protobuf(head, signal, content))
        except RequestRefused as error:
            return self.refused(head, error)
        finally:
            self._in_flight.leave(extra)
        return self._counted(head, _success(head, signal, answer))

    async def _content(self, head: RequestHead, body: bytes) -> bytes:
        if head.headers.get("content-encoding", "identity").strip().lower() == "gzip":
            return await self._decompressed(body, self._settings.decompressed_bytes_max)
        if len(body) > self._settings.decompressed_bytes_max:
            raise TooLarge("decompressed_bytes_max", self._settings.decompressed_bytes_max)
        return body

    async def _decompressed(self, body: bytes, size_max: int) -> bytes:
        quick = unpacked_if_small(body, min(size_max, _QUICK_BYTES))
        return await self._worker.run(decompressed, body, size_max) if quick is None else quick

    async def _protobuf(self, head: RequestHead, signal: Signal, content: bytes) -> bytes:
        if head.media_type != JSON:
            return content
        if len(content) > self._settings.json_bytes_max:
            raise TooLarge("json_bytes_max", self._settings.json_bytes_max)
        check_json(content, self._settings.messages_max)
        if len(content) <= _QUICK_BYTES:
            return protobuf_of_json(signal, content)
        return await self._worker.run(protobuf_of_json, signal, content)

    def _counted(self, head: RequestHead, response: Response) -> Response:
        self._telemetry.requests.labels(_signal_name(head), "http", str(response.status.value)).inc()
        return response


_HINTS: Final = {
    HTTPStatus.NOT_FOUND: f"OTLP is at {', '.join(sorted(_PATHS))}",
    HTTPStatus.METHOD_NOT_ALLOWED: "OTLP is sent with POST",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        f"content-type must be {PROTOBUF} or {JSON}, content-encoding gzip or none; gRPC has its own port"
    ),
}


def _unroutable(head: RequestHead) -> HTTPStatus | None:
    if head.path not in _PATHS:
        return HTTPStatus.NOT_FOUND
    if head.method != "POST":
        return HTTPStatus.METHOD_NOT_ALLOWED
    encoding = head.headers.get("content-encoding", "identity").strip().lower()
    if head.media_type not in (PROTOBUF, JSON) or encoding not in ("identity", "gzip", ""):
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    return None


def _http_status(error: RequestRefused) -> HTTPStatus:
    match error:
        case Overloaded():
            return HTTPStatus.TOO_MANY_REQUESTS
        case ComeBack():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case Unauthenticated():
            return HTTPStatus.UNAUTHORIZED
        case Forbidden():
            return HTTPStatus.MISDIRECTED_REQUEST if error.reason == "host" else HTTPStatus.FORBIDDEN
        case TooLarge():
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        case _:
            return HTTPStatus.BAD_REQUEST


def _signal_name(head: RequestHead) -> str:
    return _PATHS.get(head.path, "none")


def _error(head: RequestHead, http_status: HTTPStatus, status: Status, headers: dict[str, str]) -> Response:
    if head.media_type == PROTOBUF:
        return Response(http_status, status.to_protobuf(), PROTOBUF, headers)
    return Response(http_status, status.to_json(), JSON, headers)


def _success(head: RequestHead, signal: Signal, answer: Answer) -> Response:
    if head.media_type == PROTOBUF:
        return Response(HTTPStatus.OK, response_protobuf(answer), PROTOBUF)
    return Response(HTTPStatus.OK, response_json(signal, answer), JSON)
