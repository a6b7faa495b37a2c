"""What a viewer has in hand of a branch's set-up, and the pieces that its parts show."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import streamlit as st

from branchloop.config import Fault
from branchloop.homography import Point
from branchloop.site.editing import publishable, with_version
from branchloop.site.site import Site
from branchloop.text.catalogue import Language, say
from branchloop.text.faults import sentence
from dashboard.drawing import as_data
from dashboard.pad import pad
from dashboard.plan import PX_PER_M
from dashboard.setup.draft import Marks, Shape, onto, parts_of, site_of

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
    newest: dict[str, Any]
    """The hub's configuration as of this run."""
    chosen: str = ""
    shapes: dict[str, Shape] = field(default_factory=dict)
    """Drawn and typed, but not in the text yet: `new-line`, `new-zone`, `line:ID`, `zone:ID`."""
    marks: dict[str, Marks] = field(default_factory=dict)
    """Placed, but not in the text yet, by camera."""
    note: str = ""
    sent: list[str] = field(default_factory=list)
    """What the hub was asked to save: its answer may be lost, and the text stored all the same."""
    meanwhile: int | None = None
    """Somebody else's version that the text follows while something is in hand."""
    heard: int | None = None
    """Of which the page has said so."""
    pictures: dict[str, bytes | None] = field(default_factory=dict)
    serial: int = field(default_factory=anew)
    """Another when tables must be drawn from what is in hand, not from what was typed into them."""
    fields: int = field(default_factory=anew)
    """Another when the fields of a shape must."""
    laid: tuple[str, Sequence[Sequence[float]]] = ("", ())
    """The table's key, and what it was drawn from."""
    judged: tuple[str, dict[str, Any]] | None = None
    right: str = ""
    """The last text that was right: what is in hand was made from it."""

    @property
    def untouched(self) -> bool:
        """Nothing is changed, and nothing in hand."""
        return self.text == self.saved and not self.shapes and not self.marks

    def redraw(self) -> None:
        """Draw every table and field from what is in hand."""
        self.serial, self.fields = anew(), anew()

    def settle(self, site: Site) -> None:
        """Let go of what is in the text, which is right and of this site."""
        if self.text != self.right:
            self._carry(site_of(self.right), site)
            self.right = self.text
        parts, cameras = parts_of(site), {camera.id: camera for camera in site.cameras}
        self.shapes = {key: shape for key, shape in self.shapes.items() if shape != Shape.of(parts.get(key))}
        self.marks = {
            camera: marks
            for camera, marks in self.marks.items()
            if camera not in cameras or marks != Marks.of(cameras[camera])
        }
        if not self.shapes and not self.marks and self.heard == self.meanwhile:
            self.meanwhile = None

    def follow(self) -> bool:
        """Go on from a version that the hub has meanwhile, with what is in hand; not with a changed text of one's own.

        A version that holds what was sent is one's own, and is told to be stored.
        """
        version, text = self.newest["version"], self.newest["text"]
        if version == self.base and text == self.saved:
            return False  # a file that was carried to the hub may have the same version
        mine = next((sent for sent in self.sent if with_version(publishable(sent), version) == text), None)
        if mine is not None:
            self.text = text if self.text == mine else self.text
            stored(self.newest)
        elif self.text == self.saved:
            self.text = text
            self.meanwhile = version if self.shapes or self.marks else None
        else:
            return False
        self.base, self.saved, self.sent = version, text, []
        if (site := site_of(self.text)) is not None:
            self.settle(site)
        self.redraw()
        return True

    def _carry(self, before: Site | None, now: Site) -> None:
        """What was changed in the text of a shape or a camera stays, where it is not what is changed here."""
        if before is None or not (self.shapes or self.marks):
            return
        old, new = parts_of(before), parts_of(now)
        self.shapes = {
            key: onto(shape, Shape.of(old[key]), Shape.of(new[key])) if key in old and key in new else shape
            for key, shape in self.shapes.items()
        }
        had, has = ({camera.id: Marks.of(camera) for camera in site.cameras} for site in (before, now))
        self.marks = {
            camera: onto(marks, had[camera], has[camera]) if camera in had and camera in has else marks
            for camera, marks in self.marks.items()
        }
        self.redraw()


def away(configuration: Mapping[str, Any]) -> bool:
    """Whether the branch's box is not there now; a hub of before does not tell."""
    return "device" in configuration and not (configuration["device"] or {}).get("online")


def stored(configuration: Mapping[str, Any]) -> None:
    """Let the page say that its newest version is saved, or published."""
    wanted, version = configuration["wanted"], configuration["version"]
    published = wanted is not None and wanted["version"] == version
    st.session_state["setup-said"] = ("setup.published" if published else "setup.saved", version)


def table(work: Work, key: str, columns: Sequence[str], rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """Rows to be typed as well; drawn from `rows` when the table was not on the page before."""
    import pandas as pd  # a third of the start of the pages, and many never show a table to type in

    if work.laid[0] != key or key not in st.session_state:
        work.laid = (key, rows)
    shown = pd.DataFrame(list(work.laid[1]), columns=list(columns), dtype=float)
    edited = st.data_editor(shown, num_rows="dynamic", hide_index=True, key=key)
    typed: list[list[float]] = edited.dropna().to_numpy().tolist()
    return typed


def note(text: str) -> None:
    """One quiet line."""
    st.html(f'<div class="bl-light">{escape(text)}</div>')


def faults(found: Sequence[Fault], spoken: Language) -> None:
    """Every fault as a sentence, with its key where it has one; nothing when there is none."""
    if not found:
        return
    items = "".join(
        f"<li>{f'<code>{escape(fault.key)}</code>' if fault.key else ''}{escape(sentence(fault, spoken))}</li>"
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
