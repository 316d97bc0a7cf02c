"""The settings reference page is what the settings say."""

from pathlib import Path

from flashmm_orchestration.reference import page

COMMITTED = Path(__file__).parents[2] / "docs/reference/settings.md"


def test_the_committed_page_is_fresh_and_every_setting_is_on_it() -> None:
    """The generator changes nothing; a setting without a docstring is an error."""
    assert COMMITTED.read_text() == page()
