"""What a kiosk tells of those who come: check-ins, tickets, attempts, consents; and its own certificate. Part of the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from branchloop.wire.payload import WIRE_VERSION, Base64Url, Count, Id, TicketNumber, TimeMs, Wire


class Checkin(Wire):
    """A customer has arrived; committed to the kiosk's outbox before the ticket is shown.

    `id` is the kiosk's own and stays the same however often it is sent. No score, template or picture
    ever travels.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    at_ms: TimeMs
    appointment: Id
    method: Literal["code", "face", "staff"]
    policy: Literal["verify", "identify"] | None = Field(default=None, description="of a face check-in")
    number: TicketNumber = Field(description="from the range that the hub assigned to this kiosk")
    provisional: bool = Field(description="given while the hub was out of reach")
    decided_ms: Count | None = Field(
        default=None, description="from the first good frame, or the code, to the decision"
    )


class Walkin(Wire):
    """Somebody without an appointment took a ticket at the kiosk; committed to its outbox before it is shown.

    `id` is the kiosk's own and stays the same however often it is sent.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    at_ms: TimeMs
    service: Id
    language: Literal["zh", "en"]
    number: TicketNumber = Field(description="from the range that the hub assigned to this kiosk")
    provisional: bool = Field(description="given while the hub was out of reach")


class Attempt(Wire):
    """A line for the audit log: something at the kiosk that did not, or not yet, give a ticket."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    at_ms: TimeMs
    outcome: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="no_match, wrong_action, unknown_code, other_branch, outside_window, withdrawn, locked, …"
    )
    method: Literal["code", "face", "staff"] | None = None
    appointment: Id | None = None
    consent: Id | None = None
    detail: str | None = Field(default=None, max_length=300)


class ConsentGiven(Wire):
    """A customer consented at the kiosk, apart from checking in, and was enrolled there."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    at_ms: TimeMs
    consent: Id = Field(description="made at random by the kiosk")
    appointment: Id = Field(description="whose customer consented")
    text_version: str = Field(max_length=40)
    language: Literal["zh", "en"]
    guardian: bool = Field(default=False, description="a guardian consented for a minor, before staff")
    expires_ms: TimeMs


class BoxCertificate(Wire):
    """A box's public sealing key, signed by the bank's offline root; see `branchloop.keys.box`."""

    v: Count = WIRE_VERSION
    site: Id
    device: Id
    public: Base64Url = Field(max_length=100, description="uncompressed P-256 point")
    not_after_ms: TimeMs
    signature: Base64Url = Field(max_length=100, description="ECDSA with SHA-256, r and s of 32 bytes each")
