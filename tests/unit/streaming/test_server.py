"""The stream over real sockets, with the stock client."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.acceptance.page.site import serving
from tests.waiting import until
from websockets.exceptions import ConnectionClosed, InvalidStatus

from flashmm_streaming import STREAMS, EndpointLimits, Hub, OriginPolicy, OutboxLimits, StreamEndpoint
from flashmm_streaming.server import RateMeter
from flashmm_streaming.testing import connected


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def hub(registry):
    return Hub("e", registry)


async def test_subscriber_gets_what_is_published(hub):
    """What is published after a subscription arrives, in order, with the offset of the last item."""
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
        assert await client.hear() == {
            "type": "data",
            "stream": "trades",
            "epoch": "e",
            "offset": 2,
            "items": [{"symbol": "BTCUSDT", "price": "1.10"}, {"symbol": "ETHUSDT", "price": "2"}],
        }


async def test_lost_connection_is_resumed_without_a_gap(hub):
    """A client that comes back with its place gets exactly what it missed."""
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


async def gone(hub, count=0):
    """Wait until so many clients are left."""
    await until(lambda: len(hub) == count)


async def test_clients_leave_no_trace(hub, registry):
    """After a client went, cleanly or not, nothing of it is left."""
    async with serving(StreamEndpoint(hub)) as port:
        async with connected(port) as client:
            await client.subscribe(["pnl"])
            await client.hear()
            client.socket.transport.abort()
        await gone(hub)
    assert registry.get_sample_value("flashmm_stream_subscriptions", {"stream": "pnl"}) == 0


async def test_slow_reader_ends_and_harms_nobody(registry):
    """A reader that stops gets bye or is cut off; one that reads beside it misses nothing; the hub never waits."""
    hub = Hub("e", registry, outbox=OutboxLimits(close_bytes=200_000))
    limits = EndpointLimits(send_within_s=5.0)
    async with (
        serving(StreamEndpoint(hub, limits), ws_per_message_deflate=False) as port,
        connected(port, max_queue=1, compression=None) as slow,
        connected(port) as quick,
    ):
        for client in (slow, quick):
            await client.subscribe(["trades"])
            await client.hear_until("subscribed")
        for number in range(300):
            hub.publish("trades", [{"n": number, "text": "x" * 20_000}])
            assert (await quick.hear_until("data"))["items"][0]["n"] == number
        await gone(hub, 1)
        with pytest.raises(ConnectionClosed):
            while True:
                await slow.hear()
    ended = [
        registry.get_sample_value("flashmm_stream_ended_total", {"code": code})
        for code in ("slow_consumer", "send_timeout")
    ]
    assert any(ended)


async def test_bye_reaches_a_client_that_reads_again(hub):
    """At a restart a client gets bye with its place, and the close code 1012."""
    async with serving(StreamEndpoint(hub)) as port, connected(port) as client:
        await client.subscribe(["trades"])
        await client.hear()
        hub.shutdown()
        bye = await client.hear_until("bye")
        assert bye["resume"] == {"trades": {"epoch": "e", "offset": 0}}
        with pytest.raises(ConnectionClosed) as closed:
            await client.hear()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012


class TestLimits:
    """Each limit, and what is said at it."""

    async def test_clients(self, hub, registry):
        """One client too many is answered 503 and told when to come back."""
        async with serving(StreamEndpoint(hub, EndpointLimits(clients=1))) as port, connected(port):
            with pytest.raises(InvalidStatus) as refused:
                async with connected(port):
                    pass
        assert refused.value.response.status_code == 503
        assert registry.get_sample_value("flashmm_stream_rejected_total", {"reason": "too_many_clients"}) == 1

    async def test_flood_of_messages(self, hub):
        """A client that floods us is sent away; others are served."""
        async with serving(StreamEndpoint(hub, EndpointLimits(burst=10))) as port, connected(port) as calm:
            async with connected(port) as client:
                for _ in range(50):
                    await client.say({"type": "ping"})
                assert (await client.hear_until("bye"))["code"] == "rate_limited"
            await calm.say({"type": "ping", "id": "still here"})
            assert (await calm.hear())["id"] == "still here"

    async def test_subscribing_in_a_loop(self, hub):
        """Every stream named counts, so that nobody has the whole history sent twenty times a second."""
        async with serving(StreamEndpoint(hub, EndpointLimits(burst=30))) as port, connected(port) as client:
            for _ in range(10):
                await client.subscribe(list(STREAMS), recent=1_000)
                await client.say({"type": "unsubscribe", "streams": list(STREAMS)})
            assert (await client.hear_until("bye"))["code"] == "rate_limited"
        welcomed = [frame for frame in client.frames if frame["type"] == "subscribed"]
        assert len(welcomed) <= 2 * len(STREAMS)

    async def test_message_too_big(self, hub):
        """A message beyond the limit ends the connection with 1009."""
        async with serving(StreamEndpoint(hub, EndpointLimits(message_bytes=100))) as port, connected(port) as client:
            await client.say("x" * 101)
            assert (await client.hear())["code"] == "message_too_big"

    async def test_never_subscribed(self, hub):
        """Whoever connects and asks for nothing is sent away."""
        limits = EndpointLimits(subscribe_within_s=0.05)
        async with serving(StreamEndpoint(hub, limits)) as port, connected(port) as client:
            assert (await client.hear())["code"] == "never_subscribed"

    async def test_binary(self, hub):
        """Binary frames are refused, and the connection stays."""
        async with serving(StreamEndpoint(hub)) as port, connected(port) as client:
            await client.say(b"\x00\xff")
            assert (await client.hear())["code"] == "text_only"
            await client.say({"type": "ping"})
            assert (await client.hear())["type"] == "pong"

    def test_rate_meter(self):
        """A burst, then the rate."""
        meter = RateMeter(2.0, 3, 0.0)
        assert [meter.take(0.0) for _ in range(4)] == [True, True, True, False]
        assert meter.take(0.5) and not meter.take(0.5)


class TestOrigins:
    """Which pages may connect."""

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://{own}"])
    async def test_other_sites_are_refused(self, hub, origin):
        """A page of another origin gets 403."""
        async with serving(StreamEndpoint(hub)) as port:
            with pytest.raises(InvalidStatus) as refused:
                async with connected(port, origin=origin.format(own=f"127.0.0.1:{port}")):
                    pass
        assert refused.value.response.status_code == 403

    async def test_own_and_listed_pages_may(self, hub):
        """A page of the host itself and of a listed origin may connect."""
        endpoint = StreamEndpoint(hub, origins=OriginPolicy(frozenset({"https://desk.example"})))
        async with serving(endpoint) as port:
            for origin in (f"http://127.0.0.1:{port}", "https://desk.example"):
                async with connected(port, origin=origin) as client:
                    await client.say({"type": "ping"})
                    assert (await client.hear())["type"] == "pong"


async def test_a_server_without_the_extension_closes_instead(hub):
    """Where the server can't send an HTTP answer, a refused connection is closed with 1013."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await StreamEndpoint(hub, EndpointLimits(clients=0))({"headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1013, "reason": "too_many_clients"}]


