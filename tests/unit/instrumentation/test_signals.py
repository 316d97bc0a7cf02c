"""A signal's handler that trades in the middle of a call."""

import threading
from collections.abc import Callable

from flashmm_instrumentation import BUY
from flashmm_instrumentation.testing import Capture

from .conftest import bind


def completes(call: Callable[[], object]) -> bool:
    """Whether it ends, in a thread of its own."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


def test_a_handler_may_trade_while_an_event_or_a_change_is_told(lenient: Capture) -> None:
    """The thread that holds the locks of the streams, the market and the boundary goes on."""
    market = bind(lenient)
    order = market.order(BUY, "100.1", 1, "o-1")

    def interrupted() -> None:
        with lenient.bot._core.streams._lock, market._scope.sampler._lock, lenient.bot.boundary._lock:
            market.book("100.1", 1, "100.2", 1)
            order.cancel_requested("shutting down")
            order.cancelled(None)
            order.cancelled(None)

    assert completes(interrupted)
    states = [event.body["state"] for event in lenient.events("flashmm.order")]
    assert states == ["pending", "cancel_pending", "cancelled", "cancelled"]
