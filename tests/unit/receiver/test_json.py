"""OTLP's JSON encoding comes to the same as protobuf."""

import base64
import json

from google.protobuf import json_format
from hypothesis import given, settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.unit.receiver.strategies import requests

from flashmm_receiver._decoder import Signal
from flashmm_receiver._json import protobuf_of_json

TRACE_ID, SPAN_ID, PARENT_ID = "5B8EFFF798038103D269B633813FC60C", "eee19b7ec3c1b174", "eee19b7ec3c1b173"


@settings(max_examples=50, deadline=None)
@given(requests())
def test_any_metrics(message: ExportMetricsServiceRequest) -> None:
    """Protobuf's own JSON writer is the reference; enumerations are numbers and 64-bit integers strings in OTLP."""
    text = json_format.MessageToJson(message, use_integers_for_enums=True)
    document = json.loads(text)
    _ids_to_hex(document)
    body = json.dumps(document).replace(": NaN", ': "NaN"').encode()
    again = ExportMetricsServiceRequest.FromString(protobuf_of_json(Signal.METRICS, body))
    assert json_format.MessageToJson(again, use_integers_for_enums=True) == text


def _ids_to_hex(node: object) -> None:
    if isinstance(node, dict):
        for name in {"traceId", "spanId"} & node.keys():
            node[name] = base64.b64decode(node[name]).hex()
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _ids_to_hex(child)


def test_ids_are_hexadecimal() -> None:
    """In either case; unknown fields are ignored, snake case is read too."""
    span = {"traceId": TRACE_ID, "spanId": SPAN_ID, "parentSpanId": PARENT_ID, "kind": 2, "new": {"x": [1]}}
    link = {"trace_id": TRACE_ID.lower(), "span_id": SPAN_ID}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "links": [link]}]}]}]}
    request = ExportTraceServiceRequest.FromString(protobuf_of_json(Signal.TRACES, json.dumps(document).encode()))
    found = request.resource_spans[0].scope_spans[0].spans[0]
    assert (found.trace_id.hex(), found.span_id.hex(), found.parent_span_id.hex()) == (
        TRACE_ID.lower(),
        SPAN_ID,
        PARENT_ID,
    )
    assert (found.kind, found.links[0].trace_id.hex()) == (2, TRACE_ID.lower())
