"""A trace of any OpenTelemetry program on the live page: its spans and its log lines, from a whole product."""

import re
import time
from collections.abc import Iterator, Sequence

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from playwright.sync_api import Page, expect
from tests.acceptance.page.conftest import chromium
from tests.acceptance.test_boards_page import window
from tests.product import Product, running_product

__all__ = ["chromium"]
pytestmark = pytest.mark.browser

MS = 1_000_000
HOSTILE = '<img src=x onerror="window.pwned=1">'
WIDE = "GET /" + "a/very/long/path/" * 8
NESTED, MANY, QUIET, ACROSS = (bytes([number]) * 16 for number in (1, 2, 3, 4))


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """With a trace of four spans and two log lines, one of 250 spans and 101 lines, and one of a ring of spans."""
    now = time.time_ns()
    with running_product(tmp_path_factory.mktemp("data")) as running:
        send(
            running,
            "traces",
            ExportTraceServiceRequest(
                resource_spans=[
                    spans(nested(now) + many(now) + ring(now), "shop"),
                    spans(across(now)[:1], "shop"),
                    spans(across(now)[1:], "till"),
                ]
            ),
        )
        scope = ScopeLogs(log_records=lines(now))
        send(running, "logs", ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[scope])]))
        yield running


def send(product: Product, signal: str, request: ExportTraceServiceRequest | ExportLogsServiceRequest) -> None:
    headers = {"content-type": "application/x-protobuf"}
    url = f"http://{product.otlp_http}/v1/{signal}"
    httpx.post(url, content=request.SerializeToString(), headers=headers, timeout=30).raise_for_status()


def spans(sent: Sequence[Span], service: str) -> ResourceSpans:
    named = KeyValue(key="service.name", value=AnyValue(string_value=service))
    return ResourceSpans(resource=Resource(attributes=[named]), scope_spans=[ScopeSpans(spans=sent)])


def span(trace: bytes, number: int, parent: int, name: str, start_ns: int, took_ms: int, **more: object) -> Span:
    parent_id = parent.to_bytes(8, "big") if parent else b""
    end_ns = start_ns + took_ms * MS
    ids = {"trace_id": trace, "span_id": number.to_bytes(8, "big"), "parent_span_id": parent_id}
    return Span(**ids, name=name, start_time_unix_nano=start_ns, end_time_unix_nano=end_ns, **more)  # pyright: ignore[reportArgumentType]


def nested(now: int) -> list[Span]:
    """The child of a child begins after its parent's sibling, and yet stands below its parent."""
    failed = Status(code=Status.STATUS_CODE_ERROR, message=HOSTILE)
    return [
        span(NESTED, 1, 0, WIDE, now, 100),
        span(NESTED, 2, 1, "query", now + 10 * MS, 50),
        span(NESTED, 3, 1, "render", now + 20 * MS, 70, status=failed),
        span(NESTED, 4, 2, "parse", now + 30 * MS, 5),
    ]


def many(now: int) -> list[Span]:
    return [span(MANY, i + 1, 0, f"span-{i}", now + i, 1) for i in range(250)]


def ring(now: int) -> list[Span]:
    return [span(QUIET, 1, 2, "hen", now, 1), span(QUIET, 2, 1, "egg", now + 1, 1)]


def across(now: int) -> list[Span]:
    return [span(ACROSS, 1, 0, "buy", now, 9), span(ACROSS, 2, 1, "pay", now + 1, 5)]


def lines(now: int) -> list[LogRecord]:
    body = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="html", value=AnyValue(string_value=HOSTILE))]))
    return [
        LogRecord(time_unix_nano=now + 40 * MS, severity_number=17, body=body, trace_id=NESTED),  # pyright: ignore[reportArgumentType]
        LogRecord(time_unix_nano=now, body=AnyValue(string_value="begun"), trace_id=NESTED),
        *(LogRecord(time_unix_nano=now + i, body=AnyValue(string_value=f"n{i}"), trace_id=MANY) for i in range(101)),
    ]


