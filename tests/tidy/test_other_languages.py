"""The wire example for other languages is what a receiver understands."""

import json
import re
from decimal import Decimal
from pathlib import Path

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from flashmm_instrumentation.semconv import EVENT_KINDS, FieldType, attributes

PAGE = Path(__file__).parents[2] / "docs/how-to/other-languages.md"


def test_the_example_is_a_valid_event() -> None:
    """The fill on the page decodes as OTLP and keeps to its kind's schema."""
    example = re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    request = json_format.ParseDict(json.loads(example.group(1)), ExportLogsServiceRequest())
    resource = {pair.key for pair in request.resource_logs[0].resource.attributes}
    assert {attributes.BOT, attributes.ACCOUNT, attributes.RUN, attributes.SERVICE_NAME} <= resource
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    sent = {pair.key: pair.value for pair in record.body.kvlist_value.values}
    fields = {field.name: field for field in EVENT_KINDS[record.event_name].fields}
    assert set(sent) <= set(fields)
    assert {name for name, field in fields.items() if field.required} <= set(sent)
    for name, value in sent.items():
        assert value.WhichOneof("value") == "string_value"
        assert fields[name].type is not FieldType.DECIMAL or Decimal(value.string_value).is_finite()
