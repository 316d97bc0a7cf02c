"""The ledger: exact, complete, columnar; recent data journalled and in DuckDB, older data in Parquet files."""

from flashmm_backends.ledger._archive import ArchiveStatus
from flashmm_backends.ledger._archive_settings import ArchiveSettings
from flashmm_backends.ledger._arrow import MEDIA_TYPE, Request
from flashmm_backends.ledger._database import SchemaTooNew
from flashmm_backends.ledger._ledger import Ledger
from flashmm_backends.ledger._lock import DirectoryInUse
from flashmm_backends.ledger._settings import LedgerSettings

__all__ = [
    "MEDIA_TYPE",
    "ArchiveSettings",
    "ArchiveStatus",
    "DirectoryInUse",
    "Ledger",
    "LedgerSettings",
    "Request",
    "SchemaTooNew",
]
