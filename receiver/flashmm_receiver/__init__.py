"""OTLP in, typed batches out: gRPC and HTTP, decoded, deduplicated, tapped, stored, answered."""

from typing import TYPE_CHECKING

from flashmm_instrumentation.late import late

if TYPE_CHECKING:
    from flashmm_receiver._receiver import Receiver
    from flashmm_receiver.errors import CannotListen, NotConfigured, ReceiverError
    from flashmm_receiver.settings import ReceiverSettings
else:
    __getattr__ = late(
        __name__,
        {
            "Receiver": "_receiver",
            "CannotListen": "errors",
            "NotConfigured": "errors",
            "ReceiverError": "errors",
            "ReceiverSettings": "settings",
        },
    )

__all__ = ["CannotListen", "NotConfigured", "Receiver", "ReceiverError", "ReceiverSettings"]
