"""OTLP's values as Python's, for whoever reads OTLP: the receiver, and adapters of stores that answer in it."""

import hashlib
from collections.abc import Iterable, Mapping

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource


def python_value(value: AnyValue) -> object:
    """str, bool, int, float, bytes, list, dict, or None where the value is unset."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "kvlist_value":
        return python_values(value.kvlist_value.values)
    if kind == "array_value":
        return [python_value(item) for item in value.array_value.values]
    return getattr(value, kind)


def python_values(attributes: Iterable[KeyValue]) -> Mapping[str, object]:
    """Attributes by name; of several with one name the last."""
    return {item.key: python_value(item.value) for item in attributes}


def resource_id(message: Resource) -> int:
    """Unsigned 64-bit hash of a resource's attributes, whatever their order."""
    parts = sorted(item.SerializeToString(deterministic=True) for item in message.attributes)
    return int.from_bytes(hashlib.blake2b(b"\xff".join(parts), digest_size=8).digest(), "big")
