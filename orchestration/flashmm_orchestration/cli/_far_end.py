"""The stores at the far end of a stack, asked directly: they tell whether the way there breaks, or ours."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx

from flashmm_backends.lgtm import EndpointSettings
from flashmm_orchestration.cli._probe import SERIES, SERVICE, Probe
from flashmm_orchestration.cli._reach import NoAnswer, Wanted, check_address, no_answer

_TIMEOUT_S: Final = 5.0


class Store(Protocol):
    """Where the probe should arrive."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def remedy(self) -> str:
        """What to do where the probe never arrives."""
        ...

    def holds(self, probe: Probe) -> bool:
        """Whether the probe is there. Raises NoAnswer."""
        ...


@dataclass(frozen=True, slots=True)
class _Reached:
    """A store. section: of the settings that name it; empty where the command does."""

    name: str
    section: str
    told: EndpointSettings

    @property
    def url(self) -> str:
        return self.told.url.rstrip("/")

    @property
    def remedy(self) -> str:
        return (
            f"What took the probe (a Collector?) does not pass it on to {self.name}: its log, and its "
            f"otelcol_exporter_send_failed_* metrics, say why. Or is {self._setting('url')} another {self.name}?"
        )

    def _setting(self, name: str) -> str:
        return f"{self.section}.{name}" if self.section else f"--{self.name.lower()}"

    def get(self, path: str, parameters: Mapping[str, str]) -> httpx.Response:
        told = self.told
        headers = {"X-Scope-OrgID": told.tenant} if told.tenant else {}
        if told.token:
            headers["authorization"] = f"Bearer {told.token}"
        auth = (told.username, told.password) if told.username and not told.token else None
        wanted = Wanted(f"{self.name}'s address", self._setting("url"), self._setting("ca_file"))
        check_address(self.url, wanted)
        trust = ssl.create_default_context(cafile=told.ca_file) if told.ca_file else True
        try:
            answer = httpx.get(
                self.url + path, params=parameters, headers=headers, auth=auth, verify=trust, timeout=_TIMEOUT_S
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise no_answer(self.url, wanted, error) from None
        if answer.status_code in (401, 403):
            raise NoAnswer(self.url + path, f"{answer.status_code}: the credentials are refused", self._credentials)
        return answer

    @property
    def _credentials(self) -> str:
        if not self.section:
            return f"Put them into {self._setting('url')}: http://user:password@host."
        return f"Renew {self._setting('token')}, or its username and password; or is its tenant wrong?"

    def json(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        answer = self.get(path, parameters)
        try:
            found = answer.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError):
            fix = f"Give {self.name}'s own address, its base path included: {self._setting('url')}."
            raise NoAnswer(self.url + path, f"{answer.status_code}, and no {self.name} answer", fix) from None
        return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType] - JSON


@dataclass(frozen=True, slots=True)
class _Prometheus(_Reached):
    def holds(self, probe: Probe) -> bool:
        found = self.json("/api/v1/query", {"query": f'{SERIES}{{probe="{probe.name}"}}'})
        return _has_result(found)


@dataclass(frozen=True, slots=True)
class _Tempo(_Reached):
    def holds(self, probe: Probe) -> bool:
        return self.get(f"/api/traces/{probe.trace_id.hex()}", {}).is_success


@dataclass(frozen=True, slots=True)
class _Loki(_Reached):
    def holds(self, probe: Probe) -> bool:
        query = {
            "query": f'{{service_name="{SERVICE}"}} |= "{probe.name}"',
            "start": str(probe.now_ns - 10**11),
            "end": str(probe.now_ns + 10**11),
        }
        return _has_result(self.json("/loki/api/v1/query_range", query))


def _has_result(answer: dict[str, Any]) -> bool:
    data: dict[str, Any] = answer.get("data") or {}
    return bool(data.get("result"))


def prometheus_store(told: EndpointSettings, section: str = "metrics") -> Store:
    """A Prometheus or Mimir. section: of the settings that name it; empty for one that the command names."""
    return _Prometheus("Prometheus", section, told)


def tempo_store(told: EndpointSettings, section: str = "traces") -> Store:
    """A Tempo; likewise."""
    return _Tempo("Tempo", section, told)


def loki_store(url: str) -> Store:
    """A Loki, which no setting names: nothing of ours reads it."""
    return _Loki("Loki", "", EndpointSettings(url=url))
