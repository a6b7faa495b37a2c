"""The routes of partners: tokens for their pages, their own figures, what they are owed, tags of their users."""

from __future__ import annotations

import csv
import io
import sqlite3
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from branchloop.clock import MINUTE_MS, iso
from branchloop.errors import InputError
from hub.api.access import OfPartner, PartnerFigures, Settling
from hub.api.branches import Format, Over
from hub.api.card.identity import tag_shown
from hub.api.funnel_answer import as_csv, funnel_answer
from hub.api.models import identity as models
from hub.api.models.value import Funnel
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.api.tables import MEDIA_TYPE
from hub.api.value_routes import CSV, Grouping, Which
from hub.loop.appointments import service_of
from hub.loop.embedding import Embed, issue
from hub.loop.receipt import canonical
from hub.loop.tags import end_ms
from hub.store.connection import opened, reading
from hub.store.customers import linking, settlement, tagging
from hub.store.customers.receiptkey import receipt_key

Month = Annotated[str, Query(description="YYYY-MM, by each branch's calendar", max_length=10)]


def routes() -> APIRouter:
    """The routes under /api/v1/partners."""
    router = APIRouter(prefix="/api/v1/partners/{partner_id}", tags=["partners"])

    @router.post("/embeds", status_code=201)
    def embed(
        request: Request, caller: OfPartner, partner_id: str, body: models.EmbedAsked
    ) -> models.EmbedMade:
        """A page's token for at most an hour, with the partner's own reference of who is signed in."""
        state: State = request.app.state.hub
        partner = caller.partner(partner_id, f"embed {body.origin} {body.site}")
        if body.origin not in partner.origins:
            raise InputError(
                f"{body.origin} is none of this partner's origins.",
                hint=f"It has: {', '.join(partner.origins)}.",
            )
        site = state.config.sites.get(body.site)
        if site is None or not partner.shows(site.id):
            raise InputError(f"this partner shows no branch {body.site!r}.", hint="Ask the bank.")
        if body.service is not None:
            service_of(site, body.service)
        expires_ms = now_ms() + body.minutes * MINUTE_MS
        made = Embed(partner.id, body.origin, site.id, expires_ms, body.service, body.scene, body.subject)
        return models.EmbedMade(embed=issue(made, state.book.keyring.mac), expires=iso(expires_ms))

    @router.get("/aggregates", response_model=Funnel, responses=CSV)
    def aggregates(
        request: Request,
        caller: PartnerFigures,
        partner_id: str,
        asked: Over,
        by: Grouping = "service",
        format_: Format = "json",
        table: Which = "stages",
    ) -> Funnel | Response:
        """The funnel of the journeys from the partner's own pages, in whole weeks; small counts are absent."""
        state: State = request.app.state.hub
        partner = caller.partner(partner_id, "aggregates")
        sites = [state.config.sites[each] for each in sorted(state.config.sites)]
        answer = funnel_answer(state, sites, asked.span, by, small=True, partner=partner.id)
        return answer if format_ == "json" else as_csv(answer, table)

    @router.get("/settlement", response_model=models.SettlementAnswer, responses=CSV)
    def settle(
        request: Request, caller: Settling, partner_id: str, month: Month, format_: Format = "json"
    ) -> models.SettlementAnswer | Response:
        """What the bank owes for a month and what the visits are worth to it; signed once the month is closed."""
        state: State = request.app.state.hub
        partner = caller.partner(partner_id, f"settlement {month}")
        sites, value, at_ms = state.config.sites, state.config.value, now_ms()
        with reading(state.data_dir) as db:
            kept = settlement.closed(db, partner.id, month)
            found = kept or settlement.counted(db, partner, month, sites, value)
        if kept is None and settlement.may_close(month, sites, at_ms):
            with opened(state.data_dir) as db:
                kept = settlement.closed(db, partner.id, month)  # another request may have been faster
                counted = settlement.counted(db, partner, month, sites, value)
                found = kept or settlement.close(db, receipt_key(state.data_dir), counted, at_ms)
        answer = _settled(found)
        return answer if format_ == "json" else _csv(answer)

    @router.post("/tags", status_code=201)
    def tag(request: Request, caller: OfPartner, partner_id: str, body: models.TagAsked) -> models.TagShown:
        """Tag a linked user, for a purpose that the customer has agreed to."""
        state: State = request.app.state.hub
        partner = caller.partner(partner_id, f"tag {body.tag} {body.purpose}")
        at_ms, keyring = now_ms(), state.book.keyring
        until_ms = end_ms(state.config.scenes, body.tag, body.purpose, body.days, at_ms)
        with opened(state.data_dir) as db:
            link = _link(db, state, partner.id, body.subject, at_ms)
            made = tagging.put(
                db, keyring, link, body.tag, body.value, body.purpose, "partner", at_ms, until_ms
            )
        return tag_shown(state.config.scenes, made)

    @router.get("/tags")
    def tags(
        request: Request,
        caller: OfPartner,
        partner_id: str,
        subject: Annotated[str, Query(min_length=1, max_length=120)],
    ) -> models.TagList:
        """The tags of a linked user that the customer lets the bank share with this partner."""
        state: State = request.app.state.hub
        partner = caller.partner(partner_id, "tags")
        at_ms = now_ms()
        with reading(state.data_dir) as db:
            link = _link(db, state, partner.id, subject, at_ms)
            found = tagging.shared_with(db, state.book.keyring, link, at_ms)
        return models.TagList(items=[tag_shown(state.config.scenes, each) for each in found])

    return router


def _link(db: sqlite3.Connection, state: State, partner: str, subject: str, at_ms: int) -> linking.Link:
    digest = linking.subject_digest(state.book.keyring.mac, partner, subject)
    found = linking.find(db, partner, digest, at_ms)
    if found is None:
        raise NotFoundError(
            "this user is not linked.",
            hint="The customer agrees on the bank's page of a pass, opened from the card.",
        )
    return found


def _settled(found: settlement.Settlement) -> models.SettlementAnswer:
    body = {key: each for key, each in found.body.items() if key not in {"v", "closed", "signer"}}
    return models.SettlementAnswer(
        **body,
        closed=found.closed,
        body=canonical(found.body).decode(),
        sha256=found.sha256,
        signature=found.signature,
    )


def _csv(answer: models.SettlementAnswer) -> Response:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    money = answer.currency
    writer.writerow(
        ["month", "site", "service", "served", f"owed_{money}", f"worth_{money}", "closed", "sha256"]
    )
    for each in answer.lines:
        writer.writerow(
            [
                answer.month,
                each.site,
                each.service,
                each.served,
                each.owed,
                each.worth,
                int(answer.closed),
                "",
            ]
        )
    writer.writerow(
        [answer.month, "*", "*", answer.served, answer.owed, answer.worth, int(answer.closed), answer.sha256]
    )
    return Response(
        out.getvalue(),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="settlement-{answer.month}.csv"'},
    )
