"""OTLP's JSON encoding into protobuf bytes.

It is protobuf's JSON form but for trace and span ids, which are hexadecimal, and unknown fields, which are ignored.
Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import base64
import binascii
from typing import Any, Final, cast

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flashmm_receiver._decoder import Signal
from flashmm_receiver.errors import Malformed

_REQUESTS: Final[dict[Signal, type[Message]]] = {
    Signal.METRICS: ExportMetricsServiceRequest,
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
}
_ID_FIELDS: Final = ("traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id")
_DEPTH_MAX: Final = 100


def protobuf_of_json(signal: Signal, body: bytes) -> bytes:
    """The same request in protobuf. Raises Malformed."""
    try:
        document = _object(orjson.loads(body))
        _ids_to_base64(document)
        message = json_format.ParseDict(
            document, _REQUESTS[signal](), ignore_unknown_fields=True, max_recursion_depth=_DEPTH_MAX
        )
    except (orjson.JSONDecodeError, json_format.Error, RecursionError) as error:
        raise Malformed(f"the body is not OTLP JSON: {str(error)[:200]}") from None
    return message.SerializeToString()


def _object(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Malformed("the JSON body must be an object, an Export…ServiceRequest")
    return cast("dict[str, Any]", document)


def _ids_to_base64(document: object) -> None:
    """Rewrite ids in place, without recursion: a document may be deep."""
    left = [document]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            mapping = cast("dict[str, object]", node)
            _rewrite(mapping)
            left.extend(mapping.values())
        elif isinstance(node, list):
            left.extend(cast("list[object]", node))


def _rewrite(mapping: dict[str, object]) -> None:
    for name in _ID_FIELDS:
        text = mapping.get(name)
        if isinstance(text, str):
            mapping[name] = base64.b64encode(_unhex(name, text)).decode()


def _unhex(name: str, text: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except ValueError:
        raise Malformed(f"{name} must be hexadecimal") from None
