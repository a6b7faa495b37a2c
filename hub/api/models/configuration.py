"""What the API takes and answers about a branch's configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from branchloop.wire.desired import MAX_TEXT
from hub.api.models.answers import Answer, Device, Moment


class SiteText(BaseModel):
    """A site file's text to check."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=MAX_TEXT, description="TOML; [box] and [[kiosk]] are left out of it")


class Save(SiteText):
    """A text to keep as the next version."""

    base: int = Field(ge=0, description="the version it was made from")
    note: str = Field(default="", max_length=200)
    publish: bool = Field(default=False, description="let the branch's box take it over")


class Faulty(Answer):
    """One fault, at a key of the text (empty: the text as a whole)."""

    key: str
    message: str


class JudgedMark(Answer):
    """How one mark fits: with all marks, and predicted from all others."""

    mark: int
    miss_cm: float
    left_out_cm: float | None


class Suspected(Answer):
    """Marks that are likely wrong; the others then fit to `rest_cm`."""

    kind: Literal["mistyped", "swapped"]
    marks: list[int]
    rest_cm: float


class JudgedCamera(Answer):
    """What a camera's marks are worth."""

    camera: str
    residual_cm: float | None
    marks: list[JudgedMark]
    suspicion: Suspected | None
    mirrored: bool = Field(
        description="the marks show the floor as in a mirror: measured from the wrong side"
    )
    seen_m2: float
    seen_percent: float
    too_far_m2: float = Field(description="where people are lower than 30 px in the picture")
    too_far_percent: float
    spans_little: bool


class Checked(Answer):
    """Every fault of a text; `ok` when the branch's box would take it."""

    ok: bool
    faults: list[Faulty]
    cameras: list[JudgedCamera]
    stranded: int | None = Field(
        default=None,
        description="appointments to come that the branch could not keep then, see GET …/stranded; null with faults",
    )


class Version(Answer):
    """One version that was saved."""

    version: int
    hash: str
    author: str
    note: str
    saved: Moment
    published: Moment | None
    ring: int


class RefusedVersion(Answer):
    """What the box did not take, and why."""

    version: int
    code: str
    reason: str


class RunningVersion(Answer):
    """What the box said last. `known` tells whether that very text was saved here."""

    device: str
    version: int
    hash: str
    at: Moment
    known: bool
    refused: RefusedVersion | None


class Differing(Answer):
    """The box runs another text of a version than the hub holds; nothing is published until one of them is above it."""

    version: int
    next: int = Field(description="the version for the right one of the two texts")


class Configuration(Answer):
    """A branch's configuration: the newest text, what is wanted of the box, and what it runs."""

    version: int = Field(description="of `text`; give it as `base` when saving a change")
    text: str
    wanted: Version | None
    reported: RunningVersion | None
    differs: Differing | None = Field(
        description="null: the box runs what the hub holds, or has not said what it runs"
    )
    device: Device | None = Field(description="the box, as GET …/live tells of it; null: never heard of")
    history: list[Version]
