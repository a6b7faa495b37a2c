"""What is drawn and typed of a shape or a camera, before it is put in place: into the site's text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from branchloop.errors import ConfigError
from branchloop.floormap import Mark
from branchloop.homography import Point
from branchloop.site.site import Camera, Line, Site, Zone, parse_site
from branchloop.text.catalogue import Language

Draft = TypeVar("Draft", "Shape", "Marks")
NAMES = ("en", "zh")
"""Half of a name is no name: they are of one hand."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A line or a zone: its fields and its points."""

    id: str = ""
    en: str = ""
    zh: str = ""
    entrance: bool = False
    kind: str = "other"
    min_stay_s: float = 2.0
    points: tuple[Point, ...] = ()

    @classmethod
    def of(cls, part: Line | Zone | None) -> Shape:
        """As the text has it; empty where it has none."""
        if part is None:
            return cls()
        names = part.name.model_dump() if part.name else {"en": "", "zh": ""}
        if isinstance(part, Line):
            ends = rounded([part.from_, part.to, part.inside])
            return cls(part.id, names["en"], names["zh"], entrance=part.entrance, points=ends)
        return cls(
            part.id, names["en"], names["zh"], kind=part.kind, min_stay_s=part.min_stay_s,
            points=rounded(part.polygon),
        )  # fmt: skip

    def entry(self, *, is_line: bool, known: bool) -> dict[str, Any]:
        """As an entry of the site file; of one that is `known` there an emptied name goes."""
        entry: dict[str, Any] = {"id": self.id}
        if self.en or self.zh or known:
            names = {"en": self.en or self.zh, "zh": self.zh or self.en}
            entry["name"] = names if self.en or self.zh else None
        places = [list(point) for point in self.points]
        if is_line:
            ends = dict(zip(("from", "to", "inside"), places, strict=False))
            return {**entry, **ends, "entrance": self.entrance}
        return {**entry, "kind": self.kind, "polygon": places, "min_stay_s": self.min_stay_s}


@dataclass(frozen=True, slots=True)
class Marks:
    """A camera's marks; `pending` is a point of its picture whose place on the plan is still to be clicked."""

    points: tuple[Mark, ...] = ()
    pending: Point | None = None

    @classmethod
    def of(cls, camera: Camera) -> Marks:
        """As the text has them."""
        return cls(tuple((a, b, round(c, 3), round(d, 3)) for a, b, c, d in camera.calibration.points))


def rounded(points: Iterable[Sequence[float]]) -> tuple[Point, ...]:
    """Points to the centimetre."""
    return tuple((round(float(x), 2), round(float(y), 2)) for x, y in points)


def onto(mine: Draft, old: Draft, new: Draft) -> Draft:
    """What was changed of the old text's, changed of the new one's."""
    changed = {
        each.name: getattr(mine, each.name)
        for each in fields(mine)
        if getattr(mine, each.name) != getattr(old, each.name)
    }
    if not changed.keys().isdisjoint(NAMES):
        changed |= {name: getattr(mine, name) for name in NAMES}
    return replace(new, **changed)


def site_of(text: str) -> Site | None:
    """The site of a text; None while that is wrong."""
    try:
        return parse_site(text)
    except ConfigError:
        return None


def parts_of(site: Site) -> dict[str, Line | Zone]:
    """Lines and zones as `line:ID` and `zone:ID`."""
    lines: dict[str, Line | Zone] = {f"line:{line.id}": line for line in site.lines}
    return lines | {f"zone:{zone.id}": zone for zone in site.zones}


def called(part: Camera | Line | Zone, spoken: Language) -> str:
    """A part by its name, or its id where it has none."""
    name: str = part.id if part.name is None else part.name.model_dump()[spoken]
    return name
