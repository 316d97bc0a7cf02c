"""The exchange's JSON, there and back."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_demo._messages import Depth, Snapshot, Ticker, Trade
from flashmm_demo._wire import MalformedMessage, decode, encode

TICKER = (
    '{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20",'
    '"B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256314}}'
)
DEPTH = (
    '{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT",'
    '"U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"]],"a":[["61800.30","0.000"]]}}'
)
TRADE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT","t":5266583935,'
    '"p":"61800.30","q":"0.006","X":"MARKET","m":false}}'
)
SNAPSHOT = (
    '{"lastUpdateId":5123107852948,"E":1723161256501,"T":1723161256493,"bids":[["61800.20","2.909"]],'
    '"asks":[["61800.30","1.000"]]}'
)


def test_a_ticker_is_typed() -> None:
    """Exact decimals, nanoseconds, and the local time apart from the exchange's."""
    assert decode(TICKER, 7, "") == Ticker(
        symbol="BTCUSDT",
        received_ns=7,
        exchange_ns=1723161256314000000,
        update_id=5123107839020,
        bid=Decimal("61800.20"),
        bid_quantity=Decimal("2.507"),
        ask=Decimal("61800.30"),
        ask_quantity=Decimal("2.510"),
        transaction_ns=1723161256313000000,
    )


@pytest.mark.parametrize(("text", "kind"), [(TICKER, Ticker), (DEPTH, Depth), (TRADE, Trade), (SNAPSHOT, Snapshot)])
def test_a_message_is_encoded_byte_for_byte(text: str, kind: type) -> None:
    """What was decoded is encoded to the same text."""
    message = decode(text, 1, "BTCUSDT")
    assert isinstance(message, kind)
    assert encode(message) == text


def test_a_snapshot_can_name_its_symbol() -> None:
    """The exchange's names none; one recorded among several symbols does."""
    message = decode(SNAPSHOT, 1, "ETHUSDT")
    assert isinstance(message, Snapshot)
    again = decode(encode(message, name_symbol=True), 1, "BTCUSDT")
    assert isinstance(again, Snapshot)
    assert again.symbol == "ETHUSDT"


@pytest.mark.parametrize("text", ['{"result":null,"id":1}', '{"stream":"x","data":{"e":"markPriceUpdate"}}'])
def test_other_messages_are_no_market_data(text: str) -> None:
    """A subscription's answer and events that we don't follow are left out without an error."""
    assert decode(text, 1, "BTCUSDT") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[1]",
        "3",
        '{"stream":"x"}',
        '{"stream":"x","data":3}',
        '{"stream":"x","data":{"e":["bookTicker"]}}',
        TICKER.replace('"61800.20"', '"NaN"'),
        TICKER.replace('"61800.20"', '"-1"'),
        TICKER.replace('"61800.20"', '"1e"'),
        TICKER.replace("1723161256314", '"now"').replace("}}", ',"E":null}}'),
        DEPTH.replace('[["58710.20","0.014"]]', '[["58710.20"]]'),
        "[" * 100_000,
    ],
)
def test_garbage_is_refused_with_its_beginning(text: str) -> None:
    """MalformedMessage for anything that can't be understood, however it is broken."""
    with pytest.raises(MalformedMessage) as refused:
        decode(text, 1, "BTCUSDT")
    assert text[:20] in str(refused.value).replace('\\"', '"')


KEYS = st.sampled_from(["stream", "data", "e", "u", "b", "lastUpdateId"])
SCALARS = st.none() | st.integers() | st.text() | st.floats()
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(DOCUMENTS)
def test_any_json_is_answered(document: object) -> None:
    """A message, None or MalformedMessage: nothing else comes out."""
    try:
        decode(json.dumps(document), 1, "BTCUSDT")
    except MalformedMessage:
        return
