"""`flashmm doctor`: walks the path emit → store → query and says where it breaks."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from flashmm_orchestration.cli._help import examples
from flashmm_orchestration.cli._options import JsonOption, TokenFileOption, TokenOption, UrlOption, say, say_json

if TYPE_CHECKING:
    from flashmm_orchestration.cli._far_end import Store
    from flashmm_orchestration.cli._journey import Finding
    from flashmm_orchestration.settings import Settings

EXAMPLES: Final = examples(
    "flashmm doctor                                 all on this machine",
    "flashmm doctor --otlp http://127.0.0.1:4318    a Collector before it",
    "flashmm doctor --otlp http://10.0.0.5:4317 --protocol grpc",
)
_SENDING: Final = "Where bots send"
_STORES: Final = "Where it should arrive"


def doctor(
    otlp: Annotated[
        str | None,
        typer.Option(
            envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
            metavar="URL",
            help="OTLP's address, a Collector's too; default: the settings' receiver.http_bind.",
            rich_help_panel=_SENDING,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            envvar="OTEL_EXPORTER_OTLP_PROTOCOL",
            metavar="NAME",
            help="grpc or http/protobuf; default: http/protobuf with --otlp.",
            rich_help_panel=_SENDING,
        ),
    ] = None,
    otlp_token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", help="OTLP's; every user of this machine can see it.", rich_help_panel=_SENDING
        ),
    ] = None,
    otlp_token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with that token; default: the settings' receiver.token.",
            rich_help_panel=_SENDING,
        ),
    ] = None,
    otlp_ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="OTEL_EXPORTER_OTLP_CERTIFICATE",
            metavar="FILE",
            help="PEM file of who signed OTLP's certificate.",
            rich_help_panel=_SENDING,
        ),
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(
            envvar="FLASHMM_PROMETHEUS_URL",
            metavar="URL",
            help="A Prometheus that gets the metrics too; default: the settings' metrics.url.",
            rich_help_panel=_STORES,
        ),
    ] = None,
    tempo: Annotated[
        str | None,
        typer.Option(
            envvar="FLASHMM_TEMPO_URL",
            metavar="URL",
            help="A Tempo that gets the traces too; default: the settings' traces.url.",
            rich_help_panel=_STORES,
        ),
    ] = None,
    loki: Annotated[
        str | None,
        typer.Option(
            envvar="FLASHMM_LOKI_URL",
            metavar="URL",
            help="A Loki that gets the logs too.",
            rich_help_panel=_STORES,
        ),
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    json: JsonOption = False,
) -> None:
    """Send a probe down the whole path and find it again in every store; exit code 1 where the path breaks."""
    from flashmm_orchestration.cli._connection import connect, otlp_url, secret
    from flashmm_orchestration.cli._journey import Journey, examine
    from flashmm_orchestration.cli._otlp import Otlp
    from flashmm_orchestration.settings import load

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
        _stores(settings, prometheus, tempo, loki),
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
        raise typer.BadParameter(f"{protocol!r} is not one of grpc, http/protobuf", param_hint="--protocol")
    # A bot takes an endpoint from the environment as gRPC's unless told otherwise; so do we.
    from_environment = otlp is not None and otlp == os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return protocol == "grpc" or (protocol is None and from_environment)


def _own_certificate(settings: Settings, otlp: str | None) -> Path | None:
    """A server of ours with a self-signed certificate is trusted by that very file."""
    return settings.receiver.tls_certificate if otlp is None else None


def _stores(settings: Settings, prometheus: str | None, tempo: str | None, loki: str | None) -> tuple[Store, ...]:
    """Those that our settings name, with their credentials, and those that the command does."""
    from flashmm_backends.lgtm import EndpointSettings
    from flashmm_orchestration.cli._far_end import loki_store, prometheus_store, tempo_store

    stores: list[Store] = []
    if settings.metrics.kind == "prometheus":
        stores.append(prometheus_store(settings.metrics))
    elif prometheus:
        stores.append(prometheus_store(EndpointSettings(url=prometheus), section=""))
    if settings.traces.kind == "tempo":
        stores.append(tempo_store(settings.traces))
    elif tempo:
        stores.append(tempo_store(EndpointSettings(url=tempo), section=""))
    if loki:
        stores.append(loki_store(loki))
    return tuple(stores)


def _line(finding: Finding) -> str:
    mark = "ok  " if finding.ok else "FAIL"
    fix = f"\n      → {finding.fix}" if finding.fix else ""
    return f"{mark}  {finding.step}: {finding.seen} ({finding.took_ms} ms){fix}"
