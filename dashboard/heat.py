"""Heat as layers of the plan: viridis for what was seen, the same in stripes for what was estimated. Pure."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from branchloop.text.catalogue import Language, say
from branchloop.theme import HEAT_ALPHA, HEAT_FLOOR
from dashboard.plan import PX_PER_M

Grid = NDArray[np.float64]
# Anchors of matplotlib's viridis (CC0), interpolated between.
_VIRIDIS = np.array(
    [
        [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141],
        [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
    ],
    dtype=np.float64,
)  # fmt: skip
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


def density(person_seconds: Grid, cell_m: float) -> Grid:
    """(rows, columns) person·seconds per cell -> per m², averaged over `SMOOTH_M`, the room of a person.

    Binomial weights; nothing is lost but what is spread over the plan's border. The figures beside
    the picture are those of the hub, not of the picture.
    """
    spread = person_seconds / (cell_m * cell_m)
    for _ in range(max(1, round(SMOOTH_M / cell_m / 2)) * 2):
        for axis in (0, 1):
            near = np.pad(spread, [(1, 1) if a == axis else (0, 0) for a in (0, 1)])
            before = np.take(near, range(spread.shape[axis]), axis)
            after = np.take(near, range(2, spread.shape[axis] + 2), axis)
            spread = (before + 2 * spread + after) / 4
    return spread


def scale_of(*density_per_m2: Grid) -> Scale:
    """The scale whose top is the busiest cell of all of these layers, which then may be compared."""
    return Scale(max((float(each.max(initial=0.0)) for each in density_per_m2), default=0.0))


def colours(density_per_m2: Grid, scale: Scale) -> NDArray[np.uint8]:
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


def smooth(cells: Grid, how: Image.Resampling = Image.Resampling.BICUBIC) -> Grid:
    """(rows, columns) enlarged, one block a cell, smoothly interpolated."""
    rows, columns = cells.shape
    larger = (columns * _SMOOTH, rows * _SMOOTH)
    picture = Image.fromarray(cells.astype(np.float32), "F").resize(larger, how)
    return np.asarray(picture, dtype=np.float64)


def raster(density_per_m2: Grid, scale: Scale) -> bytes:
    """The heat layer as a PNG."""
    return png(colours(smooth(density_per_m2), scale))


def png(rgba: NDArray[np.uint8]) -> bytes:
    """(rows, columns, 4) as a PNG."""
    out = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(out, "PNG", optimize=True)
    return out.getvalue()


def layer(density_per_m2: Grid, scale: Scale, cell_m: float) -> str:
    """Measured heat as a layer of the plan."""
    return image(raster(density_per_m2, scale), density_per_m2.shape, cell_m)


def striped(density_per_m2: Grid, scale: Scale, cell_m: float) -> str:
    """Estimated heat as a layer of the plan: the same colours, in stripes, so that nobody takes it for measured."""
    return (
        '<defs><pattern id="stripes" width="10" height="10" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="4" height="10" fill="#fff"/></pattern>'
        '<mask id="striped"><rect width="100%" height="100%" fill="url(#stripes)"/></mask></defs>'
        f'<g mask="url(#striped)">{layer(density_per_m2, scale, cell_m)}</g>'
    )


def image(data: bytes, shape: tuple[int, ...], cell_m: float) -> str:
    """A PNG laid over the cells of a grid that begins at the plan's corner."""
    across, down = shape[1] * cell_m * PX_PER_M, shape[0] * cell_m * PX_PER_M
    return (
        f'<image width="{across:.1f}" height="{down:.1f}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{base64.b64encode(data).decode()}"/>'
    )


def legend(scale: Scale, language: Language) -> str:
    """HTML of the colour scale with its unit and a tick at the busiest cell."""
    stops = ", ".join(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in _VIRIDIS)
    ticks = "".join(f"<span>{number(scale.top * share**2)}</span>" for share in (0, 0.25, 0.5, 0.75))
    return (
        f'<div class="bl-legend" role="img" aria-label="{escape(say("heat.legend", language))}: 0 – '
        f'{number(scale.top)}">'
        f'<div class="bl-legend-title">{escape(say("heat.legend", language))}</div>'
        f'<div class="bl-legend-bar" style="background:linear-gradient(90deg, {stops})"></div>'
        f'<div class="bl-legend-ticks">{ticks}<span>▲ {number(scale.top)} · '
        f"{escape(say('heat.busiest', language))}</span></div></div>"
    )


def estimate_note(person_seconds: float, language: Language) -> str:
    """HTML of the legend's line for estimated heat: a swatch of the stripes, and how much it is."""
    stripes = "repeating-linear-gradient(45deg, #218f8b 0 4px, transparent 4px 8px)"
    words = escape(say("heat.estimated", language, value=f"{person_seconds:,.0f}"))
    return (
        f'<div class="bl-note"><span class="bl-swatch" style="background:{stripes}" aria-hidden="true"></span> '
        f"{words}</div>"
    )


def left_out_note(person_seconds: float, language: Language) -> str:
    """HTML of what lies in other cells than those drawn; empty where nothing does."""
    if person_seconds <= 0:
        return ""
    return (
        f'<div class="bl-note">{escape(say("heat.left_out", language, value=f"{person_seconds:,.0f}"))}</div>'
    )


def number(value: float) -> str:
    """A value of a colour scale."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
