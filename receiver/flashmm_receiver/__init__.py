"""OTLP in, typed batches out: gRPC and HTTP, decoded, deduplicated, tapped, stored, answered."""

from flashmm_receiver._receiver import Receiver
from flashmm_receiver.errors import CannotListen, NotConfigured, ReceiverError
from flashmm_receiver.settings import ReceiverSettings

__all__ = ["CannotListen", "NotConfigured", "Receiver", "ReceiverError", "ReceiverSettings"]