def opened(page: Page, product: Product, trace: bytes) -> str:
    """What the dialog says."""
    page.goto(f"{product.http}/?trace={trace.hex()}")
    page.wait_for_selector("#order-dialog .waterfall")
    assert page.inner_text("#order-title") == f"Trace {trace.hex()}"
    return page.inner_text("#order-dialog")


@pytest.mark.parametrize("width", [390, 1440])
def test_a_trace_of_any_program_is_shown(product: Product, chromium, width: int) -> None:
    """Children below their parents with their times, the failure's words, log lines in order; all of it as text."""
    with window(chromium, width, 844) as (page, complaints):
        text = opened(page, product, NESTED)
        names = page.locator(".waterfall > span:nth-child(4n + 1)").all_inner_texts()
        assert names == [WIDE, "query", "parse", f"render: {HOSTILE}"]
        depths = page.locator(".waterfall > span:nth-child(4n + 1)").evaluate_all(
            "all => all.map((each) => each.style.paddingLeft)"
        )
        assert depths == ["0px", "10px", "20px", "10px"]
        assert page.locator(".waterfall .bar.failed").count() == 1
        assert page.locator(".waterfall .num").all_inner_texts()[2:4] == ["50.0 ms", "+10.0 ms"]
        assert text.index("begun") < text.index('{"html":"<img src=x')
        assert page.locator(".life .chip").all_inner_texts() == ["log", "error"]
        assert page.evaluate("window.pwned") is None
        dialog = "document.getElementById('order-dialog')"
        assert page.evaluate(f"{dialog}.scrollWidth <= {dialog}.clientWidth")
        assert complaints == []


def test_a_long_trace_is_cut_and_says_so(product: Product, chromium) -> None:
    """The first two hundred spans, the latest hundred log lines."""
    with window(chromium, 1440, 844) as (page, complaints):
        text = opened(page, product, MANY)
        assert "Spans, the first 200 of 250" in text
        assert page.locator(".waterfall .bar").count() == 200
        assert "span-199" in text
        assert "span-200" not in text
        assert "The latest 100." in text
        assert page.locator(".life .chip").count() == 100
        assert complaints == []


def test_a_trace_without_root_or_lines(product: Product, chromium) -> None:
    """Spans that are each other's parents are shown once each; no log lines are none."""
    with window(chromium, 1440, 844) as (page, complaints):
        text = opened(page, product, QUIET)
        assert page.locator(".waterfall > span:nth-child(4n + 1)").all_inner_texts() == ["hen", "egg"]
        assert text.rstrip().endswith(
            "Log lines\n\nNone in this store. What bots send through a Collector is in Loki."
        )
        assert complaints == []


def test_a_trace_says_whose_it_is(product: Product, chromium) -> None:
    """Once where all spans are of one service, else with each span."""
    with window(chromium, 1440, 844) as (page, complaints):
        opened(page, product, QUIET)
        expect(page.locator("#order-subtitle")).to_have_text(re.compile(" · shop$"))
        opened(page, product, ACROSS)
        expect(page.locator(".waterfall > span:nth-child(4n + 1)")).to_have_text(["buy shop", "pay till"])
        expect(page.locator("#order-subtitle")).not_to_contain_text("shop")
        assert complaints == []


def test_the_address_names_an_open_trace(product: Product, chromium) -> None:
    """Until it is closed, beside what else it says."""
    with window(chromium, 1440, 844) as (page, complaints):
        page.goto(f"{product.http}/?bot=b&trace={QUIET.hex()}")
        expect(page.locator("#order-title")).to_have_text(f"Trace {QUIET.hex()}")
        expect(page).to_have_url(f"{product.http}/?bot=b&trace={QUIET.hex()}")
        page.keyboard.press("Escape")
        expect(page).to_have_url(f"{product.http}/?bot=b")
        assert complaints == []
