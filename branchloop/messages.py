"""The wire: every payload that crosses MQTT, typed. Evolution is additive only.

Unknown fields are ignored, so an old hub reads a newer box; an unknown *kind* or a newer major
version of a body is quarantined, never guessed. Times are UTC milliseconds, durations ms,
lengths mm or m as the name says; counts and integrals are integers so that roll-ups merge exactly.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from branchloop.clock import MINUTE_MS, WINDOW_MS
from branchloop.topics import ID_PATTERN

WIRE_VERSION = 1
MAX_ITEMS = 200
MAX_BATCH_BYTES = 512 * 1024
MAX_SEQ = 2**53 - 1

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
Count = Annotated[int, Field(ge=0, le=MAX_SEQ)]
SignedCount = Annotated[int, Field(ge=-MAX_SEQ, le=MAX_SEQ)]
TimeMs = Annotated[int, Field(ge=0, le=4_102_444_800_000)]
Seq = Annotated[int, Field(ge=1, le=MAX_SEQ)]
TicketNumber = Annotated[str, Field(pattern=r"^[A-Z][0-9]{3}$")]
Base64Url = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
DeviceState = Literal["up", "starting", "stalled", "down", "ended"]
CameraFault = Literal["covered", "blurred", "frozen", "looped", "moved"]
"""What may be wrong with a camera's picture; what each taints stands in `branchloop.kpis.TAINTS`."""
SensorFault = Literal["stuck", "spiking", "garbled", "crosstalk"]

PairFault = Literal["cameras_apart", "clocks_apart", "cameras_disagree"]
"""Their people cannot be joined (one was moved, or two are swapped); their clocks differ; they place people apart."""


class Wire(BaseModel):
    """Base of all payloads: frozen, lenient about fields added later, strict about types."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, populate_by_name=True)

    def to_json(self) -> str:
        """Compact JSON by wire names, without unset optionals."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class Histogram(Wire):
    """Durations in the fixed bins of `branchloop.kpis.DURATION_EDGES_S`; merges by addition."""

    count: Count = 0
    sum_ms: Count = 0
    bins: dict[Annotated[str, Field(pattern=r"^[0-9]{1,3}$")], Count] = Field(
        default_factory=dict, description="bin index -> how many durations fell into it"
    )


class CameraWindow(Wire):
    """What one camera contributed to a window."""

    camera: Id
    state: DeviceState
    observed_ms: Count = Field(description="time in the window truly observed")
    frames: Count = Field(description="frames captured")
    analysed: Count = Field(description="frames the detector saw; the others were held by the motion gate")
    calibration_residual_mm: Count | None = None
    calibration_age_days: Count | None = None
    fault: CameraFault | None = Field(
        default=None, description="what was wrong with the picture, if anything"
    )


class CameraPair(Wire):
    """How well two cameras agree about the people on the floor that both see, over the last minutes."""

    first: Id
    second: Id
    disagreement_mm: Count | None = Field(
        default=None, description="median distance between the places they give, before any correction"
    )
    clock_ms: SignedCount | None = Field(default=None, description="the second's clock minus the first's")
    wrong: PairFault | None = None


class SensorWindow(Wire):
    """What one ultrasonic sensor read in a window; ranges are absent when nothing valid came."""

    sensor: Id
    state: DeviceState
    observed_ms: Count
    readings: Count
    valid: Count
    nearest_mm: Count | None = None
    farthest_mm: Count | None = None
    sum_mm: Count | None = Field(default=None, description="sum of valid ranges: mean = sum_mm / valid")
    present_ms: Count | None = Field(default=None, description="time somebody stood in the cone")
    fault: SensorFault | None = Field(default=None, description="why its readings are not believed, if so")


class LineWindow(Wire):
    """Crossings of one counting line in a window, and the notices they settle.

    Staff are in `staff_in` and `staff_out` alone.
    """

    line: Id
    in_: Count = Field(alias="in")
    out: Count
    returned: Count = Field(
        default=0, description="of `in`: who had gone out within the re-entry window, and is no new visitor"
    )
    staff_in: Count = 0
    staff_out: Count = 0
    confirmed: list[str] = Field(default_factory=list, max_length=2_000)
    withdrawn: list[str] = Field(default_factory=list, max_length=2_000)


