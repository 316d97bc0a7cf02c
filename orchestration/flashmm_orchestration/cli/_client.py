"""Asking a running `flashmm up` over HTTP."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from flashmm_orchestration.cli._reach import NoAnswer, Wanted, check_address, no_answer

__all__ = ["Client", "NoAnswer"]

_TIMEOUT_S: Final = 10.0
_NOTHING_STAYS_OPEN: Final = httpx.Limits(max_keepalive_connections=0)
_WANTED: Final = Wanted(
    "the address of the page of `flashmm up`",
    "--url",
    "SSL_CERT_FILE",
    other_protocol="That is OTLP's gRPC port; --url takes the page's (http.port), mostly 8080.",
)


class Client:
    """One server. Raises NoAnswer for whatever goes wrong on the way."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self._token = token
        check_address(url, _WANTED)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT_S, limits=_NOTHING_STAYS_OPEN)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at a path."""
        answer = self.ask("GET", path, parameters)
        if answer.is_error:
            raise self._refused(path, answer)
        return self._object(path, answer)

    def health(self) -> dict[str, Any]:
        """The state of the server: `ready`, `components`."""
        health = self.get("/health")
        if not isinstance(health.get("components"), list):
            raise self._stranger("/health")
        return health

    def prometheus(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The answer of the Prometheus API, errors included."""
        answer = self.ask("POST", path, parameters)
        if answer.status_code in {401, 403, 404, 405, 421}:
            raise self._refused(path, answer)
        return self._object(path, answer)

    def ask(self, method: str, path: str, parameters: Mapping[str, str] | None = None) -> httpx.Response:
        """Whatever is answered at a path."""
        fields = dict(parameters or {})
        try:
            if method == "POST":
                return self._http.post(path, data=fields)
            return self._http.get(path, params=fields)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise no_answer(self.url, _WANTED, error) from None

    def _refused(self, path: str, answer: httpx.Response) -> NoAnswer:
        if _is_otlp(answer):
            return NoAnswer(
                self.url, "that is OTLP's HTTP port", f"{_WANTED.option} takes the page's (http.port), mostly 8080."
            )
        return NoAnswer(self.url + path, f"{answer.status_code}: {told(answer)}", self._fix(answer.status_code))

    def _fix(self, status: int) -> str:
        if status == 401:
            wrong = "The token is wrong: give the server's" if self._token else "Give the server's token"
            return f"{wrong} with --token-file, FLASHMM_HTTP__TOKEN_FILE or FLASHMM_HTTP__TOKEN."
        if status == 421:
            return "Use a name that the server answers to, or add this one to its http.allowed_hosts."
        if status == 404:
            return "Is it a flashmm server's page (http.port)? See --url."
        return "The server's log may say more."

    def _object(self, path: str, answer: httpx.Response) -> dict[str, Any]:
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise self._stranger(path)
        return value  # pyright: ignore[reportUnknownVariableType] - JSON

    def _stranger(self, path: str) -> NoAnswer:
        return NoAnswer(self.url + path, "the answer is not a flashmm server's", "Give the server's address: --url.")


def _is_otlp(answer: httpx.Response) -> bool:
    """Whether an OTLP receiver refused: with a google.rpc.Status, where we have an `error`."""
    try:
        return isinstance(answer.json()["code"], int)
    except (ValueError, KeyError, TypeError):
        return False


def told(answer: httpx.Response) -> str:
    """What an answer says went wrong."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(answer.text.split())[:200] or answer.reason_phrase
