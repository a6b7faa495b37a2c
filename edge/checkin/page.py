"""The kiosk's page over HTTP: full screen on the kiosk itself, and for nobody else.

Same-origin only: what the page does carries a header that no other site's form or image can send, and a
foreign `Host` is refused, so that a page in the same browser cannot reach in by rebinding a name.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from branchloop.agreement.consent import consent_text
from branchloop.errors import InputError
from branchloop.text.catalogue import LANGUAGES
from branchloop.text.kiosk import WORDS
from edge.checkin.desk import Desk

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
        "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
LOOK_S = 0.08
ALIVE_S = 5.0
FRAME_S = 0.1
MAX_BODY = 1_000


def create_page(desk: Desk, host: str, ending: threading.Event) -> Starlette:
    """The page of one kiosk; `host` is the name or address it listens on. Its streams end with `ending`."""
    files = {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in TYPES}
    about = json.dumps(_about(desk), ensure_ascii=False)

    async def page(_request: Request) -> Response:
        return Response(files["kiosk.html"], media_type="text/html; charset=utf-8", headers=HEADERS)

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            return JSONResponse({"detail": "there is no such file."}, 404, HEADERS)
        return Response(files[name], media_type=f"{TYPES[Path(name).suffix]}; charset=utf-8", headers=HEADERS)

    async def told(_request: Request) -> Response:
        return Response(about, media_type="application/json", headers=HEADERS)

    async def act(request: Request) -> Response:
        if request.headers.get("x-branchloop") != "kiosk":
            return JSONResponse({"detail": "only the kiosk's own page may ask this."}, 403, HEADERS)
        body = await request.body()
        try:
            if len(body) > MAX_BODY:
                raise InputError("the body is too large.", hint="Load the page again.")
            asked = json.loads(body)
            await asyncio.to_thread(desk.act, str(asked["what"]), asked.get("value"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return JSONResponse({"detail": f"this cannot be read: {type(error).__name__}."}, 422, HEADERS)
        except InputError as error:
            return JSONResponse({"detail": str(error)}, 422, HEADERS)
        return JSONResponse({}, headers=HEADERS)

    async def events(request: Request) -> Response:
        async def follow() -> AsyncIterator[str]:
            before, quiet_s = "", 0.0
            while not ending.is_set() and not await request.is_disconnected():
                now = json.dumps(await asyncio.to_thread(desk.view), ensure_ascii=False)
                if now != before or quiet_s >= ALIVE_S:
                    before, quiet_s = now, 0.0
                    yield f"data: {now}\n\n"
                await asyncio.sleep(LOOK_S)
                quiet_s += LOOK_S

        return StreamingResponse(follow(), media_type="text/event-stream", headers=HEADERS)

    async def preview(request: Request) -> Response:
        async def follow() -> AsyncIterator[bytes]:
            while not ending.is_set() and not await request.is_disconnected():
                picture = desk.eye.preview
                if picture is None and desk.session.stage not in {"code", "number", "face", "enrol"}:
                    return
                if picture is not None:
                    yield b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n"
                await asyncio.sleep(FRAME_S)

        return StreamingResponse(
            follow(), media_type="multipart/x-mixed-replace; boundary=frame", headers=HEADERS
        )

    return Starlette(
        routes=[
            Route("/", page),
            Route("/static/{name}", static),
            Route("/about.json", told),
            Route("/api/act", act, methods=["POST"]),
            Route("/api/events", events),
            Route("/preview.mjpeg", preview),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", host])
        ],
    )


def _about(desk: Desk) -> dict[str, Any]:
    texts = {language: consent_text(language, desk.kiosk.consent_days) for language in LANGUAGES}
    note = desk.branch.note
    return {
        "branch": {"zh": desk.branch.name.zh, "en": desk.branch.name.en},
        "note": None if note is None else {"zh": note.zh, "en": note.en},
        "language": desk.kiosk.language,
        "recognise": desk.kiosk.recognise,
        "words": WORDS,
        "consent": {
            language: {
                "title": text.title,
                "agree": text.agree,
                "points": [[point.heading, point.says] for point in text.points],
            }
            for language, text in texts.items()
        },
    }
