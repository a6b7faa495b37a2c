"""Round every request: no bodies worth the name, and the headers of a bank on every answer."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from branchloop.acceptance.report import MAX_BYTES as MAX_REPORT_BYTES
from hub.api.problems import HEADERS, problem

MAX_BODY_BYTES = 1 << 16
MAX_PHOTOS_BYTES = 1_600_000
"""Of the one route that takes sealed photos."""
PHOTOS = re.compile(r"/api/v1/enrolments/[A-Za-z0-9_-]{1,100}")
REPORTS = re.compile(r"/api/v1/branches/[a-z0-9-]{1,32}/acceptance")

CONFIGURATIONS = re.compile(r"/api/v1/branches/[a-z0-9-]{1,32}/configuration(/check)?")
MAX_CONFIGURATION_BYTES = 400_000
"""Of a site file's text as JSON: many zones, Chinese names."""


class Guard:
    """ASGI middleware; streams pass through it unbuffered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is too large, or of unknown length; add the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                framed = "frame-ancestors http" in headers.get("content-security-policy", "")
                for name, value in HEADERS.items():
                    if not (framed and name == "X-Frame-Options"):  # it can name no origin
                        headers.setdefault(name, value)
            await send(message)

        asked = Headers(scope=scope)
        most = MAX_BODY_BYTES
        if scope["method"] == "POST" and PHOTOS.fullmatch(scope["path"]):
            most = MAX_PHOTOS_BYTES
        elif scope["method"] == "POST" and REPORTS.fullmatch(scope["path"]):
            most = MAX_REPORT_BYTES
        elif scope["method"] == "POST" and CONFIGURATIONS.fullmatch(scope["path"]):
            most = MAX_CONFIGURATION_BYTES
        length = asked.get("content-length", "0")
        if "transfer-encoding" in asked:
            refused = problem(411, "input", "a body must say its length.", "Send Content-Length.")
        elif not length.isdecimal() or int(length[:20]) > most:
            refused = problem(413, "input", "the body is too large.", f"At most {most} bytes.")
        else:
            await self._app(scope, receive, headed)
            return
        await refused(scope, receive, headed)
