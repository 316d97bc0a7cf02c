"""PromQL of our own metrics: every name and label comes from the registry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flashmm_backends.naming import label_name, metric_name
from flashmm_instrumentation.semconv import Metric
from flashmm_instrumentation.semconv import attributes as attr

BOT: Final = label_name(attr.BOT)
SYMBOL: Final = label_name(attr.SYMBOL)
CURRENCY: Final = label_name(attr.CURRENCY)
SIDE: Final = label_name(attr.SIDE)
LIQUIDITY: Final = label_name(attr.LIQUIDITY)
MODEL: Final = label_name(attr.MODEL)
OUTCOME: Final = label_name(attr.ORDER_OUTCOME)
STAGE: Final = label_name(attr.ORDER_STAGE)
RUN: Final = "instance"
"""Each run of a bot is an instance of its service."""
VENUE: Final = label_name(attr.VENUE)

WINDOW: Final = "$__rate_interval"
"""Grafana's choice: at least four scrapes, and the width of a pixel."""
EVERYTHING: Final = ".+"
"""The regular expression that a variable's *All* stands for; stores refuse one that may match nothing."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose series a panel shows, and how late.

    by_variables: only those of the board's `$bot` and `$symbol`. by: the labels that tell its series apart.
    delay_m: how many minutes after the fact.
    """

    by_variables: bool = True
    by: tuple[str, ...] = (BOT, SYMBOL)
    delay_m: int = 0

    def last(self, metric: Metric, *matchers: str) -> str:
        """The latest samples of a metric. matchers: more of them, such as `flashmm_side="buy"`."""
        return self._selected(metric, matchers) + _offset(self.delay_m)

    def last_of(self, *metrics: Metric) -> str:
        """The latest samples of several metrics with the same attributes, as many of them as there are."""
        names = "|".join(metric_name(metric) for metric in metrics)
        matchers = ",".join((f'__name__=~"{names}"', *self._matchers(metrics[0])))
        return f"{{{matchers}}}" + _offset(self.delay_m)

    def over(self, function: str, metric: Metric, *matchers: str, window: str = WINDOW) -> str:
        """A function over the samples of a window: `rate`, `increase`, `avg_over_time` …"""
        return f"{function}({self._selected(metric, matchers)}[{window}]{_offset(self.delay_m)})"

    def counted(self, metric: Metric, *matchers: str, window_m: int) -> str:
        """What a counter counted in a window of so many minutes."""
        return counted(self._selected(metric, matchers), window_m, self.delay_m)

    def rate(self, metric: Metric, *matchers: str) -> str:
        """A counter's or histogram's growth a second."""
        return self.over("rate", metric, *matchers)

    def grouped(self, aggregation: str, expression: str, *more: str) -> str:
        """`sum by (…)` and the like over this scope's labels and some more."""
        labels = ", ".join((*self.by, *more))
        return f"{aggregation} by ({labels}) ({expression})" if labels else f"{aggregation}({expression})"

    def legend(self, *more: str) -> str:
        """What a series is called: the values of its labels."""
        return legend(*self.by, *more)

    def without_symbol(self) -> "Scope":
        """The same for metrics that have no symbol."""
        return Scope(self.by_variables, tuple(each for each in self.by if each != SYMBOL), self.delay_m)

    def of_runs(self) -> "Scope":
        """The same for each run of a bot by itself."""
        return Scope(self.by_variables, (*self.by, RUN), self.delay_m)

    def _selected(self, metric: Metric, matchers: Sequence[str]) -> str:
        inner = ",".join((*self._matchers(metric), *matchers))
        return f"{metric_name(metric)}{{{inner}}}" if inner else metric_name(metric)

    def _matchers(self, metric: Metric) -> list[str]:
        if not self.by_variables:
            return []
        of_bot = [f'{BOT}=~"$bot"']
        return [*of_bot, f'{SYMBOL}=~"$symbol"'] if attr.SYMBOL in metric.attributes else of_bot


def legend(*labels: str) -> str:
    """Grafana's template of a series' name from the values of labels."""
    return " ".join(f"{{{{{label}}}}}" for label in labels)


def quantile(share: float, histogram: str) -> str:
    """A quantile of a native histogram's rate."""
    return f"histogram_quantile({share:g}, {histogram})"


def counted(counter: str, window_m: int, delay_m: int = 0) -> str:
    """What a counter counted in a window. One that appeared in it counts whole: `increase` misses its first sample.

    Known within the hour before is not new, though the store may have been away meanwhile.
    """
    window = f"{counter}[{window_m}m]{_offset(delay_m)}"
    before = f"{counter}[1h]{_offset(window_m + delay_m)}"
    return f"((last_over_time({window}) unless last_over_time({before})) or increase({window}))"


def _offset(minutes: int) -> str:
    return f" offset {minutes}m" if minutes else ""


def or_zero(expression: str) -> str:
    """Zero where a counter has not been counted at all yet. expression: without labels, as from `sum(…)`."""
    return f"{expression} or vector(0)"
