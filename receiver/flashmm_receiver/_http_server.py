"""The listening socket of OTLP over HTTP."""

import asyncio

from flashmm_receiver._access import ssl_context
from flashmm_receiver._http_connection import HttpConnection, HttpShared
from flashmm_receiver.errors import CannotListen
from flashmm_receiver.settings import Address


class HttpServer:
    """Listens for OTLP over HTTP."""

    def __init__(self, shared: HttpShared) -> None:
        self._shared = shared
        self._server: asyncio.Server | None = None
        self.port = 0
        """The port that is listened on."""

    async def start(self) -> None:
        """Listen. Raises CannotListen, NotConfigured."""
        settings = self._shared.settings
        address = Address.parse("http_bind", settings.http_bind)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: HttpConnection(self._shared),
                address.host,
                address.port,
                ssl=ssl_context(settings),
                backlog=settings.connections_max,
            )
        except OSError as error:
            raise CannotListen("http_bind", str(address), str(error)) from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, grace_s: float) -> None:
        """Stop listening; requests in flight have that long to end."""
        if self._server is None:
            return
        self._server.close()
        draining = [
            asyncio.create_task(connection.drained(), name="drain HTTP")
            for connection in list(self._shared.connections)
        ]
        if draining:
            _, late = await asyncio.wait(draining, timeout=grace_s)
            for task in late:
                task.cancel()
        for connection in list(self._shared.connections):
            connection.abort()
        self._server = None
