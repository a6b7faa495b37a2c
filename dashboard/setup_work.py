"""What a viewer has in hand of a branch's set-up, and the pieces that its parts show."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import streamlit as st

from branchloop.config import Fault
from branchloop.floormap import Mark
from branchloop.homography import Point
from branchloop.site import Site
from branchloop.text import Language, say
from branchloop.text_faults import told
from dashboard.drawing import as_data
from dashboard.pad import pad
from dashboard.plan import PX_PER_M

_SERIALS = itertools.count()


def anew() -> int:
    """A number that no field has had in its key: one that had would keep what was typed, into another text or branch."""
    return next(_SERIALS)


@dataclass(slots=True)
class Work:
    """What one viewer has in hand of one branch."""

    text: str
    base: int
    saved: str
    chosen: str = ""
    points: list[Point] = field(default_factory=list)
    camera: str = ""
    marks: list[Mark] = field(default_factory=list)
    pending: Point | None = None
    pictures: dict[str, bytes | None] = field(default_factory=dict)
    serial: int = field(default_factory=anew)
    """Another when tables must be drawn from what is in hand, not from what was typed into them."""
    shapes: int = field(default_factory=anew)
    """Another when a shape was put in place or removed: its fields are drawn anew."""
    judged: tuple[str, dict[str, Any]] | None = None


def note(text: str) -> None:
    """One quiet line."""
    st.html(f'<div class="bl-light">{escape(text)}</div>')


def faults(found: Sequence[Fault], spoken: Language) -> None:
    """Every fault at its key; nothing when there is none."""
    if not found:
        return
    items = "".join(
        f"<li><code>{escape(fault.key or say('setup.whole', spoken))}</code> {escape(told(fault.message, spoken))}</li>"
        for fault in found
    )
    st.html(
        f'<div class="bl-light bl-bad">▲ {say("setup.faults", spoken)}</div><ul class="bl-faults">{items}</ul>'
    )


def plan_pad(svg: str, site: Site, name: str, spoken: Language, key: str) -> Point | None:
    """The plan to click on; the place that was just clicked, in metres."""
    plan = site.plan
    words = say("setup.plan", spoken, branch=name, width=f"{plan.width_m:g}", height=f"{plan.height_m:g}")
    hit = pad(
        as_data(svg), alt=words, label=say("setup.pad", spoken, what=words),
        width=plan.width_m * PX_PER_M, height=plan.height_m * PX_PER_M, key=key,
    )  # fmt: skip
    return None if hit is None else (round(hit[0] / PX_PER_M, 2), round(hit[1] / PX_PER_M, 2))
