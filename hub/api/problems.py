"""Errors as application/problem+json (RFC 9457): what is wrong, and how to mend it."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from branchloop.errors import AccessError, BranchloopError, LimitError
from hub.api.models.answers import Problem

MEDIA_TYPE = "application/problem+json"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer: nothing here is a page, and nothing is to be kept."""
_LOG = logging.getLogger(__name__)


class NotFoundError(BranchloopError):
    """What was asked for does not exist, said only to those who may know."""

    http_status: ClassVar[int] = 404
    kind: ClassVar[str] = "not-found"


class BusyError(BranchloopError):
    """Too much is asked at once."""

    http_status: ClassVar[int] = 503
    kind: ClassVar[str] = "busy"


def install(app: FastAPI) -> None:
    """Answer every failure of `app` with a problem."""
    app.add_exception_handler(BranchloopError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    status: int, kind: str, detail: str, hint: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    """One problem."""
    body = Problem(
        type=f"urn:branchloop:problem:{kind}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        hint=hint,
    )
    return JSONResponse(body.model_dump(), status, headers, media_type=MEDIA_TYPE)


def _ours(_request: Request, error: Any) -> JSONResponse:
    if isinstance(error, AccessError) and not error.authenticated:
        return problem(401, error.kind, error.message, error.hint, {"WWW-Authenticate": "Bearer"})
    if error.http_status >= 500 and not isinstance(error, BusyError):
        # Its sentence names files of this machine: that is for the operator, not for the network.
        _LOG.error("%s", error)
        return problem(error.http_status, error.kind, "the hub cannot answer now; its log says why.", "Try again.")  # fmt: skip
    wait = {"Retry-After": str(error.retry_s)} if isinstance(error, LimitError) else None
    return problem(error.http_status, error.kind, error.message, error.hint, wait)


def _invalid(_request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    return problem(422, "input", f"{where}: {first['msg']}.", "See /openapi.json for what is expected.")


def _http(_request: Request, error: Any) -> JSONResponse:
    if (
        error.status_code == HTTPStatus.BAD_REQUEST
    ):  # FastAPI's of bytes that are no text; no route says it itself
        return problem(422, "input", "the body is no JSON in UTF-8.", "Send what /openapi.json describes.")
    return problem(
        error.status_code,
        "http",
        f"{error.detail}.",
        "See /openapi.json for the paths there are.",
        error.headers,
    )


def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    _LOG.exception("internal fault", exc_info=error)
    return problem(500, "internal", "an internal fault; it was written to the hub's log.", "Try again.", HEADERS)  # fmt: skip
