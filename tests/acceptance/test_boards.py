"""Every board shows something: each expression, asked of the embedded engine after a short run of the demo."""

import httpx
import pytest
from tests.acceptance.conftest import Session
from tests.boards import Asked, asked

from flashmm_dashboards.boards._foreign import FOREIGN

# This program keeps its own metrics; the Collector and Prometheus are not there to be asked.
_STACKS = frozenset(name for name in FOREIGN if name.startswith(("otelcol_", "prometheus_")))
_OURS = [each for each in asked("prometheus") if not each.names & _STACKS]


@pytest.mark.parametrize("each", _OURS, ids=str)
def test_every_expression_answers(session: Session, each: Asked) -> None:
    """No panel that reads a bot's telemetry is empty once a bot has run."""
    ended = session.books["as_of_ns"] / 1e9 + 2
    end = ended + each.delay_s  # at a single moment the demo may be pausing its quotes
    parameters = {"query": each.filled_in, "start": str(end - 60), "end": str(end), "step": "5"}
    answer = httpx.get(f"{session.product.http}/api/v1/query_range", params=parameters, timeout=30).json()
    assert answer["status"] == "success", answer
    assert answer["data"]["result"], each.filled_in
