"""The limits on OTLP attributes."""

from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import KeyValue


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
