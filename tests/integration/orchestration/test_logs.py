"""Log lines over the API of a whole product: sent by OTLP, read in pages, chosen by what people look for."""

import time
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from tests.product import Product, running_product

TRACE = "ab" * 16
AT_NS = time.time_ns() - 60 * 10**9
WINDOW = {"start": str(AT_NS - 1), "end": str(AT_NS + 100)}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory):
    """Lines of two services: seven in one nanosecond, then one each of a tea house and a bar, which is a bot."""
    with running_product(tmp_path_factory.mktemp("data")) as running:
        same = [record(f"cup {i}", AT_NS, severity=5) for i in range(7)]
        send(running, "tea", *same, record("Kettle “hot”, 95 °C", AT_NS + 1, severity=13, trace=TRACE))
        send(running, "bar", record('no "gin" left', AT_NS + 2, severity=17), bot="barkeeper")
        yield running


@pytest.fixture
async def http(product: Product) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=product.http, timeout=30) as client:
        yield client


def record(body: str, at_ns: int, *, severity: int, trace: str = "") -> LogRecord:
    return LogRecord(
        time_unix_nano=at_ns,
        severity_number=severity,  # pyright: ignore[reportArgumentType] - an enum's number
        severity_text="said",
        body=AnyValue(string_value=body),
        attributes=[KeyValue(key="n", value=AnyValue(int_value=1))],
        trace_id=bytes.fromhex(trace),
    )


def send(product: Product, service: str, *records: LogRecord, bot: str = "") -> None:
    """bot: `flashmm.bot`, where the service is one."""
    told = {"service.name": service, **({"flashmm.bot": bot} if bot else {})}
    named = [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in told.items()]
    scope = ScopeLogs(log_records=records)
    logs = ResourceLogs(resource=Resource(attributes=named), scope_logs=[scope])
    body = ExportLogsServiceRequest(resource_logs=[logs]).SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    httpx.post(f"http://{product.otlp_http}/v1/logs", content=body, headers=headers, timeout=30).raise_for_status()


async def lines(http: httpx.AsyncClient, **parameters: str) -> list[dict[str, Any]]:
    answer = await http.get("/api/logs", params={**WINDOW, **parameters})
    return answer.raise_for_status().json()["logs"]


async def test_a_line_comes_whole(http: httpx.AsyncClient) -> None:
    """Everything that was sent, the service's name, ids in hexadecimal, nanoseconds as strings."""
    (line,) = await lines(http, trace_id=TRACE.upper())
    assert int(line.pop("observed_ns")) > AT_NS
    assert line == {
        "time_ns": str(AT_NS + 1),
        "service": "tea",
        "severity": 13,
        "severity_text": "said",
        "body": "Kettle “hot”, 95 °C",
        "scope": "",
        "event_name": "",
        "attributes": {"n": 1},
        "trace_id": TRACE,
        "span_id": "",
    }


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"severity": "warn"}, ["bar", "tea"]),
        ({"severity": "14"}, ["bar"]),
        ({"severity": "FATAL"}, []),
        ({"service": "bar"}, ["bar"]),
        ({"service": "ba"}, []),
        ({"bot": "barkeeper"}, ["bar"]),
        ({"bot": "bar"}, []),
        ({"bot": "barkeeper", "service": "tea"}, []),
        ({"contains": "KETTLE “HOT”"}, ["tea"]),
        ({"contains": '"Gin"'}, ["bar"]),
        ({"contains": "%"}, []),
        ({"contains": "kettle", "service": "bar"}, []),
        ({"severity": "warn", "limit": "1"}, ["bar"]),
        ({"trace_id": "00" * 16}, []),
        ({"start": str(AT_NS + 2)}, ["bar"]),
    ],
)
async def test_lines_are_chosen(http: httpx.AsyncClient, parameters: dict[str, str], found: list[str]) -> None:
    """By least severity, service, bot, words, trace and window; the latest first."""
    assert [line["service"] for line in await lines(http, **parameters)] == found


async def test_the_pages_of_a_window_are_the_window(http: httpx.AsyncClient) -> None:
    """Each line once, the latest first, though most share a nanosecond; the filters stay."""
    seen: list[str] = []
    answer = await http.get("/api/logs", params={**WINDOW, "service": "tea", "limit": "3"})
    while True:
        page = answer.raise_for_status().json()
        seen += [line["body"] for line in page["logs"]]
        if page["next"] is None:
            break
        answer = await http.get(page["next"])
    assert seen[0] == "Kettle “hot”, 95 °C"
    assert sorted(seen[1:]) == [f"cup {i}" for i in range(7)]


@pytest.mark.parametrize(
    ("parameters", "status", "words"),
    [
        ({"trace_id": "xyz"}, 400, "32 hexadecimal digits"),
        ({"trace_id": "١" * 32}, 400, "32 hexadecimal digits"),
        ({"severity": "loud"}, 400, "one of trace, debug, info"),
        ({"severity": "0"}, 400, "1 to 24"),
        ({"severity": "25"}, 400, "1 to 24"),
        ({"start": "soon"}, 400, "start='soon'"),
        ({"limit": "1000001"}, 400, "http.rows_max"),
        ({"cursor": "x"}, 400, "cursor: take it"),
        ({"limit": "0"}, 422, "limit"),
    ],
)
async def test_what_does_not_fit_is_refused(
    http: httpx.AsyncClient, parameters: dict[str, str], status: int, words: str
) -> None:
    """In the API's one form, naming the parameter."""
    answer = await http.get("/api/logs", params=parameters)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


async def test_it_is_documented(http: httpx.AsyncClient) -> None:
    """With its filters, in the OpenAPI document and on its page."""
    described = (await http.get("/openapi.json")).json()["paths"]["/api/logs"]["get"]
    names = {each["name"] for each in described["parameters"]}
    assert names == {"start", "end", "trace_id", "severity", "service", "bot", "contains", "limit", "cursor"}
    assert "/api/logs" in (await http.get("/docs")).text


async def test_over_several_ledgers_it_says_that_it_cannot(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A program without data of its own refuses, and says where to look."""
    ledgers = {
        "FLASHMM_LEDGERS__URLS": "http://127.0.0.1:1",
        "FLASHMM_METRICS__KIND": "prometheus",
        "FLASHMM_METRICS__URL": "http://127.0.0.1:1",
    }
    with running_product(tmp_path_factory.mktemp("relay"), **ledgers) as relay:
        async with httpx.AsyncClient(base_url=relay.http, timeout=30) as client:
            answer = await client.get("/api/logs")
    assert answer.status_code == 501
    assert "ask /api/logs of each" in answer.json()["error"]["message"]
