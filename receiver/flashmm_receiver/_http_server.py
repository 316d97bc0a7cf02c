"""The listening socket of OTLP over HTTP."""

import asyncio

from flashmm_receiver._access import ssl_context
from flashmm_receiver._http_connection import HttpConnection, HttpShared
from flashmm_receiver._listening import listen, port_of
from flashmm_receiver._tls import Handshake, Tls
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
        shared, context = self._shared, ssl_context(self._shared.settings, "http/1.1")
        tls = context and Tls(context, shared.settings.receive_timeout_s, lambda: shared.error("tls_handshake"))
        self._server = await listen(
            "http_bind",
            Address.parse("http_bind", shared.settings.http_bind),
            lambda: HttpConnection(shared) if tls is None else Handshake(tls, HttpConnection(shared)),
        )
        self.port = port_of(self._server)

    async def stop(self, grace_s: float) -> None:
        """Stop listening; requests in flight have that long to end."""
        if self._server is None:
            return
        self._server.close()
        draining = [
            asyncio.create_task(connection.drained(), name="drain HTTP") for connection in self._shared.places
        ]
        if draining:
            _, late = await asyncio.wait(draining, timeout=grace_s)
            for task in late:
                task.cancel()
        for connection in self._shared.places:
            connection.abort()
        self._server = None
