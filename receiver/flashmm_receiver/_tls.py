"""Agreeing on TLS with places counted: asyncio tells of a connection only once its handshake is done."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast


class Connection(Protocol):
    """What is to go over TLS. It takes its place, and may end, before anything is agreed on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        ...

    def secured(self, transport: asyncio.Transport) -> None:
        """TLS is agreed on; this takes the other transport's place."""
        ...

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Tls:
    """How connections of a port are secured. refused: called for a handshake that fails."""

    context: ssl.SSLContext
    handshake_s: float
    refused: Callable[[], None]


class Handshake(asyncio.Protocol):
    """Somebody has connected: has TLS agreed on over the same socket."""

    def __init__(self, tls: Tls, connection: Connection) -> None:
        self._tls = tls
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket over before anything is read from it: uvloop's `start_tls` can miss what came already."""
        plain = cast("asyncio.Transport", transport)
        taken_over = plain.get_extra_info("socket").dup()
        plain.abort()
        agreeing = asyncio.create_task(self._agree(taken_over), name="TLS handshake")
        agreeing.add_done_callback(partial(self._ended, taken_over))
        self._connection.connection_made(_Agreeing(agreeing))

    async def _agree(self, plain: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: _Agreed(self._connection),
            plain,
            ssl=self._tls.context,
            ssl_handshake_timeout=self._tls.handshake_s,
        )

    def _ended(self, plain: socket.socket, agreeing: "asyncio.Task[None]") -> None:
        if agreeing.cancelled():
            plain.close()
        elif (error := agreeing.exception()) is None:
            return
        elif isinstance(error, OSError):
            self._tls.refused()
        else:
            raise error
        self._connection.connection_lost(None)


class _Agreeing(asyncio.Transport):
    """Stands for a connection until TLS is agreed on: it can be ended; what is written nobody would understand."""

    def __init__(self, agreeing: "asyncio.Task[None]") -> None:
        super().__init__()
        self._agreeing = agreeing
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Nothing."""

    def is_closing(self) -> bool:
        """True once it was ended."""
        return self._closing

    def close(self) -> None:
        """End it."""
        self._closing = True
        self._agreeing.cancel()

    def abort(self) -> None:
        """End it."""
        self.close()


class _Agreed(asyncio.Protocol):
    """Hands over to the connection what was secured."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is agreed on."""
        secured = cast("asyncio.Transport", transport)
        secured.set_protocol(cast("asyncio.BaseProtocol", self._connection))
        self._connection.secured(secured)
