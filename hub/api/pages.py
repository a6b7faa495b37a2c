"""The few pages the hub serves itself: files of its own, under a strict policy, pinned by their digest."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from branchloop.text import board as text_board, refusals as text_refusals, staff as text_staff
from branchloop.text.consent import WORDS

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

STAFF_PARTS = ("staff-words.js", "staff-door.js")
"""Scripts of the staff's page beside its own."""
STAFF_HEADERS = {**HEADERS, "Permissions-Policy": "camera=(), microphone=(), geolocation=()"}


def integrity(content: bytes) -> str:
    """The digest by which a page pins a file (SRI)."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def page(name: str) -> bytes:
    """An HTML file with the digests of what it loads filled in."""
    text = (STATIC / f"{name}.html").read_text(encoding="utf-8")
    for kind in ("js", "css"):
        text = text.replace("{{" + kind + "}}", integrity((STATIC / f"{name}.{kind}").read_bytes()))
    for part in STAFF_PARTS:
        text = text.replace("{{" + part + "}}", integrity((STATIC / part).read_bytes()))
    return text.encode()


def routes() -> APIRouter:
    """The enrolment page, at both of its addresses, the staff's, and what they load. They tell nothing of anybody."""
    router = APIRouter(include_in_schema=False)
    html = page("enrol")
    script = (STATIC / "enrol.js").read_bytes()
    style = (STATIC / "enrol.css").read_bytes()
    words = json.dumps(WORDS, ensure_ascii=False).encode()

    @router.get("/enrol/{token}")
    @router.get("/consent/{token}")
    def enrol(token: str) -> Response:
        del token  # the script sends it; the page is the same for all
        return Response(html, media_type="text/html; charset=utf-8", headers=HEADERS)

    @router.get("/static/enrol.js")
    def enrol_script() -> Response:
        return Response(script, media_type="text/javascript; charset=utf-8")

    @router.get("/static/enrol.css")
    def enrol_style() -> Response:
        return Response(style, media_type="text/css; charset=utf-8")

    @router.get("/static/enrol-words.json")
    def enrol_words() -> Response:
        return Response(words, media_type="application/json")

    _staff(router)
    return router


def _staff(router: APIRouter) -> None:
    """The staff's page for phones; who opens it needs a token for anything it shows."""
    html = page("staff")
    script = (STATIC / "staff.js").read_bytes()
    style = (STATIC / "staff.css").read_bytes()
    speech, door = ((STATIC / part).read_bytes() for part in STAFF_PARTS)
    told = {"words": {**text_board.WORDS, **text_staff.WORDS}, "refusals": text_refusals.for_scripts()}
    words = json.dumps(told, ensure_ascii=False).encode()

    @router.get("/staff")
    def staff() -> Response:
        return Response(html, media_type="text/html; charset=utf-8", headers=STAFF_HEADERS)

    @router.get("/static/staff.js")
    def staff_script() -> Response:
        return Response(script, media_type="text/javascript; charset=utf-8")

    @router.get("/static/staff-words.js")
    def staff_speech() -> Response:
        return Response(speech, media_type="text/javascript; charset=utf-8")

    @router.get("/static/staff-door.js")
    def staff_door() -> Response:
        return Response(door, media_type="text/javascript; charset=utf-8")

    @router.get("/static/staff.css")
    def staff_style() -> Response:
        return Response(style, media_type="text/css; charset=utf-8")

    @router.get("/static/staff-words.json")
    def staff_words() -> Response:
        return Response(words, media_type="application/json")
