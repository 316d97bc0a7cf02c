"""OTLP names and labels → Prometheus names and labels, as Prometheus 3 does with escaping and suffixes.

Follows Prometheus 3.13 with `deploy/prometheus/prometheus.yml`: translation strategy UnderscoreEscapingWithSuffixes,
scope metadata not promoted, the resource attributes of `PROMOTED_ATTRIBUTES` promoted.
Source: https://prometheus.io/docs/guides/opentelemetry/ and OpenTelemetry's page on
"Prometheus and OpenMetrics compatibility".
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from flashmm_backends._text import attribute_text, decimal_text
from flashmm_backends.batch import Labels
from flashmm_instrumentation.semconv import Instrument, Metric
from flashmm_instrumentation.semconv import attributes as attr

__all__ = [
    "PROMOTED_ATTRIBUTES",
    "TARGET_INFO_STEP_S",
    "MetricKind",
    "NameRefused",
    "ResourceLabels",
    "attribute_labels",
    "attribute_text",
    "decimal_text",
    "label_name",
    "metric_name",
    "prometheus_name",
    "resource_labels",
    "series_id",
    "series_labels",
    "target_info_labels",
    "target_info_times_ms",
    "unit_name",
]

PROMOTED_ATTRIBUTES: Final = (attr.DEPLOYMENT_ENVIRONMENT, attr.ACCOUNT, attr.BOT, "service.version")
"""Resource attributes that become labels of every series; all the others are on `target_info`.

`flashmm.run` is not among them: a restart would begin every series anew, where Prometheus sees a counter reset.
"""

_IDENTIFYING: Final = frozenset({attr.SERVICE_NAMESPACE, attr.SERVICE_NAME, attr.SERVICE_INSTANCE_ID})
_NAME_LABEL: Final = "__name__"

TARGET_INFO_STEP_S: Final = 150
"""How far apart the samples of `target_info` are."""
_TARGET_INFO_SPAN_NS_MAX: Final = 86_400 * 10**9

_UNITS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER_UNITS: Final = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}

_KNOWN_CHARS_MAX: Final = 128
"""Longest attribute name whose translation is remembered."""
_NAME_TOKEN: Final = re.compile(r"[a-zA-Z0-9:]+")
_NOT_IN_UNIT: Final = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABEL: Final = re.compile(r"[^a-zA-Z0-9]")


@dataclass
class NameRefused(Exception):
    """Nothing is left of a name once it is translated; Prometheus refuses the points that carry it."""

    name: str

    def __str__(self) -> str:
        return f"{self.name!r} has no character that a Prometheus name may have"


class MetricKind(StrEnum):
    """What the translation of a name depends on. SUM is a sum that may fall."""

    GAUGE = "gauge"
    COUNTER = "counter"
    SUM = "sum"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"

    @property
    def family_type(self) -> str:
        """Prometheus's metric type: `flashmm_backends.batch.SeriesMeta.type`."""
        return "gauge" if self is MetricKind.SUM else self.value


_INSTRUMENT_KINDS: Final = {
    Instrument.COUNTER: MetricKind.COUNTER,
    Instrument.GAUGE: MetricKind.GAUGE,
    Instrument.UP_DOWN_COUNTER: MetricKind.SUM,
    Instrument.HISTOGRAM: MetricKind.HISTOGRAM,
}


def metric_name(metric: Metric) -> str:
    """Prometheus name of a metric of the registry: what boards, rules and queries write."""
    return prometheus_name(metric.name, metric.unit, _INSTRUMENT_KINDS[metric.instrument])


def prometheus_name(name: str, unit: str, kind: MetricKind) -> str:
    """Prometheus name of an OTLP metric. unit: UCUM. Raises NameRefused when no valid character is left."""
    tokens = _with_unit(_NAME_TOKEN.findall(name), unit)
    if kind is MetricKind.COUNTER:
        tokens = _ending_in(tokens, "total")
    if kind is MetricKind.GAUGE and unit == "1":
        tokens = _ending_in(tokens, "ratio")
    translated = "_".join(tokens)
    if not translated.strip("_"):
        raise NameRefused(name)
    return f"_{translated}" if translated[0].isdecimal() else translated


def _ending_in(tokens: list[str], suffix: str) -> list[str]:
    return [*(token for token in tokens if token != suffix), suffix]


def _with_unit(tokens: list[str], unit: str) -> list[str]:
    main, per = _unit_words(unit)
    if per:
        main = main.removesuffix("_")
    return [*tokens, *([main] if main and main not in tokens else []), *([per] if per else [])]


def _unit_words(unit: str) -> tuple[str, str]:
    """The unit's main word and its `per_…` word, either may be empty."""
    main, _, per = unit.partition("/")
    main_word = _unit_word(main, _UNITS)
    per_word = _unit_word(per, _PER_UNITS).removesuffix("_")
    return main_word, f"per_{per_word}" if per_word else ""


