"""Errors as application/problem+json (RFC 9457): what is wrong, and how to mend it."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from branchloop.errors import AccessError, BranchloopError

_LOG = logging.getLogger(__name__)


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
    body = {
        "type": f"urn:branchloop:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "hint": hint,
    }
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _ours(_request: Request, error: Any) -> JSONResponse:
    if isinstance(error, AccessError) and not error.authenticated:
        return problem(401, error.kind, error.message, error.hint, {"WWW-Authenticate": "Bearer"})
    return problem(error.http_status, error.kind, error.message, error.hint)


def _invalid(_request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    return problem(422, "input", f"{where}: {first['msg']}.", "See /docs for what is expected.")


def _http(_request: Request, error: Any) -> JSONResponse:
    return problem(error.status_code, "http", f"{error.detail}.", "See /docs for the paths there are.")


def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    _LOG.exception("internal fault", exc_info=error)
    return problem(500, "internal", "an internal fault; it was written to the hub's log.", "Try again.")
