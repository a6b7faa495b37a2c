"""Who may do what: roles × permissions × site scope, decided here and nowhere else; denied by default."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from branchloop.errors import AccessError
from branchloop.site.site import Site
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.config.partners import Partner
from hub.store.book.tickets import owe
from hub.store.tokens import ALL_SITES, Role, Token

Permission = Literal[
    "branches",
    "live",
    "figures",
    "enrol",
    "book",
    "board",
    "picture",
    "quality",
    "accept",
    "configure",
    "requests",
    "fulfil",
    "events",
    "webhooks",
    "partner",
    "partner_figures",
    "settle",
]

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    "device": frozenset(),
    "kiosk": frozenset(),
    "staff": frozenset({"branches", "live", "enrol", "book", "board", "requests"}),
    "manager": frozenset(
        {
            "branches",
            "live",
            "figures",
            "enrol",
            "book",
            "board",
            "picture",
            "quality",
            "accept",
            "configure",
            "requests",
            "fulfil",
        }
    ),
    "core": frozenset({"requests", "fulfil", "events"}),
    "head_office": frozenset(
        {
            "branches",
            "live",
            "figures",
            "picture",
            "quality",
            "accept",
            "configure",
            "webhooks",
            "partner_figures",
            "settle",
        }
    ),
    "auditor": frozenset({"branches", "quality", "settle"}),
    "partner": frozenset({"partner", "partner_figures", "settle"}),
}
"""What each role may ask; a permission that is not listed is refused."""

_bearer = HTTPBearer(auto_error=False, description="A token made by `branchloop hub token`.")


class Caller:
    """An authenticated caller with one permission."""

    def __init__(self, token: Token, value: str, state: State, permission: Permission) -> None:
        self._token = token
        self._value = value
        self._state = state
        self._permission = permission

    @property
    def name(self) -> str:
        """What the token is called."""
        return self._token.name

    @property
    def permissions(self) -> list[str]:
        """What the role may do, in the branches of its scope."""
        return sorted(PERMISSIONS[self._token.role])

    @property
    def sees_persons(self) -> bool:
        """Whether the role may see single persons (the day board of its branches)."""
        return "board" in PERMISSIONS[self._token.role]

    def sees(self, site: str) -> bool:
        """Whether a site is in the token's scope."""
        return self._token.role in ALL_SITES or site in self._token.sites

    def enter(self, site: str, detail: str = "") -> Site:
        """Ask for one site: refused outside the scope, and noted in the audit log within it."""
        found = self.look(site)
        self._state.audit.append(*self._line(found.id, detail))
        return found

    def owe(self, db: sqlite3.Connection, site: Site, detail: str) -> None:
        """Note it in the transaction that does it: the line is in the audit log within a moment, or nothing was done."""
        owe(db, *self._line(site.id, detail))

    def look(self, site: str) -> Site:
        """A site within the scope; whoever goes on notes it, by `enter` or `owe`.

        To a token of named sites, one that does not exist looks like one out of scope: nothing can be
        guessed. Who sees every site is told that there is none.
        """
        if not self.sees(site):
            raise AccessError(
                f"this token does not see branch {site[:40]!r}.", hint="Ask for a token that does."
            )
        found = self._state.config.sites.get(site)
        if found is None and self._token.role in ALL_SITES:
            raise NotFoundError(f"there is no branch {site[:40]!r}.", hint="GET /api/v1/branches lists them.")
        if found is None:
            raise AccessError(
                f"this token does not see branch {site[:40]!r}.", hint="Ask for a token that does."
            )
        return found

    def _line(self, site: str, detail: str) -> tuple[int, str, str, str, str, str]:
        return now_ms(), self._token.name, self._token.role, f"read {self._permission}", site, detail[:300]

    def partner(self, partner: str, detail: str) -> Partner:
        """Ask for one partner: to a partner's token every other one, also one that does not exist, looks alike."""
        found = self._state.config.partners.get(partner)
        if self._token.role == "partner" and (found is None or self._token.partner != partner):
            raise AccessError("this token is another partner's.", hint="Ask the bank for one of your own.")
        if found is None:
            raise NotFoundError(f"there is no partner {partner[:40]!r}.", hint="hub.toml lists them.")
        self._state.audit.append(
            now_ms(), self._token.name, self._token.role, f"read {self._permission}", None,
            f"partner {partner} {detail}"[:300],
        )  # fmt: skip
        return found

    def note(self, detail: str) -> None:
        """Write into the audit log what was read of all sites."""
        self._state.audit.append(
            now_ms(), self._token.name, self._token.role, f"read {self._permission}", None, detail[:300]
        )

    def still_may(self) -> bool:
        """Whether the token still holds: for answers that last."""
        return self._state.tokens.find(self._value) is not None


def may(permission: Permission) -> Callable[..., Caller]:
    """A dependency that lets through who has `permission`. Every route has exactly one."""

    def decide(
        request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Caller:
        state: State = request.app.state.hub
        # Found by its digest: the time a look-up takes tells nothing of a token.
        token = state.tokens.find(sent.credentials) if sent is not None else None
        if sent is None or token is None:
            raise AccessError(
                "no valid token came with this request.",
                hint="Send `Authorization: Bearer TOKEN`.",
                authenticated=False,
            )
        if permission not in PERMISSIONS[token.role]:
            raise AccessError(f"role {token.role} may not do this.", hint="Ask for a token of another role.")
        return Caller(token, sent.credentials, state, permission)

    decide.permission = permission  # type: ignore[attr-defined]
    return decide


Branches = Annotated[Caller, Depends(may("branches"))]
Live = Annotated[Caller, Depends(may("live"))]
Figures = Annotated[Caller, Depends(may("figures"))]
Enrolling = Annotated[Caller, Depends(may("enrol"))]
Booking = Annotated[Caller, Depends(may("book"))]
Quality = Annotated[Caller, Depends(may("quality"))]
Accepting = Annotated[Caller, Depends(may("accept"))]
OnBoard = Annotated[Caller, Depends(may("board"))]
Configuring = Annotated[Caller, Depends(may("configure"))]
Requesting = Annotated[Caller, Depends(may("requests"))]
Fulfilling = Annotated[Caller, Depends(may("fulfil"))]
Following = Annotated[Caller, Depends(may("events"))]
Delivering = Annotated[Caller, Depends(may("webhooks"))]
Picturing = Annotated[Caller, Depends(may("picture"))]
OfPartner = Annotated[Caller, Depends(may("partner"))]
PartnerFigures = Annotated[Caller, Depends(may("partner_figures"))]
Settling = Annotated[Caller, Depends(may("settle"))]
