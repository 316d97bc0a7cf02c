"""The boards' P&L and drawdown, evaluated over a bot's gauges."""

from tests.boards import asked

from flashmm_backends.promql import Engine
from flashmm_backends.promql.testing import MemorySource, labels_of

SECOND = 1_000
HOUR = 3_600 * SECOND


def shown(title: str, *runs: dict[str, dict[int, float]]) -> list[set[float]]:
    """What each panel of a title shows after three hours. runs: each one's P&L parts, by second, every 15 s."""
    source = MemorySource()
    for number, parts in enumerate(runs):
        for part, values in parts.items():
            labels = {"flashmm_bot": "b", "flashmm_currency": "USD", "instance": f"run-{number}"}
            samples = [(at * SECOND, value) for at, value in values.items()]
            source.add(labels_of(f"flashmm_pnl_{part}", **labels), samples)
    engine = Engine(source)
    panels = [each.filled_in for each in asked("prometheus") if each.panel == title]
    answers = [engine.query(expression, 3 * HOUR).samples for expression in panels]
    return [{float(sample.value) for sample in samples} for samples in answers]


def steady(value: float, begin: int = 0, end: int = 10_800) -> dict[int, float]:
    return dict.fromkeys(range(begin, end + 1, 15), value)


def test_pnl_is_of_the_parts_that_are_told() -> None:
    """A bot without funding, or without fees, has a P&L all the same."""
    told = {"realized": steady(5), "unrealized": steady(-1)}
    assert shown("P&L", told) == [{4.0}] * len(shown("P&L"))
    assert shown("P&L", told | {"fees": steady(-0.5), "funding": steady(0.25)})[0] == {3.75}


def test_a_restart_is_no_drawdown() -> None:
    """A run that ended at +1,000 is no peak of the next one; a fall within a run is told."""
    before = {"realized": steady(1_000, end=7_200)}
    assert {*map(frozenset, shown("Drawdown", before, {"realized": steady(0, 7_215)}))} == {frozenset({0.0})}
    fallen = {"realized": steady(50, 7_215, 9_000) | steady(20, 9_015)}
    assert {*map(frozenset, shown("Drawdown", before, fallen))} == {frozenset({-30.0})}
