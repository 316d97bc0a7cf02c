"""Metric points → P&L, inventory, activity and model items, picking the few series that matter out of many."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt
from prometheus_client import Counter

from flashmm_backends.batch import Points, SeriesMeta
from flashmm_backends.naming import label_name, metric_name
from flashmm_backends.naming import series_id as id_of
from flashmm_backends.ports import RangeSeries
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import metrics
from flashmm_streaming import _text
from flashmm_streaming._events import bps
from flashmm_streaming._recent import Recent

SERIES_MAX = 5_000
"""Series followed; with more than these, those silent longest are left to queries."""
RUNS_MAX = 5_000


@dataclass(slots=True)
class _Part:
    """The last value of a part and its time; how many series it is followed by, as each run of a bot has its own."""

    series: int = 0
    time_ms: int = 0
    value: float | None = None

    def take(self, time_ms: int, value: float) -> bool:
        """Whether it is newer than what is here, or as new. What one export tells may differ in time."""
        newer = time_ms >= self.time_ms
        if newer:
            self.time_ms, self.value = time_ms, value
        return newer


@dataclass(slots=True)
class _Subject:
    """What an item is about, and its parts."""

    stream: str
    identity: dict[str, object]
    parts: dict[tuple[str, ...], _Part] = field(default_factory=dict[tuple[str, ...], _Part])

    @property
    def time_ms(self) -> int:
        return max(part.time_ms for part in self.parts.values())

    @property
    def values(self) -> dict[tuple[str, ...], float]:
        """Of the parts that are known."""
        return {key: part.value for key, part in self.parts.items() if part.value is not None}

    @property
    def shown(self) -> bool:
        """Fills in a currency that no P&L is in make no P&L."""
        return self.stream != "pnl" or any(part in self.values for part in _PNL_KEYS)


@dataclass(slots=True)
class _Series:
    """A followed series: where its values go."""

    subject: _Subject
    key: tuple[str, ...]

    @property
    def part(self) -> _Part:
        return self.subject.parts[self.key]


@dataclass(frozen=True, slots=True)
class _Role:
    """Which stream a metric feeds, the labels that tell subjects apart, and those that tell parts apart."""

    stream: str
    part: str
    identity: tuple[str, ...]
    split: tuple[str, ...] = ()


_OWNER: Final = (attr.BOT, attr.ACCOUNT)
_MARKET: Final = (*_OWNER, attr.VENUE, attr.SYMBOL)
_ROLES: Final[dict[str, _Role]] = {
    metric_name(metrics.PNL_REALIZED): _Role("pnl", "realized", (*_OWNER, attr.CURRENCY)),
    metric_name(metrics.PNL_UNREALIZED): _Role("pnl", "unrealized", (*_OWNER, attr.CURRENCY)),
    metric_name(metrics.PNL_FEES): _Role("pnl", "fees", (*_OWNER, attr.CURRENCY)),
    metric_name(metrics.PNL_FUNDING): _Role("pnl", "funding", (*_OWNER, attr.CURRENCY)),
    metric_name(metrics.FILL_NOTIONAL): _Role(
        "pnl", "notional", (*_OWNER, attr.CURRENCY), (attr.VENUE, attr.SYMBOL, attr.SIDE, attr.LIQUIDITY)
    ),
    metric_name(metrics.INVENTORY_POSITION): _Role("inventory", "position", _MARKET),
    metric_name(metrics.INVENTORY_UTILIZATION): _Role("inventory", "utilization", _MARKET),
    metric_name(metrics.FILLS): _Role("activity", "fills", _MARKET, (attr.SIDE, attr.LIQUIDITY)),
    metric_name(metrics.ORDERS): _Role("activity", "orders", _MARKET, (attr.SIDE, attr.ORDER_OUTCOME)),
    metric_name(metrics.MODEL_ACCURACY): _Role("model", "accuracy", (*_OWNER, attr.SYMBOL, attr.MODEL)),
}
PNL_PARTS: Final = ("realized", "unrealized", "fees", "funding")
_PNL_KEYS: Final = tuple((part,) for part in PNL_PARTS)
_TARGET: Final = "target_info"
FOLLOWED: Final = f'{{__name__=~"{"|".join([*_ROLES, _TARGET])}"}}'
"""PromQL of what `recall` takes."""


class Gauges:
    """The last values of the followed series; `update` returns items for the subjects that changed."""

    def __init__(self, forgotten: Counter) -> None:
        self._series: Recent[int, _Series] = Recent(SERIES_MAX, forgotten.labels("series"))
        self._subjects: dict[tuple[object, ...], _Subject] = {}
        self._ids: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._runs: Recent[tuple[str, str], str] = Recent(RUNS_MAX, forgotten.labels("last runs"))

    def begin(self, bot: str, account: str, run: str) -> list[tuple[str, dict[str, object]]]:
        """A bot's run: a later one than the last (runs are UUIDv7, ordered by time) begins at nothing.

        Returns items of what is counted in a run: the first order may be long in coming.
        """
        before = self._runs.get((bot, account))
        if before is not None and run <= before:
            return []
        self._runs.put((bot, account), run)
        if before is None:
            return []
        counted = [each for each in self._forgotten(bot, account) if each.stream == "activity"]
        return [(each.stream, self._item(each)) for each in counted]

    def _forgotten(self, bot: str, account: str) -> list[_Subject]:
        """The bot's subjects, without their values."""
        found = [
            each
            for each in self._subjects.values()
            if (each.identity["bot"], each.identity["account"]) == (bot, account)
        ]
        for part in chain.from_iterable(each.parts.values() for each in found):
            part.value = None
        return found

    def learn(self, series: Sequence[SeriesMeta]) -> None:
        """Follow those that a stream shows."""
        new = [self._follow(meta) for meta in series if meta.id not in self._series]
        if any(new):
            self._ids = np.sort(np.fromiter(self._series, np.uint64, len(self._series)))

    def recall(self, stored: Sequence[RangeSeries]) -> list[tuple[str, dict[str, object]]]:
        """The same for the last values of series stored earlier, each bot's of its last run alone."""
        runs: dict[tuple[str, str], str] = {}
        for labels in (dict(each.labels) for each in stored):
            if labels.get("__name__") == _TARGET:
                run = labels.get(label_name(attr.RUN), "")
                runs[_source(labels)] = max(run, runs.get(_source(labels), ""))
                self.begin(*_owner(labels), run)
        last = [each for each in stored if len(each.times_ms) and self._is_last(dict(each.labels), runs)]
        last.sort(key=lambda each: each.times_ms[-1])
        self.learn([SeriesMeta(id_of(each.labels), each.labels, "", "", "") for each in last])
        return self.update(_last_points(last))

    def _is_last(self, labels: Mapping[str, str], runs: Mapping[tuple[str, str], str]) -> bool:
        run = runs.get(_source(labels))
        return run is not None and run == self._runs.get(_owner(labels))

    def update(self, points: Points) -> list[tuple[str, dict[str, object]]]:
        """(stream, item) for each subject with a newer value; of several points of a series the last counts."""
        changed: dict[int, _Subject] = {}
        for series_id, time_ms, value in self._matching(points):
            series = self._series[series_id]
            self._series.move_to_end(series_id)
            if series.part.take(time_ms, value):
                changed[id(series.subject)] = series.subject
        return [(subject.stream, self._item(subject)) for subject in changed.values() if subject.shown]

    def _item(self, subject: _Subject) -> dict[str, object]:
        """P&L names the run that it is counted from."""
        body = _BODIES[subject.stream](subject)
        if subject.stream == "pnl":
            body["run"] = self._runs.get((str(subject.identity["bot"]), str(subject.identity["account"])), "")
        return body

    def _follow(self, meta: SeriesMeta) -> bool:
        labels = dict(meta.labels)
        role = _ROLES.get(labels.get("__name__", ""))
        if role is None:
            return False
        labels.setdefault(label_name(attr.BOT), labels.get("job", ""))
        identity = {name.rpartition(".")[2]: labels.get(label_name(name), "") for name in role.identity}
        subject = self._subject(role.stream, identity)
        split = tuple(labels.get(label_name(name), "") for name in role.split)
        key = (role.part, *split)
        subject.parts.setdefault(key, _Part()).series += 1
        silent = self._series.put(meta.id, _Series(subject, key))
        if silent is not None:
            self._leave(silent)
        return True

    def _leave(self, series: _Series) -> None:
        """What nothing else feeds goes with it."""
        subject = series.subject
        series.part.series -= 1
        if not series.part.series:
            del subject.parts[series.key]
        if not subject.parts:
            del self._subjects[_name(subject.stream, subject.identity)]

    def _subject(self, stream: str, identity: dict[str, str]) -> _Subject:
        return self._subjects.setdefault(_name(stream, identity), _Subject(stream, dict(identity)))

    def _matching(self, points: Points) -> Iterator[tuple[int, int, float]]:
        if not len(self._ids) or not len(points.series_id):
            return iter(())
        place = np.searchsorted(self._ids, points.series_id)
        hit = np.flatnonzero(self._ids[np.minimum(place, len(self._ids) - 1)] == points.series_id)
        hit = hit[np.isfinite(points.value[hit])]
        return zip(
            points.series_id[hit].tolist(), points.time_ms[hit].tolist(), points.value[hit].tolist(), strict=True
        )


