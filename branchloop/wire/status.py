"""How boxes and the hub fare, as they say it in their retained status. Part of the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from branchloop.wire.arrivals import BoxCertificate
from branchloop.wire.messages import CameraFault, DeviceState, SensorFault
from branchloop.wire.payload import Count, Hex, Id, TimeMs, Wire


class DeviceLight(Wire):
    """State of one camera or sensor."""

    id: Id
    state: DeviceState
    since_ms: TimeMs
    detail: str | None = Field(default=None, max_length=300)
    fault: CameraFault | SensorFault | None = None


class Refusal(Wire):
    """A desired configuration that the box does not take; the one before goes on."""

    version: Count
    code: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="faulty, other_site, picture_changed, wiring_changed, unknown_camera, marks, disk, crashed, …"
    )
    reason: str = Field(max_length=500)


class CoreCrashes(Wire):
    """The core of a box, which counts and sends, ended three times or more within an hour without being told to."""

    count: Count
    error: str = Field(default="", max_length=300, description="of the last time, where it could say one")


class Stuck(Wire):
    """What is counted cannot be committed, and waits in memory."""

    reason: str = Field(max_length=300)
    waiting: Count = Field(description="messages, when it was said")


class Behind(Wire):
    """The core takes frames in more slowly than they come."""

    late_s: Count = Field(description="how long the frame waited that was taken in last, when it was said")
    left_out: Count = Field(description="frames that it did without since it is late")


class ClockOff(Wire):
    """The clock of a kiosk's machine is over two minutes off."""

    by_ms: int = Field(description="how far it is ahead of what the hub said last; negative: behind")


class Status(Wire):
    """Birth (online) or last will (not online) of a box; retained.

    A will is written at connect, so `boot` and `connect_no` tell an older will from a newer birth.
    """

    online: bool
    boot: Hex
    connect_no: Count
    at_ms: TimeMs
    epoch: Hex | None = None
    version: str = Field(default="", max_length=40)
    config_hash: str = Field(default="", max_length=64)
    config_content: str = Field(
        default="",
        max_length=64,
        description="digest of what the text in force says but for [box], [[kiosk]] and version, however it is written",
    )
    config_version: Count = 0
    refused: Refusal | None = None
    crashes: CoreCrashes | None = Field(default=None, description="of a box that ends again and again")
    stuck: Stuck | None = Field(default=None, description="of a box whose disk takes nothing")
    behind: Behind | None = Field(default=None, description="of a box that cannot keep up with its cameras")
    clock_off: ClockOff | None = Field(default=None, description="of a kiosk whose clock must be set")
    outbox_depth: Count | None = None
    cameras: list[DeviceLight] = Field(default_factory=list, max_length=64)
    sensors: list[DeviceLight] = Field(default_factory=list, max_length=256)
    certificate: BoxCertificate | None = Field(default=None, description="of a kiosk: its sealing key")


class HubStatus(Wire):
    """Birth or last will of the hub; a birth makes every box resend what is not acknowledged."""

    online: bool
    boot: Hex
    at_ms: TimeMs
