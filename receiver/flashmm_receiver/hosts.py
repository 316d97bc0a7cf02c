"""Which names a server answers to: the rule against DNS rebinding and against pages of other sites.

A browser sends the name that it believes to have reached as Host, and the page that asks as Origin. A foreign name
that resolves here, or a foreign page that posts here, shows itself in them.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import Final

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{1,5}))?", re.ASCII)
_PORT_MAX: Final = 65_535


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches: `localhost` or a loopback IP."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name in a Host header, without its port and brackets, lower case; empty for what is no `host[:port]`."""
    match = _HOST.fullmatch(header.strip(" \t").lower())
    if match is None or int(match[3] or 0) > _PORT_MAX:
        return ""
    return _address(match[1]) if match[1] else match[2]


def _address(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        return ""


class KnownHosts:
    """The names that a server answers to, loopback's among them; `*` stands for any."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower() for name in (*LOOPBACK_NAMES, *names))

    def knows(self, header: str) -> bool:
        """Whether a request with this Host header is for us. Several such headers, joined by a comma, are no name."""
        name = host_name(header)
        return bool(name) and ("*" in self._names or name in self._names)


def is_own_origin(origin: str, scheme: str, host: str) -> bool:
    """Whether the page that asks came from where it asks. scheme: http or https; host: the Host header."""
    return origin.lower() == f"{scheme}://{host.strip().lower()}"
