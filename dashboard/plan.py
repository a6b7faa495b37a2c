"""The floor plan as a picture: line art, zones, lines, sensors, people, and layers under them. Pure: SVG out."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from branchloop.text.catalogue import Language
from branchloop.theme import ACCENT, INK, MUTED, PAPER, PLAN_LINE

PX_PER_M = 40.0


def floor_svg(
    branch: Mapping[str, Any],
    language: Language,
    layers: Sequence[str] = (),
    dots: Sequence[Sequence[float]] = (),
    sensors: Mapping[str, bool | None] | None = None,
) -> str:
    """The plan of a branch as SVG text: `layers` (SVG parts) lie under walls and names, people on top.

    `sensors` tells who of them sees somebody; without it they are not drawn.
    """
    plan = branch["plan"]
    width, height = plan["width_m"] * PX_PER_M, plan["height_m"] * PX_PER_M
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" font-family="system-ui, Noto Sans SC, sans-serif">'
        ),
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="{PAPER}"/>',
    ]
    parts += [_zone(zone) for zone in branch["zones"]]
    parts += layers
    parts += [_path(wall, PLAN_LINE, 4) for wall in plan["walls"]]
    font = max(9.0, min(20.0, width / 45))
    parts += [_line(line, language, font, width) for line in branch["lines"]]
    parts += [_label(zone, language, font, width) for zone in branch["zones"]]
    if sensors is not None:
        parts += [_sensor(sensor, sensors.get(sensor["id"])) for sensor in branch["sensors"]]
    parts += [
        f'<circle cx="{x * PX_PER_M:.1f}" cy="{y * PX_PER_M:.1f}" r="9" fill="{ACCENT}" '
        f'stroke="{PAPER}" stroke-width="3"/>'
        for x, y in dots
    ]
    return "".join([*parts, "</svg>"])


def as_image(svg: str, alt: str) -> str:
    """HTML of the SVG as an image that scales to its column, on paper whatever the page is."""
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt, quote=True)}" '
        f'style="width:100%;height:auto;max-height:78vh;object-fit:contain;border-radius:8px;background:{PAPER}"/>'
    )


def named(part: Mapping[str, Any], language: Language) -> str:
    """A part's name in the language, or its id."""
    name = part.get("name")
    return str(name[language]) if name else str(part["id"])


def _points(points: Sequence[Sequence[float]]) -> str:
    return " ".join(f"{x * PX_PER_M:.1f},{y * PX_PER_M:.1f}" for x, y in points)


def _path(points: Sequence[Sequence[float]], colour: str, width: float) -> str:
    return (
        f'<polyline points="{_points(points)}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _zone(zone: Mapping[str, Any]) -> str:
    return (
        f'<polygon points="{_points(zone["polygon"])}" fill="{INK}" fill-opacity="0.03" '
        f'stroke="{PLAN_LINE}" stroke-width="1.5" stroke-dasharray="6 6"/>'
    )


def _label(zone: Mapping[str, Any], language: Language, font: float, width: float) -> str:
    """The zone's name in its upper corner, on the side that keeps it on the plan."""
    left = min(p[0] for p in zone["polygon"]) * PX_PER_M + 6
    right = max(p[0] for p in zone["polygon"]) * PX_PER_M - 6
    y = min(p[1] for p in zone["polygon"]) * PX_PER_M + font * 1.2
    x, anchor = (right, "end") if left > 0.7 * width else (left, "start")
    return _words(x, y, named(zone, language), font, INK, anchor)


def _line(line: Mapping[str, Any], language: Language, font: float, width: float) -> str:
    """The line, and its name beside its middle, on the side and below the edge that keep it on the plan."""
    (x0, y0), (x1, y1) = line["from"], line["to"]
    middle = (x0 + x1) / 2 * PX_PER_M
    x, anchor = (middle - 8, "end") if middle > 0.7 * width else (middle + 8, "start")
    y = max((y0 + y1) / 2 * PX_PER_M - 8, font * 1.2)
    dash = "" if line["entrance"] else ' stroke-dasharray="10 8"'
    return (
        f'<polyline points="{_points([line["from"], line["to"]])}" stroke="{ACCENT}" stroke-width="3"{dash}/>'
        + _words(x, y, named(line, language), font * 0.9, ACCENT, anchor)
    )


def _words(x: float, y: float, text: str, font: float, colour: str, anchor: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{font:.1f}" fill="{colour}" text-anchor="{anchor}" '
        f'stroke="{PAPER}" stroke-width="{font / 5:.1f}" paint-order="stroke">{escape(text)}</text>'
    )


def picture(data: bytes, media: str, bounds_m: tuple[float, float, float, float]) -> str:
    """A layer: a picture of the floor, pale, at its place on the plan (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = (value * PX_PER_M for value in bounds_m)
    return (
        f'<image x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" opacity="0.6" '
        f'preserveAspectRatio="none" href="data:{media};base64,{base64.b64encode(data).decode()}"/>'
    )


def _sensor(sensor: Mapping[str, Any], present: bool | None) -> str:
    """Its place, and the ring in which its cone meets the floor: filled where somebody stands in it."""
    x, y = sensor["x_m"] * PX_PER_M, sensor["y_m"] * PX_PER_M
    radius = sensor["height_m"] * math.tan(math.radians(sensor["cone_deg"] / 2)) * PX_PER_M
    fill = ACCENT if present else PAPER
    colour = MUTED if present is None else ACCENT
    return (
        f'<circle class="cone" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{ACCENT}" '
        f'fill-opacity="{0.18 if present else 0:g}" stroke="{colour}" stroke-width="1.5" stroke-dasharray="3 5"/>'
        f'<rect x="{x - 9:.1f}" y="{y - 9:.1f}" width="18" height="18" transform="rotate(45 {x:.1f} {y:.1f})" '
        f'fill="{fill}" stroke="{colour}" stroke-width="3"/>'
    )
