"""Two heats compared on one scale: blue where there was less, red where there was more. Pure."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from branchloop.text.catalogue import Language, say
from branchloop.theme import HEAT_ALPHA, HEAT_FLOOR
from dashboard import heat

# ColorBrewer's RdBu (Apache-2.0) outside its pale middle, which is clear here; told apart by the colour-blind.
_LESS = np.array([[146, 197, 222], [67, 147, 195], [33, 102, 172], [5, 48, 97]], dtype=np.float64)
_MORE = np.array([[244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31]], dtype=np.float64)


def colours(change_per_m2: NDArray[np.float64], scale: heat.Scale) -> NDArray[np.uint8]:
    """(rows, columns) of more (> 0) or less -> (rows, columns, 4) RGBA, the same scale on both sides of zero.

    By the square root of the share of the scale, and clear under 5 % of the colours, as heat itself.
    """
    size = np.abs(change_per_m2)
    root = np.sqrt(np.clip(size / scale.top, 0, 1)) if not scale.empty else np.zeros_like(size)
    at = root * (len(_MORE) - 1)
    below = np.minimum(at.astype(int), len(_MORE) - 2)
    part = (at - below)[..., None]
    less, more = (anchors[below] * (1 - part) + anchors[below + 1] * part for anchors in (_LESS, _MORE))
    rgb = np.where((change_per_m2 < 0)[..., None], less, more)
    rise = np.clip((root - HEAT_FLOOR) / (1 - HEAT_FLOOR), 0, 1)
    alpha = np.where(root < HEAT_FLOOR, 0.0, (0.2 + (HEAT_ALPHA - 0.2) * rise) * 255)
    return np.concatenate([rgb, alpha[..., None]], axis=2).round().astype(np.uint8)


def layer(change_per_m2: NDArray[np.float64], scale: heat.Scale, cell_m: float) -> str:
    """The difference as a layer of the plan."""
    # Bilinear: a curve that overshoots would draw more around every less.
    larger = heat.smooth(change_per_m2, Image.Resampling.BILINEAR)
    return heat.image(heat.png(colours(larger, scale)), change_per_m2.shape, cell_m)


def scale_of(change_per_m2: NDArray[np.float64]) -> heat.Scale:
    """The scale that reaches as far below zero as above."""
    return heat.Scale(float(np.abs(change_per_m2).max(initial=0.0)))


def legend(scale: heat.Scale, language: Language) -> str:
    """HTML of the colours from less to more, with the words at both ends."""
    stops = ", ".join(
        [_rgb(each) for each in _LESS[::-1]] + ["rgba(251,251,248,1)"] + [_rgb(each) for each in _MORE]
    )
    title, top = escape(say("difference.legend", language)), heat.number(scale.top)
    less, more = escape(say("difference.less", language)), escape(say("difference.more", language))
    return (
        f'<div class="bl-legend" role="img" aria-label="{title}: −{top} – +{top}">'
        f'<div class="bl-legend-title">{title}</div>'
        f'<div class="bl-legend-bar" style="background:linear-gradient(90deg, {stops})"></div>'
        f'<div class="bl-legend-ticks"><span>−{top} {less}</span><span>0</span><span>+{top} {more}</span></div></div>'
    )


def _rgb(anchor: NDArray[np.float64]) -> str:
    return "rgb({:.0f},{:.0f},{:.0f})".format(*anchor)
