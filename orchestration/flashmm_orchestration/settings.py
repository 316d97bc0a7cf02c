"""All settings of the program: one typed, documented, frozen object.

Sources, the later wins: defaults, a TOML file (`flashmm.toml`, or the path in FLASHMM_CONFIG), environment variables
(`FLASHMM_HTTP__PORT` for `http.port`), flags of the command line.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from flashmm_backends.ledger import LedgerSettings
from flashmm_backends.lgtm import EndpointSettings, TempoSettings
from flashmm_backends.promql import Limits
from flashmm_receiver import ReceiverSettings
from flashmm_streaming import EndpointLimits, HistoryLimits, OutboxLimits

CONFIG_VARIABLE: Final = "FLASHMM_CONFIG"
_PREFIX: Final = "FLASHMM_"
_NESTED: Final = "__"


def _listed(value: object) -> object:
    return tuple(each.strip() for each in value.split(",") if each.strip()) if isinstance(value, str) else value


@dataclass(frozen=True)
class HttpSettings:
    """The page, the API and the WebSocket."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback needs a token."""

    port: int = 8080
    """Port to listen on; 0 takes a free one."""

    token: str = ""
    """Asked of every request (but the probes) as a bearer token or as HTTP Basic's password; empty asks nothing."""

    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """Names in the Host header that are answered besides loopback's and `host`; `*` answers to any. In the
    environment: separated by commas."""


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


@dataclass
class BadSettings(Exception):
    """Settings that cannot be used; one line a problem, each naming the setting and where it can be set."""

    problems: list[str]

    def __str__(self) -> str:
        return "\n".join(self.problems)


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter=_NESTED,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    data_dir: Path = Field(default_factory=lambda: Path("data"))
    """Folder of the ledger; made when absent. One process at a time."""

    http: HttpSettings = Field(default_factory=HttpSettings)
    """The page, the API and the WebSocket."""

    receiver: ReceiverSettings = Field(default_factory=ReceiverSettings)
    """OTLP in."""

    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    """What is kept, and for how long."""

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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the TOML file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _config_file())


def load(**flags: object) -> Settings:
    """The settings in force. flags: overrides by field, None meaning not given. Raises BadSettings."""
    given = {name: value for name, value in flags.items() if value is not None}
    file = _config_file()
    if CONFIG_VARIABLE in os.environ and not file.is_file():
        raise BadSettings([f"{CONFIG_VARIABLE} names {file}, which is no file"])
    try:
        return Settings(**given)  # pyright: ignore[reportArgumentType] - validated by pydantic
    except ValidationError as error:
        raise BadSettings([_problem(each["loc"], each["msg"]) for each in error.errors()]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings([f"{file} is not TOML: {error}"]) from None


def _problem(location: tuple[int | str, ...], message: str) -> str:
    parts = [str(part) for part in location]
    variable = _PREFIX + _NESTED.join(parts).upper()
    return f"{'.'.join(parts)} (in the configuration file, or {variable}): {message}"


def _config_file() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE, "flashmm.toml"))
