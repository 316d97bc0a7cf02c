"""What the OpenAPI document says of answers is so: the running product's, after a short demo."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance.conftest import Session

TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
OPEN = "HealthForm"
"""What else it tells is of the data, and not described."""


def faults(value: Any, schema: Mapping[str, Any], known: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Where a value is not as its schema says; a key that the schema lacks is a fault too."""
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        if all(list(faults(value, each, known, at)) for each in schema["anyOf"]):
            yield f"{at}: {value!r:.60} is none of them"
        return
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        yield f"{at}: {value!r:.60} is no {schema['type']}"
    elif isinstance(value, list):
        for each in value:
            yield from faults(each, schema["items"], known, f"{at}[]")
    elif isinstance(value, dict):
        yield from _faults_of_object(value, schema, known, at)


def _faults_of_object(
    value: dict[str, Any], schema: Mapping[str, Any], known: Mapping[str, Any], at: str
) -> Iterator[str]:
    described = schema.get("properties", {})
    yield from (f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, each in value.items():
        more = schema.get("additionalProperties")
        if name in described or isinstance(more, dict):
            yield from faults(each, described.get(name, more), known, f"{at}.{name}")
        elif more is None and schema.get("title") != OPEN:
            yield f"{at}.{name} is not described"


@pytest.fixture(scope="module")
def http(session: Session) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=session.product.http, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def examples(http: httpx.Client) -> Mapping[str, str]:
    """An address that answers, for each path that is described."""
    order = http.get("/api/orders?start=1h&limit=1").json()["orders"][0]
    return {
        "/api/events/{kind}": "/api/events/flashmm.order?start=1h&limit=50",
        "/api/orders": "/api/orders?start=1h&limit=50",
        "/api/orders/": f"/api/orders/?id={order['order_id']}",
        "/api/orders/{order_id}": f"/api/orders/{order['order_id']}",
        "/api/traces/{trace_id}": f"/api/traces/{order['trace_id']}",
        "/api/logs": "/api/logs?start=1h&limit=50",
        "/health": "/health",
    }


def test_answers_are_as_described(http: httpx.Client, examples: Mapping[str, str]) -> None:
    """Every key, its type, and none besides: events, orders, one order, a trace, log lines, health."""
    document = http.get("/openapi.json").json()
    for path, example in examples.items():
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert "$ref" in schema, path
        answer = http.get(example).raise_for_status().json()
        assert list(faults(answer, schema, document["components"]["schemas"], path)) == []


def test_an_answer_of_another_form_is_seen(http: httpx.Client, examples: Mapping[str, str]) -> None:
    """A type changed, a key lost and one added are each told."""
    document = http.get("/openapi.json").json()
    order = http.get(examples["/api/orders"]).json()["orders"][0]
    schema = {"$ref": "#/components/schemas/OrderSummaryForm"}
    for wrong in ({**order, "side": 1}, {**order, "more": 1}, {name: order[name] for name in order if name != "bot"}):
        assert len(list(faults(wrong, schema, document["components"]["schemas"]))) == 1


def test_the_how_tos_program_reads_the_fills(session: Session, http: httpx.Client) -> None:
    """The Arrow program of the how-to, at this server's address, has as many rows as the JSON."""
    text = (Path(__file__).parents[2] / "docs/how-to/events.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found: dict[str, Any] = {}
    exec(source.replace("http://127.0.0.1:8080", session.product.http), found)
    seqs = http.get("/api/events/flashmm.fill?start=1h&limit=1000").json()["columns"]["seq"]
    assert len(seqs) > 0
    assert found["fills"].column("seq").to_pylist() == seqs