class ZoneWindow(Wire):
    """One zone in a window: `dwell` holds the visits that ended in it."""

    zone: Id
    person_ms: Count
    entries: Count
    dwell: Histogram = Field(default_factory=Histogram)


class QueueWindow(Wire):
    """One queue in a window. A wait ends by being served or by leaving; each counts where it ended."""

    queue: Id = Field(description="the zone of kind `queue`")
    person_ms: Count = Field(description="time integral of people waiting")
    waiting_end: Count | None = Field(default=None, description="people waiting at the end, if observed")
    joined: Count = Field(description="waits that began in the window")
    served: Histogram = Field(default_factory=Histogram, description="waits of those who were served")
    abandoned: Histogram = Field(default_factory=Histogram, description="waits of those who left unserved")
    lost: Count = Field(
        default=0, description="waits whose beginning or end nobody saw: neither served nor abandoned"
    )


class Heat(Wire):
    """Person time per floor cell, sparse, row-major from (x0, y0)."""

    cell_mm: Annotated[int, Field(ge=50, le=5_000)]
    rows: Annotated[int, Field(ge=1, le=4_000)]
    cols: Annotated[int, Field(ge=1, le=4_000)]
    cells: list[Count] = Field(max_length=100_000, description="ascending cell indices, row * cols + col")
    mps: list[Count] = Field(max_length=100_000, description="milli-person-seconds, one per cell")

    @model_validator(mode="after")
    def _aligned(self) -> Heat:
        if len(self.cells) != len(self.mps):
            raise ValueError("cells and mps differ in length")
        if any(b <= a for a, b in zip(self.cells, self.cells[1:], strict=False)):
            raise ValueError("cells must ascend without repeats")
        if self.cells and self.cells[-1] >= self.rows * self.cols:
            raise ValueError("a cell lies outside the grid")
        return self


class Flow(Wire):
    """Which way people walked, per cell of a coarse grid: sums of their steps, which merge by addition."""

    cell_mm: Annotated[int, Field(ge=250, le=5_000)]
    rows: Annotated[int, Field(ge=1, le=2_000)]
    cols: Annotated[int, Field(ge=1, le=2_000)]
    cells: list[Count] = Field(max_length=20_000, description="ascending cell indices, row * cols + col")
    dx_mm: list[SignedCount] = Field(max_length=20_000, description="sum of steps to the right, one per cell")
    dy_mm: list[SignedCount] = Field(max_length=20_000, description="sum of steps downwards, one per cell")
    path_mm: list[Count] = Field(max_length=20_000, description="sum of the steps' lengths, one per cell")

    @model_validator(mode="after")
    def _aligned(self) -> Flow:
        if len({len(self.cells), len(self.dx_mm), len(self.dy_mm), len(self.path_mm)}) > 1:
            raise ValueError("cells, dx_mm, dy_mm and path_mm differ in length")
        if any(b <= a for a, b in itertools.pairwise(self.cells)):
            raise ValueError("cells must ascend without repeats")
        if self.cells and self.cells[-1] >= self.rows * self.cols:
            raise ValueError("a cell lies outside the grid")
        return self


class Window(Wire):
    """The figures of `slots` whole 5 s windows that start at `start_ms` and share one UTC minute."""

    start_ms: TimeMs
    slots: Annotated[int, Field(ge=1, le=12)] = 1
    closed_by: Literal["time", "step", "stop"] = "time"
    config_version: Count = 0
    method: str = Field(default="", max_length=80, description="detector and tracker that produced it")
    expected_ms: Count = Field(description="camera time that full coverage would have given")
    observed_ms: Count = Field(description="camera time truly observed")
    person_ms: Count = Field(description="time integral of people on the plan, staff excluded")
    staff_ms: Count = Field(default=0, description="time integral of staff, who are in no other figure")
    people_end: Count | None = Field(default=None, description="people on the plan at the end, if observed")
    cameras: list[CameraWindow] = Field(default_factory=list, max_length=64)
    lines: list[LineWindow] = Field(default_factory=list, max_length=256)
    zones: list[ZoneWindow] = Field(default_factory=list, max_length=256)
    queues: list[QueueWindow] = Field(default_factory=list, max_length=256)
    sensors: list[SensorWindow] = Field(default_factory=list, max_length=256)
    pairs: list[CameraPair] = Field(
        default_factory=list, max_length=2_016, description="cameras that share floor"
    )
    heat: Heat | None = None
    filled: Heat | None = Field(
        default=None,
        description="person time where no camera looked, estimated from range sensors; never part of `heat`",
    )

    flow: Flow | None = None

    @property
    def duration_ms(self) -> int:
        """Length of the window."""
        return self.slots * WINDOW_MS

    @model_validator(mode="after")
    def _on_the_grid(self) -> Window:
        if self.start_ms % WINDOW_MS:
            raise ValueError("start_ms is not a multiple of 5 s")
        if self.start_ms // MINUTE_MS != (self.start_ms + self.duration_ms - 1) // MINUTE_MS:
            raise ValueError("a window may not reach over a minute boundary")
        if self.observed_ms > self.expected_ms:
            raise ValueError("observed_ms exceeds expected_ms")
        return self


