"""`flashmm doctor`: walks the path emit → store → query and says where it breaks."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from flashmm_orchestration.cli._client import Client
from flashmm_orchestration.cli._connection import connect, otlp_url, secret
from flashmm_orchestration.cli._far_end import Store, loki_store, prometheus_store, tempo_store
from flashmm_orchestration.cli._options import JsonOption, TokenFileOption, TokenOption, UrlOption, say, say_json
from flashmm_orchestration.cli._otlp import Otlp
from flashmm_orchestration.cli._probe import SERIES, Probe
from flashmm_orchestration.cli._reach import NoAnswer
from flashmm_orchestration.settings import Settings, load

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


def doctor(
    otlp: Annotated[
        str | None,
        typer.Option(
            envvar="OTEL_EXPORTER_OTLP_ENDPOINT", help="Where bots send OTLP, the Collector's too; default: settings."
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            envvar="OTEL_EXPORTER_OTLP_PROTOCOL", help="grpc or http/protobuf; default: http/protobuf with --otlp."
        ),
    ] = None,
    otlp_token: Annotated[
        str | None, typer.Option(help="Bearer token for OTLP; every user of this machine can see it.")
    ] = None,
    otlp_token_file: Annotated[
        Path | None, typer.Option(help="File with that token; default: the settings' receiver.token.")
    ] = None,
    otlp_ca_file: Annotated[
        Path | None,
        typer.Option(envvar="OTEL_EXPORTER_OTLP_CERTIFICATE", help="PEM file of who signed OTLP's certificate."),
    ] = None,
    loki: Annotated[
        str | None, typer.Option(envvar="FLASHMM_LOKI_URL", help="A Loki that gets the logs too.")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    json: JsonOption = False,
) -> None:
    """Send a probe down the whole path and find it again in every store; exit code 1 where the path breaks."""
    settings = load()
    given = secret(otlp_token, otlp_token_file, "--otlp-token")
    journey = Journey(
        Otlp(
            (otlp or otlp_url(settings)).rstrip("/"),
            settings.receiver.token if given is None else given,
            otlp_ca_file or _own_certificate(settings, otlp),
            grpc=_speaks_grpc(protocol, otlp),
        ),
        connect(url, token, token_file),
        _stores(settings, loki),
    )
    findings: list[Finding] = []
    for finding in examine(journey):
        findings.append(finding)
        if not json:
            say(_line(finding))
    if json:
        say_json([{**asdict(finding), "ok": finding.ok} for finding in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _speaks_grpc(protocol: str | None, otlp: str | None) -> bool:
    if protocol not in (None, "grpc", "http/protobuf"):
        raise typer.BadParameter(f"{protocol!r} is none of grpc, http/protobuf", param_hint="--protocol")
    # A bot takes an endpoint from the environment as gRPC's unless told otherwise; so do we.
    from_environment = otlp is not None and otlp == os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return protocol == "grpc" or (protocol is None and from_environment)


def _own_certificate(settings: Settings, otlp: str | None) -> Path | None:
    """A server of ours with a self-signed certificate is trusted by that very file."""
    return settings.receiver.tls_certificate if otlp is None else None


def _stores(settings: Settings, loki: str | None) -> tuple[Store, ...]:
    stores: list[Store] = []
    if settings.metrics.kind == "prometheus":
        stores.append(prometheus_store(settings.metrics))
    if settings.traces.kind == "tempo":
        stores.append(tempo_store(settings.traces))
    if loki:
        stores.append(loki_store(loki))
    return tuple(stores)


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
    down = [f"{item['name']} is {item['status']} ({item['detail']})" for item in health["components"]]
    if not health.get("ready"):
        fix = "Look at the log of `flashmm up`; it is trying again."
        raise NoAnswer(f"{journey.client.url}/health", "; ".join(down), fix)
    skew_s = (journey.wall_ns() - int(health.get("now_ns", journey.wall_ns()))) / 1e9
    if abs(skew_s) > _SKEW_S_MAX:
        why = f"this machine's clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the server's"
        raise NoAnswer(journey.client.url, why, "Set the clocks by NTP: records from the future are refused.")
    return f"{journey.client.url}: {len(down)} components up, the clocks agree"


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
        raise NoAnswer(f"{client.url}/api/orders", answer.text[:300], "Mend the traces store that it names.")
    return answer.is_success


def _line(finding: Finding) -> str:
    mark = "ok  " if finding.ok else "FAIL"
    fix = f"\n      → {finding.fix}" if finding.fix else ""
    return f"{mark}  {finding.step}: {finding.seen} ({finding.took_ms} ms){fix}"
