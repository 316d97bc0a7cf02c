"""PUBLISH: live values over WebSocket. The hub decides who gets what; the endpoint moves the bytes."""

from typing import TYPE_CHECKING

from flashmm_instrumentation.late import late

if TYPE_CHECKING:
    from flashmm_streaming._channel import HistoryLimits
    from flashmm_streaming._gauges import FOLLOWED
    from flashmm_streaming._session import OutboxLimits, Session
    from flashmm_streaming.follower import Follower, FollowerMetrics, Opening, Source
    from flashmm_streaming.hub import Hub
    from flashmm_streaming.live import LiveTap, Projection
    from flashmm_streaming.server import EndpointLimits, OriginPolicy, StreamEndpoint
    from flashmm_streaming.streams import STREAMS, StreamKind
else:
    __getattr__ = late(
        __name__,
        {
            "FOLLOWED": "_gauges",
            "HistoryLimits": "_channel",
            "OutboxLimits": "_session",
            "Session": "_session",
            "Follower": "follower",
            "FollowerMetrics": "follower",
            "Opening": "follower",
            "Source": "follower",
            "Hub": "hub",
            "LiveTap": "live",
            "Projection": "live",
            "EndpointLimits": "server",
            "OriginPolicy": "server",
            "StreamEndpoint": "server",
            "STREAMS": "streams",
            "StreamKind": "streams",
        },
    )

__all__ = [
    "FOLLOWED",
    "STREAMS",
    "EndpointLimits",
    "Follower",
    "FollowerMetrics",
    "HistoryLimits",
    "Hub",
    "LiveTap",
    "Opening",
    "OriginPolicy",
    "OutboxLimits",
    "Projection",
    "Session",
    "Source",
    "StreamEndpoint",
    "StreamKind",
]
