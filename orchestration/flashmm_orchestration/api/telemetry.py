"""What the HTTP port tells of itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class HttpTelemetry:
    """Metrics of the HTTP port, on the registry of whoever runs it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reads_running = Gauge(
            "flashmm_http_reads_running",
            "Expensive reads being answered, by what is read.",
            ["gate"],
            registry=registry,
        )
        self.reads_refused = Counter(
            "flashmm_http_reads_refused",
            "Expensive reads answered 503 because too many ran and waited.",
            ["gate"],
            registry=registry,
        )
        self.reads_failed = Counter(
            "flashmm_http_reads_failed",
            "Expensive reads answered 503, or cut off, because the store could not answer.",
            ["gate"],
            registry=registry,
        )
        self.connections_ended = Counter(
            "flashmm_http_connections_ended",
            "Connections ended for what the client did or left undone, by reason.",
            ["reason"],
            registry=registry,
        )
