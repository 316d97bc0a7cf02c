"""What the archive tells of itself on /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ArchiveMetrics:
    """Counters and gauges on a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.files = Counter(
            "flashmm_archive_files", "Files uploaded, fetched, removed, evicted.", ["work"], registry=registry
        )
        self.bytes = Counter(
            "flashmm_archive_bytes", "Bytes uploaded, fetched, evicted.", ["work"], registry=registry
        )
        self.failures = Counter(
            "flashmm_archive_failures", "Attempts that failed and are made again.", registry=registry
        )
        self.waiting_files = Gauge("flashmm_archive_waiting_files", "Sealed, not archived yet.", registry=registry)
        self.waiting_bytes = Gauge("flashmm_archive_waiting_bytes", "Their bytes.", registry=registry)
        self.local_bytes = Gauge("flashmm_archive_local_bytes", "Sealed bytes on the local disk.", registry=registry)
        self.up = Gauge("flashmm_archive_up", "1 where the last use of the storage worked.", registry=registry)
