"""The hub without sockets: what each session gets, in what order, and what it is told when it gets less."""

import tracemalloc

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, rule
from prometheus_client import CollectorRegistry

from flashmm_streaming import STREAMS, HistoryLimits, Hub, OutboxLimits, Session

EVERYTHING = 1 << 30


def hub_of(history: int = 1000, conflate_bytes: int = EVERYTHING, close_bytes: int = EVERYTHING) -> Hub:
    """A hub in epoch `e` with the given limits."""
    return Hub("e", CollectorRegistry(), HistoryLimits(items=history), OutboxLimits(conflate_bytes, close_bytes))


def frames(session: Session) -> list[dict]:
    """Everything that waits, as objects."""
    found = []
    while (frame := session.take()) is not None:
        found.append(orjson.loads(frame))
    return found


def subscribe(hub: Hub, session: Session, *streams: str, **more: object) -> list[dict]:
    """Subscribe and take the answer."""
    hub.receive(session, orjson.dumps({"type": "subscribe", "streams": streams, **more}))
    return frames(session)


def fill(number: int, symbol: str = "BTCUSDT") -> dict:
    return {"symbol": symbol, "n": number}


def numbers(received: list[dict]) -> list[int]:
    return [item["n"] for frame in received if frame["type"] == "data" for item in frame["items"]]


def pnl(bot: str, number: int) -> dict:
    return {"bot": bot, "account": "a", "currency": "USDT", "n": number}


class TestSubscribing:
    """Who gets what."""

    def test_symbols_select(self):
        """A subscription to symbols gets those, and what concerns no symbol."""
        hub = hub_of()
        session = hub.join(lambda: None)
        subscribe(hub, session, "trades", symbols=["BTCUSDT"])
        hub.publish("trades", [fill(1), fill(2, "ETHUSDT"), {"n": 3}])
        assert numbers(frames(session)) == [1, 3]

    def test_items_are_encoded_once_for_equal_subscriptions(self):
        """Two sessions with the same subscription are handed the same bytes object."""
        hub = hub_of()
        sessions = [hub.join(lambda: None) for _ in range(2)]
        for session in sessions:
            subscribe(hub, session, "trades", symbols=["BTCUSDT", "ETHUSDT"])
        hub.publish("trades", [fill(1)])
        first, second = (session.take() for session in sessions)
        assert first is second

    def test_unsubscribed_gets_nothing(self):
        """After unsubscribing, nothing more comes."""
        hub = hub_of()
        session = hub.join(lambda: None)
        subscribe(hub, session, "trades")
        hub.receive(session, '{"type":"unsubscribe","streams":["trades"]}')
        hub.publish("trades", [fill(1)])
        assert frames(session) == [{"type": "unsubscribed", "stream": "trades"}]

    def test_subscribing_again_replaces(self):
        """A second subscription to a stream replaces the first: nothing comes twice."""
        hub = hub_of()
        session = hub.join(lambda: None)
        subscribe(hub, session, "trades", symbols=["ETHUSDT"])
        subscribe(hub, session, "trades", symbols=["BTCUSDT"])
        hub.publish("trades", [fill(1), fill(2, "ETHUSDT")])
        assert numbers(frames(session)) == [1]

    def test_state_comes_at_once(self):
        """A subscriber to a stream of states begins with the latest of each key, marked as a snapshot."""
        hub = hub_of()
        hub.publish("pnl", [pnl("x", 1), pnl("y", 2), pnl("x", 3)])
        session = hub.join(lambda: None)
        begun = subscribe(hub, session, "pnl")
        assert begun[0]["offset"] == 3 and not begun[0]["recovered"]
        assert begun[1]["snapshot"] is True and numbers(begun) == [2, 3]

    def test_recent_items_on_request(self):
        """`recent` brings the last items of a lossless stream; without it there are none."""
        hub = hub_of()
        hub.publish("trades", [fill(n) for n in range(10)])
        session = hub.join(lambda: None)
        assert numbers(subscribe(hub, session, "trades")) == []
        assert numbers(subscribe(hub, session, "trades", recent=3)) == [7, 8, 9]

    def test_recent_items_are_of_each_market(self):
        """Those of a quiet bot come, however many a busy one has sent since."""
        hub = hub_of()
        hub.publish("trades", [{**fill(n), "bot": "quiet"} for n in range(3)])
        hub.publish("trades", [fill(n) for n in range(100, 110)])
        found = numbers(subscribe(hub, hub.join(lambda: None), "trades", recent=2))
        assert found == [1, 2, 108, 109]

    def test_ping(self):
        """A ping is answered with its id."""
        hub = hub_of()
        session = hub.join(lambda: None)
        hub.receive(session, '{"type":"ping","id":7}')
        assert frames(session) == [{"type": "pong", "id": 7}]

    def test_leaving_twice_is_harmless(self):
        """A session that left gets nothing, and may leave again."""
        hub = hub_of()
        session = hub.join(lambda: None)
        subscribe(hub, session, "trades")
        hub.leave(session)
        hub.leave(session)
        hub.publish("trades", [fill(1)])
        assert frames(session) == [] and len(hub) == 0


