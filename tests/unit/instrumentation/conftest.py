"""A captured bot and one of its markets."""

from collections.abc import Iterator

import pytest

from flashmm_instrumentation import Market
from flashmm_instrumentation.testing import Capture, capture


@pytest.fixture
def captured() -> Iterator[Capture]:
    """A bot in memory; misuse raises."""
    with capture() as found:
        yield found


@pytest.fixture
def lenient() -> Iterator[Capture]:
    """A bot in memory as in production: nothing raises."""
    with capture(strict=False) as found:
        yield found


def bind(captured: Capture, **more: object) -> Market:
    """BTCUSDT with a tick of 0.1 and a second until a book is stale."""
    terms = {"tick": "0.1", "lot": "0.001", "base": "BTC", "quote": "USDT", "stale_after_ms": 1_000}
    return captured.bot.market("sim", "BTCUSDT", **{**terms, **more})


@pytest.fixture
def market(captured: Capture) -> Market:
    """A market of the strict bot."""
    return bind(captured)


@pytest.fixture
def lenient_market(lenient: Capture) -> Market:
    """A market of the lenient bot."""
    return bind(lenient)


def counts(captured: Capture, name: str, attribute: str = "flashmm.reason") -> dict[object, float]:
    """A counter's values by one attribute."""
    metric = captured.metrics().get(name)
    return {} if metric is None else {point.attributes[attribute]: point.value for point in metric.data.data_points}
