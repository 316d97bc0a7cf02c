"""The telemetry reference page is what the registry says."""

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/reference/telemetry.md"


def test_the_committed_page_is_fresh() -> None:
    """Running the generator again changes nothing."""
    command = [sys.executable, "-m", "flashmm_instrumentation.semconv"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert PAGE.read_text() == printed
