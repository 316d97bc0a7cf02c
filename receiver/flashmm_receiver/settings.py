"""What a receiver may be told: addresses, limits, access."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from annotated_types import Interval

from flashmm_backends.ranges import Count, MemoryBytes, Names, Pause, Seconds, Share
from flashmm_receiver.errors import NotConfigured
from flashmm_receiver.hosts import is_loopback

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """Settings of a receiver. Every limit refuses what exceeds it, says so to the sender and counts it."""

    grpc_bind: str = "127.0.0.1:4317"
    """Address of OTLP over gRPC, `host:port` or `[v6]:port`; port 0 takes a free one."""
    http_bind: str = "127.0.0.1:4318"
    """Address of OTLP over HTTP, likewise."""
    token: str = ""
    """Bearer token that every request must carry; empty asks for none."""
    tls_certificate: Path | None = None
    """PEM file of the server's certificate chain; with it both ports speak TLS only."""
    tls_key: Path | None = None
    """PEM file of the certificate's private key."""
    tls_client_ca: Path | None = None
    """PEM file of the authorities whose client certificates are required; None asks for none."""
    allowed_hosts: Names = ()
    """Names in the Host header that OTLP over HTTP answers besides loopback's and its own, where neither a token nor
    client certificates guard it; `*` answers to any. In the environment: separated by commas."""
    request_bytes_max: MemoryBytes = 16 * _MIB
    """Largest request as it arrives, in bytes."""
    decompressed_bytes_max: MemoryBytes = 16 * _MIB
    """Largest request after decompression, in bytes."""
    json_bytes_max: MemoryBytes = 4 * _MIB
    """Largest decompressed JSON request, in bytes: parsed JSON takes some twenty times its size."""
    messages_max: Count = 131_072
    """Resources, scopes, metrics, points, spans and log records of one request; in JSON a quarter, of objects."""
    record_bytes_max: MemoryBytes = _MIB
    """Largest single span, log record or data point, and largest resource or scope, of a request over 64 KiB, in
    bytes."""
    in_flight_bytes_max: MemoryBytes = 64 * _MIB
    """Request bodies being received, decoded or stored at one time, in bytes; more is asked to come back."""
    connections_max: Annotated[int, Interval(ge=1, le=65_536)] = 512
    """Open HTTP connections. Beyond, whoever keeps the receiver waiting longest makes room."""
    grpc_connections_max: Annotated[int, Interval(ge=1, le=65_536)] = 256
    """Open gRPC connections, likewise."""
    attributes_max: Count = 128
    """Attributes of one record, of a resource or of a scope."""
    attribute_bytes_max: Count = 65_536
    """Longest encoded attribute, name and value, in bytes."""
    series_max: Count = 100_000
    """Metric series; one that was silent for `series_idle_s` gives its place to a new one."""
    series_share_max: Share = 0.5
    """Share of `series_max` that one bot, or one job where no bot is named, may have."""
    series_reserved_share: Annotated[float, Interval(ge=0, le=0.9)] = 0.1
    """Share of `series_max` that is kept for metrics named `flashmm.*`."""
    series_idle_s: Seconds = 3600.0
    """After how long without a point a series may be forgotten, in seconds."""
    recent_spans_max: Count = 131_072
    """Span ids remembered to recognise a redelivery."""
    streams_max: Count = 65_536
    """Event streams (run, kind) remembered to recognise a redelivery."""
    future_s_max: Pause = 600.0
    """How far ahead of this machine's clock a record's time may be, in seconds."""
    grpc_calls_max: Count = 32
    """Calls of OTLP over gRPC whose bodies are received or stored at one time; others wait, `receive_timeout_s` at
    most, before theirs are read."""
    receive_timeout_s: Seconds = 20.0
    """Longest time from the first to the last byte of a request, in seconds."""
    idle_timeout_s: Seconds = 120.0
    """How long an HTTP connection may be silent between requests, in seconds."""
    retry_after_s: Seconds = 1.0
    """When a sender that is refused for now should come back, in seconds."""
    drain_s: Pause = 10.0
    """How long leaving waits for requests in flight, in seconds."""

    def check(self) -> None:
        """Raise NotConfigured where the settings contradict each other or would open an unguarded port."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise NotConfigured("tls_certificate and tls_key", "set both or none")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise NotConfigured("tls_client_ca", "client certificates need tls_certificate and tls_key too")
        for name in ("grpc_bind", "http_bind"):
            self._check_bind(name, Address.parse(name, getattr(self, name)))

    def _check_bind(self, name: str, address: "Address") -> None:
        if address.is_loopback or self.token or self.tls_client_ca is not None:
            return
        raise NotConfigured(
            name,
            f"{address.host} can be reached from other machines and nothing guards it: set token (a bearer token) "
            "or tls_certificate, tls_key and tls_client_ca (client certificates), or bind to 127.0.0.1",
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def parse(cls, name: str, text: str) -> "Address":
        """Read `host:port`. name: the setting, for the error. Raises NotConfigured."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdecimal() or int(port) > 65_535:
            raise NotConfigured(name, f"{text!r} is not host:port, such as 127.0.0.1:4317")
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can connect."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