class TestResuming:
    """Coming back: all of what was missed, or a gap that says so."""

    def test_recovers_everything(self):
        """A place within the history is followed by every item since, in order."""
        hub = hub_of()
        hub.publish("trades", [fill(n) for n in range(1, 501)])
        session = hub.join(lambda: None)
        begun = subscribe(hub, session, "trades", resume={"trades": {"epoch": "e", "offset": 17}})
        assert begun[0]["recovered"] is True and numbers(begun) == list(range(18, 501))
        assert [frame["type"] for frame in begun] == ["subscribed", "data", "data", "data"]

    def test_never_recovers_in_part(self):
        """A place that the history no longer covers brings a gap with the count, and none of the items."""
        hub = hub_of(history=10)
        hub.publish("trades", [fill(n) for n in range(1, 21)])
        session = hub.join(lambda: None)
        begun = subscribe(hub, session, "trades", resume={"trades": {"epoch": "e", "offset": 9}})
        gap = {"type": "gap", "stream": "trades", "epoch": "e", "offset": 20, "missed": 11, "reason": "history"}
        assert begun[0]["recovered"] is False and begun[1:] == [gap]

    @pytest.mark.parametrize("point", [{"epoch": "old", "offset": 1}, {"epoch": "e", "offset": 99}])
    def test_other_epoch(self, point):
        """A place of another epoch, or of the future, brings a gap of unknown size."""
        hub = hub_of()
        hub.publish("trades", [fill(1)])
        session = hub.join(lambda: None)
        begun = subscribe(hub, session, "trades", resume={"trades": point})
        assert begun[1]["reason"] == "epoch" and begun[1]["missed"] is None

    def test_history_is_bounded_in_bytes(self):
        """Long items leave the history before its count is reached."""
        hub = Hub("e", CollectorRegistry(), HistoryLimits(items=1000, bytes=1000))
        hub.publish("trades", [{"text": "x" * 400} for _ in range(5)])
        session = hub.join(lambda: None)
        begun = subscribe(hub, session, "trades", resume={"trades": {"epoch": "e", "offset": 0}})
        assert begun[0]["recovered"] is False

    def test_history_takes_the_memory_that_its_bound_says(self):
        """An item that is kept takes its text and a few objects, not the room that it was encoded in."""
        hub = Hub("e", CollectorRegistry(), HistoryLimits(items=1_000))
        items = [{"text": "x" * 400} for _ in range(1_000)]
        tracemalloc.start()
        try:
            hub.publish("trades", items)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 1_000_000

    def test_states_are_bounded(self):
        """No more keys are kept than the limit; the oldest goes first."""
        hub = Hub("e", CollectorRegistry(), HistoryLimits(keys=3))
        hub.publish("pnl", [pnl(str(n), n) for n in range(9)])
        assert numbers(subscribe(hub, hub.join(lambda: None), "pnl")) == [6, 7, 8]


