"""What waiting records take of memory, against what the interpreter says."""

import gc
import logging
import tracemalloc
from collections.abc import Callable

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from flashmm_instrumentation import BUY, MAKER
from flashmm_instrumentation._flow import Flow
from flashmm_instrumentation._logging import OtlpHandler
from flashmm_instrumentation._pump import PumpLimits
from flashmm_instrumentation._weights import log_bytes
from flashmm_instrumentation.testing import Capture, capture

from .conftest import bind, counts

ROUNDS = 300


def orders(captured: Capture) -> None:
    """Orders and their fills."""
    market = bind(captured)
    market.book("64000.1", 1, "64000.2", 1)
    for number in range(ROUNDS):
        order = market.order(BUY, "64000.1", "0.1", f"o-{number}")
        order.decided()
        order.submitted()
        order.acked()
        order.filled(f"f-{number}", "64000.1", "0.1", "-0.01", "USDT", MAKER)


def lines(captured: Capture) -> None:
    """Log lines of the usual length."""
    handler = OtlpHandler(captured.bot._pipeline.logger_provider)
    said = "quote %d moved away from the mid by more than it may, requoting"
    for number in range(ROUNDS):
        handler.emit(logging.LogRecord("my.bot", logging.INFO, "bot.py", 7, said, (number,), None))


def spans(captured: Capture) -> None:
    """Spans of the bot's own, with texts, events and exceptions."""
    tracer = captured.bot.tracer_provider.get_tracer("mine")
    for number in range(ROUNDS):
        with tracer.start_as_current_span("mine", attributes={"text": f"{number}" * 300}) as span:
            span.add_event("event", {"text": f"{number}" * 200})


@pytest.mark.parametrize(
    ("record", "queue"), [(orders, "events"), (orders, "_spans"), (lines, "_logs"), (spans, "_spans")]
)
def test_an_estimate_is_near_what_the_interpreter_gives_back(record: Callable[[Capture], None], queue: str) -> None:
    """Between two thirds and one and a half of what emptying the queue frees."""
    with capture() as captured:
        tracemalloc.start()
        try:
            record(captured)
            pump = getattr(captured.bot._pipeline, queue)
            gc.collect()
            full, estimate = tracemalloc.get_traced_memory()[0], pump._bytes
            pump._queue.clear()
            gc.collect()
            freed = full - tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    assert 2 / 3 < estimate / freed < 3 / 2


def test_long_log_lines_take_no_more_memory_than_they_may() -> None:
    """While the endpoint is away, a bot that logs a megabyte a line keeps what fits, and counts the rest."""
    limits = PumpLimits(bytes_max=1_000_000)
    flow = Flow(limits, limits, limits, threaded=False)
    with capture(strict=False, logging_level=logging.INFO, flow=flow) as captured:
        for _ in range(100):
            logging.getLogger("my.bot").warning("x" * 1_000_000)
        assert captured.bot._pipeline._logs._bytes <= 1_000_000
        assert len(captured.logs()) + counts(captured, "flashmm.records.dropped")["queue_bytes"] == 100


def test_a_body_that_holds_itself_has_a_weight() -> None:
    """An estimate ends."""
    endless: dict[str, object] = {}
    endless["self"] = [endless, endless]
    assert weight_of(endless) > 10_000
    assert weight_of({"map": {"text": ["x" * 5_000]}}) > 5_000


def weight_of(body: object) -> int:
    """Of a record that another program's logger made."""
    return log_bytes(ReadableLogRecord(LogRecord(body=body), Resource.get_empty()))
