"""Which way people walked, as calm arrows on the plan. Pure: data in, SVG out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchloop.text.catalogue import Language, say
from branchloop.theme import INK, PAPER
from dashboard.plan import PX_PER_M

LEAST = 0.04
"""Cells with less than this share of the longest way are left out."""
TO_AND_FRO = 0.25
"""Where the sum of all steps is shorter than this share of the way, no direction prevails."""
_LONGEST = 0.86
"""Length of the longest arrow in cells; lengths go by the square root of the way walked."""


def layer(
    dx_m: NDArray[np.float64], dy_m: NDArray[np.float64], path_m: NDArray[np.float64], cell_m: float
) -> str:
    """Sums of steps by cell as arrows: direction of the sum, length by the way walked; a ring for to and fro."""
    longest = float(path_m.max(initial=0.0))
    if longest <= 0:
        return ""
    cell = cell_m * PX_PER_M
    parts = []
    for row, column in np.argwhere(path_m >= LEAST * longest):
        way = float(path_m[row, column])
        across, down = float(dx_m[row, column]), float(dy_m[row, column])
        net = float(np.hypot(across, down))
        x, y = (column + 0.5) * cell, (row + 0.5) * cell
        size = cell * _LONGEST * float(np.sqrt(way / longest))
        if net < TO_AND_FRO * way:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{max(2.5, size / 5):.1f}" fill="none"/>')
        else:
            parts.append(_arrow(x, y, across / net, down / net, size))
    drawn = "".join(parts)
    outline = f'<g fill="none" stroke="{PAPER}" stroke-width="6" stroke-linecap="round">{drawn}</g>'
    return outline + (
        f'<g fill="none" stroke="{INK}" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round">'
        f"{drawn}</g>"
    )


def legend(path_m: NDArray[np.float64], language: Language, span: str = "") -> str:
    """HTML that says how to read the arrows, and of which time (`span`) they are where nothing else says it."""
    words = say("flow.legend", language, value=f"{float(path_m.max(initial=0.0)):,.0f}")
    if span:
        words = say("flow.of", language, span=span, words=words)
    return f'<div class="bl-note">→ {escape(words)}</div>'


def left_out_m(answers: Sequence[Mapping[str, Any]], cell_m: float | None) -> float:
    """Metres of way that are in other cells than these, and not drawn."""
    other = (each["total_path_m"] or 0.0 for each in answers if each["cell_m"] != cell_m)
    return float(sum(each["left_out_path_m"] for each in answers) + sum(other))


def left_out_note(way_m: float, language: Language) -> str:
    """HTML of what is not drawn; empty where all is."""
    if way_m <= 0:
        return ""
    return f'<div class="bl-note">{escape(say("flow.left_out", language, value=f"{way_m:,.0f}"))}</div>'


def nothing(way_m: float, language: Language) -> str:
    """Why there are no arrows: nobody walked, or it was stored for other cells."""
    if way_m <= 0:
        return say("flow.none", language)
    return say("flow.elsewhere", language, value=f"{way_m:,.0f}")


def _arrow(x: float, y: float, across: float, down: float, size: float) -> str:
    """A shaft through the middle of the cell, with a head of two strokes."""
    tip_x, tip_y = x + across * size / 2, y + down * size / 2
    barb = min(9.0, size * 0.4)
    barbs = [
        (tip_x - barb * (across * 0.8 - side * down * 0.6), tip_y - barb * (down * 0.8 + side * across * 0.6))
        for side in (1, -1)
    ]
    return (
        f'<path d="M{x - across * size / 2:.1f} {y - down * size / 2:.1f}L{tip_x:.1f} {tip_y:.1f}'
        f'M{barbs[0][0]:.1f} {barbs[0][1]:.1f}L{tip_x:.1f} {tip_y:.1f}L{barbs[1][0]:.1f} {barbs[1][1]:.1f}"/>'
    )
