"""What a user may set of the ledger."""

from dataclasses import dataclass

from flashmm_backends.ranges import Bytes, Count, Days, Megabytes, Pause, Seconds, Threads


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Limits and paces of the ledger; the defaults fit one machine with a bot or a few."""

    commit_interval_s: Pause = 0.02
    """Least time between two commits; batches that arrive meanwhile share the next one. Idle: at once."""
    queue_batches_max: Count = 1_024
    """Batches that may wait for a commit; more are refused as retryable."""
    queue_points_max: Count = 1_000_000
    """Points that may wait for a commit; more are refused as retryable."""
    apply_interval_s: Pause = 1.0
    """How long rows may rest in the journal before they are put into their tables; a read does it at once."""
    pending_rows_max: Count = 200_000
    """Rows that may rest in the journal; more are refused as retryable."""
    series_max: Count = 1_000_000
    """Series with samples; batches with more are refused. Whose samples have left makes room within an hour."""
    seal_points: Count = 250_000
    """Points after which a generation of recent points is sealed into Parquet."""
    seal_age_s: Seconds = 3_600.0
    """Age after which it is sealed however few they are."""
    seal_journal_bytes: Bytes = 64 * 2**20
    """Bytes of its journal, rows among them, after which it is sealed too: a start reads them all."""
    unsealed_points_max: Count = 4_000_000
    """Points that may wait for sealing in memory; more are refused as retryable."""
    resident_points: Count = 1_500_000
    """Points that stay in memory after sealing, about 13 bytes each, so that instant queries touch no file."""
    resident_age_s: Seconds = 360.0
    """How long they stay there at most: PromQL's lookback and a minute."""
    row_seal_rows: Count = 250_000
    """Events, spans or logs of one kind after which they are sealed into Parquet."""
    row_seal_age_s: Seconds = 86_400.0
    """Age after which they are sealed however few they are."""
    row_group_rows: Count = 122_880
    """Rows of a Parquet row group."""
    compaction_delay_s: Pause = 300.0
    """How long after its end an hour's files are merged into one sorted by series."""
    compaction_rows: Count = 4_000_000
    """Points of one file of such an hour; larger hours are split by series."""
    compaction_files: Count = 8
    """Late files of an hour already merged that make it be merged again."""
    telemetry_days: Days = 30.0
    """How long metrics, spans and logs are kept."""
    events_days: Days = 400.0
    """How long events are kept; never less to make room for metrics."""
    raw_bytes_max: Bytes = 20 * 2**30
    """Bytes of sealed raw points; beyond it the oldest hours are rolled up to one minute."""
    maintenance_interval_s: Seconds = 2.0
    """How often sealing, merging and retention look for work."""
    duckdb_memory_mb: Megabytes = 64
    """DuckDB's memory limit; larger sorts spill to disk."""
    duckdb_threads: Threads = 2
    """Threads that one query may use."""
    reader_threads: Threads = 4
    """Threads for reads of events, traces and logs."""
