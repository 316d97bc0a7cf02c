"""The Admin board's panels of what is lost, evaluated over their counters."""

from typing import Any

import pytest
from tests.boards import Asked, asked, panels

from flashmm_backends.promql import Engine
from flashmm_backends.promql.testing import MemorySource, labels_of

MINUTE = 60_000
PANELS = {
    "Refused at the door",
    "Turned away by a store",
    "Refused or dropped by flashmm",
    "Dropped, misused, failed in bots",
}
LOSSES = [each for each in asked("prometheus") if each.board == "admin/stack" and each.panel in PANELS]

every_loss = pytest.mark.parametrize("each", LOSSES, ids=lambda each: f"{each}: {min(each.names)}")


def shown(each: Asked, counted: dict[int, float], minute: int) -> float:
    """What a panel's expression shows at a minute. counted: its counter by minute."""
    [counter] = each.names
    source = MemorySource()
    source.add(labels_of(counter, flashmm_bot="b"), [(at * MINUTE, value) for at, value in counted.items()])
    [sample] = Engine(source).query(each.filled_in, minute * MINUTE).samples
    assert isinstance(sample.value, float)
    return sample.value


def test_every_panel_of_a_counter_that_turns_red_for_anything_is_here() -> None:
    """Those of gauges apart, which need no memory."""
    red = {panel["title"] for _, panel in panels() if _any_is_bad(panel)}
    assert {each.panel for each in LOSSES} == PANELS == red - {"Retention lost to the size limit"}


def _any_is_bad(panel: dict[str, Any]) -> bool:
    return any(0 < (step["value"] or 0) < 1e-6 for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"])


@every_loss
def test_no_loss_is_a_zero(each: Asked) -> None:
    """The counter is absent until something is lost."""
    assert shown(each, {}, 30) == 0


@every_loss
def test_the_first_loss_is_shown_whole(each: Asked) -> None:
    """One record, with which the counter appears, is one record, however often it was read since."""
    assert shown(each, {20: 1.0}, 20) == 1
    assert shown(each, dict.fromkeys(range(20, 24), 1.0), 23) == 1


@every_loss
def test_it_is_over_after_five_minutes(each: Asked) -> None:
    """A counter that stands still shows nothing lost."""
    assert shown(each, dict.fromkeys(range(20, 41), 1.0), 40) == 0


@every_loss
def test_later_losses_are_the_increase(each: Asked) -> None:
    """What was there before does not count again."""
    counted = dict.fromkeys(range(30), 7.0) | dict.fromkeys(range(30, 41), 9.0)
    assert shown(each, counted, 32) == pytest.approx(2, rel=0.3)


@every_loss
def test_an_old_loss_is_not_new_because_prometheus_was_away(each: Asked) -> None:
    """A counter that nobody read for twenty minutes, and that stood still, shows nothing lost."""
    counted = dict.fromkeys(range(11), 7.0) | dict.fromkeys(range(31, 41), 7.0)
    assert shown(each, counted, 32) == 0
