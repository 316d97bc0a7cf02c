"""What a user may set of the ledger."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Limits and paces of the ledger; the defaults fit one machine with a bot or a few."""

    commit_interval_s: float = 0.02
    """Least time between two commits; batches that arrive meanwhile share the next one. Idle: at once."""
    queue_batches_max: int = 1_024
    """Batches that may wait for a commit; more are refused as retryable."""
    queue_points_max: int = 1_000_000
    """Points that may wait for a commit; more are refused as retryable."""
    apply_interval_s: float = 1.0
    """How long rows may rest in the journal before they are put into their tables; a read does it at once."""
    pending_rows_max: int = 200_000
    """Rows that may rest in the journal; more are refused as retryable."""
    series_max: int = 1_000_000
    """Series that the label index holds; batches with more are refused."""
    seal_points: int = 500_000
    """Points after which a generation of recent points is sealed into Parquet."""
    seal_age_s: float = 3_600.0
    """Age after which it is sealed however few they are."""
    unsealed_points_max: int = 4_000_000
    """Points that may wait for sealing in memory; more are refused as retryable."""
    resident_points: int = 2_000_000
    """Points that stay in memory after sealing, about 13 bytes each, so that instant queries touch no file."""
    resident_age_s: float = 360.0
    """How long they stay there at most: PromQL's lookback and a minute."""
    row_seal_rows: int = 250_000
    """Events, spans or logs of one kind after which they are sealed into Parquet."""
    row_seal_age_s: float = 86_400.0
    """Age after which they are sealed however few they are."""
    row_group_rows: int = 122_880
    """Rows of a Parquet row group."""
    compaction_delay_s: float = 300.0
    """How long after its end an hour's files are merged into one sorted by series."""
    compaction_rows: int = 4_000_000
    """Points of one file of such an hour; larger hours are split by series."""
    compaction_files: int = 8
    """Late files of an hour already merged that make it be merged again."""
    telemetry_days: float = 30.0
    """How long metrics, spans and logs are kept."""
    events_days: float = 400.0
    """How long events are kept; never less to make room for metrics."""
    raw_bytes_max: int = 20 * 2**30
    """Bytes of sealed raw points; beyond it the oldest hours are rolled up to one minute."""
    maintenance_interval_s: float = 2.0
    """How often sealing, merging and retention look for work."""
    duckdb_memory_mb: int = 64
    """DuckDB's memory limit; larger sorts spill to disk."""
    duckdb_threads: int = 2
    """Threads that one query may use."""
    reader_threads: int = 4
    """Threads for reads of events, traces and logs."""
