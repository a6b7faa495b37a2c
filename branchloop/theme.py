"""The look of the house as tokens: Streamlit's theme, the kiosk and the cards all take them from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INK: Final = "#14213D"
PAPER: Final = "#FBFBF8"
ACCENT: Final = "#0B6E69"
WARN: Final = "#9A5B00"
BAD: Final = "#B3261E"
GOOD: Final = "#1B7F3B"
MUTED: Final = "#5A6376"
"""Stale values: contrast 5.9:1 on paper."""
HAIRLINE: Final = "rgba(20, 33, 61, 0.12)"
PLAN_LINE: Final = "#8A93A3"
CLOSED: Final = "#ECEDEF"
"""Hours in which a branch is closed."""
NO_PICTURE: Final = "#3A4152"
"""Behind marks and lines while there is no picture of a camera."""
ON_PICTURE: Final = "#7FE3DA"
"""Lines drawn over a camera's picture."""
LIGHT: Final[Mapping[str, str]] = {
    "ink": INK, "paper": PAPER, "accent": ACCENT, "warn": WARN, "bad": BAD, "good": GOOD, "muted": MUTED,
    "hairline": HAIRLINE, "closed": CLOSED,
}  # fmt: skip
DARK: Final[Mapping[str, str]] = {
    "ink": "#E8EAF0", "paper": "#10141F", "accent": "#4FB3AA", "warn": "#E0A84E", "bad": "#F2B8B5",
    "good": "#6CC48A", "muted": "#A7AFC0", "hairline": "rgba(232, 234, 240, 0.16)", "closed": "#1C2230",
}  # fmt: skip
"""The same tokens where the viewer's device asks for light, and for dark."""

HEAT_FLOOR: Final = 0.05
"""Share of the scale under which heat is transparent."""
HEAT_ALPHA: Final = 0.85
"""Opacity at the top of the scale."""
