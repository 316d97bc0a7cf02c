"""What a receiver tells of itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from flashmm_receiver._refusals import Refusals


class ReceiverTelemetry:
    """The receiver's own metrics, on the registry of whoever runs it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._of_requests(registry)
        self._of_records(registry)
        self._of_connections(registry)

    def _of_requests(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "flashmm_receiver_requests",
            "Requests answered, by the protocol's status code.",
            ["signal", "transport", "code"],
            registry=registry,
        )
        self.requests_refused = Counter(
            "flashmm_receiver_requests_refused",
            "Requests refused whole, by reason.",
            ["signal", "reason"],
            registry=registry,
        )
        self.request_bytes = Counter(
            "flashmm_receiver_request_bytes", "Decompressed request bytes decoded.", ["signal"], registry=registry
        )
        self.in_flight_bytes = Gauge(
            "flashmm_receiver_in_flight_bytes", "Request bytes being received, decoded or stored.", registry=registry
        )
        self.decode_seconds = Histogram(
            "flashmm_receiver_decode_seconds",
            "Time to decode and deduplicate one request.",
            ["signal"],
            buckets=(0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
            registry=registry,
        )

    def _of_records(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "flashmm_receiver_records",
            "Records accepted and durable: points are stored samples, native histograms count once.",
            ["kind"],
            registry=registry,
        )
        self.duplicates = Counter(
            "flashmm_receiver_duplicates", "Records recognised as delivered before.", ["kind"], registry=registry
        )
        self.refused = Counter(
            "flashmm_receiver_refused", "Records refused, by reason.", ["signal", "reason"], registry=registry
        )
        self.unknown_fields = Counter(
            "flashmm_receiver_event_unknown_fields", "Event fields that no schema knows, ignored.", registry=registry
        )
        self.delta_gaps = Counter(
            "flashmm_receiver_delta_gaps", "Deltas that began after the one before had ended.", registry=registry
        )
        self.tap_errors = Counter(
            "flashmm_receiver_tap_errors", "Batches that a live tap failed to take.", ["tap"], registry=registry
        )
        self.series = Gauge("flashmm_receiver_series", "Metric series known.", registry=registry)
        self.series_max = Gauge("flashmm_receiver_series_limit", "Metric series allowed.", registry=registry)

    def _of_connections(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge(
            "flashmm_receiver_connections", "Open connections.", ["transport"], registry=registry
        )
        self.connection_errors = Counter(
            "flashmm_receiver_connection_errors",
            "Connections that ended without a request's answer, by reason.",
            ["transport", "reason"],
            registry=registry,
        )
        self.slowed = Counter(
            "flashmm_receiver_slowed",
            "Times that a gRPC connection's many small frames had to wait.",
            registry=registry,
        )

    def refuse(self, signal: str, refusals: Refusals) -> None:
        """Count refused records."""
        for reason, count in refusals.by_reason.items():
            self.refused.labels(signal, reason).inc(count)

    def count(self, kind: str, accepted: int, duplicates: int) -> None:
        """Count records of one kind."""
        if accepted:
            self.records.labels(kind).inc(accepted)
        if duplicates:
            self.duplicates.labels(kind).inc(duplicates)
