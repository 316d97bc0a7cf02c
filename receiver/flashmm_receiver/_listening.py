"""A listening socket for the loop."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from flashmm_receiver.errors import CannotListen
from flashmm_receiver.settings import Address

_BACKLOG: Final = 512
"""Connections that the system holds ready: a crowd must not fill it while the loop does something else."""


async def listen(setting: str, address: Address, make: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
    """Listen, with a protocol for each connection; `::` takes IPv4 too. Raises CannotListen."""
    loop = asyncio.get_running_loop()
    try:
        if address.host == "::" and socket.has_dualstack_ipv6():
            bound = socket.create_server((address.host, address.port), family=socket.AF_INET6, dualstack_ipv6=True)
            return await loop.create_server(make, sock=bound, backlog=_BACKLOG)
        return await loop.create_server(make, address.host, address.port, backlog=_BACKLOG)
    except OSError as error:
        raise CannotListen(setting, str(address), str(error)) from None


def port_of(server: asyncio.Server) -> int:
    """The port that is listened on."""
    return server.sockets[0].getsockname()[1]
