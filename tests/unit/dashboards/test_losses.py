"""The Admin board's panel of what a store turned away, evaluated over a Collector's counter."""

import pytest

from flashmm_backends.promql import Engine
from flashmm_backends.promql.testing import MemorySource, labels_of
from flashmm_dashboards.boards import stored_boards

COUNTER = "otelcol_exporter_send_failed_spans"
MINUTE = 60_000


def expression() -> str:
    """The panel's query for spans, as it is committed."""
    panels = [
        panel
        for board in stored_boards()
        if board.folder.name == "admin"
        for panel in board.content.get("panels", ())
    ]
    [panel] = [each for each in panels if each["title"] == "Turned away by a store"]
    return str(panel["targets"][0]["expr"])


def shown(counted: dict[int, float], minute: int) -> float:
    """What it shows at a minute. counted: the counter by minute."""
    source = MemorySource()
    source.add(labels_of(COUNTER, exporter="otlp"), [(at * MINUTE, value) for at, value in counted.items()])
    [sample] = Engine(source).query(expression(), minute * MINUTE).samples
    assert isinstance(sample.value, float)
    return sample.value


def test_no_loss_is_a_zero() -> None:
    """The counter is absent until something is lost."""
    assert shown({}, 30) == 0


def test_the_first_loss_is_shown_whole() -> None:
    """One record, with which the counter appears, is one record, however often it was read since."""
    assert shown({20: 1.0}, 20) == 1
    assert shown(dict.fromkeys(range(20, 24), 1.0), 23) == 1


def test_it_is_over_after_five_minutes() -> None:
    """A counter that stands still shows nothing lost."""
    assert shown(dict.fromkeys(range(20, 41), 1.0), 40) == 0


def test_later_losses_are_the_increase() -> None:
    """What was there before does not count again."""
    counted = dict.fromkeys(range(30), 7.0) | dict.fromkeys(range(30, 41), 9.0)
    assert shown(counted, 32) == pytest.approx(2, rel=0.3)
