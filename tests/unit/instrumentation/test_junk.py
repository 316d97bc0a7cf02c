"""Whatever an author passes: nothing reaches the bot, and everything that leaves can be encoded."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from flashmm_instrumentation.testing import Capture, capture

from .conftest import bind, counts

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**62, 2**80),
    st.floats(),
    st.decimals(),
    st.text(st.characters(), max_size=4),
    st.sampled_from(["\ud800", "x" * 1_000, "1", "buy", "maker", "on", 1, Decimal(1)]),
    st.binary(max_size=2),
    st.lists(st.integers(), max_size=2),
    st.builds(object),
    st.builds(dict),
)
CALLS = {
    "market": {
        "book": 5,
        "depth": 3,
        "trade": 5,
        "quoting": 5,
        "quoting_levels": 3,
        "assignment": 5,
        "inventory": 2,
        "position": 5,
        "funding": 6,
    },
    "order": {
        "decided": 1,
        "submitted": 1,
        "acked": 3,
        "rejected": 3,
        "timed_out": 2,
        "replace_requested": 3,
        "replaced": 5,
        "replace_rejected": 3,
        "filled": 9,
        "cancel_requested": 2,
        "cancelled": 3,
        "expired": 3,
    },
    "bot": {"pnl": 5, "risk": 4, "error": 1, "transfer": 5},
    "model": {"predicted": 6, "outcome": 3},
}
calls = st.sampled_from([(handle, name, count) for handle, of in CALLS.items() for name, count in of.items()])
begun = st.tuples(st.just("market"), st.just("order"), st.just(5))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(calls | begun, st.lists(junk, min_size=9, max_size=9)), min_size=1, max_size=6))
def test_no_value_harms_the_bot_or_what_leaves(steps: list[tuple[tuple[str, str, int], list[object]]]) -> None:
    """No call raises; every event and span can be encoded; nothing counts as a failure of the telemetry's own."""
    with capture(strict=False) as captured:
        market = bind(captured)
        handles = {
            "bot": captured.bot,
            "market": market,
            "order": market.order("buy", "100.1", 1, "o-1"),
            "model": captured.bot.model("m", "sim"),
        }
        for (handle, name, count), values in steps:
            found = getattr(handles[handle], name)(*values[:count])
            if name == "order":
                handles["order"] = found
        captured.tick()
        encodable(captured)
        assert "internal_error" not in counts(captured, "flashmm.records.dropped")


def encodable(captured: Capture) -> None:
    """Raises where a record is none that OTLP can carry."""
    captured.events()
    encode_logs(captured._events.get_finished_logs())
    encode_spans(captured._spans.get_finished_spans())
