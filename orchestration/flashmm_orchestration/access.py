"""Who may ask: names the server answers to, and the token it wants, before anything else sees a request."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_OPEN: Final = frozenset({"/livez", "/readyz"})


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches: `localhost` or a loopback IP."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name in a Host header, without its port and brackets, lower case."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if name.count(":") == 1 else name


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
    """ASGI middleware: 421 for a foreign Host (DNS rebinding), 401 without the token.

    hosts: names that Host may carry; `*` lets any through. token: empty for none. Probes need no token.
    """

    def __init__(self, app: App, *, hosts: Sequence[str], token: str) -> None:
        self._app = app
        self._hosts = frozenset(name.lower() for name in hosts)
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not self._knows(headers.get(b"host", "")):
            return await _refuse(
                scope, send, 421, "This server does not answer to that Host; see http.allowed_hosts."
            )
        if scope["path"] not in _OPEN and not self._admits(headers.get(b"authorization", "")):
            return await _refuse(scope, send, 401, "Send the token as a bearer token, or as HTTP Basic's password.")
        return await self._app(scope, receive, send)

    def _knows(self, header: str) -> bool:
        return "*" in self._hosts or host_name(header) in self._hosts

    def _admits(self, authorization: str) -> bool:
        if not self._token:
            return True
        return hmac.compare_digest(presented_token(authorization).encode(), self._token)


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": text})
        return
    prefix = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="flashmm", charset="UTF-8"'))
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": text.encode() + b"\n"})
