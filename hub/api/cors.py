"""Which pages may read the card's answers: those of the partners, each by its own origin, never all."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import HEADERS, problem

PREFIX = "/api/v1/card/"
_MAX_AGE_S = 600
_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
    "Access-Control-Max-Age": str(_MAX_AGE_S),
}


class Cors:
    """ASGI middleware for what lies below PREFIX; `listed` tells whether any partner names an origin."""

    def __init__(self, app: ASGIApp, listed: Callable[[str], bool]) -> None:
        self._app = app
        self._listed = listed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer preflights; let the pages of partners read everything else, faults too."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        origin = asked.get("origin", "")
        listed = bool(origin) and self._listed(origin)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if listed:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Expose-Headers"] = "Retry-After"
            await send(message)

        if scope["method"] == "OPTIONS" and "access-control-request-method" in asked:
            if listed:
                await send(
                    {
                        "type": "http.response.start",
                        "status": 204,
                        "headers": [
                            (name.lower().encode(), value.encode())
                            for name, value in {
                                **_ALLOWED, "Access-Control-Allow-Origin": origin, "Vary": "Origin"
                            }.items()
                        ],
                    }
                )  # fmt: skip
                await send({"type": "http.response.body", "body": b""})
                return
            refused = problem(
                403, "access", f"no partner of this bank has the origin {origin[:100]!r}.",
                "Add it to `origins` of a [[partner]] in hub.toml.", HEADERS,
            )  # fmt: skip
            await refused(scope, receive, headed)
            return
        await self._app(scope, receive, headed)
