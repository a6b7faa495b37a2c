"""Denied by default: every route, every role, every scope."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from itertools import product

import httpx
import pytest
from fastapi.routing import APIRoute
from hubworld import World, world
from tables import partner

from hub.api.access import PERMISSIONS
from hub.api.app import create_app
from hub.store.tokens import ROLES

BY_LINK = {"/api/v1/enrolments/{token}", "/api/v1/enrolments/{token}/withdraw"}
"""The link is the right to these: see test_enrolment.py."""
OPEN = {"/health", "/api/v1/verify/{code}"} | BY_LINK
NEEDED = {
    "/api/v1/branches": "branches",
    "/api/v1/branches/{site_id}": "branches",
    "/api/v1/branches/{site_id}/live": "live",
    "/api/v1/branches/{site_id}/stream": "live",
    "/api/v1/branches/{site_id}/heat": "figures",
    "/api/v1/branches/{site_id}/footfall": "figures",
    "/api/v1/branches/{site_id}/flow": "figures",
    "/api/v1/branches/{site_id}/occupancy": "figures",
    "/api/v1/branches/{site_id}/queues": "figures",
    "/api/v1/branches/{site_id}/zones": "figures",
    "/api/v1/branches/{site_id}/funnel": "figures",
    "/api/v1/funnel": "figures",
    "/api/v1/partners/{partner_id}/embeds": "partner",
    "/api/v1/partners/{partner_id}/tags": "partner",
    "/api/v1/partners/{partner_id}/aggregates": "partner_figures",
    "/api/v1/partners/{partner_id}/settlement": "settle",
    "/api/v1/branches/{site_id}/quality": "quality",
    "/api/v1/branches/{site_id}/alerts": "quality",
    "/api/v1/branches/{site_id}/acceptance": "quality",
    "/api/v1/branches/{site_id}/acceptance/{report}": "quality",
    "/api/v1/branches/{site_id}/consents": "enrol",
    "/api/v1/branches/{site_id}/appointments/{appointment}/enrolment": "enrol",
    "/api/v1/branches/{site_id}/slots": "book",
    "/api/v1/branches/{site_id}/board": "board",
    "/api/v1/branches/{site_id}/appointments": "book",
    "/api/v1/branches/{site_id}/appointments/{appointment}/name": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/qr.svg": "book",
    "/api/v1/branches/{site_id}/appointments/{appointment}/cancel": "book",
    "/api/v1/branches/{site_id}/appointments/{appointment}/arrive": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/call": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/serve": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/move": "book",
    "/api/v1/branches/{site_id}/appointments/{appointment}/recall": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/park": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/resume": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/leave": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/transfer": "board",
    "/api/v1/branches/{site_id}/appointments/{appointment}/finish": "board",
    "/api/v1/branches/{site_id}/walk-ins": "board",
    "/api/v1/branches/{site_id}/stranded": "board",
    "/api/v1/branches/{site_id}/call-next": "board",
    "/api/v1/branches/{site_id}/service": "figures",
    "/api/v1/branches/{site_id}/crowding": "figures",
    "/api/v1/branches/{site_id}/check-in": "board",
    "/api/v1/events": "events",
    "/api/v1/events/stream": "events",
    "/api/v1/events/targets": "webhooks",
    "/api/v1/events/targets/{target}/retry": "webhooks",
    "/api/v1/consents/{consent}/withdraw": "enrol",
    "/api/v1/consents/{consent}/move": "enrol",
    "/api/v1/branches/{site_id}/pictures": "picture",
    "/api/v1/branches/{site_id}/cameras/{camera}/background": "picture",
    "/api/v1/branches/{site_id}/birdseye": "picture",
    "/api/v1/branches/{site_id}/requests": "requests",
    "/api/v1/branches/{site_id}/requests/{request_id}": "requests",
    "/api/v1/branches/{site_id}/requests/{request_id}/check": "requests",
    "/api/v1/branches/{site_id}/requests/{request_id}/decline": "requests",
    "/api/v1/branches/{site_id}/requests/{request_id}/withdraw": "fulfil",
    "/api/v1/branches/{site_id}/requests/{request_id}/fulfil": "fulfil",
    "/api/v1/branches/{site_id}/configuration": "configure",
    "/api/v1/branches/{site_id}/configuration/check": "configure",
    "/api/v1/branches/{site_id}/configuration/{version}/publish": "configure",
    "/api/v1/branches/{site_id}/configuration/{version}/rollback": "configure",
}
BY_PAGE = {
    "/api/v1/card/offer",
    "/api/v1/card/slots",
    "/api/v1/card/crowding",
    "/api/v1/card/crowding/stream",
    "/api/v1/card/seen",
    "/api/v1/card/appointments",
    "/api/v1/card/waitlist",
    "/api/v1/card/tickets",
    "/api/v1/card/requests",
}
"""An embed token of the page opens these: see test_card_api.py."""
BY_PASS = {
    "/api/v1/card/pass",
    "/api/v1/card/pass/cancel",
    "/api/v1/card/pass/move",
    "/api/v1/card/pass/confirm",
    "/api/v1/card/pass/qr.svg",
    "/api/v1/card/pass/calendar.ics",
    "/api/v1/card/link-text",
    "/api/v1/card/link",
    "/api/v1/card/unlink",
    "/api/v1/card/links",
    "/api/v1/card/tags",
    "/api/v1/card/tags/{tag}",
    "/api/v1/card/request",
    "/api/v1/card/request/withdraw",
    "/api/v1/card/request/document.pdf",
}
"""A customer's pass opens these: see test_card_api.py."""
ABSENT = {
    "/api/v1/branches/{site_id}/cameras/{camera}/background",
    "/api/v1/branches/{site_id}/birdseye",
    "/api/v1/branches/{site_id}/acceptance/{report}",
}
"""This world has no pictures and no reports: see test_pictures.py and test_quality.py."""
ALSO_POSTED = {
    "/api/v1/branches/{site_id}/acceptance": "accept",
    "/api/v1/branches/{site_id}/configuration": "configure",
}
"""Another permission for POST than for GET of the same address."""
POSTED = {
    "/api/v1/partners/{partner_id}/embeds",
    "/api/v1/partners/{partner_id}/tags",
    "/api/v1/events/targets/{target}/retry",
    "/api/v1/branches/{site_id}/appointments",
    "/api/v1/branches/{site_id}/appointments/{appointment}/cancel",
    "/api/v1/branches/{site_id}/appointments/{appointment}/arrive",
    "/api/v1/branches/{site_id}/appointments/{appointment}/call",
    "/api/v1/branches/{site_id}/appointments/{appointment}/serve",
    "/api/v1/branches/{site_id}/appointments/{appointment}/move",
    "/api/v1/branches/{site_id}/appointments/{appointment}/recall",
    "/api/v1/branches/{site_id}/appointments/{appointment}/park",
    "/api/v1/branches/{site_id}/appointments/{appointment}/resume",
    "/api/v1/branches/{site_id}/appointments/{appointment}/leave",
    "/api/v1/branches/{site_id}/appointments/{appointment}/transfer",
    "/api/v1/branches/{site_id}/appointments/{appointment}/finish",
    "/api/v1/branches/{site_id}/walk-ins",
    "/api/v1/branches/{site_id}/call-next",
    "/api/v1/branches/{site_id}/check-in",
    "/api/v1/branches/{site_id}/appointments/{appointment}/enrolment",
    "/api/v1/consents/{consent}/withdraw",
    "/api/v1/consents/{consent}/move",
    "/api/v1/branches/{site_id}/configuration/check",
    "/api/v1/branches/{site_id}/configuration/{version}/publish",
    "/api/v1/branches/{site_id}/configuration/{version}/rollback",
    "/api/v1/branches/{site_id}/requests/{request_id}/check",
    "/api/v1/branches/{site_id}/requests/{request_id}/decline",
    "/api/v1/branches/{site_id}/requests/{request_id}/withdraw",
    "/api/v1/branches/{site_id}/requests/{request_id}/fulfil",
}
OF_THE_BOOK = {
    route for route, permission in NEEDED.items() if permission in {"book", "board", "requests", "fulfil"}
} | {"/api/v1/branches/{site_id}/service"}
"""This world keeps none: its routes answer that, see test_book.py."""
ASKING = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
"""One for all: a client of its own for each question would take longer than the question."""
QUERY = {"month": "2026-01", "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z", "service": "loan"}
BODIES: dict[str, dict[str, object]] = {
    "/api/v1/partners/{partner_id}/embeds": {"origin": "https://hall.example", "site": "hall"},
    "/api/v1/partners/{partner_id}/tags": {"subject": "u", "tag": "t", "purpose": "share"},
    "/api/v1/branches/{site_id}/appointments": {
        "service": "loan",
        "start": "2026-01-01T01:00:00Z",
        "name": "A",
    },
    "/api/v1/branches/{site_id}/appointments/{appointment}/call": {},
    "/api/v1/branches/{site_id}/appointments/{appointment}/move": {"start": "2026-01-01T01:00:00Z"},
    "/api/v1/branches/{site_id}/appointments/{appointment}/transfer": {"service": "loan"},
    "/api/v1/branches/{site_id}/appointments/{appointment}/finish": {"outcome": "done"},
    "/api/v1/branches/{site_id}/walk-ins": {"service": "loan"},
    "/api/v1/branches/{site_id}/call-next": {"counter": "1"},
    "/api/v1/branches/{site_id}/check-in": {"code": "7K2M-Q4XD"},
    "/api/v1/branches/{site_id}/configuration/check": {"text": "version = 1"},
    "/api/v1/branches/{site_id}/requests/{request_id}/decline": {"reason": {"en": "No", "zh": "否"}},
    "/api/v1/branches/{site_id}/requests/{request_id}/fulfil": {},
}