def _name(stream: str, identity: Mapping[str, object]) -> tuple[object, ...]:
    return (stream, *identity.values())


def _source(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("job", ""), labels.get("instance", "")


def _owner(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get(label_name(attr.BOT)) or labels.get("job", ""), labels.get(label_name(attr.ACCOUNT), "")


def _last_points(stored: Sequence[RangeSeries]) -> Points:
    ids = np.array([id_of(each.labels) for each in stored], np.uint64)
    times = np.array([each.times_ms[-1] for each in stored], np.int64)
    return Points(ids, times, np.array([each.values[-1] for each in stored], np.float64))


def _pnl(subject: _Subject) -> dict[str, object]:
    """`net` is the sum of the parts that are known; `missing` names the others. notional: what fills traded, in all.

    net_bps: net in basis points of the notional; None before the first fill.
    """
    values = subject.values
    texts = {part: _text.from_float(values[part,]) for part in PNL_PARTS if (part,) in values}
    net = Decimal(0)
    for text in texts.values():
        net = _text.EXACT.add(net, Decimal(text or 0))
    missing = [part for part in PNL_PARTS if part not in texts]
    notional = _notional(subject)
    return {
        **_head(subject),
        **texts,
        "net": _text.from_decimal(net),
        "missing": missing,
        "notional": None if notional is None else _text.from_decimal(notional),
        "net_bps": bps(net / notional) if notional else None,
    }


def _notional(subject: _Subject) -> Decimal | None:
    """The sum of the counters' shortest decimals; None without any."""
    texts = [_text.from_float(value) for key, value in subject.values.items() if key[0] == "notional"]
    return sum((Decimal(text) for text in texts if text), Decimal(0)) if texts else None


def _values(subject: _Subject) -> dict[str, object]:
    return {**_head(subject), **{part[0]: _text.from_float(value) for part, value in subject.values.items()}}


def _activity(subject: _Subject) -> dict[str, object]:
    return {
        **_head(subject),
        "fills": _sum(subject, "fills"),
        "maker_fills": _sum(subject, "fills", attr.Liquidity.MAKER),
        "orders": _sum(subject, "orders"),
        "rejected": _sum(subject, "orders", attr.Outcome.REJECTED),
    }


def _sum(subject: _Subject, part: str, last: str | None = None) -> int:
    """Over the series of a part, or those whose last telling label has a value."""
    return int(sum(value for key, value in subject.values.items() if key[0] == part and last in (None, key[-1])))


def _model(subject: _Subject) -> dict[str, object]:
    return {**_values(subject), "source": "reported"}


def _head(subject: _Subject) -> dict[str, object]:
    return {**subject.identity, "time_ms": subject.time_ms}


_BODIES: Final[dict[str, Callable[[_Subject], dict[str, object]]]] = {
    "pnl": _pnl,
    "inventory": _values,
    "activity": _activity,
    "model": _model,
}
