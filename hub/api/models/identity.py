"""What partners and linked customers ask and are answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from branchloop.site.parts import Text
from branchloop.text.catalogue import Language
from branchloop.wire.payload import Id
from hub.api.models.answers import Answer, Moment
from hub.api.models.consent import Asked, ShownPoint
from hub.config.scenes import Purpose
from hub.loop import embedding
from hub.loop.tags import Provenance


class LinkTextShown(Answer):
    """The text to agree to; `purposes` are agreed to one by one, and none is needed."""

    partner: Text
    version: str
    language: Language
    sha256: str
    title: str
    points: list[ShownPoint]
    agree: str
    purposes: dict[Purpose, str]


class LinkAsked(Asked):
    """A customer's consent to be linked with who is signed in on the page; `embed` is the page's token."""

    embed: Annotated[str, Field(max_length=embedding.MOST)]
    language: Language
    version: Annotated[str, Field(max_length=40)]
    sha256: Annotated[str, Field(max_length=64)]
    purposes: Annotated[list[Purpose], Field(max_length=2)] = Field(default_factory=list)


class LinkShown(Answer):
    """One link, for its customer."""

    partner: str
    name: Text | None
    purposes: list[Purpose]
    given: Moment
    until: Moment
    receipt: str | None = Field(description="signed JSON to keep; null in lists")


class Links(Answer):
    """The links of the pass's customer."""

    items: list[LinkShown]


class UnlinkAsked(Asked):
    """The partner to be unlinked."""

    partner: Id


class Unlinked(Answer):
    """The receipt; null when there was no link."""

    receipt: str | None


class TagShown(Answer):
    """One tag."""

    id: str
    name: Text | None
    tag: str
    value: str | None
    purpose: Purpose
    provenance: Provenance
    partner: str
    given: Moment
    until: Moment


class TagList(Answer):
    """Tags, oldest first."""

    items: list[TagShown]


class TagAsked(Asked):
    """A tag of a partner's linked user."""

    subject: Annotated[str, Field(min_length=1, max_length=120)]
    tag: Id
    value: Annotated[str, Field(max_length=200)] | None = None
    purpose: Purpose
    days: Annotated[int, Field(ge=1, le=365)] | None = None


class EmbedAsked(Asked):
    """A token for one of the partner's pages, for who is signed in there."""

    origin: Annotated[str, Field(max_length=200)]
    site: Id
    service: Id | None = None
    scene: Annotated[str, Field(max_length=40)] | None = None
    subject: Annotated[str, Field(min_length=1, max_length=120)] | None = None
    minutes: Annotated[int, Field(ge=1, le=60)] = 30


class EmbedMade(Answer):
    """The token."""

    embed: str
    expires: Moment


class SettlementLine(Answer):
    """Served journeys of a service at a branch; both null: several with few each."""

    site: str | None
    service: str | None
    served: int
    owed: float | None
    worth: float | None


class SettlementAnswer(Answer):
    """A month of a partner: what the bank owes, and what the visits are worth to it."""

    partner: str
    month: str
    currency: str
    closed: bool = Field(description="it does not change any more, and is signed")
    served: int
    owed_per_served: float | None
    owed: float | None
    worth_per_served: float | None
    worth: float | None
    lines: list[SettlementLine]
    body: str = Field(description="what is hashed and signed: canonical JSON")
    sha256: str
    signature: str | None = Field(description="ECDSA P-256 with SHA-256 (DER, base64url); null until closed")
