"""Who may do what: roles × permissions × site scope, decided here and nowhere else; denied by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Depends, Request

from branchloop.errors import AccessError
from hub.api.state import State, now_ms
from hub.store.tokens import ALL_SITES, Role, Token

PERMISSIONS: Mapping[Role, frozenset[str]] = {
    "device": frozenset(),
    "kiosk": frozenset(),
    "staff": frozenset({"branches", "live"}),
    "manager": frozenset({"branches", "live", "figures"}),
    "head_office": frozenset({"branches", "live", "figures"}),
    "auditor": frozenset({"branches"}),
}
"""What each role may ask; a permission that is not listed is refused."""


class Caller:
    """An authenticated caller of one permission."""

    def __init__(self, token: Token, state: State, permission: str) -> None:
        self._token = token
        self._state = state
        self._permission = permission

    def sees(self, site: str) -> bool:
        """Whether a site is in the token's scope."""
        return self._token.role in ALL_SITES or site in self._token.sites

    def enter(self, site: str, detail: str = "") -> None:
        """Ask for one site: refused outside the scope, and noted in the audit log within it.

        A site that does not exist is refused like one out of scope, so that nothing can be guessed.
        """
        if not self.sites_known(site):
            raise AccessError(
                f"this token does not see branch {site[:40]!r}.", hint="Ask for a token that does."
            )
        self._state.audit.append(
            now_ms(), self._token.name, self._token.role, f"read {self._permission}", site, detail[:300]
        )

    def sites_known(self, site: str) -> bool:
        """Whether a site exists and is in scope."""
        return self.sees(site) and site in self._state.config.sites


def may(permission: str) -> Callable[[Request], Caller]:
    """A dependency that lets through who has `permission`. Every route has exactly one."""

    def decide(request: Request) -> Caller:
        state: State = request.app.state.hub
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        token = state.tokens.find(value.strip()) if scheme.lower() == "bearer" and value.strip() else None
        if token is None:
            raise AccessError(
                "no valid token came with this request.",
                hint="Send `Authorization: Bearer TOKEN`.",
                authenticated=False,
            )
        if permission not in PERMISSIONS[token.role]:
            raise AccessError(f"role {token.role} may not do this.", hint="Ask for a token of another role.")
        return Caller(token, state, permission)

    decide.permission = permission  # type: ignore[attr-defined]
    return decide


Branches = Annotated[Caller, Depends(may("branches"))]
Live = Annotated[Caller, Depends(may("live"))]
Figures = Annotated[Caller, Depends(may("figures"))]
