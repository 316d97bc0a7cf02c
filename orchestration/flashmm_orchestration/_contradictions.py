"""What each setting allows and their combination does not. Pure: nothing is opened, bound or asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from flashmm_receiver import NotConfigured
from flashmm_receiver.hosts import is_loopback
from flashmm_receiver.settings import Address

if TYPE_CHECKING:
    from flashmm_orchestration.settings import Settings

_NOT_ABOVE: Final = (
    ("http.rows_default", "http.rows_max"),
    ("receiver.json_bytes_max", "receiver.decompressed_bytes_max"),
    ("receiver.request_bytes_max", "receiver.in_flight_bytes_max"),
    ("receiver.decompressed_bytes_max", "receiver.in_flight_bytes_max"),
    ("receiver.attribute_bytes_max", "receiver.decompressed_bytes_max"),
    ("ledger.seal_points", "ledger.unsealed_points_max"),
    ("ledger.row_group_rows", "ledger.compaction_rows"),
    ("metrics.backoff_s", "metrics.backoff_max_s"),
    ("traces.backoff_s", "traces.backoff_max_s"),
    ("stream_outbox.conflate_bytes", "stream_outbox.close_bytes"),
)
"""Pairs of which the first must fit into the second."""

_SENT_AS_HEADERS: Final = (
    "http.token",
    "receiver.token",
    "ledgers.token",
    "metrics.token",
    "metrics.tenant",
    "traces.token",
    "traces.tenant",
)


def contradictions(settings: Settings) -> Iterator[str]:
    """One line a problem, with the settings in it and their origins."""
    yield from _sizes(settings)
    yield from _receiver(settings)
    yield from _ports(settings)
    yield from _stores(settings)
    yield from _ledgers(settings)
    yield from _headers(settings)


def _sizes(settings: Settings) -> Iterator[str]:
    for small, large in _NOT_ABOVE:
        if settings.value(small) > settings.value(large):
            yield f"{settings.told(small)} must not exceed {settings.told(large)}"


def _receiver(settings: Settings) -> Iterator[str]:
    try:
        settings.receiver.check()
    except NotConfigured as error:
        names = [f"receiver.{name}" for name in error.setting.split(" and ")]
        yield f"{', '.join(map(settings.told, names))}: {error.why}"


def _ports(settings: Settings) -> Iterator[str]:
    told = {"http.port": (settings.http.host, settings.http.port)}
    for name in ("receiver.grpc_bind", "receiver.http_bind"):
        try:
            address = Address.parse(name, settings.value(name))
        except NotConfigured:
            return
        told[name] = (address.host, address.port)
    names = list(told)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            if _same_address(told[first], told[second]):
                yield f"{settings.told(first)} and {settings.told(second)} are the same port: change one"


def _same_address(first: tuple[str, int], second: tuple[str, int]) -> bool:
    if first[1] != second[1] or not first[1]:
        return False
    hosts = {first[0], second[0]}
    return len(hosts) == 1 or bool(hosts & {"0.0.0.0", "::"}) or all(map(is_loopback, hosts))  # noqa: S104 - compared


def _stores(settings: Settings) -> Iterator[str]:
    for section, product in (("metrics", "prometheus"), ("traces", "tempo")):
        if settings.value(f"{section}.kind") == product and not settings.value(f"{section}.url"):
            told = settings.told(f"{section}.kind")
            yield f"{settings.told(f'{section}.url')}: {told} needs its address, such as http://127.0.0.1:9090"


def _ledgers(settings: Settings) -> Iterator[str]:
    urls = settings.ledgers.urls
    told = settings.told("ledgers.urls")
    if any(not _is_address(url) for url in urls):
        yield f"{told}: give addresses such as http://flashmm-0:8080"
    elif len(set(urls)) < len(urls):
        yield f"{told}: one of them is there twice"
    elif urls and settings.metrics.kind == "embedded":
        yield (
            f"{settings.told('metrics.kind')}: {told} leaves this process without a store of metrics: set "
            "metrics.kind = prometheus and metrics.url; a single ledger's own address will do for that"
        )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _headers(settings: Settings) -> Iterator[str]:
    for name in _SENT_AS_HEADERS:
        value = settings.value(name)
        if any(not "!" <= letter <= "~" for letter in value):
            yield f"{settings.told(name)}: it travels in a header, so it takes printable ASCII without spaces"