PARTNER = partner("hall", "https://hall.example", name=("A partner called like a branch", "同名伙伴"))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub"), hub=PARTNER) as running:
        yield running


def status(hub: World, route: str, site: str, headers: dict[str, str]) -> int:
    path = (
        re.sub(r"\{site_id\}", site, route)
        .replace("{camera}", "door")
        .replace("{partner_id}", "hall")
        .replace("{version}", "1")
    )
    method = "POST" if route in POSTED else "GET"
    url, body = f"{hub.api}{path}", BODIES.get(route)
    with ASKING.stream(method, url, params=QUERY, json=body, headers=headers, timeout=10) as answer:
        return answer.status_code


def test_every_route_is_known_here() -> None:
    """A new route has to be added to this table, with the permission that it needs."""
    documented = set(create_app(None).openapi()["paths"])
    assert documented == set(NEEDED) | OPEN | BY_PAGE | BY_PASS
    routes = [route for route in create_app(None).routes if isinstance(route, APIRoute)]
    for route in routes:
        permissions = {
            getattr(dependency.call, "permission", None) for dependency in route.dependant.dependencies
        } - {None}
        if not route.include_in_schema:
            assert route.path.startswith(
                (
                    "/enrol/", "/consent/", "/static/", "/staff", "/cards/v1/", "/embed/", "/pass",
                    "/document", "/verify",
                )
            ), route.path  # fmt: skip
            continue
        needed = ALSO_POSTED.get(route.path) if "POST" in route.methods else None
        needed = needed or NEEDED.get(route.path)
        needed = needed or ("page" if route.path in BY_PAGE else "pass" if route.path in BY_PASS else None)
        assert permissions == ({needed} if needed else set()), route.path


