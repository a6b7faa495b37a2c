"""What is taken and answered about a service that is done online; see docs/online.md."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from branchloop.site.kiosk import Online
from branchloop.site.parts import Text
from branchloop.text.catalogue import Language
from branchloop.wire.payload import Id
from hub.api.models.answers import Answer, Moment
from hub.api.models.card import CardService
from hub.api.models.consent import Asked
from hub.loop.journey import Channel
from hub.loop.requests import State

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
Amount = Annotated[
    str,
    Field(pattern=r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,3})?$", description="a decimal number such as 52000.00"),
]
LastFour = Annotated[str, Field(pattern=r"^[0-9]{4}$")]
Purpose = Literal["visa", "study", "residence", "tender", "other"]
"""What a certificate is for."""
May = Literal["withdraw", "fetch"]
IdentityKind = Literal["identity_card", "passport", "residence_permit"]


class Identity(Asked):
    """So much of an identity document that the bank's core finds the customer; never its whole number."""

    kind: IdentityKind
    last_four: Annotated[str, Field(pattern=r"^[0-9A-Z]{4}$", description="its last four characters")]


class CertificateWish(Asked):
    """What the certificate shall say; its amount comes from the bank's core alone."""

    currency: Currency = "CNY"
    purpose: Purpose
    hold_until: date | None = Field(
        default=None, description="the deposit is to be held until this day; a balance of today without it"
    )


class CardRequest(Asked):
    """A service wanted online; needs an Idempotency-Key."""

    service: Id = Field(description="one whose `online` is set")
    name: Annotated[str, Field(min_length=1, max_length=60)]
    phone: Annotated[str, Field(max_length=40, description="with country, such as +86 138 0013 8000")]
    identity: Identity
    certificate: CertificateWish | None = Field(
        default=None, description="with `online` certificate, and only there"
    )
    language: Language = "zh"
    journey: Annotated[str, Field(pattern=r"^j-[0-9a-f]{16}$")] | None = None
    follows: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="the secret of a pass: for the same customer"
    )


class OpenedAccount(Answer):
    """The account that the bank opened."""

    product: Text
    last_four: str


class RequestState(Answer):
    """A request, for its own customer."""

    id: str
    site: str
    branch: Text
    timezone: str
    simulated: bool
    service: CardService
    kind: Online
    state: State
    masked_name: str
    made: Moment
    reason: Text | None = Field(description="of a declined one, in the bank's words")
    account: OpenedAccount | None = Field(description="once it is open")
    document: bool = Field(description="GET …/request/document.pdf answers it")
    expires: Moment | None = Field(description="so long the document can be fetched")
    code: str | None = Field(description="by which anybody can ask whether the document is genuine")
    verify_url: str | None = Field(description="where they ask")
    may: list[May]
    as_of: Moment
    embed: str = Field(description="the page's token for this branch")


class CardRequested(Answer):
    """The secret that opens the request, sent as `Authorization: Pass SECRET`."""

    secret: str
    details: RequestState


class RequestAnswer(Answer):
    """A request as staff and the bank's core see it in the list: nobody's name."""

    id: str
    service: str
    kind: Online
    state: State
    masked_name: str
    made: Moment
    language: Language
    channel: Channel
    scene: str | None
    partner: str | None
    reason: Text | None
    code: str | None


class Requests(Answer):
    """Requests of a branch, the oldest first."""

    items: list[RequestAnswer]


class RequestDetails(Answer):
    """What the bank's core needs to find the customer and decide; reading it is in the audit log."""

    id: str
    customer: str
    kind: Online
    state: State
    name: str
    phone: str
    identity: Identity
    certificate: CertificateWish | None


class CertificateFacts(Asked):
    """What the certificate says of the deposit: the bank's core knows, nobody else."""

    account_last_four: LastFour
    currency: Currency
    amount: Amount
    as_of: date
    frozen_until: date | None = None


class AccountFacts(Asked):
    """The account that was opened."""

    product: Text
    last_four: LastFour


class Fulfil(Asked):
    """The facts by which a request is fulfilled: those of its kind."""

    certificate: CertificateFacts | None = None
    account: AccountFacts | None = None


class Decline(Asked):
    """Why it cannot be done online, for the customer to read."""

    reason: Text


class Verdict(Answer):
    """What anybody with the code of a document may know."""

    state: Literal["valid", "withdrawn"]
    issuer: Text
    branch: Text
    kind: Online
    masked_name: str
    issued: str = Field(description="the branch's day")
    simulated: bool
