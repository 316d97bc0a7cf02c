"""Series as text: what all share once above them, then a line each, its value first."""

import math
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

from flashmm_orchestration.cli._options import columns, widest

_BARS: Final = "▁▂▃▄▅▆▇█"
_CURVE: Final = 30
"""Characters of a curve."""
_DIGITS: Final = 6
_GROUPED_BY: Final = ("__name__", "job", "instance")

Labels = dict[str, str]
Point = tuple[float, float]


def printed(result: Sequence[dict[str, Any]], unit: str, width: int) -> str:
    """The series of an answer of Prometheus's API, at least one, in groups: a metric of a program is one."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for series in result:
        groups.setdefault(tuple(series["metric"].get(name, "") for name in _GROUPED_BY), []).append(series)
    return "\n\n".join(_group(each, unit, width) for each in groups.values())


def _group(result: Sequence[dict[str, Any]], unit: str, width: int) -> str:
    labels: list[Labels] = [each["metric"] for each in result]
    shared = dict(set[tuple[str, str]].intersection(*(set(each.items()) for each in labels)))
    rest = [{name: text for name, text in each.items() if name not in shared} for each in labels]
    return f"{_head(shared, result, width)}\n{_body(_figures(result, unit), rest, width)}"


def _head(shared: Labels, result: Sequence[dict[str, Any]], width: int) -> str:
    """Name, time and the labels that every series of a group has."""
    said = "  ".join(filter(None, (shared.pop("__name__", ""), _when(result))))
    return "\n".join((said, *_wrapped(_pairs(shared), width)))


def _body(figures: list[list[str]], labels: list[Labels], width: int) -> str:
    """A column a label where that fits, else a series' labels below its figures."""
    names = sorted(set(chain.from_iterable(labels)))
    told = [names, *([each.get(name, "") for name in names] for each in labels)]
    text = columns([[*row, *cells] for row, cells in zip(figures, told, strict=True)])
    if widest(text) <= width:
        return text
    head, *lines = columns(figures).split("\n")
    below = ("\n".join((line, *_wrapped(_pairs(each), width))) for line, each in zip(lines, labels, strict=True))
    return "\n".join((head, *below))


def _pairs(labels: Labels) -> str:
    return ", ".join(f'{name}="{labels[name]}"' for name in sorted(labels))


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _when(result: Sequence[dict[str, Any]]) -> str:
    times = [float(time) for series in result for time, _ in _samples(series)]
    first, last = (datetime.fromtimestamp(each, UTC) for each in (min(times), max(times)))
    if last - first < timedelta(seconds=1):
        return f"at {last:%Y-%m-%d %H:%M:%S} UTC"
    to = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S} to {to} UTC"


def _samples(series: dict[str, Any]) -> list[Any]:
    """Numbers and histograms, however many."""
    alone = [series[name] for name in ("value", "histogram") if name in series]
    return [*alone, *series.get("values", ()), *series.get("histograms", ())]


# Figures: a head line, then a line a series.


def _figures(result: Sequence[dict[str, Any]], unit: str) -> list[list[str]]:
    of_unit = f" ({unit})" if unit else ""
    histograms = [each["histogram"][1] for each in result if "histogram" in each]
    histograms += [each["histograms"][-1][1] for each in result if "histograms" in each]
    if len(histograms) == len(result):
        return _histograms(histograms, of_unit)
    if histograms:
        return _beside([f"value{of_unit}"], [_last(each) for each in result])
    if "value" in result[0]:
        return _beside([f"value{of_unit}"], _aligned([float(each["value"][1]) for each in result]))
    return _curves([[(float(time), float(value)) for time, value in each["values"]] for each in result], of_unit)


def _histograms(histograms: list[dict[str, Any]], of_unit: str) -> list[list[str]]:
    counts, sums = ([float(each[name]) for each in histograms] for name in ("count", "sum"))
    means = [total / count if count else math.nan for total, count in zip(sums, counts, strict=True)]
    return _beside(["count", f"sum{of_unit}", "mean"], _aligned(counts), _aligned(sums), _aligned(means))


def _last(series: dict[str, Any]) -> str:
    value = _samples(series)[-1][1]
    if isinstance(value, str):
        return number(float(value))
    return f"count {number(float(value['count']))}, sum {number(float(value['sum']))}"


def _curves(points: list[list[Point]], of_unit: str) -> list[list[str]]:
    first, last = min(each[0][0] for each in points), max(each[-1][0] for each in points)
    parts = min(_CURVE, max(map(len, points)))
    known = [[value for _, value in each if not math.isnan(value)] or [math.nan] for each in points]
    return _beside(
        [f"value{of_unit}", "least", "most", "curve"],
        _aligned([each[-1][1] for each in points]),
        _aligned(list(map(min, known))),
        _aligned(list(map(max, known))),
        [_curve(each, first, last, parts) for each in points],
    )


def _beside(names: list[str], *cells: list[str]) -> list[list[str]]:
    return [names, *map(list, zip(*cells, strict=True))]


def _aligned(values: list[float]) -> list[str]:
    """Numbers with their points below one another."""
    parts = [number(value).partition(".") for value in values]
    whole = max(len(before) for before, _, _ in parts)
    return [before.rjust(whole) + point + after for before, point, after in parts]


def number(value: float) -> str:
    """As many digits as one reads; whole numbers whole."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value:+}".replace("inf", "Inf")
    size = math.floor(math.log10(abs(value))) if value else 0
    if not -_DIGITS < size < 2 * _DIGITS:
        return f"{value:.{_DIGITS}g}"
    text = f"{value:.{max(3, _DIGITS - 1 - size)}f}"
    return text.rstrip("0").rstrip(".")


def _curve(points: list[Point], first: float, last: float, parts: int) -> str:
    """The mean of each equal part of the time; a blank where nothing was."""
    found: list[list[float]] = [[] for _ in range(parts)]
    for time, value in points:
        if math.isfinite(value):
            found[min(parts - 1, int((time - first) / max(last - first, 1e-3) * parts))].append(value)
    return _bars([sum(part) / len(part) if part else None for part in found])


def _bars(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if value is None else _BARS[round((value - low) * scale)] for value in values)
