"""Whom staff must move: appointments that a branch cannot keep as it is configured now."""

from __future__ import annotations

from fastapi import APIRouter, Request

from branchloop.clock import iso
from hub.api.access import OnBoard
from hub.api.booking import shown
from hub.api.models import capacity as models
from hub.api.state import State, now_ms
from hub.store.book.stranded import stranded
from hub.store.connection import reading


def routes() -> APIRouter:
    """The route under /api/v1/branches/SITE that needs a token of the board."""
    router = APIRouter(prefix="/api/v1/branches/{site_id}", tags=["appointments"])

    @router.get("/stranded")
    def of_branch(request: Request, caller: OnBoard, site_id: str) -> models.StrandedAnswers:
        """Appointments to come whose counter, hours or service changed; none is cancelled by that."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "stranded")
        at_ms = now_ms()
        with reading(state.data_dir) as db:
            found = [
                models.StrandedAnswer(reason=each.reason, appointment=shown(db, each.appointment, at_ms))
                for each in stranded(db, state.book, site, at_ms)
            ]
        return models.StrandedAnswers(as_of=iso(at_ms), items=found)

    return router
