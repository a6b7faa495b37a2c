"""The pages served: Streamlit's own server, and what it tells a browser with every answer."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
"""In a frame of somebody else's page a viewer clicks what is not seen."""


class Headed:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI asks."""

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, headed)


def serve(options: Mapping[str, object]) -> None:
    """Serve the pages, with these options of Streamlit, until stopped; ends the process."""
    for each in (signal.SIGINT, signal.SIGTERM):  # uvicorn, once it has ended, raises again what ended it
        signal.signal(each, _stopped)
    st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(Headed)]).run(config=options)


def _stopped(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's own
    sys.exit(0)
