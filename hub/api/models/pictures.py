"""What the API says of pictures without people."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class PictureAsked(BaseModel):
    """A request for a picture, and what became of it."""

    command: str = Field(description="id of the command to the box")
    state: Literal["open", "done", "failed", "expired"]
    by: str = Field(description="name of the token that asked")
    asked_at: str
    answered_at: str | None = None
    code: str | None = Field(default=None, description="of the box's answer: done, camera_down, too_busy, …")
    detail: str | None = None


class SeamShown(BaseModel):
    """How well two cameras agree where both see the floor."""

    a: str
    b: str
    overlap_m2: float
    patches: int
    apart_cm: float | None = Field(description="median; null when too little could be compared")


class PictureShown(BaseModel):
    """What is known of one picture; the picture itself has a route of its own."""

    what: Literal["background", "birdseye"]
    camera: str | None = Field(description="null of the bird's-eye picture")
    made_at: str | None = Field(description="null while there is none")
    width_px: int | None = None
    height_px: int | None = None
    blank_share: float | None = None
    samples: int | None = None
    camera_px: tuple[int, int] | None = None
    bounds_m: tuple[float, float, float, float] | None = None
    seams: list[SeamShown] = Field(default_factory=list)
    asked: PictureAsked | None = None


class PictureList(BaseModel):
    """The pictures of a branch: one per camera, and the bird's-eye picture."""

    items: list[PictureShown]
