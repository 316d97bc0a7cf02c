"""Asking another process's ledger over HTTP: what goes wrong on the way, told in the errors of the ports."""

from typing import Any, Final

import httpx

from flashmm_backends.certificates import certificate_problem
from flashmm_backends.ports import NotFound, QueryRefused, Unavailable

_REFUSED: Final = (400, 422)
_NOT_FOUND: Final = 404
_REMEDIES: Final = {
    401: "its http.token is another one: see ledgers.token (FLASHMM_LEDGERS__TOKEN_FILE)",
    404: "there is no such API at this address: see ledgers.urls (FLASHMM_LEDGERS__URLS)",
    421: "it doesn't answer to this name: add the name to its http.allowed_hosts",
}


async def answer(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """A successful answer. Raises QueryRefused, NotFound, Unavailable."""
    try:
        response = await client.send(request)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unavailable(client, why_unreached(error)) from error
    if response.is_success:
        return response
    code, message = _told(response)
    if response.status_code in _REFUSED:
        raise QueryRefused("bad_data", message)
    if response.status_code == _NOT_FOUND and code == "not_found":
        raise NotFound(message.removesuffix(" is not in the store"))
    remedy = _REMEDIES.get(response.status_code)
    raise unavailable(client, f"HTTP {response.status_code} ({message}){f': {remedy}' if remedy else ''}")


def unavailable(client: httpx.AsyncClient, why: str) -> Unavailable:
    """The error that names which ledger."""
    return Unavailable(f"the ledger at {str(client.base_url).rstrip('/')}", why)


def why_unreached(error: Exception) -> str:
    """Why a request got no answer, and what to look at."""
    text = str(error) or type(error).__name__
    if problem := certificate_problem(error):
        return f"its certificate isn't trusted ({problem}): give who signed it in ledgers.ca_file"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__}): ledgers.attempt_s is how long one may take"
    return f"{text}: is it running there? see ledgers.urls (FLASHMM_LEDGERS__URLS)"


def _told(response: httpx.Response) -> tuple[str, str]:
    """The code and message of an error, as the API words them."""
    try:
        error: dict[str, Any] = response.json()["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "", " ".join(response.text.split())[:160] or response.reason_phrase
