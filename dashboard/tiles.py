"""Tiles: label, value and unit, coverage bar, as-of time; stale in grey, a gap as an em dash with why. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from branchloop.text import Language, say

AS_OF_AFTER_S = 10.0
"""A value older than this shows its time."""
LIGHTS: Mapping[str, tuple[str, str]] = {
    "up": ("●", "good"),
    "starting": ("◌", "muted"),
    "stalled": ("◐", "warn"),
    "down": ("○", "bad"),
    "ended": ("■", "muted"),
    "unknown": ("?", "muted"),
}
"""State -> shape and tone: never colour alone."""


def tile(
    label: str,
    figure: Mapping[str, Any],
    language: Language,
    zone: ZoneInfo,
    *,
    stale: bool = False,
    note: str = "",
    digits: int = 0,
) -> str:
    """HTML of one figure: {"value", "unit", "coverage", "as_of"}."""
    value, coverage, as_of = figure["value"], figure.get("coverage"), figure.get("as_of")
    shown = "—" if value is None else f"{value:,.{digits}f}"
    unit = say("unit.people", language) if figure.get("unit") == "people" else str(figure.get("unit") or "")
    below = [note] if note else []
    if value is None:
        below.append(say("not_measured", language))
    if stale and as_of:
        below.append(f"🕒 {say('stale', language)} · {say('as_of', language, time=clock(as_of, zone))}")
    bar = ""
    if coverage is not None:
        percent = round(100 * coverage)
        bar = (
            f'<div class="bl-bar" role="img" aria-label="{escape(say("coverage.value", language, value=percent))}">'
            f'<span style="width:{percent}%"></span></div>'
        )
    small = f'<div class="bl-note">{escape(" · ".join(below))}</div>' if below else ""
    return (
        f'<div class="bl-tile{" bl-stale" if stale else ""}"><div class="bl-label">{escape(label)}</div>'
        f'<div class="bl-value">{shown}<small> {escape(unit) if value is not None else ""}</small></div>{bar}{small}</div>'
    )


def count(label: str, value: str, note: str = "") -> str:
    """HTML of a figure that was counted, not measured: it needs no coverage."""
    small = f'<div class="bl-note">{escape(note)}</div>' if note else ""
    return (
        f'<div class="bl-tile"><div class="bl-label">{escape(label)}</div>'
        f'<div class="bl-value">{escape(value)}</div>{small}</div>'
    )


def row(tiles: Sequence[str]) -> str:
    """HTML of tiles side by side, wrapping on a narrow screen."""
    return f'<div class="bl-row">{"".join(tiles)}</div>'


def light(name: str, state: str, language: Language, detail: str = "") -> str:
    """HTML of one device's light: shape, name, state in words."""
    shape, tone = LIGHTS.get(state, LIGHTS["unknown"])
    word = say(f"state.{state}" if state in LIGHTS else "state.unknown", language)
    more = f' <span class="bl-note">{escape(detail)}</span>' if detail else ""
    return (
        f'<div class="bl-light"><span class="bl-{tone}" aria-hidden="true">{shape}</span> '
        f"{escape(name)} · {escape(word)}{more}</div>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """HTML of a small table; the first column names the row."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f'<table class="bl-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def clock(text: str, zone: ZoneInfo) -> str:
    """A moment of the API as the branch's wall clock."""
    return datetime.fromisoformat(text).astimezone(zone).strftime("%H:%M:%S")
