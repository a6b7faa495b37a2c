"""A branch's services and check-in kiosks, as the site file describes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from branchloop.config import Part
from branchloop.site.parts import Id, Metres, Text, camera_source, check_login

Online = Literal["account", "certificate"]
"""What needs no visit: opening a second-class account, or a certificate as a signed PDF."""


class Counter(Part):
    """A counter or adviser's desk: which services it serves, and when it is staffed (as [hours]; always without)."""

    id: Id
    name: Text
    services: Annotated[list[Id], Field(min_length=1, max_length=64)]
    hours: dict[str, str] = Field(default_factory=dict, description="by weekday, within the branch's hours")


class Service(Part):
    """What customers book: its planned length, its slots and how many can be served at once."""

    id: Id
    name: Text
    minutes: Annotated[int, Field(ge=1, le=480)] = Field(description="planned length of a visit")
    slot_minutes: Annotated[int, Field(ge=5, le=240)] = 15
    per_slot: Annotated[int, Field(ge=1, le=100)] = Field(default=1, description="appointments per slot")
    counters: Annotated[int, Field(ge=0, le=100)] = Field(default=1, description="counters open for it")
    walk_in_target_min: Annotated[int, Field(ge=0, le=240)] = Field(
        default=15, description="a walk-in is called as if booked for so long after arrival"
    )
    documents: list[Text] = Field(default_factory=list, max_length=20, description="what to bring")
    online: Online | None = Field(default=None, description="what of it needs no visit")
    remote_tickets: bool = Field(default=False, description="customers may queue from afar")
    remote_per_hour: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=12, description="so many may queue from afar within an hour"
    )
    waitlist: bool = Field(default=True, description="who finds a day full may wait for a place")


class Liveness(Part):
    """How the kiosk makes sure of a living person: a random challenge, and a passive model of the bank's."""

    challenge: bool = True
    actions: Annotated[int, Field(ge=1, le=4)] = Field(default=2, description="how many are asked")
    pad_models: list[str] = Field(
        default_factory=list, max_length=2, description="ONNX files, see docs/faces.md"
    )
    pad_sha256: list[str] = Field(default_factory=list, max_length=2)

    @model_validator(mode="after")
    def _pinned(self) -> Liveness:
        if len(self.pad_models) != len(self.pad_sha256):
            raise ValueError("every file of pad_models needs its digest in pad_sha256; add it")
        return self


class Kiosk(Part):
    """A check-in kiosk: where it stands, its camera, and what the bank allows it.

    `recognise` is `verify` (a code or booking number names the appointment, the face is compared with one)
    unless the bank turns `identify` on (one among those expected now), or `off`.
    """

    id: Id
    x_m: Metres
    y_m: Metres
    source: str = Field(
        min_length=1, max_length=500, description="camera: a file, `rtsp://…`, `http://…` or `usb:N`"
    )
    credential_env: str | None = Field(
        default=None, description="variable with user:password of an rtsp or http camera"
    )
    loop: bool = False
    recognise: Literal["off", "verify", "identify"] = "verify"
    fpir: Annotated[float, Field(gt=0, le=0.01)] = 0.001
    liveness: Liveness = Liveness()
    listen: str = Field(default="127.0.0.1:8091", pattern=r"^[^\s]+:[0-9]{1,5}$")
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    broker_credential_file: str | None = Field(
        default=None, description="file with this kiosk's broker password"
    )
    broker_credential_env: str | None = None
    root_public: str | None = Field(
        default=None, description="the bank's root, as `branchloop keys root` printed it"
    )
    template_key_env: str | None = Field(
        default=None,
        description="variable with the key that guards templates; a file of mode 0600 without it",
    )
    consent_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=90, description="as people.consent_days in hub.toml"
    )
    language: Literal["zh", "en"] = "zh"

    @field_validator("source")
    @classmethod
    def _known(cls, source: str) -> str:
        return camera_source(source)

    @model_validator(mode="after")
    def _guarded(self) -> Kiosk:
        check_login(self.source, self.credential_env)
        host = self.listen.rpartition(":")[0].strip("[]")
        local = host in {"localhost", "::1"} or host.startswith("127.")
        if not local and (self.tls_cert_file is None or self.tls_key_file is None):
            raise ValueError(f"listens on {host}, which others can reach: add tls_cert_file and tls_key_file")
        return self