def _unit_word(unit: str, words: Mapping[str, str]) -> str:
    stripped = unit.strip()
    if "{" in stripped or "}" in stripped:
        return ""
    return _NOT_IN_UNIT.sub("_", words.get(stripped, stripped)).removeprefix("_")


def unit_name(unit: str) -> str:
    """Prometheus's word for a UCUM unit, as metadata shows it: `By/s` → `bytes_per_second`, `1` → empty."""
    words = "_".join(word for word in _unit_words(unit) if word)
    return words.removeprefix("_").removesuffix("_")


def label_name(attribute: str) -> str:
    """Label name of an OTLP attribute: `http.method` → `http_method`. Raises NameRefused when nothing is left."""
    return _known_label_name(attribute) if len(attribute) <= _KNOWN_CHARS_MAX else _label_name(attribute)


def _label_name(attribute: str) -> str:
    name = _NOT_IN_LABEL.sub("_", attribute)
    if name[:1].isdecimal():
        name = f"key_{name}"
    elif name.startswith("_") and not name.startswith("__"):
        name = f"key{name}"
    if not name.strip("_"):
        raise NameRefused(attribute)
    return name


_known_label_name = lru_cache(4096)(_label_name)


def attribute_labels(attributes: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Labels of a data point's attributes, empty values dropped.

    Attributes whose names become the same are joined with `;` in order of their names. Raises NameRefused.
    """
    texts = sorted((name, attribute_text(value)) for name, value in attributes if name != _NAME_LABEL)
    return _joined(texts)


def _joined(texts: Iterable[tuple[str, str]]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for attribute, text in texts:
        name = label_name(attribute)
        before = labels.get(name)
        labels[name] = f"{before};{text}" if before else text
    return {name: text for name, text in labels.items() if text}


@dataclass(frozen=True, slots=True)
class ResourceLabels:
    """What a resource adds to each of its series. identity: `job` and `instance`, where known."""

    identity: Mapping[str, str]
    promoted: Mapping[str, str]


def resource_labels(attributes: Mapping[str, object]) -> ResourceLabels:
    """Labels that come from a resource. `job` is namespace/name. Raises NameRefused."""
    promoted = {
        label_name(name): attribute_text(attributes[name]) for name in PROMOTED_ATTRIBUTES if name in attributes
    }
    return ResourceLabels(_identity(attributes), promoted)


def _identity(attributes: Mapping[str, object]) -> dict[str, str]:
    job = attribute_text(attributes.get(attr.SERVICE_NAME))
    if attr.SERVICE_NAME in attributes and attr.SERVICE_NAMESPACE in attributes:
        job = f"{attribute_text(attributes[attr.SERVICE_NAMESPACE])}/{job}"
    identity = {"job": job, "instance": attribute_text(attributes.get(attr.SERVICE_INSTANCE_ID))}
    return {name: text for name, text in identity.items() if text}


def series_labels(name: str, attributes: Mapping[str, str], resource: ResourceLabels, **extra: str) -> Labels:
    """The labels of one series.

    name: the translated name with its suffix (`_bucket`, `_sum`, `_count`). attributes: from `attribute_labels`.
    extra: `le` or `quantile`. A data point's own attribute wins over a promoted one, `job` and `instance` over both.
    """
    labels = {**resource.promoted, **attributes, **resource.identity, **extra, _NAME_LABEL: name}
    return tuple(sorted((label, text) for label, text in labels.items() if text))


def target_info_labels(attributes: Mapping[str, object]) -> Labels | None:
    """Labels of a resource's `target_info` series, or None where Prometheus makes none.

    There is none without an identity, nor where the identity is all that there is. Its value is 1, at the times of
    `target_info_times_ms`. Raises NameRefused.
    """
    rest = {name: value for name, value in attributes.items() if name not in _IDENTIFYING}
    identity = _identity(attributes)
    labels = {**attribute_labels(rest.items()), **identity, _NAME_LABEL: "target_info"}
    if not rest or not {"job", "instance"} & labels.keys():
        return None
    return tuple(sorted(labels.items()))


def target_info_times_ms(earliest_ns: int, latest_ns: int) -> list[int]:
    """When a request says that its resource is there: from the earliest of its points to the latest, in steps of
    half the lookback, and at the latest. Points that span more than a day are taken as one at the latest."""
    if latest_ns - earliest_ns > _TARGET_INFO_SPAN_NS_MAX:
        return [latest_ns // 1_000_000]
    times_ns = [*range(earliest_ns, latest_ns, TARGET_INFO_STEP_S * 10**9), latest_ns]
    return sorted({time_ns // 1_000_000 for time_ns in times_ns})


def series_id(labels: Labels) -> int:
    """Content hash of a label set: unsigned 64 bits, stable across processes and versions."""
    text = "\xff".join(f"{name}\xfe{value}" for name, value in labels)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
