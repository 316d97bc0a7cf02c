"""The page's decimal arithmetic against Python's, in the browser it runs in."""

import random
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
CASES = 2_000


def texts(seed):
    """Decimal texts of all sizes and signs, some with exact halves."""
    draw = random.Random(seed)
    for _ in range(CASES):
        whole = str(draw.randrange(10 ** draw.randrange(1, 22)))
        fraction = str(draw.randrange(10 ** draw.randrange(1, 19)))
        tail = draw.choice(["", f".{fraction}", f".{fraction}5", ".5", "." + "0" * draw.randrange(1, 9) + fraction])
        yield draw.choice(["", "-"]) + whole + tail


@pytest.fixture
def exact():
    """Decimal arithmetic that loses nothing."""
    with localcontext() as context:
        context.prec = 200
        yield context


async def run(visit, port, expression, argument):
    """Evaluate an expression over decimal.js, with `d` as the module and `x` as the argument."""
    await visit.page.goto(f"http://127.0.0.1:{port}/")
    return await visit.page.evaluate(f"(x) => import('/static/js/decimal.js').then((d) => {expression})", argument)


@pytest.mark.usefixtures("exact")
async def test_rounding(visit, port):
    """Rounding is half to even at any number of places."""
    rows = [[text, places] for places, text in enumerate(texts(1))]
    rows = [[text, places % 9] for text, places in rows]
    got = await run(visit, port, "x.map(([t, p]) => d.round(t, p))", rows)
    for (text, places), rounded in zip(rows, got, strict=True):
        expected = Decimal(text).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
        assert Decimal(rounded) == expected and len(rounded.partition(".")[2]) == places, (text, places)


@pytest.mark.usefixtures("exact")
async def test_sums(visit, port):
    """Sums are exact."""
    numbers = list(texts(2))
    rows = [numbers[at : at + 4] for at in range(0, CASES, 4)]
    got = await run(visit, port, "x.map((row) => d.sum(row))", rows)
    assert [Decimal(text) for text in got] == [sum(map(Decimal, row)) for row in rows]


@pytest.mark.usefixtures("exact")
async def test_shifts_and_signs(visit, port):
    """A shift moves the point and nothing else; signs are right, zero included."""
    rows = [[text, power % 13 - 6] for power, text in enumerate([*texts(3), "0", "-0.00"])]
    got = await run(visit, port, "x.map(([t, p]) => [d.shift(t, p), d.sign(t)])", rows)
    for (text, power), (shifted, sign) in zip(rows, got, strict=True):
        assert Decimal(shifted) == Decimal(text).scaleb(power)
        assert sign == (Decimal(text) > 0) - (Decimal(text) < 0)


async def test_grouping(visit, port):
    """Thousands are separated, the minus is a minus, plus where asked for."""
    shown = "x.map((t) => [d.group(t), d.group(t, { plus: true })])"
    got = await run(visit, port, shown, ["1234567.891", "-1000", "999", "0.00", "-0.5"])
    assert got == [
        ["1\u202f234\u202f567.891", "+1\u202f234\u202f567.891"],
        ["\u22121\u202f000", "\u22121\u202f000"],
        ["999", "+999"],
        ["0.00", "0.00"],
        ["\u22120.5", "\u22120.5"],
    ]


async def test_what_is_no_decimal(visit, port):
    """Only plain decimal text is taken for one."""
    odd = ["", "1e5", "NaN", "Infinity", "1.", ".5", "0x10", " 1", None, 1, {}, [], "1,000"]
    assert await run(visit, port, "x.map(d.isDecimal)", odd) == [False] * len(odd)
