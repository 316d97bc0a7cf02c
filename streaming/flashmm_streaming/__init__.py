"""PUBLISH: live values over WebSocket. The hub decides who gets what; the endpoint moves the bytes."""

from flashmm_streaming._channel import HistoryLimits
from flashmm_streaming._session import OutboxLimits, Session
from flashmm_streaming.hub import Hub
from flashmm_streaming.live import LiveTap, Projection
from flashmm_streaming.server import EndpointLimits, OriginPolicy, StreamEndpoint
from flashmm_streaming.streams import STREAMS, StreamKind

__all__ = [
    "STREAMS",
    "EndpointLimits",
    "HistoryLimits",
    "Hub",
    "LiveTap",
    "OriginPolicy",
    "OutboxLimits",
    "Projection",
    "Session",
    "StreamEndpoint",
    "StreamKind",
]
