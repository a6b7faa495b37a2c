"""What openapi.json says is what a running hub does, for data that fits and for data that does not.

The same cases on every run. Right tokens are sent, so that the cases come past the door: what is refused
there is test_api_access.py's.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hubworld import World, world
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tables import partner, service

from branchloop.clock import DAY_MS
from hub.api import enrolment, requests as documents
from hub.api.app import create_app
from hub.api.card import access as card_access
from hub.api.pace import Pace
from hub.api.state import now_ms
from hub.loop.embedding import Embed, issue

EXAMPLES = 8
"""Of each operation, beside the boundary values that its schema names."""
SECONDS = 10.0
PAGE = "https://travel.example"
PARTS = (
    """
address = { en = "1 High Street", zh = "大街一号" }
"""
    + service("loan", per_slot=50, waitlist=True, remote_tickets=True)
    + service("proof", online="account")
)
HUB = partner("travel", PAGE)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROLE = {"consents": "staff", "appointments": "staff", "board": "staff", "slots": "staff", "walk-ins": "staff",
        "call-next": "staff", "check-in": "staff", "stranded": "staff", "service": "manager",
        "requests": "core", "targets": "head_office", "events": "core", "partners": "partner"}  # fmt: skip
"""By a part of the path; everything else is asked by head office."""

schema = schemathesis.openapi.from_dict(create_app(None).openapi())
schema = schema.exclude(path_regex="/stream$")  # never end: test_api.py and test_crowding_api.py read them
schema.config.generation.update(deterministic=True)
schema.config.phases.coverage.unexpected_methods = set()  # 405 is Starlette's, for every path alike


class Asker:
    """Who asks: the right token for each path, and things that exist to ask about."""

    def __init__(self, hub: World) -> None:
        self.hub = hub
        self.session = requests.Session()
        self._keys = itertools.count()
        self._day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
        self._role = functools.cache(self._new_token)
        self.slot = httpx.get(
            f"{hub.api}/api/v1/card/slots", params={"service": "loan", "day": self._day}, headers=self.page()
        ).json()["items"][0]["start"]

    def _new_token(self, role: str) -> dict[str, str]:
        if role == "partner":
            return self.hub.token(role, "travel")
        return self.hub.token(role) if role == "head_office" else self.hub.token(role, "hall")

    def page(self) -> dict[str, str]:
        embed = Embed("travel", PAGE, "hall", now_ms() + DAY_MS)
        return {"Authorization": f"Embed {issue(embed, self.hub.state.book.keyring.mac)}", "Origin": PAGE}

    def _made(self, path: str, headers: dict[str, str], **body: object) -> Any:
        made = httpx.post(
            f"{self.hub.api}/api/v1/{path}",
            headers={**headers, "Idempotency-Key": f"a-random-key-{next(self._keys):020}"},
            json={"service": "loan", "name": "Maria Findable", **body},
        )
        assert made.status_code == 201, made.text
        return made.json()

    @functools.cache  # noqa: B019 - one asker lives as long as the module
    def appointment(self, _operation: str) -> str:
        made = self._made("branches/hall/appointments", self._role("staff"), start=self.slot)
        return str(made["id"])

    @functools.cache  # noqa: B019
    def holder(self, path: str) -> dict[str, str]:
        if path.startswith("/api/v1/card/request"):
            identity = {"kind": "identity_card", "last_four": "123X"}
            made = self._made(
                "card/requests", self.page(), service="proof", phone="+8613800138000", identity=identity
            )
        else:
            made = self._made("card/appointments", self.page(), start=self.slot)
        return {"Authorization": f"Pass {made['secret']}", "Origin": PAGE}

    def headers(self, path: str) -> dict[str, str]:
        if path.startswith("/api/v1/card/"):
            by_page = re.fullmatch(
                r"/api/v1/card/(offer|slots|crowding|seen|appointments|waitlist|tickets|requests)", path
            )
            return self.page() if by_page else self.holder(path)
        if path.startswith(("/api/v1/verify", "/api/v1/enrolments", "/health")):
            return {}
        parts = path.split("/")
        return self._role(next((role for part, role in ROLE.items() if part in parts), "head_office"))

    def point(self, case: schemathesis.Case) -> None:
        """Let data that fits be about what there is."""
        there = {"site_id": "hall", "partner_id": "travel"}
        if "appointment" in case.path_parameters:
            there["appointment"] = self.appointment(f"{case.method} {case.path}")
        for name in there.keys() & case.path_parameters.keys():
            case.path_parameters[name] = there[name]
        if isinstance(case.body, dict):
            about = {"service": "proof" if case.path.endswith("/card/requests") else "loan",
                     "start": self.slot, "day": self._day, "phone": "+8613800138000", "site": "hall",
                     "origin": PAGE}  # fmt: skip
            case.body = {**case.body, **{k: v for k, v in about.items() if k in case.body}}
        for name, value in {"service": "loan", "day": self._day, "site": "hall"}.items():
            if name in (case.query or {}):
                case.query[name] = value


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """One hub for all; nobody is too fast for it: what is then refused is test_card_api.py's."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (card_access, documents, enrolment):
            for name, pace in vars(module).copy().items():
                if isinstance(pace, Pace):
                    patch.setattr(module, name, Pace(10**9, pace.what))
        with world(tmp_path_factory.mktemp("hub"), parts=PARTS, hub=HUB, book=True) as hub:
            made = Asker(hub)
            yield made
            made.session.close()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_the_hub_does_what_its_description_says(case: schemathesis.Case, asker: Asker) -> None:
    """No fault of its own, no status, type or body that is not described."""
    if case.meta.generation.mode is GenerationMode.POSITIVE:
        asker.point(case)
    case.call_and_validate(
        base_url=asker.hub.api,
        session=asker.session,
        headers=asker.headers(case.path),
        checks=CHECKS,
        timeout=SECONDS,
    )
