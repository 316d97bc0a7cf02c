"""Every board shows something: each expression, asked of the embedded engine after a short run of the demo."""

import time

import httpx
import pytest
from tests.acceptance.conftest import Session
from tests.boards import Asked, asked

from flashmm_dashboards.boards._foreign import FOREIGN

pytestmark = pytest.mark.timeout(180)

# What foreign metrics tell is scraped by Prometheus; embedded nobody scrapes, and /metrics tells the same.
_OURS = [each for each in asked("prometheus") if not each.names & FOREIGN]


@pytest.mark.parametrize("each", _OURS, ids=str)
def test_every_expression_answers(session: Session, each: Asked) -> None:
    """No panel that reads a bot's telemetry is empty once a bot has run."""
    parameters = {"query": each.filled_in, "time": str(time.time() + each.delay_s)}
    answer = httpx.get(f"{session.product.http}/api/v1/query", params=parameters, timeout=30).json()
    assert answer["status"] == "success", answer
    assert answer["data"]["result"], each.filled_in