class TestSlowClients:
    """A client that doesn't keep up harms itself alone."""

    def test_states_conflate(self):
        """A slow client gets the latest of each key, and a gap that counts the rest."""
        hub = hub_of(conflate_bytes=0)
        session = hub.join(lambda: None)
        subscribe(hub, session, "pnl")
        hub.publish("pnl", [pnl("x", 1)])
        for number in range(2, 8):
            hub.publish("pnl", [pnl("x", number), pnl("y", number)])
        received = frames(session)
        assert numbers(received) == [1, 7, 7]
        gap = next(frame for frame in received if frame["type"] == "gap")
        assert (gap["missed"], gap["reason"], gap["offset"]) == (10, "conflated", 13)

    def test_lossless_ends(self):
        """A slow client of a lossless stream is told to come back and resume; the drops are counted."""
        registry = CollectorRegistry()
        hub = Hub("e", registry, outbox=OutboxLimits(close_bytes=500, retry_after_s=2.5))
        session = hub.join(lambda: None)
        subscribe(hub, session, "trades")
        hub.publish("trades", [fill(1)])
        session.take()
        for number in range(2, 20):
            hub.publish("trades", [fill(number)])
        (bye,) = frames(session)
        assert (bye["type"], bye["code"], bye["retry_after_s"]) == ("bye", "slow_consumer", 2.5)
        assert bye["resume"] == {"trades": {"epoch": "e", "offset": 1}}
        assert session.close is not None and session.close.code == 4008
        dropped = registry.get_sample_value(
            "flashmm_stream_dropped_total", {"stream": "trades", "reason": "slow_consumer"}
        )
        assert dropped == 18

    def test_bye_resumes_without_loss(self):
        """What bye names is where a new session goes on, without a gap."""
        hub = Hub("e", CollectorRegistry(), outbox=OutboxLimits(close_bytes=2_000))
        session = hub.join(lambda: None)
        subscribe(hub, session, "trades")
        got = []
        for number in range(1, 100):
            hub.publish("trades", [fill(number)])
            if number < 30:
                got += numbers(frames(session))
        (bye,) = frames(session)
        hub.leave(session)
        begun = []
        again = hub.join(lambda: None)
        hub.receive(again, orjson.dumps({"type": "subscribe", "streams": ["trades"], "resume": bye["resume"]}))
        assert again.close is not None, "the same limit holds for what is replayed"
        roomy = hub_of()
        roomy.publish("trades", [fill(number) for number in range(1, 100)])
        begun = subscribe(roomy, roomy.join(lambda: None), "trades", resume=bye["resume"])
        assert got + numbers(begun) == list(range(1, 100))

    def test_shutdown_says_bye(self):
        """A restart sends everyone home with the place to resume from, even before the first item."""
        hub = hub_of()
        session = hub.join(lambda: None)
        subscribe(hub, session, "trades")
        hub.shutdown()
        hub.shutdown()
        (bye,) = frames(session)
        assert bye["code"] == "restart" and bye["resume"] == {"trades": {"epoch": "e", "offset": 0}}


BAD = {
    "bad_json": ["", "{", "nonsense", "\x00", '{"type":"ping"'],
    "bad_request": [
        "[]",
        "null",
        "3",
        '{"type":"subscribe","streams":"pnl"}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","streams":[1]}',
        '{"type":"subscribe","streams":["pnl"],"resume":[]}',
        '{"type":"subscribe","streams":["pnl"],"resume":{"pnl":{"epoch":1,"offset":1}}}',
        '{"type":"subscribe","streams":["pnl"],"resume":{"pnl":{"epoch":"e","offset":-1}}}',
        '{"type":"subscribe","streams":["pnl"],"resume":{"pnl":{"epoch":"e","offset":true}}}',
        '{"type":"subscribe","streams":["pnl"],"recent":1e9}',
        '{"type":"subscribe","streams":["pnl"],"recent":100000}',
        '{"type":"ping","id":{}}',
    ],
    "unknown_type": ["{}", '{"type":"shout"}', '{"type":[]}'],
    "unknown_stream": ['{"type":"subscribe","streams":["nothing"]}', '{"type":"unsubscribe","streams":[]}'],
    "too_many_symbols": [
        orjson.dumps({"type": "subscribe", "streams": ["pnl"], "symbols": [str(n) for n in range(65)]}),
        orjson.dumps({"type": "subscribe", "streams": ["pnl"], "symbols": ["x" * 65]}),
    ],
}


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in BAD.items() for text in texts])
def test_bad_messages_are_answered(code, text):
    """What cannot be acted on is answered with its code, what to do, and is counted."""
    registry = CollectorRegistry()
    hub = Hub("e", registry)
    session = hub.join(lambda: None)
    hub.receive(session, text)
    (error,) = frames(session)
    assert (error["type"], error["code"]) == ("error", code) and error["message"] and error["action"]
    assert registry.get_sample_value("flashmm_stream_refused_total", {"code": code}) == 1


