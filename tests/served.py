"""An app on a port of its own, in a thread of the test: it ends as soon as it may, not at uvicorn's tenths of a second."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from branchloop.processes import free_port

LOOK_S = 0.01
START_S = 20.0


class _Prompt(uvicorn.Server):
    """Hundreds of tests have a server of their own: two tenths of a second each would be a minute for all."""

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(LOOK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's own
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(LOOK_S)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of an app that answers."""
    port = free_port()
    server = _Prompt(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until_s = time.monotonic() + START_S
    while not server.started:
        assert time.monotonic() < until_s
        time.sleep(LOOK_S)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
