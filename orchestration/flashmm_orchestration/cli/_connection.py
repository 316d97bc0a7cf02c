"""Where commands find the server: what flags say, else the server's own settings on this machine."""

from pathlib import Path
from typing import Final

import typer

from flashmm_orchestration._sources import BadSettings, read_secret
from flashmm_orchestration.cli._client import Client
from flashmm_orchestration.settings import Settings, load
from flashmm_receiver.settings import Address

_ANY: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound


def connect(url: str | None, token: str | None, token_file: Path | None) -> Client:
    """A client of the server; what isn't given is what its settings say. Raises BadSettings."""
    told = secret(token, token_file, "--token")
    settings = load() if url is None or told is None else None
    return Client(
        url if url is not None else page_url(_needed(settings)),
        told if told is not None else _needed(settings).http.token,
    )


def _needed(settings: Settings | None) -> Settings:
    assert settings is not None
    return settings


def page_url(settings: Settings) -> str:
    """Where the page answers on this machine."""
    return f"http://{_reachable(settings, 'http.port', Address(settings.http.host, settings.http.port))}"


def otlp_url(settings: Settings) -> str:
    """Where OTLP over HTTP answers on this machine."""
    scheme = "https" if settings.receiver.tls_certificate else "http"
    bind = Address.parse("receiver.http_bind", settings.receiver.http_bind)
    return f"{scheme}://{_reachable(settings, 'receiver.http_bind', bind)}"


def secret(value: str | None, file: Path | None, option: str) -> str | None:
    """A secret given as such or as a file that holds it; None for neither. Raises BadSettings, BadParameter."""
    if file is None:
        return value
    if value:
        raise typer.BadParameter("give the secret or the file that holds it, not both", param_hint=option)
    try:
        return read_secret(file)
    except BadSettings as error:
        raise BadSettings([f"{option}-file {file}: {each}" for each in error.problems]) from None


def _reachable(settings: Settings, setting: str, address: Address) -> Address:
    if not address.port:
        told = settings.told(setting)
        raise BadSettings([f"{told} takes a free port, which is not known here: give the address that it printed"])
    return Address("127.0.0.1", address.port) if address.host in _ANY else address
