"""Who may ask what of the cards: a page by its embed token, a customer's browser by its pass.

Decided here and nowhere else; denied by default. A token in a page is no secret, so it opens nothing that
is anybody's, and it is good only on the page it was made for: browsers say truly where they stand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from branchloop.clock import DAY_MS, MINUTE_MS
from branchloop.errors import AccessError, InputError
from branchloop.site.site import Site
from hub.api.pace import Pace
from hub.api.state import State, now_ms
from hub.config.partners import Partner
from hub.loop import embedding
from hub.loop.embedding import Embed
from hub.store.book.passes import KeptPass, find_pass
from hub.store.book.tickets import owe
from hub.store.connection import reading
from hub.store.customers.linking import knows

CardPermission = Literal["page", "pass"]
READS_A_MINUTE = 600
WRITES_A_MINUTE = 60
"""Per client address; a partner may do so many times as much."""
PARTNER_FACTOR = 50
_UNKNOWN_A_MINUTE = 60
NEXT_DAYS = 7
"""So long the token that comes with a pass is good."""
KNOWN_MINUTES = 60
"""So long where it knows who is before the card, as every token of a user."""

_header = APIKeyHeader(
    name="Authorization",
    scheme_name="card",
    auto_error=False,
    description="`Embed TOKEN` as `branchloop hub embed` printed it, or `Pass SECRET` of a booking.",
)
_reads = Pace(READS_A_MINUTE, "questions from this address")
_writes = Pace(WRITES_A_MINUTE, "bookings from this address")
_partner_writes = Pace(WRITES_A_MINUTE * PARTNER_FACTOR, "bookings from this partner's pages")
_looks = Pace(READS_A_MINUTE // 5, "questions by this pass")
"""Of one pass, not of an address: everybody in a branch's own wireless network has one address."""
_guesses = Pace(_UNKNOWN_A_MINUTE, "unknown passes")


@dataclass(frozen=True, slots=True)
class OnPage:
    """A request from a partner's page."""

    embed: Embed
    partner: Partner
    site: Site
    state: State
    address: str

    def write(self) -> None:
        """Count something that is to be stored. Raises LimitError."""
        at_ms = now_ms()
        _writes.step(self.address, at_ms)
        _partner_writes.step(self.partner.id, at_ms)

    def service(self, asked: str | None) -> str | None:
        """The service meant. Raises InputError when the page's token is for another."""
        if asked is not None and self.embed.service is not None and asked != self.embed.service:
            raise InputError(
                f"this page's token is for the service {self.embed.service!r}.", hint="Ask for that one."
            )
        return asked or self.embed.service

    @property
    def caller(self) -> str:
        """Whose idempotency keys these are."""
        return f"card:{self.partner.id}:{self.embed.origin}"


@dataclass(frozen=True, slots=True)
class PassHolder:
    """A request by a pass."""

    kept: KeptPass
    site: Site
    state: State
    address: str

    def write(self) -> None:
        """Count something that is to be stored. Raises LimitError."""
        _writes.step(self.address, now_ms())

    def owe(
        self, db: sqlite3.Connection, what: str, of: Literal["appointment", "request"] = "appointment"
    ) -> None:
        """A line for the audit log, in the transaction of what it tells of."""
        owe(
            db, now_ms(), f"card:{self.kept.partner or 'hub'}", "customer", what[:60], self.site.id,
            f"{of} {self.kept.appointment}",
        )  # fmt: skip

    def embed(self, db: sqlite3.Connection, customer: str, scene: str | None) -> str:
        """A token by which the same page books what comes next; empty when there is no such page any more.

        It may do no more than the page's own, and stands in the same scene. A customer whom a link makes known to the
        partner is so by it, too: by the pass's id, as long as pass and link are there.
        """
        kept, at_ms = self.kept, now_ms()
        partner = self.state.config.partners.get(kept.partner or "")
        if partner is None or kept.origin not in partner.origins or not partner.shows(kept.site):
            return ""
        known = knows(db, partner.id, customer, at_ms)
        until_ms = at_ms + (KNOWN_MINUTES * MINUTE_MS if known else NEXT_DAYS * DAY_MS)
        onward = Embed(
            partner.id,
            kept.origin,
            kept.site,
            until_ms,
            kept.service,
            scene,
            visit=kept.id if known else None,
        )
        return embedding.issue(onward, self.state.book.keyring.mac)

    def books(self, service: str | None) -> bool:
        """Whether that token is for a service."""
        return self.kept.service in {None, service}


def _on_page(request: Request, sent: Annotated[str | None, Security(_header)]) -> OnPage:
    state: State = request.app.state.hub
    token = _value(sent, "Embed")
    _reads.step(_address(request), now_ms())
    embed = embedding.read(token, state.book.keyring.mac, now_ms())
    partner, site = state.config.partners.get(embed.partner), state.config.sites.get(embed.site)
    if partner is None or site is None or embed.origin not in partner.origins or not partner.shows(site.id):
        raise AccessError(
            "this page's token is for a partner, an origin or a branch that there is no more.",
            hint="The page's owner gets a new one: `branchloop hub embed`.",
        )
    _same_page(request, state, embed.origin)
    return OnPage(embed, partner, site, state, _address(request))


def _pass_holder(request: Request, sent: Annotated[str | None, Security(_header)]) -> PassHolder:
    state: State = request.app.state.hub
    secret = _value(sent, "Pass")
    with reading(state.data_dir) as db:
        kept = find_pass(db, secret)
    site = state.config.sites.get(kept.site) if kept is not None else None
    if kept is None or site is None:
        _guesses.step(_address(request), now_ms())
        raise AccessError(
            "this pass is not known, or its visit is long past.", hint="Book anew.", authenticated=False
        )
    _looks.step(kept.id, now_ms())
    _same_page(request, state, kept.origin)
    return PassHolder(kept, site, state, _address(request))


_on_page.permission = "page"  # type: ignore[attr-defined]
_pass_holder.permission = "pass"  # type: ignore[attr-defined]
Page = Annotated[OnPage, Depends(_on_page)]
Holder = Annotated[PassHolder, Depends(_pass_holder)]


def own_origin(request: Request, state: State) -> str:
    """Where customers reach this hub: `https://HOST`."""
    parts = urlsplit(state.config.people.public_url or str(request.base_url))
    return f"{parts.scheme}://{parts.netloc}"


def listed(state: State | None) -> Callable[[str], bool]:
    """Whether any partner names an origin."""

    def tell(origin: str) -> bool:
        return state is not None and any(origin in each.origins for each in state.config.partners.values())

    return tell


def _value(sent: str | None, scheme: str) -> str:
    said, _, value = (sent or "").partition(" ")
    if said.casefold() != scheme.casefold() or not value:
        raise AccessError(
            f"no {'token of a page' if scheme == 'Embed' else 'pass'} came with this request.",
            hint=f"Send `Authorization: {scheme} …`.",
            authenticated=False,
        )
    return value.strip()


def _same_page(request: Request, state: State, bound: str | None) -> None:
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get("sec-fetch-site", "none") in {"cross-site", "same-site"}:
            raise AccessError(
                "this request does not say which page it comes from.", hint="Use fetch with CORS."
            )
    elif origin not in {bound, own_origin(request, state)}:
        raise AccessError(
            f"this is for the page {bound}, not for {origin[:100]}.",
            hint="Each page needs a token of its own: `branchloop hub embed`.",
        )


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "?"