@pytest.mark.parametrize("route", sorted(NEEDED))
def test_without_a_valid_token_nothing_is_told(hub: World, route: str) -> None:
    """401 for no token, a wrong one, a revoked one and another scheme."""
    revoked = hub.token("head_office")
    for token in hub.state.tokens.all():
        hub.state.tokens.revoke(token.name, 1)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}, revoked):
        assert status(hub, route, "hall", headers) == 401


@pytest.mark.parametrize("route", sorted(BY_PAGE | BY_PASS))
def test_no_token_of_the_bank_opens_a_card(hub: World, route: str) -> None:
    """A card's routes know embed tokens and passes alone; see test_card_api.py for those."""
    for headers in ({}, {"Authorization": "Basic eDp5"}, hub.token("manager", "hall")):
        for method in ("GET", "POST"):
            told = ASKING.request(method, f"{hub.api}{route}", params=QUERY, json={}, headers=headers)
            assert told.status_code in {401, 405}, (method, told.text)


@pytest.mark.parametrize(("route", "role"), list(product(sorted(NEEDED), ROLES)))
def test_roles_get_what_their_permissions_say(hub: World, route: str, role: str) -> None:
    """Allowed within the scope, refused without the permission, refused outside the scope."""
    scoped = role not in {"head_office", "auditor"}
    headers = hub.token(role, "hall") if scoped else hub.token(role)
    allowed = NEEDED[route] in PERMISSIONS[role]
    told = status(hub, route, "hall", headers)
    assert (
        told not in {401, 403}
        if allowed and (route in POSTED or route in OF_THE_BOOK or route in ABSENT)
        else told == (200 if allowed else 403)
    )
    if scoped and "{site_id}" in route:
        assert status(hub, route, "annex", headers) == 403


def test_a_branch_that_does_not_exist_looks_like_one_out_of_scope(hub: World) -> None:
    """So that nobody can find out which branches there are."""
    headers = hub.token("manager", "hall")
    answers = [
        httpx.get(f"{hub.api}/api/v1/branches/{site}/live", headers=headers).json()
        for site in ("annex", "nowhere")
    ]
    assert answers[0]["detail"].replace("annex", "nowhere") == answers[1]["detail"]


def test_a_scoped_list_holds_only_its_branches(hub: World) -> None:
    """A manager of one branch does not see that there is another."""
    answer = httpx.get(f"{hub.api}/api/v1/branches", headers=hub.token("manager", "hall"))
    assert [item["id"] for item in answer.json()["items"]] == ["hall"]


def test_a_look_at_the_list_is_one_line_in_the_log(hub: World) -> None:
    """Not one for each of 16,000 branches; of one branch it names that one."""
    head = hub.state.audit.head().seq
    assert httpx.get(f"{hub.api}/api/v1/branches", headers=hub.token("head_office")).is_success
    assert httpx.get(f"{hub.api}/api/v1/branches", headers=hub.token("manager", "hall")).is_success
    with sqlite3.connect(hub.config.data_dir / "audit.db") as db:
        lines = db.execute(
            "SELECT site, detail FROM audit WHERE action='read branches' AND seq>? ORDER BY seq", (head,)
        ).fetchall()
    assert lines == [(None, "list annex to hall, 2 branches"), ("hall", "list")]
