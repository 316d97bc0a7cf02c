"""A paper market maker that uses flashmm_instrumentation as any bot would: simulated, recorded or live markets."""

from flashmm_demo._run import main, record
from flashmm_demo._settings import DemoError, DemoSettings

__all__ = ["DemoError", "DemoSettings", "main", "record"]