class Notice(Wire):
    """Something somebody waits for, at once; the window later confirms or withdraws it by `id`."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    what: Literal["crossing", "camera", "sensor", "clock_step", "disk"]
    at_ms: TimeMs
    seen_ms: TimeMs | None = Field(
        default=None, description="capture of the frame that made it certain, after at_ms"
    )
    line: Id | None = None
    direction: Literal["in", "out"] | None = None
    subject: Id | None = Field(default=None, description="camera or sensor concerned")
    state: DeviceState | None = None
    detail: str | None = Field(default=None, max_length=300)


class Dropped(Wire):
    """Stands under the seq of a message that a full outbox had to drop."""

    kind: str = Field(max_length=32)
    count: Count = 1
    first_ms: TimeMs
    last_ms: TimeMs


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


BODIES: dict[str, type[Wire]] = {
    "window": Window,
    "notice": Notice,
    "checkin": Checkin,
    "walkin": Walkin,
    "attempt": Attempt,
    "consent": ConsentGiven,
    "dropped": Dropped,
}


class Item(Wire):
    """One message of a batch; `body` is validated apart so that one bad body costs only itself."""

    seq: Seq
    kind: str = Field(max_length=32)
    v: Count = WIRE_VERSION
    body: dict[str, Any]


class Batch(Wire):
    """One MQTT payload of `data`: messages of one outbox in ascending seq."""

    v: Count = WIRE_VERSION
    epoch: Hex
    boot: Hex
    oldest: Seq = Field(description="lowest seq the box still holds")
    sent_ms: TimeMs
    items: list[Item] = Field(min_length=1, max_length=MAX_ITEMS)

    @model_validator(mode="after")
    def _ascending(self) -> Batch:
        seqs = [item.seq for item in self.items]
        if any(b <= a for a, b in itertools.pairwise(seqs)):
            raise ValueError("seqs must ascend")
        if self.oldest > seqs[0]:
            raise ValueError("oldest is above the first seq of the batch")
        return self


class Ack(Wire):
    """Everything of `epoch` up to and including `upto` is committed at the hub."""

    epoch: Hex
    upto: Count


class BoxCertificate(Wire):
    """A box's public sealing key, signed by the bank's offline root; see `branchloop.boxkeys`."""

    v: Count = WIRE_VERSION
    site: Id
    device: Id
    public: Base64Url = Field(max_length=100, description="uncompressed P-256 point")
    not_after_ms: TimeMs
    signature: Base64Url = Field(max_length=100, description="ECDSA with SHA-256, r and s of 32 bytes each")


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
    config_version: Count = 0
    refused: Refusal | None = None
    crashes: CoreCrashes | None = Field(default=None, description="of a box that ends again and again")
    outbox_depth: Count | None = None
    cameras: list[DeviceLight] = Field(default_factory=list, max_length=64)
    sensors: list[DeviceLight] = Field(default_factory=list, max_length=256)
    certificate: BoxCertificate | None = Field(default=None, description="of a kiosk: its sealing key")


class HubStatus(Wire):
    """Birth or last will of the hub; a birth makes every box resend what is not acknowledged."""

    online: bool
    boot: Hex
    at_ms: TimeMs


class Live(Wire):
    """Anonymous positions of the people on the plan right now; QoS 0, never stored."""

    at_ms: TimeMs
    dots_mm: list[tuple[int, int]] = Field(max_length=1_000)


def body_digest(kind: str, body: dict[str, Any]) -> str:
    """Digest of a message's content: the same `(device, epoch, seq)` with another one is a clone."""
    text = json.dumps([kind, body], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
