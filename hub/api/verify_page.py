"""The page behind the code of a document: says to anybody whether it stands. It has no script."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from branchloop.errors import LimitError
from branchloop.text.documents import words
from hub.api.models.requests import Verdict
from hub.api.pages import STATIC
from hub.api.problems import NotFoundError
from hub.api.requests import verdict

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
}


def routes() -> APIRouter:
    """The page, with a field for the code or with the answer."""
    router = APIRouter(include_in_schema=False)
    style = (STATIC / "verify.css").read_bytes()

    @router.get("/static/verify.css")
    def css() -> Response:
        return Response(style, media_type="text/css; charset=utf-8")

    @router.get("/verify")
    def ask(request: Request, code: Annotated[str, Query(max_length=40)] = "") -> Response:
        return _answer(request, code)

    @router.get("/verify/{code}")
    def tell(request: Request, code: str) -> Response:
        return _answer(request, code)

    return router


def _answer(request: Request, code: str) -> Response:
    status, body, headers = 200, "", HEADERS
    if code.strip():
        try:
            body = _shown(verdict(request, code))
        except NotFoundError as error:
            status, body = error.http_status, _said("verify.unknown", "bad")
        except LimitError as error:
            status, body = error.http_status, _said("verify.busy", "bad")
            headers = {**HEADERS, "Retry-After": str(error.retry_s)}
    en, zh = words("verify.title")
    label_en, label_zh = words("document.number")
    html = (
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>{zh} {en}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        '<link rel="stylesheet" href="/static/verify.css"></head><body><main>'
        f'<h1>{zh}<span lang="en">{en}</span></h1>{body}'
        f'<form action="/verify" method="get"><label for="code">{label_zh} <span lang="en">{label_en}</span></label>'
        f'<input id="code" name="code" maxlength="40" autocomplete="off" value="{escape(code[:40])}">'
        '<button>查询 <span lang="en">Check</span></button></form></main></body></html>'
    )
    return Response(html, status, headers, media_type="text/html; charset=utf-8")


def _said(key: str, kind: str) -> str:
    en, zh = words(key)
    return f'<p class="{kind}" role="status">{zh}<span lang="en">{en}</span></p>'


def _shown(told: Verdict) -> str:
    rows = [
        (
            "document.title" if told.kind == "certificate" else "document.electronic",
            f"{told.issuer.zh} {told.issuer.en}",
        ),
        ("document.branch", f"{told.branch.zh} {told.branch.en}"),
        ("document.name", told.masked_name),
        ("document.issued", told.issued),
    ]
    table = "".join(
        f'<dt>{words(key)[1]} <span lang="en">{words(key)[0]}</span></dt><dd>{escape(value)}</dd>'
        for key, value in rows
    )
    mark = _said("verify.simulated", "mark") if told.simulated else ""
    good = _said(f"verify.{told.state}", "good" if told.state == "valid" else "bad")
    return f"{mark}{good}<dl>{table}</dl>{_said('verify.compare', 'note')}"
