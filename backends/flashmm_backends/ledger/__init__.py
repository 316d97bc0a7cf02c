"""The ledger: exact, complete, columnar; recent data journalled and in DuckDB, older data in Parquet files."""

from typing import TYPE_CHECKING

from flashmm_instrumentation.late import late

if TYPE_CHECKING:
    from flashmm_backends.ledger._archive import ArchiveStatus
    from flashmm_backends.ledger._archive_settings import ArchiveSettings
    from flashmm_backends.ledger._arrow import MEDIA_TYPE, Request, write_tables
    from flashmm_backends.ledger._database import SchemaTooNew
    from flashmm_backends.ledger._ledger import Ledger
    from flashmm_backends.ledger._lock import DirectoryInUse
    from flashmm_backends.ledger._settings import LedgerSettings
else:
    __getattr__ = late(
        __name__,
        {
            "ArchiveStatus": "_archive",
            "ArchiveSettings": "_archive_settings",
            "MEDIA_TYPE": "_arrow",
            "Request": "_arrow",
            "write_tables": "_arrow",
            "SchemaTooNew": "_database",
            "Ledger": "_ledger",
            "DirectoryInUse": "_lock",
            "LedgerSettings": "_settings",
        },
    )

__all__ = [
    "MEDIA_TYPE",
    "ArchiveSettings",
    "ArchiveStatus",
    "DirectoryInUse",
    "Ledger",
    "LedgerSettings",
    "Request",
    "SchemaTooNew",
    "write_tables",
]
