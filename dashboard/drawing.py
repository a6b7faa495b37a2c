"""What the Set-up page draws: the plan with points in the making, and a camera's picture with the floor on it. Pure."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from branchloop.floormap import FloorMap
from branchloop.homography import Point
from branchloop.site.site import Site
from branchloop.survey import LOW_PX
from branchloop.text.catalogue import Language
from branchloop.theme import ACCENT, BAD, INK, NO_PICTURE, ON_PICTURE, PAPER, WARN
from dashboard.plan import PX_PER_M, floor_svg, named

_CELLS = 40
_STEPS = 12
Mark = Sequence[float]


def branch_of(site: Site) -> dict[str, Any]:
    """A site as the API describes it, as far as the plan needs it."""
    return {
        "plan": site.plan.model_dump(),
        "zones": [zone.model_dump() for zone in site.zones],
        "lines": [line.model_dump(by_alias=True) for line in site.lines],
        "sensors": [sensor.model_dump() for sensor in site.sensors],
    }


def plan_svg(
    site: Site,
    language: Language,
    draft: Sequence[Point] = (),
    *,
    closed: bool = False,
    marks: Sequence[Mark] = (),
    reach: FloorMap | None = None,
    under: Sequence[str] = (),
) -> str:
    """The plan with a shape in the making, a camera's marks, and where that camera's people are too low.

    `under` are layers that lie below all of these.
    """
    layers = [*under, *([] if reach is None else too_far_cells(site, reach))]
    svg = floor_svg(branch_of(site), language, layers, sensors={})
    over = [_shape([(x * PX_PER_M, y * PX_PER_M) for x, y in draft], closed=closed)] if draft else []
    over += [_numbered(mark[2] * PX_PER_M, mark[3] * PX_PER_M, i, ACCENT) for i, mark in enumerate(marks, 1)]
    return svg.removesuffix("</svg>") + "".join(over) + "</svg>"


def too_far_cells(site: Site, found: FloorMap) -> list[str]:
    """SVG of the plan's cells that the camera sees with people lower than 30 px, and of those it does not see."""
    step = max(site.plan.width_m, site.plan.height_m) / _CELLS
    parts: dict[str, list[str]] = {"low": [], "unseen": []}
    y = step / 2
    while y < site.plan.height_m:
        x = step / 2
        while x < site.plan.width_m:
            feet = found.shows((x, y))
            height = None if feet is None else found.person_px(feet)
            kind = "unseen" if feet is None else "low" if height is None or height < LOW_PX else ""
            if kind:
                left, top, side = ((v * PX_PER_M) for v in (x - step / 2, y - step / 2, step))
                parts[kind].append(f"M{left:.0f} {top:.0f}h{side:.1f}v{side:.1f}h-{side:.1f}z")
            x += step
        y += step
    return [
        f'<path d="{"".join(parts["unseen"])}" fill="{INK}" fill-opacity="0.10"/>',
        f'<path d="{"".join(parts["low"])}" fill="{WARN}" fill-opacity="0.30"/>',
    ]


