"""OTLP out, over HTTP or gRPC, once and without retries: a refusal is what `doctor` is looking for."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from flashmm_orchestration._sources import BadSettings, reason
from flashmm_orchestration.cli._probe import Request
from flashmm_orchestration.cli._reach import NoAnswer, Wanted, check_address, no_answer

_TIMEOUT_S: Final = 5.0
_grpc: Any = grpc  # ships no types
_SERVICES: Final = {"metrics": "metrics.v1.Metrics", "traces": "trace.v1.Trace", "logs": "logs.v1.Logs"}
_ANSWERS: Final = {
    "metrics": ExportMetricsServiceResponse,
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
}
_HTTP: Final = Wanted(
    "OTLP's HTTP address, mostly port 4318",
    "--otlp",
    "--otlp-ca-file",
    other_protocol="Give OTLP's HTTP port with --otlp, mostly 4318; or say --protocol grpc.",
)
_GRPC: Final = Wanted(
    "OTLP's gRPC address, mostly port 4317",
    "--otlp",
    "--otlp-ca-file",
    grpc=True,
    other_protocol="Give OTLP's gRPC port with --otlp, mostly 4317; or say --protocol http/protobuf.",
)


@dataclass(frozen=True, slots=True)
class Otlp:
    """Where to send, and with what. ca_file: trusted besides the system's authorities' certificates."""

    url: str
    token: str = ""
    ca_file: Path | None = None
    grpc: bool = False

    def send(self, requests: Mapping[str, Request]) -> None:
        """Send requests by signal. Raises NoAnswer, BadSettings."""
        check_address(self.url, _GRPC if self.grpc else _HTTP)
        if self.grpc:
            self._send_grpc(requests)
        else:
            self._send_http(requests)

    def _send_http(self, requests: Mapping[str, Request]) -> None:
        headers = {"content-type": "application/x-protobuf"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        try:
            with httpx.Client(headers=headers, timeout=_TIMEOUT_S, verify=self._trust()) as client:
                for signal, request in requests.items():
                    url = f"{self.url}/v1/{signal}"
                    self._judge(url, signal, client.post(url, content=request.SerializeToString()))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise no_answer(self.url, _HTTP, error) from None

    def _trust(self) -> bool | ssl.SSLContext:
        if (authorities := self._authorities()) is None:
            return True
        try:
            return ssl.create_default_context(cadata=authorities.decode())
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise BadSettings([f"--otlp-ca-file {self.ca_file}: holds no certificates in PEM ({error})"]) from None

    def _authorities(self) -> bytes | None:
        try:
            return None if self.ca_file is None else self.ca_file.read_bytes()
        except OSError as error:
            raise BadSettings([f"--otlp-ca-file {self.ca_file}: cannot be read ({reason(error)})"]) from None

    def _judge(self, url: str, signal: str, answer: httpx.Response) -> None:
        if answer.status_code in {401, 403}:
            raise self._unauthenticated(url, str(answer.status_code))
        if answer.status_code in {404, 405}:
            raise NoAnswer(url, f"{answer.status_code}: something else answers there", f"Give {_HTTP.what}: --otlp.")
        if answer.is_error:
            why = f"{answer.status_code} {_printable(answer.content)}"
            raise NoAnswer(url, why, "The log of what listens there says more.")
        self._judge_parts(url, signal, answer.content)

    def _judge_parts(self, url: str, signal: str, body: bytes) -> None:
        """A success may still have turned records down."""
        told = str(_ANSWERS[signal].FromString(body).partial_success.error_message)
        if told:
            raise NoAnswer(url, f"a record was refused: {told}", "Is this machine's clock right?")

    def _unauthenticated(self, url: str, status: str) -> NoAnswer:
        which = "the token is refused: wrong or expired" if self.token else "it asks for a token and none was sent"
        fix = "Give the receiver's token: --otlp-token-file, FLASHMM_RECEIVER__TOKEN_FILE or FLASHMM_RECEIVER__TOKEN."
        return NoAnswer(url, f"{status}: {which}", fix)

    def _send_grpc(self, requests: Mapping[str, Request]) -> None:
        parts = urlsplit(self.url)
        with self._channel(parts.netloc, tls=parts.scheme == "https") as channel:
            for signal, request in requests.items():
                self._call(channel, signal, request)

    def _channel(self, target: str, *, tls: bool) -> Any:  # noqa: ANN401 - grpc ships no types
        if not tls:
            return _grpc.insecure_channel(target)
        return _grpc.secure_channel(target, _grpc.ssl_channel_credentials(self._authorities()))

    def _call(self, channel: Any, signal: str, request: Request) -> None:  # noqa: ANN401 - likewise
        method = f"/opentelemetry.proto.collector.{_SERVICES[signal]}Service/Export"
        metadata = (("authorization", f"Bearer {self.token}"),) if self.token else ()
        call = channel.unary_unary(method)
        try:
            body: bytes = call(request.SerializeToString(), timeout=_TIMEOUT_S, metadata=metadata)
        except _grpc.RpcError as error:
            raise self._grpc_failed(error) from None
        self._judge_parts(self.url, signal, body)

    def _grpc_failed(self, error: Any) -> NoAnswer:  # noqa: ANN401 - likewise
        code, details = error.code(), error.details() or ""
        if code in (_grpc.StatusCode.UNAUTHENTICATED, _grpc.StatusCode.PERMISSION_DENIED):
            return self._unauthenticated(self.url, code.name)
        if code in (_grpc.StatusCode.UNAVAILABLE, _grpc.StatusCode.DEADLINE_EXCEEDED, _grpc.StatusCode.INTERNAL):
            return no_answer(self.url, _GRPC, httpx.ConnectError(" ".join(details.split())[:600]))
        return NoAnswer(self.url, f"{code.name} {details[:200]}", "The log of what listens there says more.")


def _printable(body: bytes) -> str:
    """The text in an answer that may be a protobuf status."""
    text = "".join(letter if letter.isprintable() else " " for letter in body[:400].decode("utf-8", "replace"))
    return " ".join(text.split())[:200]
