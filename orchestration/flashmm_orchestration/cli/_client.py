"""Asking a running `flashmm up` over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

DEFAULT_URL: Final = "http://127.0.0.1:8080"
_TIMEOUT_S: Final = 10.0


@dataclass
class NoAnswer(Exception):
    """The server did not answer, or not as expected."""

    url: str
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.url}: {self.why}. {self.fix}"


class Client:
    """One server. Raises NoAnswer for whatever goes wrong on the way."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self._url, headers=headers, timeout=_TIMEOUT_S)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at a path."""
        answer = self._send("GET", path, parameters)
        if answer.is_error:
            raise NoAnswer(self._url + path, f"{answer.status_code}: {_message(answer)}", _fix(answer.status_code))
        return _object(self._url + path, answer)

    def prometheus(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The answer of the Prometheus API, errors included."""
        answer = self._send("POST", path, parameters)
        if answer.status_code in {401, 404, 421}:
            raise NoAnswer(self._url + path, f"{answer.status_code}: {_message(answer)}", _fix(answer.status_code))
        return _object(self._url + path, answer)

    def _send(self, method: str, path: str, parameters: Mapping[str, str] | None) -> httpx.Response:
        fields = dict(parameters or {})
        try:
            if method == "POST":
                return self._http.post(path, data=fields)
            return self._http.get(path, params=fields)
        except httpx.TimeoutException:
            raise NoAnswer(self._url + path, f"no answer within {_TIMEOUT_S:.0f} s", "Is it overloaded?") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(self._url, str(error), "Is `flashmm up` running there? Else give --url.") from None


def _object(url: str, answer: httpx.Response) -> dict[str, Any]:
    try:
        value = answer.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NoAnswer(url, "the answer is not JSON", "Is it a flashmm server? Give its address with --url.")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text.strip()[:200] or answer.reason_phrase


def _fix(status: int) -> str:
    if status == 401:
        return "Give the token with --token or FLASHMM_HTTP__TOKEN."
    return "See the address of the server: --url."
