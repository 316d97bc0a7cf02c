"""OTLP attribute values as Python values, and the limits on them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass
class AttributesRefused(Exception):
    """A record has more attributes, or longer ones, than the settings allow."""

    reason: str
    why: str

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class AttributeLimits:
    """count: attributes of one record. length: encoded bytes of one attribute."""

    count: int
    length: int

    def check(self, attributes: Sequence[KeyValue]) -> None:
        """Raise AttributesRefused where one exceeds the limits."""
        if len(attributes) > self.count:
            raise AttributesRefused(
                "attributes", f"{len(attributes)} attributes, {self.count} are allowed (attributes_max): send fewer"
            )
        for item in attributes:
            if item.ByteSize() > self.length:
                raise AttributesRefused(
                    "attribute_length",
                    f"attribute {item.key[:64]!r} is longer than {self.length} bytes (attribute_bytes_max): cut it",
                )


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
