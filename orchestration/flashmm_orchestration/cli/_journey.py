"""The path emit → store → query, walked step by step with a probe."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flashmm_orchestration.cli._client import Client, told
from flashmm_orchestration.cli._far_end import Store
from flashmm_orchestration.cli._otlp import Otlp
from flashmm_orchestration.cli._probe import SERIES, Probe
from flashmm_orchestration.cli._reach import NoAnswer
from flashmm_orchestration.health import Status

_VISIBLE_WITHIN_S: Final = 15.0
_SKEW_S_MAX: Final = 5.0
_LOOK_EVERY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of the path: what was tried and seen there, how long it took, and, where it breaks, what to do."""

    step: str
    seen: str
    fix: str = ""
    took_ms: int = 0

    @property
    def ok(self) -> bool:
        """True where the step holds."""
        return not self.fix


@dataclass(frozen=True, slots=True)
class Journey:
    """What to check. stores: asked directly, besides the server."""

    otlp: Otlp
    client: Client
    stores: tuple[Store, ...] = ()
    wall_ns: Callable[[], int] = time.time_ns
    within_s: float = _VISIBLE_WITHIN_S


def examine(journey: Journey) -> Iterator[Finding]:
    """The steps in order. Without the server, stores are still asked; without emitting, nothing can be found."""
    probe = Probe(journey.wall_ns())
    server = _timed("server", lambda: _server(journey))
    yield server
    emit = _timed("emit", lambda: _emit(journey, probe))
    yield emit
    if not emit.ok:
        return
    for store in journey.stores:
        yield _found(journey, store.name, store.url, store.remedy, lambda store=store: store.holds(probe))
    if server.ok:
        yield from _through_the_server(journey, probe)


def _through_the_server(journey: Journey, probe: Probe) -> Iterator[Finding]:
    client, api = journey.client, f"{journey.client.url}/api"
    between = "Do --otlp and --url lead to the same store? A Collector between them: its log says why."
    yield _found(journey, "query", f"{api}/v1/query", between, lambda: _has_metric(client, probe))
    yield _found(journey, "ledger", f"{api}/events", between, lambda: _has_event(client, probe))
    yield _found(journey, "traces", f"{api}/orders", between, lambda: _has_span(client, probe))


def _timed(step: str, act: Callable[[], str]) -> Finding:
    begin = time.monotonic()
    try:
        seen, fix = act(), ""
    except NoAnswer as error:
        seen, fix = f"{error.url}: {error.why}", error.fix
    return Finding(step, seen, fix, round((time.monotonic() - begin) * 1000))


def _server(journey: Journey) -> str:
    health = journey.client.health()
    if not health.get("ready"):
        fix = "Look at the log of `flashmm up`; it is trying again."
        raise NoAnswer(f"{journey.client.url}/health", not_up(health["components"]), fix)
    if away := [f"{each['url']} ({each['detail']})" for each in health.get("ledgers", ()) if not each["followed"]]:
        fix = "Are they up? How the server reaches them: ledgers.urls, ledgers.token, ledgers.ca_file."
        raise NoAnswer(f"{journey.client.url}/health", f"no live values of {'; '.join(away)}", fix)
    skew_s = (journey.wall_ns() - int(health.get("now_ns", journey.wall_ns()))) / 1e9
    if abs(skew_s) > _SKEW_S_MAX:
        why = f"this machine's clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the server's"
        raise NoAnswer(journey.client.url, why, "Set the clocks by NTP: records from the future are refused.")
    return f"{journey.client.url}: {len(health['components'])} components up, the clocks agree"


def not_up(components: Sequence[Mapping[str, str]]) -> str:
    """Those of the components that don't serve, each with what it says of itself."""
    away = [each for each in components if each["status"] != Status.OK]
    return "; ".join(
        f"{each['name']} is {each['status']}" + (f" ({each['detail']})" if each["detail"] else "") for each in away
    )


def _emit(journey: Journey, probe: Probe) -> str:
    journey.otlp.send(probe.requests())
    over = "gRPC" if journey.otlp.grpc else "HTTP"
    return f"{journey.otlp.url}: took a metric, a span, a log line and an event over {over}"


def _found(journey: Journey, step: str, url: str, remedy: str, look: Callable[[], bool]) -> Finding:
    """Look again and again until the probe is there."""

    def search() -> str:
        begin = time.monotonic()
        while not look():
            if time.monotonic() - begin > journey.within_s:
                raise NoAnswer(url, f"the probe did not show up within {journey.within_s:.0f} s", remedy)
            time.sleep(_LOOK_EVERY_S)
        return f"{url}: the probe is there"

    return _timed(step, search)


def _has_metric(client: Client, probe: Probe) -> bool:
    answer = client.prometheus("/api/v1/query", {"query": f'{SERIES}{{probe="{probe.name}"}}'})
    if answer.get("status") == "error":
        raise NoAnswer(
            f"{client.url}/api/v1/query", str(answer.get("error")), "Mend the metrics store that it names."
        )
    data: dict[str, Any] = answer.get("data") or {}
    return bool(data.get("result"))


def _has_event(client: Client, probe: Probe) -> bool:
    window = {"start": str(probe.now_ns - 10**9), "end": str(probe.now_ns + 10**9)}
    columns = client.get("/api/events/flashmm.stream", window).get("columns", {})
    return probe.run in columns.get("run", ())


def _has_span(client: Client, probe: Probe) -> bool:
    answer = client.ask("GET", f"/api/orders/{probe.order_id}")
    if answer.status_code >= 500:
        raise NoAnswer(f"{client.url}/api/orders", told(answer), "Mend the traces store that it names.")
    return answer.is_success