class Resumption(RuleBasedStateMachine):
    """Clients come, read at their own pace, go and resume: nothing is lost, doubled or reordered but by a gap."""

    sessions = Bundle("sessions")

    @initialize(history=st.integers(1, 30), conflate=st.integers(0, 600), close=st.integers(900, 3_000))
    def begin(self, history, conflate, close):
        self.hub = hub_of(history, conflate, close)
        self.published: dict[str, list[str]] = {"trades": [], "pnl": []}

    @rule(stream=st.sampled_from(["trades", "pnl"]), symbols=st.lists(st.sampled_from("ABC"), min_size=1, max_size=5))
    def publish(self, stream, symbols):
        items = []
        for symbol in symbols:
            self.published[stream].append(symbol)
            items.append({"n": len(self.published[stream]), "symbol": symbol, "bot": symbol})
        self.hub.publish(stream, items)

    @rule(target=sessions, symbols=st.sampled_from([None, ["A"], ["A", "B"]]))
    def join(self, symbols):
        client = Client(self.hub.join(lambda: None), symbols)
        client.subscribe(self.hub, {})
        return client

    @rule(client=sessions, count=st.integers(1, 4))
    def read(self, client, count):
        for _ in range(count):
            client.read(self.published)

    @rule(target=sessions, client=consumes(sessions))
    def resume(self, client):
        self.hub.leave(client.session)
        again = Client(self.hub.join(lambda: None), client.symbols, dict(client.places))
        again.subscribe(self.hub, {stream: {"epoch": "e", "offset": at} for stream, at in client.places.items()})
        return again

    @rule(target=sessions, client=consumes(sessions))
    def catch_up(self, client):
        while client.read(self.published):
            pass
        if client.session.close is None:
            client.check_complete(self.published)
            return client
        self.hub.leave(client.session)
        return multiple()


class Client:
    """One reader; `places` is the last offset it has or was told it misses, by stream."""

    def __init__(self, session, symbols, places=None):
        self.session = session
        self.symbols = symbols
        self.places: dict[str, int] = places or {}
        self.excused: dict[str, int] = {}

    def subscribe(self, hub, resume):
        message = {"type": "subscribe", "streams": ["trades", "pnl"], "symbols": self.symbols, "resume": resume}
        hub.receive(self.session, orjson.dumps(message))

    def read(self, published):
        frame = self.session.take()
        if frame is None:
            return False
        self.note(orjson.loads(frame), published)
        return True

    def note(self, frame, published):
        stream = frame.get("stream")
        if frame["type"] == "subscribed" and not frame["recovered"]:
            self.excused[stream] = self.places[stream] = frame["offset"]
        elif frame["type"] == "gap":
            self.excused[stream] = frame["offset"]
        elif frame["type"] == "data" and not frame.get("snapshot"):
            self.data(stream, frame, published)

    def data(self, stream, frame, published):
        got = [item["n"] for item in frame["items"]]
        missed = set(self.wanted(stream, published, self.places[stream], frame["offset"])) - set(got)
        assert all(number <= self.excused.get(stream, 0) for number in missed), f"lost without a gap: {missed}"
        assert got == sorted(set(got)) and got[0] > self.places[stream] and got[-1] == frame["offset"]
        self.places[stream] = frame["offset"]

    def wanted(self, stream, published, after, upto):
        symbols = published[stream][after:upto]
        return [after + at for at, symbol in enumerate(symbols, 1) if self.symbols is None or symbol in self.symbols]

    def check_complete(self, published):
        for stream, at in self.places.items():
            left = self.wanted(stream, published, max(at, self.excused.get(stream, 0)), len(published[stream]))
            assert not left, f"{stream} ends at {at}, still wanted {left}"


Resumption.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestResumption = Resumption.TestCase


def test_streams_say_how_they_treat_the_slow():
    """Trades, orders and alerts are lossless; whatever conflates has a key."""
    assert {kind.name for kind in STREAMS.values() if kind.lossless} == {"trades", "orders", "alerts"}


def test_unknown_stream_is_a_mistake_of_ours():
    """Publishing to a stream that is not there raises."""
    with pytest.raises(KeyError):
        hub_of().publish("nothing", [{}])