def picture_svg(
    size_px: tuple[int, int],
    image: bytes | None,
    site: Site,
    found: FloorMap | None,
    marks: Sequence[Mark],
    language: Language,
    pending: Point | None = None,
    draft: Sequence[Point] = (),
    *,
    closed: bool = False,
) -> str:
    """A camera's picture with its marks, where the fit puts them, and the site's lines and zones on the floor.

    `draft` is a shape in the making, in metres: it is shown where the camera sees it.
    """
    width, height = size_px
    font = max(10.0, height / 40)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="system-ui, Noto Sans SC, sans-serif">',
        f'<rect width="{width}" height="{height}" fill="{NO_PICTURE}"/>',
    ]
    if image is not None:
        data = base64.b64encode(image).decode()
        parts.append(
            f'<image width="{width}" height="{height}" preserveAspectRatio="none" '
            f'href="data:image/jpeg;base64,{data}"/>'
        )
    if found is not None:
        parts += [_seen(found, [*zone.polygon, zone.polygon[0]], PAPER, font, None) for zone in site.zones]
        for line in site.lines:
            title = named({"id": line.id, "name": line.name and line.name.model_dump()}, language)
            parts.append(_seen(found, [line.from_, line.to], ON_PICTURE, font, title))
        for mark in marks:
            put = found.to_picture((mark[2], mark[3]))
            if put is not None:
                parts.append(
                    f'<line x1="{mark[0]:.1f}" y1="{mark[1]:.1f}" x2="{put[0]:.1f}" y2="{put[1]:.1f}" '
                    f'stroke="{BAD}" stroke-width="{font / 5:.1f}"/>'
                )
    parts += [_numbered(mark[0], mark[1], i, ACCENT, font) for i, mark in enumerate(marks, 1)]
    if pending is not None:
        parts.append(_numbered(pending[0], pending[1], len(marks) + 1, BAD, font))
    if found is not None:
        parts.append(_draft_seen(found, draft, closed=closed, font=font))
    return "".join([*parts, "</svg>"])


def as_data(svg: str) -> str:
    """The SVG as an address for an image."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _seen(found: FloorMap, path: Sequence[Point], colour: str, font: float, title: str | None) -> str:
    """A path on the floor as the camera sees it, in short steps since a lens bends it."""
    runs: list[list[Point]] = [[]]
    for (x0, y0), (x1, y1) in itertools.pairwise(path):
        for step in range(_STEPS + 1):
            share = step / _STEPS
            seen = found.to_picture((x0 + (x1 - x0) * share, y0 + (y1 - y0) * share))
            if seen is None or max(abs(seen[0]), abs(seen[1])) > 10 * max(found.picture_px):
                runs.append([])
            else:
                runs[-1].append(seen)
    parts = [
        f'<polyline points="{_points(run)}" fill="none" stroke="{colour}" stroke-width="{font / 6:.1f}" '
        f'stroke-opacity="0.9"/>'
        for run in runs
        if len(run) > 1
    ]
    first = next((run[0] for run in runs if run), None)
    if title is not None and first is not None:
        parts.append(
            f'<text x="{first[0]:.0f}" y="{first[1] - font / 2:.0f}" font-size="{font:.0f}" fill="{PAPER}" '
            f'stroke="{INK}" stroke-width="{font / 5:.1f}" paint-order="stroke">{escape(title)}</text>'
        )
    return "".join(parts)


def _draft_seen(found: FloorMap, draft: Sequence[Point], *, closed: bool, font: float) -> str:
    """A shape in the making as the camera sees it; a point out of its sight has no number."""
    path = [*draft, draft[0]] if closed and len(draft) > 2 else draft if closed else draft[:2]
    numbers = [
        _numbered(seen[0], seen[1], i, BAD, font)
        for i, point in enumerate(draft, 1)
        if (seen := found.shows(point)) is not None
    ]
    return _seen(found, path, BAD, font * 1.5, None) + "".join(numbers)


def _shape(points: Sequence[Point], *, closed: bool) -> str:
    """Points in the making, joined, each with its number."""
    tag = "polygon" if closed and len(points) > 2 else "polyline"
    drawn = points if closed else points[:2]
    return (
        f'<{tag} points="{_points(drawn)}" fill="{BAD if closed else "none"}" fill-opacity="0.08" stroke="{BAD}" '
        'stroke-width="4"/>'
    ) + "".join(_numbered(x, y, i, BAD) for i, (x, y) in enumerate(points, 1))


def _numbered(x: float, y: float, number: int, colour: str, font: float = 18.0) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{font * 0.7:.1f}" fill="{colour}" stroke="{PAPER}" stroke-width="2"/>'
        f'<text x="{x:.1f}" y="{y + font * 0.35:.1f}" font-size="{font:.0f}" fill="{PAPER}" '
        f'text-anchor="middle">{number}</text>'
    )


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