async def test_our_own_failures_are_not_swallowed(hub):
    """An exception out of the server's receive is raised, not hidden."""
    messages = [{"type": "websocket.connect"}]

    async def receive():
        if messages:
            return messages.pop()
        raise RuntimeError("the server broke")

    async def send(_):
        pass

    with pytest.raises(RuntimeError, match="the server broke"):
        await StreamEndpoint(hub)({"headers": []}, receive, send)
    assert len(hub) == 0


GARBAGE = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["subscribe", "ping", "pnl"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["type", "streams", "symbols", "resume", "recent", "id"]), inner, max_size=5
            )
        ),
        max_leaves=12,
    ),
)


@given(message=GARBAGE)
@settings(max_examples=300, deadline=None)
def test_any_garbage_is_survived(message):
    """Whatever a client says is acted on or answered with an error, and the next ping is answered."""
    hub = Hub("e", CollectorRegistry())
    session = hub.join(lambda: None)
    hub.receive(session, message if isinstance(message, str | bytes) else json.dumps(message))
    hub.receive(session, '{"type":"ping","id":"the end"}')
    answers = []
    while (frame := session.take()) is not None:
        answers.append(json.loads(frame))
    assert answers[-1] == {"type": "pong", "id": "the end"} and len(answers) > 1


async def test_garbage_over_a_socket(hub):
    """Garbage frames are answered one by one on a connection that lives on."""
    async with serving(StreamEndpoint(hub)) as port, connected(port) as client:
        for message in ("", "{", "[1,2]", "\x00", '{"type":"subscribe","streams":["\\ud800"]}', b"\xff\xfe", "null"):
            await client.say(message)
            assert (await client.hear())["type"] == "error"
        await client.say({"type": "ping"})
        assert (await client.hear())["type"] == "pong"
