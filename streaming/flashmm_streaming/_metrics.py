"""What the hub says of itself: clients, frames, and everything it dropped, by reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class StreamMetrics:
    """The hub's and the endpoint's metrics on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge  # settings come this way too, and have no use for it

        self.clients = Gauge("flashmm_stream_clients", "Clients connected.", registry=registry)
        self.subscriptions = Gauge(
            "flashmm_stream_subscriptions", "Streams subscribed to.", ["stream"], registry=registry
        )
        self.items = Counter("flashmm_stream_items", "Items published.", ["stream"], registry=registry)
        self.frames = Counter("flashmm_stream_frames", "Frames handed to clients' connections.", registry=registry)
        self.bytes = Counter("flashmm_stream_sent_bytes", "Bytes handed to clients' connections.", registry=registry)
        self.dropped = Counter(
            "flashmm_stream_dropped",
            "Items that a client did not get, by reason.",
            ["stream", "reason"],
            registry=registry,
        )
        self.gaps = Counter(
            "flashmm_stream_gaps", "Gaps announced, by reason.", ["stream", "reason"], registry=registry
        )
        self.refused = Counter("flashmm_stream_refused", "Messages refused, by code.", ["code"], registry=registry)
        self.rejected = Counter(
            "flashmm_stream_rejected", "Connections refused, by reason.", ["reason"], registry=registry
        )
        self.ended = Counter("flashmm_stream_ended", "Connections ended by us, by code.", ["code"], registry=registry)
