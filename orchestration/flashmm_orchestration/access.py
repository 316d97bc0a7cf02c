"""Who may ask: names the server answers to, and the token it wants, before anything else sees a request."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from flashmm_receiver.hosts import KnownHosts

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OPEN: Final = frozenset({"/livez", "/readyz"})


def presented_token(authorization: str) -> str:
    """The token in an Authorization header: a bearer token, or the password of HTTP Basic; empty if neither."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class Access:
    """ASGI middleware: 421 for a foreign Host (DNS rebinding), 401 without the token, 400 for a body of two lengths.

    hosts: names that Host may carry besides loopback's; `*` lets any through. token: empty for none; probes need
    none.
    """

    def __init__(self, app: App, *, hosts: Sequence[str], token: str) -> None:
        self._app = app
        self._hosts = KnownHosts(hosts)
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if not self._hosts.knows(_header(scope, b"host")):
            return await _refuse(
                scope, send, 421, "This server does not answer to that Host; see http.allowed_hosts."
            )
        if _header(scope, b"content-length") and _header(scope, b"transfer-encoding"):
            return await _refuse(scope, send, 400, "Send Content-Length or Transfer-Encoding, not both.")
        if scope["path"] not in _OPEN and not self._admits(_header(scope, b"authorization")):
            return await _refuse(scope, send, 401, "Send the token as a bearer token, or as HTTP Basic's password.")
        return await self._app(scope, receive, send)

    def _admits(self, authorization: str) -> bool:
        if not self._token:
            return True
        return hmac.compare_digest(presented_token(authorization).encode(), self._token)


class NoSniff:
    """ASGI middleware: no answer is taken for a type that it does not name."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the header where it is missing."""

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
                if all(name.lower() != b"x-content-type-options" for name, _ in headers):
                    headers.append((b"x-content-type-options", b"nosniff"))
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, sent)


def _header(scope: Scope, name: bytes) -> str:
    """Its value; several are joined by commas."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": text})
        return
    prefix = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="flashmm", charset="UTF-8"'))
    if status == 400:
        headers.append((b"connection", b"close"))  # what follows may be another's: a proxy may have counted otherwise
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": text.encode() + b"\n"})
