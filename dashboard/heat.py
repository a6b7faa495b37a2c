"""The floor as a picture: plan in grey line art, heat in viridis, people as dots. Pure: data in, SVG out."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from branchloop.text import Language, say
from branchloop.theme import ACCENT, HEAT_ALPHA, HEAT_FLOOR, INK, MUTED, PAPER, PLAN_LINE

# Anchors of matplotlib's viridis (CC0), interpolated between.
_VIRIDIS = np.array(
    [
        [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141],
        [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
    ],
    dtype=np.float64,
)  # fmt: skip
_PX_PER_M = 40.0
SMOOTH_M = 0.5
_SMOOTH = 4
"""The heat raster is enlarged this often, smoothly, before the browser scales it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Top of the colour scale in person·seconds per m², and whether anything is above zero."""

    top: float

    @property
    def empty(self) -> bool:
        """Whether there is nothing to colour."""
        return self.top <= 0


def density(person_seconds: NDArray[np.float64], cell_m: float) -> NDArray[np.float64]:
    """(rows, columns) person·seconds per cell -> per m², averaged over `SMOOTH_M`, the room of a person.

    Binomial weights; nothing is lost but what is spread over the plan's border. The figures beside
    the picture are those of the hub, not of the picture.
    """
    smooth = person_seconds / (cell_m * cell_m)
    for _ in range(max(1, round(SMOOTH_M / cell_m / 2)) * 2):
        for axis in (0, 1):
            near = np.pad(smooth, [(1, 1) if a == axis else (0, 0) for a in (0, 1)])
            before = np.take(near, range(smooth.shape[axis]), axis)
            after = np.take(near, range(2, smooth.shape[axis] + 2), axis)
            smooth = (before + 2 * smooth + after) / 4
    return smooth


def scale_of(density_per_m2: NDArray[np.float64]) -> Scale:
    """The scale whose top is the busiest cell."""
    return Scale(float(density_per_m2.max(initial=0.0)))


def colours(density_per_m2: NDArray[np.float64], scale: Scale) -> NDArray[np.uint8]:
    """(rows, columns) -> (rows, columns, 4) RGBA: viridis by the square root of the share of the scale.

    Clear under 5 % of the colour scale, opacity rising to .85. The root keeps the ways people walk
    visible beside the places where they stand; the legend's ticks follow it.
    """
    share = np.clip(density_per_m2 / scale.top, 0, 1) if not scale.empty else np.zeros_like(density_per_m2)
    at = np.sqrt(share) * (len(_VIRIDIS) - 1)
    below = np.minimum(at.astype(int), len(_VIRIDIS) - 2)
    part = (at - below)[..., None]
    rgb = _VIRIDIS[below] * (1 - part) + _VIRIDIS[below + 1] * part
    root = np.sqrt(share)
    rise = np.clip((root - HEAT_FLOOR) / (1 - HEAT_FLOOR), 0, 1)
    alpha = np.where(root < HEAT_FLOOR, 0.0, (0.2 + (HEAT_ALPHA - 0.2) * rise) * 255)
    return np.concatenate([rgb, alpha[..., None]], axis=2).round().astype(np.uint8)


def raster(density_per_m2: NDArray[np.float64], scale: Scale) -> bytes:
    """The heat layer as a PNG, one enlarged block per cell, smoothly interpolated."""
    rows, columns = density_per_m2.shape
    smooth = Image.fromarray(density_per_m2.astype(np.float32), "F").resize(
        (columns * _SMOOTH, rows * _SMOOTH), Image.Resampling.BICUBIC
    )
    picture = Image.fromarray(colours(np.asarray(smooth, dtype=np.float64), scale), "RGBA")
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def floor_svg(
    branch: Mapping[str, Any],
    language: Language,
    heat: NDArray[np.float64] | None = None,
    cell_m: float = 0.25,
    dots: Sequence[Sequence[float]] = (),
    sensors: Mapping[str, bool | None] | None = None,
) -> str:
    """The plan of a branch with its heat (person·seconds per cell), people and sensors, as SVG text."""
    plan = branch["plan"]
    width, height = plan["width_m"] * _PX_PER_M, plan["height_m"] * _PX_PER_M
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" font-family="system-ui, Noto Sans SC, sans-serif">'
        ),
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="{PAPER}"/>',
    ]
    parts += [_zone(zone) for zone in branch["zones"]]
    if heat is not None and heat.size:
        per_m2 = density(heat, cell_m)
        data = base64.b64encode(raster(per_m2, scale_of(per_m2))).decode()
        across, down = heat.shape[1] * cell_m * _PX_PER_M, heat.shape[0] * cell_m * _PX_PER_M
        parts.append(
            f'<image width="{across:.1f}" height="{down:.1f}" preserveAspectRatio="none" '
            f'href="data:image/png;base64,{data}"/>'
        )
    parts += [_path(wall, PLAN_LINE, 4) for wall in plan["walls"]]
    font = max(9.0, min(20.0, width / 45))
    parts += [_line(line, language, font) for line in branch["lines"]]
    parts += [_sensor(sensor, (sensors or {}).get(sensor["id"])) for sensor in branch["sensors"]]
    parts += [_label(zone, language, font, width) for zone in branch["zones"]]
    parts += [
        f'<circle cx="{x * _PX_PER_M:.1f}" cy="{y * _PX_PER_M:.1f}" r="9" fill="{ACCENT}" '
        f'stroke="{PAPER}" stroke-width="3"/>'
        for x, y in dots
    ]
    return "".join([*parts, "</svg>"])


def as_image(svg: str, alt: str) -> str:
    """HTML of the SVG as an image that scales to its column."""
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt, quote=True)}" '
        'style="width:100%;height:auto;max-height:78vh;object-fit:contain;border-radius:8px"/>'
    )


def legend(scale: Scale, language: Language) -> str:
    """HTML of the colour scale with its unit and a tick at the busiest cell."""
    stops = ", ".join(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in _VIRIDIS)
    ticks = "".join(f"<span>{_number(scale.top * share**2)}</span>" for share in (0, 0.25, 0.5, 0.75))
    return (
        f'<div class="bl-legend" role="img" aria-label="{escape(say("heat.legend", language))}: 0 – '
        f'{_number(scale.top)}">'
        f'<div class="bl-legend-title">{escape(say("heat.legend", language))}</div>'
        f'<div class="bl-legend-bar" style="background:linear-gradient(90deg, {stops})"></div>'
        f'<div class="bl-legend-ticks">{ticks}<span>▲ {_number(scale.top)} · '
        f"{escape(say('heat.busiest', language))}</span></div></div>"
    )


def named(part: Mapping[str, Any], language: Language) -> str:
    """A part's name in the language, or its id."""
    name = part.get("name")
    return str(name[language]) if name else str(part["id"])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _points(points: Sequence[Sequence[float]]) -> str:
    return " ".join(f"{x * _PX_PER_M:.1f},{y * _PX_PER_M:.1f}" for x, y in points)


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
    left = min(p[0] for p in zone["polygon"]) * _PX_PER_M + 6
    right = max(p[0] for p in zone["polygon"]) * _PX_PER_M - 6
    y = min(p[1] for p in zone["polygon"]) * _PX_PER_M + font * 1.2
    x, anchor = (right, "end") if left > 0.7 * width else (left, "start")
    return _words(x, y, named(zone, language), font, INK, anchor)


