"""The command line, `flashmm`. Every command takes `--json`; every error says what to do."""

from flashmm_orchestration.cli._main import main

__all__ = ["main"]
