"""Resources of spans and log records, decoded once."""

from typing import Final

from opentelemetry.proto.resource.v1.resource_pb2 import Resource as WireResource

from flashmm_backends.batch import Resource
from flashmm_backends.otlp import python_values, resource_id
from flashmm_receiver._attributes import AttributeLimits

_RESOURCES_MAX: Final = 1024


class Resources:
    """Decoded resources by their encoding; emptied when there are too many."""

    def __init__(self, limits: AttributeLimits) -> None:
        self._limits = limits
        self._known: dict[bytes, Resource] = {}

    def get(self, message: WireResource) -> Resource:
        """The resource, under a hash of its content. Raises AttributesRefused."""
        encoded = message.SerializeToString(deterministic=True)
        found = self._known.get(encoded)
        if found is None:
            self._limits.check(message.attributes)
            if len(self._known) >= _RESOURCES_MAX:
                self._known.clear()
            found = Resource(resource_id(message), python_values(message.attributes))
            self._known[encoded] = found
        return found