def _line(line: Mapping[str, Any], language: Language, font: float) -> str:
    (x0, y0), (x1, y1) = line["from"], line["to"]
    x, y = (x0 + x1) / 2 * _PX_PER_M + 8, (y0 + y1) / 2 * _PX_PER_M - 8
    dash = "" if line["entrance"] else ' stroke-dasharray="10 8"'
    return (
        f'<polyline points="{_points([line["from"], line["to"]])}" stroke="{ACCENT}" stroke-width="3"{dash}/>'
        + _words(x, y, named(line, language), font * 0.9, ACCENT, "start")
    )


def _words(x: float, y: float, text: str, font: float, colour: str, anchor: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{font:.1f}" fill="{colour}" text-anchor="{anchor}" '
        f'stroke="{PAPER}" stroke-width="{font / 5:.1f}" paint-order="stroke">{escape(text)}</text>'
    )


def _sensor(sensor: Mapping[str, Any], present: bool | None) -> str:
    x, y = sensor["x_m"] * _PX_PER_M, sensor["y_m"] * _PX_PER_M
    fill = ACCENT if present else PAPER
    colour = MUTED if present is None else ACCENT
    return (
        f'<rect x="{x - 9:.1f}" y="{y - 9:.1f}" width="18" height="18" transform="rotate(45 {x:.1f} {y:.1f})" '
        f'fill="{fill}" stroke="{colour}" stroke-width="3"/>'
    )
