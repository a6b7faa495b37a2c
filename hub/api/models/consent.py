"""What the API takes and answers about consent and enrolment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from branchloop.site.parts import Text
from branchloop.wire.arrivals import BoxCertificate
from branchloop.wire.commands import Sealed
from branchloop.wire.payload import Fingerprint, Id
from hub.api.models.answers import Answer, Moment
from hub.loop.consent import Channel, HolderState, State, Step


class Asked(BaseModel):
    """Base of all bodies: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Invitation(Answer):
    """A link by which one customer enrols; shown this once."""

    url: str
    consent: str
    expires: Moment


class ShownPoint(Answer):
    """One point of the text."""

    key: str
    heading: str
    says: str


class ShownText(Answer):
    """The consent text as it is to be shown; `sha256` comes back with the consent."""

    version: str
    sha256: str
    title: str
    points: list[ShownPoint]
    agree: str
    guardian: str


class KioskKey(Answer):
    """A kiosk of the branch and its signed key."""

    device: str
    certificate: BoxCertificate
    fingerprint: Fingerprint
    state: HolderState | None = Field(description="of this customer's template there")


class HolderAnswer(Answer):
    """A box that holds, held or may hold something by this consent."""

    branch: str
    device: str
    state: HolderState
    reason: str


class ReceiptAnswer(Answer):
    """A signed receipt; `body` is the file to keep."""

    event: str
    at: Moment
    body: str


class EnrolmentBranch(Answer):
    """Where it is for."""

    id: str
    name: Text
    timezone: str
    simulated: bool


class Enrolment(Answer):
    """All that the page behind a link needs."""

    step: Step
    branch: EnrolmentBranch
    masked_name: str
    customer: str = Field(description="a pseudonym; photos are bound to it")
    consent: str
    minor: bool
    days: int
    expires_ms: int = Field(description="end of retention, which the photos are bound to")
    texts: dict[Literal["zh", "en"], ShownText]
    root_public: str | None
    root_fingerprint: str | None
    kiosks: list[KioskKey]
    holders: list[HolderAnswer]
    branches: dict[str, Text] = Field(description="names of the branches in `holders`, by id")
    receipts: list[ReceiptAnswer]


class GuardianConsent(Asked):
    """A parent's or guardian's consent for a customer under 14."""

    name: str = Field(max_length=80)
    agreed: bool


class GivenConsent(Asked):
    """The separate consent, by the very text that was shown."""

    version: str = Field(max_length=40)
    language: Literal["zh", "en"]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    agreed: bool
    minor: bool = False
    expires_ms: int
    guardian: GuardianConsent | None = None


class SealedEnrolment(Asked):
    """Consent and photos, sealed to one kiosk of the branch."""

    consent: GivenConsent
    device: Id
    photos: Annotated[list[Sealed], Field(min_length=3, max_length=5)]


class Nothing(Asked):
    """An empty body."""


class MoveConsent(Asked):
    """Whereto a consent moves."""

    site: Id


class ConsentAnswer(Answer):
    """A consent as staff see it: no name, no face."""

    id: str
    customer: str
    branch: str
    channel: Channel
    text_version: str
    state: State
    step: Step
    given: Moment
    until: Moment
    guardian: bool
    withdrawn: Moment | None
    moving_to: str | None
    holders: list[HolderAnswer]


class ConsentList(Answer):
    """Consents of a branch."""

    items: list[ConsentAnswer]
