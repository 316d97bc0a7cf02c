"""All settings of the program: one typed, documented, frozen object.

Sources, the later wins: defaults, a TOML file (`flashmm.toml`, or the path in FLASHMM_CONFIG), environment variables
(`FLASHMM_HTTP__PORT` for `http.port`), flags of the command line. Whatever cannot be used ends in BadSettings, which
names the setting, its value, where that came from, and the remedy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from dataclasses import Field as DataclassField
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from annotated_types import Interval, Len
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from flashmm_backends.ledger import ArchiveSettings, LedgerSettings
from flashmm_backends.lgtm import EndpointSettings, TempoSettings
from flashmm_backends.promql import Limits
from flashmm_backends.ranges import Names, Port, Seconds
from flashmm_backends.shards import LedgersSettings
from flashmm_orchestration._contradictions import contradictions
from flashmm_orchestration._sources import (
    BadSettings,
    Given,
    SettingPath,
    environment,
    gather,
    is_secret,
    shown,
    variable,
)
from flashmm_receiver import ReceiverSettings
from flashmm_streaming import EndpointLimits, HistoryLimits, OutboxLimits

__all__ = ["BadSettings", "HttpSettings", "MetricsSettings", "Settings", "TracesSettings", "load"]


@dataclass(frozen=True)
class HttpSettings:
    """The page, the API and the WebSocket."""

    host: Annotated[str, Len(1)] = "127.0.0.1"
    """Address to listen on. Anything but loopback needs a token."""

    port: Port = 8080
    """Port to listen on; 0 takes a free one."""

    token: str = ""
    """Asked of every request (but the probes) as a bearer token or as HTTP Basic's password; empty asks nothing."""

    allowed_hosts: Names = ()
    """Names in the Host header that are answered besides loopback's and `host`; `*` answers to any. In the
    environment: separated by commas."""

    allowed_origins: Names = ()
    """Origins, such as https://board.example, whose pages may open the WebSocket besides the page itself: for a proxy
    that does not say X-Forwarded-Proto. In the environment: separated by commas."""

    rows_default: Annotated[int, Interval(ge=1, le=100_000)] = 1_000
    """Rows of a page of events or orders whose request names no limit; not above `rows_max`."""

    rows_max: Annotated[int, Interval(ge=1, le=100_000)] = 10_000
    """Rows of a page of events or orders at most; the next page has the rest."""

    reads_running: Annotated[int, Interval(ge=1, le=64)] = 4
    """Reads of events and orders answered at a time, and as many of PromQL."""

    reads_waiting: Annotated[int, Interval(ge=0, le=10_000)] = 64
    """Reads that wait for their turn, of each of the two; more are answered 503."""

    read_wait_s: Seconds = 10.0
    """How long one may wait, in seconds; then it is answered 503."""

    connections_max: Annotated[int, Interval(ge=8, le=65_536)] = 1_536
    """Open connections, WebSockets included. Beyond, whoever keeps the server waiting longest makes room; WebSockets
    and requests that are being answered do not."""

    request_timeout_s: Seconds = 20.0
    """Longest time from the first to the last byte of a request, in seconds."""

    send_timeout_s: Seconds = 30.0
    """How long a client may not read what is sent to it, in seconds."""


@dataclass(frozen=True)
class MetricsSettings(EndpointSettings):
    """Which store answers PromQL; what it takes to reach it, where that is not ourselves."""

    kind: Literal["embedded", "prometheus"] = "embedded"
    """`embedded` asks the ledger; `prometheus` a Prometheus or Mimir at `url`."""


@dataclass(frozen=True)
class TracesSettings(EndpointSettings, TempoSettings):
    """Which store answers for traces and orders; what it takes to reach it, where that is not ourselves."""

    kind: Literal["embedded", "tempo"] = "embedded"
    """`embedded` asks the ledger; `tempo` a Tempo at `url`, with the orders' events from the ledger."""


