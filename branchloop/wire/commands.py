"""What the hub tells boxes and kiosks, and what they answer: the sealed gallery of the day, commands, replies.

Part of the wire, see `branchloop.wire.payload`. Nothing of it is retained at the broker.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from branchloop.wire.arrivals import BoxCertificate
from branchloop.wire.payload import WIRE_VERSION, Count, Fingerprint, Id, TicketNumber, TimeMs, Wire

MAX_PICTURE_BYTES = 300_000


class Sealed(Wire):
    """Something encrypted to one key; see `branchloop.keys.sealing`."""

    v: Count = WIRE_VERSION
    to: Fingerprint = Field(description="fingerprint of the recipient's public key")
    epk: Annotated[str, Field(max_length=100)]
    iv: Annotated[str, Field(max_length=20)]
    ct: Annotated[str, Field(max_length=480_000)]


class Expected(Wire):
    """One of today's appointments, as far as the kiosk needs to know it."""

    id: Id
    booking_no: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    code_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    start_ms: TimeMs
    window_from_ms: TimeMs
    window_to_ms: TimeMs
    service: Id
    masked_name: str = Field(max_length=40)
    title: Literal["mr", "ms"] | None = None
    state: Literal["booked", "arrived", "called", "served", "cancelled"] = "booked"
    number: TicketNumber | None = Field(default=None, description="the ticket it has already")
    consent: Id | None = Field(default=None, description="a consent to be recognised that holds now")
    counter: str | None = Field(
        default=None, max_length=40, description="where who is called is to go; absent: not known"
    )
    ahead: Count | None = Field(
        default=None, description="how many are called before who waits; absent: not known"
    )
    wait_low_s: float | None = Field(default=None, ge=0, description="one wait of ten is shorter")
    wait_s: float | None = Field(
        default=None, ge=0, description="forecast for who waits, from `made_ms` on; absent: not known"
    )
    wait_high_s: float | None = Field(default=None, ge=0, description="one wait of ten is longer")


class TicketRange(Wire):
    """Numbers that this kiosk alone gives on this day: `series` and three digits, both ends included."""

    day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    series: Annotated[str, Field(pattern=r"^[A-Z]$")]
    first: Annotated[int, Field(ge=1, le=999)]
    last: Annotated[int, Field(ge=1, le=999)]


class Queue(Wire):
    """What is known of the wait for one service."""

    service: Id
    waiting: Count
    busy: Count = Field(default=0, description="counters that serve somebody now")
    counters: Count = Field(description="counters open for it; 0: none, so no wait can be told")
    mean_service_s: float | None = Field(default=None, ge=0, description="absent when not known")
    basis: Literal["measured", "planned"] = "planned"
    as_of_ms: TimeMs
    wait_low_s: float | None = Field(default=None, ge=0, description="one wait of ten is shorter")
    wait_s: float | None = Field(
        default=None, ge=0, description="forecast for who comes now without an appointment; absent: not known"
    )
    wait_high_s: float | None = Field(default=None, ge=0, description="one wait of ten is longer")
    booked_low_s: float | None = Field(default=None, ge=0)
    booked_s: float | None = Field(
        default=None, ge=0, description="the same for who comes now with an appointment for now"
    )
    booked_high_s: float | None = Field(default=None, ge=0)


class Gallery(Wire):
    """What a kiosk needs for a day; travels as `Sealed` to that kiosk's key, and is never retained.

    Templates are not in it: they live on the box alone, by consent.
    """

    v: Count = WIRE_VERSION
    site: Id
    device: Id
    made_ms: TimeMs = Field(
        description="an older one never replaces a newer one, unless that is of a time to come"
    )
    valid_until_ms: TimeMs = Field(description="closing time; the kiosk then forgets all of it")
    salt: Annotated[str, Field(min_length=16, max_length=64)]
    appointments: list[Expected] = Field(max_length=2_000)
    consents: list[Id] = Field(
        max_length=20_000, description="consents that hold: other templates are erased"
    )
    tickets: TicketRange
    queues: list[Queue] = Field(default_factory=list, max_length=64)


class Command(Wire):
    """Something the hub asks of one box. Idempotent by `id`; sent again until a reply comes or it expires."""

    v: Count = WIRE_VERSION
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    what: Literal["enrol", "erase", "reseal", "adopt", "background", "birdseye"]
    at_ms: TimeMs
    expires_ms: TimeMs
    body: dict[str, Any]


class Enrol(Wire):
    """Body of `enrol`: one photo of a customer who consented; `of` photos make the template."""

    customer: Id
    consent: Id
    index: Annotated[int, Field(ge=0, le=9)]
    of: Annotated[int, Field(ge=1, le=10)]
    expires_ms: TimeMs = Field(description="end of the consent's retention; also of the template")
    photo: Sealed


class Erase(Wire):
    """Body of `erase`: delete the keys and templates of these consents."""

    consents: list[Id] = Field(min_length=1, max_length=100)


class Reseal(Wire):
    """Body of `reseal`: hand a template over to another box, and delete it here. The reply holds `Sealed`."""

    consent: Id
    to: BoxCertificate


class Adopt(Wire):
    """Body of `adopt`: take over a template that another box sealed to this one."""

    consent: Id
    customer: Id
    expires_ms: TimeMs
    template: Sealed


class Background(Wire):
    """Body of `background`, to a box: one camera's picture with the people removed. The reply holds `Picture`."""

    camera: Id


class Birdseye(Wire):
    """Body of `birdseye`, to a box: all cameras' backgrounds on the plan. The reply holds `Picture`."""


class Seam(Wire):
    """How well two cameras' pictures agree where both see the floor."""

    a: Id
    b: Id
    overlap_m2: float = Field(ge=0)
    patches: Count = Field(description="places with enough texture to compare")
    apart_cm: float | None = Field(
        default=None,
        ge=0,
        description="median distance between what both show; absent when too few could be compared",
    )


class Picture(Wire):
    """A picture without people, as it leaves a box: of one camera, or of the plan from above."""

    media: Literal["image/jpeg", "image/webp"]
    image: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=MAX_PICTURE_BYTES * 4 // 3 + 4)
    ] = Field(description="base64")
    made_ms: TimeMs
    width_px: Annotated[int, Field(ge=1, le=4_000)]
    height_px: Annotated[int, Field(ge=1, le=4_000)]
    blank_share: float = Field(
        ge=0, le=1, description="share where no floor without people was seen; drawn grey"
    )
    samples: Count = Field(default=0, description="frames laid on each other")
    camera_px: tuple[Count, Count] | None = Field(
        default=None,
        description="of a background: size of the camera's own pictures, in which its marks count",
    )
    bounds_m: tuple[float, float, float, float] | None = Field(
        default=None, description="of a bird's-eye picture: x0, y0, x1, y1 on the plan"
    )
    cameras: list[Id] = Field(default_factory=list, max_length=64, description="whose pictures are in it")
    seams: list[Seam] = Field(default_factory=list, max_length=256)


COMMANDS: dict[str, type[Wire]] = {
    "enrol": Enrol,
    "erase": Erase,
    "reseal": Reseal,
    "adopt": Adopt,
    "background": Background,
    "birdseye": Birdseye,
}


class Reply(Wire):
    """What became of a command; the same again for the same `id`."""

    v: Count = WIRE_VERSION
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    at_ms: TimeMs
    ok: bool
    code: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="done, enrolled, partial, expired, old_key, bad_seal, no_face, two_faces, blurred, dark, …"
    )
    detail: str | None = Field(default=None, max_length=300)
    body: dict[str, Any] = Field(default_factory=dict)
