"""The reference page of the Python API is what the docstrings say."""

from pathlib import Path

import flashmm_instrumentation
from flashmm_instrumentation._reference import page

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_fresh() -> None:
    """The generator changes nothing."""
    assert (ROOT / "docs/reference/instrumentation.md").read_text() == page()


def test_every_exported_name_is_on_it_and_the_first_documents_lead_there() -> None:
    """Whoever can import a name can look it up, from any of the three pages that begin with the package."""
    assert [name for name in flashmm_instrumentation.__all__ if name not in page()] == []
    for document in ("README.md", "docs/tutorial.md", "instrumentation/README.md"):
        assert "reference/instrumentation.md" in (ROOT / document).read_text(), document
