"""What the ledger tells of itself on /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class LedgerMetrics:
    """Counters and gauges on a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter("flashmm_ledger_appended", "Durable rows and points.", ["kind"], registry=registry)
        self.duplicates = Counter(
            "flashmm_ledger_duplicate_events", "Events that were stored already.", registry=registry
        )
        self.commit_seconds = Histogram(
            "flashmm_ledger_commit_seconds",
            "Time of one group commit, from the first conversion to the synced journal.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
            registry=registry,
        )
        self.apply_seconds = Counter(
            "flashmm_ledger_apply_seconds", "Time spent putting rows into tables.", registry=registry
        )
        self.refused = Counter("flashmm_ledger_refused_batches", "Batches not stored.", ["reason"], registry=registry)
        self.failures = Counter(
            "flashmm_ledger_failures",
            "Work of the ledger's threads that failed; all but `commit`, which ends its thread, is tried again.",
            ["work"],
            registry=registry,
        )
        self.lost_bytes = Counter(
            "flashmm_ledger_journal_torn_bytes",
            "Bytes after the last whole journal record at start.",
            registry=registry,
        )
        self.quarantined = Counter(
            "flashmm_ledger_quarantined_rows", "Rows that their table would not take.", registry=registry
        )
        self.queue_depth = Gauge("flashmm_ledger_queue_batches", "Batches waiting for a commit.", registry=registry)
        self.recent_points = Gauge("flashmm_ledger_recent_points", "Points not sealed yet.", registry=registry)
        self.resident_points = Gauge("flashmm_ledger_resident_points", "Points in memory.", registry=registry)
        self.pending_rows = Gauge(
            "flashmm_ledger_pending_rows", "Rows in the journal and not in a table yet.", registry=registry
        )
        self.recent_rows = Gauge("flashmm_ledger_recent_rows", "Rows not sealed yet.", ["kind"], registry=registry)
        self.series = Gauge("flashmm_ledger_series", "Series in the label index.", registry=registry)
        self.sealed_files = Gauge("flashmm_ledger_sealed_files", "Parquet files.", ["kind"], registry=registry)
        self.sealed_bytes = Gauge(
            "flashmm_ledger_sealed_bytes", "Bytes of Parquet files.", ["kind"], registry=registry
        )
        self.damaged_files = Gauge(
            "flashmm_ledger_damaged_files", "Parquet files that are missing or not whole.", registry=registry
        )
        self.disk_bytes = Gauge("flashmm_ledger_disk_bytes", "Bytes of the whole directory.", registry=registry)
        self.disk_free_bytes = Gauge("flashmm_ledger_disk_free_bytes", "Bytes free on its disk.", registry=registry)
        self.raw_horizon = Gauge(
            "flashmm_ledger_raw_horizon_seconds", "Unix time of the oldest raw point kept.", registry=registry
        )
        self.shortfall = Gauge(
            "flashmm_ledger_retention_shortfall_seconds",
            "How much of the wanted retention of raw points the size limit took; 0 where none.",
            registry=registry,
        )
