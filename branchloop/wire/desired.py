"""The configuration a hub wants of a box: the site's text without secrets, its version and its ring.

Part of the wire, see `branchloop.wire.payload`: retained on `desired`. What the box's own file says of its box,
kiosks and the wiring of its cameras and sensors is the branch's business and stays.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field

from branchloop import survey
from branchloop.config import find_faults
from branchloop.errors import ConfigError
from branchloop.site.editing import OF_THE_BOX, joined, publishable, with_version
from branchloop.site.site import Camera, Plan, Sensor, Site, config_hash, parse_site
from branchloop.wire.payload import WIRE_VERSION, Count, Id, TimeMs, Wire

MAX_TEXT = 200_000
WIRING = ("source", "credential_env")
"""Keys of cameras and sensors that only the box's own file may say."""


class Desired(Wire):
    """A site's whole configuration but for the box's own tables; a version not above the running one is ignored."""

    v: Count = WIRE_VERSION
    site: Id
    version: Annotated[int, Field(ge=1)]
    ring: Annotated[int, Field(ge=0, le=99)] = Field(
        default=0, description="ring of the staged roll-out that it came with"
    )
    at_ms: TimeMs
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] = Field(
        description="SHA-256 of `text`, its first 16 digits"
    )
    text: Annotated[str, Field(max_length=MAX_TEXT)] = Field(
        description="TOML of the site file without [box] and [[kiosk]]"
    )


class RefusedError(ConfigError):
    """A box does not take this configuration; `code` is short and stable, the message says why."""

    kind: ClassVar[str] = "refused"

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


def make(text: str, site: str, version: int, ring: int, at_ms: int) -> Desired:
    """What is published for a site file's text: without the box's tables, under this version.

    Raises RefusedError when it is too long to be sent.
    """
    published = with_version(publishable(text), version)
    if len(published) > MAX_TEXT:
        raise RefusedError(
            "too_long", f"the text has {len(published)} characters, more than {MAX_TEXT}.", hint="Shorten it."
        )
    return Desired(
        site=site, version=version, ring=ring, at_ms=at_ms, hash=config_hash(published), text=published
    )


def judge(desired: Desired, own_text: str) -> Site:
    """The site as the box would run it: the desired text with the box's own tables.

    Raises RefusedError: another site or hash, a fault of the text, pictures of another size, wiring that
    is not the branch's, marks that fix no floor.
    """
    own, site = _read(desired, own_text)
    if site.timezone != own.timezone:
        raise RefusedError(
            "timezone_changed", f"the time zone is {own.timezone}, not {site.timezone}.",
            hint="A branch's days cannot move; change the box's own file if it was wrong.",
        )  # fmt: skip
    _same_wiring("camera", site.cameras, own.cameras, WIRING)
    _same_wiring("sensor", site.sensors, own.sensors, WIRING)
    _judge_cameras(site, own)
    return site


def judge_taken(desired: Desired, own_text: str) -> Site:
    """The site of a version that the box took before, under the wiring and the time zone of its own file as it is now.

    Raises RefusedError as `judge`: for pictures of another size too, since its marks are of the old ones.
    """
    own, site = _read(desired, own_text)
    site = site.model_copy(
        update={
            "timezone": own.timezone,
            "cameras": _rewired("camera", site.cameras, own.cameras),
            "sensors": _rewired("sensor", site.sensors, own.sensors),
        }
    )
    _judge_cameras(site, own)
    return site


def _read(desired: Desired, own_text: str) -> tuple[Site, Site]:
    """The box's own site, and the desired one with its tables; wiring and marks are not judged yet."""
    own = parse_site(own_text)
    if desired.hash != config_hash(desired.text):
        raise RefusedError("wrong_hash", "the text does not match its hash.", hint="Publish it again.")
    faults = find_faults(desired.text, Site)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise RefusedError("faulty", f"{faults[0]}{more}.", hint="Mend it and publish a new version.")
    _keep_out(desired.text)
    try:
        site = parse_site(joined(desired.text, own_text), "the configuration")
    except ConfigError as error:
        raise RefusedError("faulty", error.message, hint=error.hint) from error
    if (desired.site, site.id) != (own.id, own.id):
        raise RefusedError("other_site", f"the text is for site {site.id!r}, not for {own.id!r}.")
    if site.version != desired.version:
        raise RefusedError("wrong_version", f"its text says version {site.version}, not {desired.version}.")
    return own, site


def marks_fault(camera: Camera, plan: Plan) -> tuple[str, str] | None:
    """What is wrong with a camera's marks, and how to mend it."""
    calibration = camera.calibration
    wrong = survey.fault(calibration.points, calibration.picture_px, plan)
    if wrong is None and not survey.fixes_floor(calibration):
        return survey.BEYOND_HORIZON
    return wrong


def _judge_cameras(site: Site, own: Site) -> None:
    for camera in site.cameras:
        _judge_camera(camera, next(each for each in own.cameras if each.id == camera.id), site.plan)


def _judge_camera(camera: Camera, own: Camera, plan: Plan) -> None:
    was, now = own.calibration.picture_px, camera.calibration.picture_px
    if was != now:
        raise RefusedError(
            "picture_changed",
            f"camera {camera.id!r} has pictures of {was[0]} × {was[1]} px, not {now[0]} × {now[1]}.",
            hint="The stream is chosen in the box's own file.",
        )
    wrong = marks_fault(camera, plan)
    if wrong is not None:
        raise RefusedError("marks", f"camera {camera.id!r}: {wrong[0]}", hint=wrong[1])


def _same_wiring(kind: str, wanted: list[Any], own: list[Any], keys: tuple[str, ...]) -> None:
    """A login goes only where the branch's own file sends it, and no file or port is opened from afar."""
    for part, mine in _paired(kind, wanted, own):
        for key in keys:
            if getattr(part, key) != getattr(mine, key):
                raise RefusedError(
                    "wiring_changed", f"{kind} {part.id!r} has another `{key}` in the box's own file.",
                    hint="Sources and logins are changed at the box.",
                )  # fmt: skip


def _rewired(kind: str, taken: list[Any], own: list[Any]) -> list[Any]:
    """The parts of a version with the wiring of the box's own file."""
    return [
        part.model_copy(update={key: getattr(mine, key) for key in WIRING})
        for part, mine in _paired(kind, taken, own)
    ]


def _paired(kind: str, wanted: list[Any], own: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Each part with the one of the box's own file. Raises RefusedError where that has none."""
    known: dict[str, Camera | Sensor] = {part.id: part for part in own}
    for part in wanted:
        if part.id not in known:
            raise RefusedError(
                f"unknown_{kind}", f"this branch has no {kind} {part.id!r}.",
                hint="Wire it into the box's own file first.",
            )  # fmt: skip
        yield part, known[part.id]


def _keep_out(text: str) -> None:
    found = [table for table in OF_THE_BOX if table in tomllib.loads(text)]
    if found:
        raise RefusedError("not_yours", f"it holds [{found[0]}], which belongs to the box's own file.")