class Settings(BaseModel):
    """Everything that can be set."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    data_dir: Path = Field(default_factory=lambda: Path("data"))
    """Folder of the ledger; made when absent. One process at a time."""

    http: HttpSettings = Field(default_factory=HttpSettings)
    """The page, the API and the WebSocket."""

    receiver: ReceiverSettings = Field(default_factory=ReceiverSettings)
    """OTLP in."""

    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    """What is kept, and for how long."""

    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    """Sealed files on S3-compatible storage."""

    ledgers: LedgersSettings = Field(default_factory=LedgersSettings)
    """Ledgers of other processes to read instead of one of our own."""

    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    """Which store answers PromQL."""

    traces: TracesSettings = Field(default_factory=TracesSettings)
    """Which store answers for traces and orders."""

    query: Limits = Field(default_factory=Limits)
    """Limits on a PromQL query."""

    stream: EndpointLimits = Field(default_factory=EndpointLimits)
    """Limits on the WebSocket's clients."""

    stream_history: HistoryLimits = Field(default_factory=HistoryLimits)
    """What a client that was away can get back."""

    stream_outbox: OutboxLimits = Field(default_factory=OutboxLimits)
    """How far a slow client may fall behind."""

    _told: Mapping[SettingPath, Given] = PrivateAttr(default_factory=dict[SettingPath, Given])

    @classmethod
    def of(cls, told: Mapping[SettingPath, Given], values: Mapping[str, Any]) -> Self:
        """The settings with these values, which remember where each was told. Raises pydantic's ValidationError."""
        settings = cls(**values)
        settings._told = told
        return settings

    def told(self, name: str) -> str:
        """A setting as a message tells it: `http.port = 8080 (the default)`; never a secret."""
        path = tuple(name.split("."))
        return _told(path, self._told.get(path, Given(self.value(name), "")))

    def value(self, name: str) -> Any:  # noqa: ANN401 - each setting has its own type
        """A setting by its dotted name."""
        value: Any = self
        for part in name.split("."):
            value = getattr(value, part)
        return value


def load(**flags: object) -> Settings:
    """The settings in force. flags: overrides by field, None meaning not given. Raises BadSettings."""
    return settings_from(flags, environment())


def settings_from(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """The settings that flags, an environment and the file that it names come to. Raises BadSettings."""
    told = gather(flags, environ, KNOWN)
    try:
        settings = Settings.of(told.values, told.nested())
    except ValidationError as error:
        told.problems += _refused(error, told.values)
        raise BadSettings(told.problems) from None
    told.problems += contradictions(settings)
    if told.problems:
        raise BadSettings(told.problems)
    return settings


def known_settings() -> Iterator[tuple[SettingPath, object]]:
    """Each setting's path and default."""
    for name, told in Settings.model_fields.items():
        group = told.annotation
        if isinstance(group, type) and is_dataclass(group):
            yield from (((name, each.name), _default(each)) for each in fields(group))
        else:
            yield (name,), told.get_default(call_default_factory=True, validated_data={})


def _default(each: DataclassField[Any]) -> object:
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _refused(error: ValidationError, told: Mapping[SettingPath, Given]) -> Iterator[str]:
    for each in error.errors():
        path = tuple(str(part) for part in each["loc"])
        while path not in KNOWN:
            path = path[:-1]
        what = each["msg"].removeprefix("Value error, ").removeprefix("Input ")
        default = "" if is_secret(path) else f" (default: {shown(KNOWN[path])})"
        yield f"{_told(path, told[path])}: it {what}{default}"


def _told(path: SettingPath, given: Given) -> str:
    value = "(not shown)" if is_secret(path) else shown(given.value)
    origin = f"from {given.origin}" if given.origin else f"the default; {variable(path)} sets it"
    return f"{'.'.join(path)} = {value} ({origin})"


KNOWN: Final[Mapping[SettingPath, object]] = dict(known_settings())
