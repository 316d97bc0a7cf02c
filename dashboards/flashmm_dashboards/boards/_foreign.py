"""Metrics that boards read and no registry of ours names: those of the stack's servers, and of this program itself.

The programs behind them are scraped by Prometheus, so they exist in the stack alone. A test asks the real programs
for each of them.
"""

from typing import Final

UP: Final = "up"
CPU_SECONDS: Final = "process_cpu_seconds_total"
MEMORY_BYTES: Final = "process_resident_memory_bytes"
COLLECTOR_CPU_SECONDS: Final = "otelcol_process_cpu_seconds_total"
COLLECTOR_MEMORY_BYTES: Final = "otelcol_process_memory_rss_bytes"

COLLECTOR_QUEUE: Final = "otelcol_exporter_queue_size"
COLLECTOR_QUEUE_MAX: Final = "otelcol_exporter_queue_capacity"
COLLECTOR_RECORDS: Final = ("spans", "metric_points", "log_records")
"""What the Collector counts: its counters' names are `counter(family, records)`."""
COLLECTOR_ACCEPTED: Final = "otelcol_receiver_accepted_"
COLLECTOR_REFUSED: Final = "otelcol_receiver_refused_"
COLLECTOR_SENT: Final = "otelcol_exporter_sent_"
COLLECTOR_FAILED: Final = "otelcol_exporter_send_failed_"

PROMETHEUS_SERIES: Final = "prometheus_tsdb_head_series"

RECEIVER_REQUESTS: Final = "flashmm_receiver_requests_total"
RECEIVER_RECORDS: Final = "flashmm_receiver_records_total"
RECEIVER_REFUSED: Final = "flashmm_receiver_refused_total"
RECEIVER_REQUESTS_REFUSED: Final = "flashmm_receiver_requests_refused_total"
RECEIVER_SERIES: Final = "flashmm_receiver_series"
RECEIVER_SERIES_MAX: Final = "flashmm_receiver_series_limit"
LEDGER_COMMIT_BUCKETS: Final = "flashmm_ledger_commit_seconds_bucket"
LEDGER_QUEUE: Final = "flashmm_ledger_queue_batches"
LEDGER_DISK: Final = "flashmm_ledger_disk_bytes"
LEDGER_DISK_FREE: Final = "flashmm_ledger_disk_free_bytes"
LEDGER_SHORTFALL: Final = "flashmm_ledger_retention_shortfall_seconds"
STREAM_CLIENTS: Final = "flashmm_stream_clients"
STREAM_DROPPED: Final = "flashmm_stream_dropped_total"


def counter(family: str, records: str) -> str:
    """The name of one of the Collector's counters. family: such as COLLECTOR_SENT."""
    return f"{family}{records}_total"


FOREIGN: Final = frozenset(
    {
        UP,
        CPU_SECONDS,
        MEMORY_BYTES,
        COLLECTOR_CPU_SECONDS,
        COLLECTOR_MEMORY_BYTES,
        COLLECTOR_QUEUE,
        COLLECTOR_QUEUE_MAX,
        *(
            counter(family, records)
            for family in (COLLECTOR_ACCEPTED, COLLECTOR_REFUSED, COLLECTOR_SENT, COLLECTOR_FAILED)
            for records in COLLECTOR_RECORDS
        ),
        PROMETHEUS_SERIES,
        RECEIVER_REQUESTS,
        RECEIVER_RECORDS,
        RECEIVER_REFUSED,
        RECEIVER_REQUESTS_REFUSED,
        RECEIVER_SERIES,
        RECEIVER_SERIES_MAX,
        LEDGER_COMMIT_BUCKETS,
        LEDGER_QUEUE,
        LEDGER_DISK,
        LEDGER_DISK_FREE,
        LEDGER_SHORTFALL,
        STREAM_CLIENTS,
        STREAM_DROPPED,
    }
)
"""All of the above."""
