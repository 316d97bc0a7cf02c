"""The stream over real sockets, with the stock client."""

from prometheus_client import CollectorRegistry
from tests.acceptance.page.site import serving

from flashmm_streaming import Hub, StreamEndpoint
from flashmm_streaming.testing import connected


async def test_subscriber_gets_what_is_published():
    """What is published after a subscription arrives, in order, with the offset of the last item."""
    hub = Hub("e", CollectorRegistry())
    async with serving(StreamEndpoint(hub)) as port, connected(port) as client:
        await client.subscribe(["trades"])
        assert await client.hear() == {
            "type": "subscribed",
            "stream": "trades",
            "epoch": "e",
            "offset": 0,
            "recovered": False,
            "symbols": None,
        }
        hub.publish("trades", [{"symbol": "BTCUSDT", "price": "1.10"}, {"symbol": "ETHUSDT", "price": "2"}])
        frame = await client.hear()
        assert frame == {
            "type": "data",
            "stream": "trades",
            "epoch": "e",
            "offset": 2,
            "items": [{"symbol": "BTCUSDT", "price": "1.10"}, {"symbol": "ETHUSDT", "price": "2"}],
        }


async def test_lost_connection_is_resumed_without_a_gap():
    """A client that comes back with its place gets exactly what it missed."""
    hub = Hub("e", CollectorRegistry())
    async with serving(StreamEndpoint(hub)) as port:
        async with connected(port) as first:
            await first.subscribe(["trades"])
            await first.hear_until("subscribed")
            hub.publish("trades", [{"fill_id": "1"}])
            await first.hear_until("data")
        hub.publish("trades", [{"fill_id": "2"}, {"fill_id": "3"}])
        async with connected(port) as second:
            await second.subscribe(["trades"], resume=first.resume)
            assert (await second.hear())["recovered"] is True
            assert [item["fill_id"] for item in await second.hear_items("trades", 2)] == ["2", "3"]
