"""setup(): one call that builds everything, from arguments and OpenTelemetry's environment variables."""

import logging
from collections.abc import Mapping
from pathlib import Path

from flashmm_instrumentation._assembly import Parts, assemble
from flashmm_instrumentation._bot import Bot
from flashmm_instrumentation._exporters import Destination, exporters
from flashmm_instrumentation._extras import Extras, Wanted
from flashmm_instrumentation._identity import identity
from flashmm_instrumentation._ids import id_generator
from flashmm_instrumentation.semconv import attributes as attr


def setup(
    service_name: str | None = None,
    account: str | None = None,
    bot: str | None = None,
    environment: str | None = None,
    namespace: str = attr.NAMESPACE,
    endpoint: str | None = None,
    protocol: str | None = None,
    headers: Mapping[str, str] | None = None,
    state_dir: Path | str | None = None,
    *,
    logging_level: int | None = logging.INFO,
    instrument_asyncio: bool = True,
    system_metrics: bool = True,
    set_global: bool = True,
    resource: Mapping[str, str] | None = None,
) -> Bot:
    """Start telemetry. Explicit arguments win over OpenTelemetry's `OTEL_*` variables, those over defaults.

    service_name: else OTEL_SERVICE_NAME; one of them is required. account: a stable name of the exchange account,
    else FLASHMM_ACCOUNT; required. bot: the bot's stable name; service_name if not given.
    endpoint: e.g. http://127.0.0.1:4317, for all signals. protocol: grpc (default) or http/protobuf.
    state_dir: where the previous run's id is kept; without it no previous run is named.
    logging_level: least level of Python's logging that goes out; None for no bridge.
    resource: further resource attributes; the names above win over them.
    set_global: also provide OpenTelemetry's global providers, if nobody does yet.
    Raises ValueError, naming what is wrong.
    """
    who = identity(service_name, account, bot, environment, namespace, resource)
    destination = Destination(endpoint, protocol, headers)
    wanted = Wanted(logging_level, instrument_asyncio, system_metrics, set_global)
    parts = Parts(lambda: exporters(destination), ids=id_generator())
    return assemble(who, parts, Extras(wanted), None if state_dir is None else Path(state_dir))
