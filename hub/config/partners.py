"""Partners: whose pages embed the cards, from where, and what a visit is worth to them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from branchloop.config import Part
from branchloop.site.parts import Id, Text
from hub.config.value import Money

ORIGIN = r"^https?://[a-z0-9.\-\[\]:]+$"


class Partner(Part):
    """A page owner; the bank's own site is a partner, too."""

    id: Id
    name: Text
    origins: Annotated[
        list[Annotated[str, Field(pattern=ORIGIN, max_length=200)]], Field(min_length=1, max_length=50)
    ] = Field(description="`https://HOST` of the pages that may show the cards; http only for this machine")
    per_served: Money | None = Field(
        default=None, description="what the bank owes the partner for a served journey"
    )
    sites: list[Id] = Field(
        default_factory=list,
        max_length=50_000,
        description="branches whose cards it may show; all without it",
    )
    link_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=365, description="a customer's consent to be known to it ends after so long"
    )

    def shows(self, site: str) -> bool:
        """Whether it may show a branch's cards."""
        return not self.sites or site in self.sites

    @field_validator("origins")
    @classmethod
    def _secure(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            scheme, _, host = origin.partition("://")
            local = host.split(":")[0] in {"localhost", "127.0.0.1"} or host.startswith("[::1]")
            if scheme == "http" and not local:
                raise ValueError(f"{origin} is not encrypted; write https://{host}")
        return origins
