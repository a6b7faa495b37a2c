"""Tiles: label, value and unit, coverage bar, as-of time; stale in grey, a gap as an em dash with why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any, Literal
from zoneinfo import ZoneInfo

from branchloop.text.catalogue import WORDS, Language, duration, label, say

AS_OF_AFTER_S = 10.0
"""A value older than this shows its time."""
OUTDATED = timedelta(days=1)
"""What is stale by more than this is of another day, and no figure of now."""
MOST_FAULTS = 2
SEPARATOR: Mapping[Language, str] = {"en": "; ", "zh": "；"}
LIGHTS: Mapping[str, tuple[str, str]] = {
    "up": ("●", "good"),
    "starting": ("◌", "muted"),
    "stalled": ("◐", "warn"),
    "down": ("○", "bad"),
    "ended": ("■", "muted"),
    "unknown": ("?", "muted"),
}
"""State -> shape and tone: never colour alone."""
UNITS = {"people": "unit.people", "person·s": "unit.person_s"}
FAULTY = ("◑", "warn")


def tile(
    label: str,
    figure: Mapping[str, Any],
    language: Language,
    zone: ZoneInfo,
    *,
    stale: bool = False,
    note: str = "",
    why: str = "",
    digits: int = 0,
    shown: tuple[str, str] | None = None,
    change: str = "",
    names: Mapping[str, str] | None = None,
    now: str | None = None,
) -> str:
    """HTML of one figure: {"value", "unit", "coverage", "as_of", "tainted"}.

    `why` tells why there is no value; `shown` are value and unit in other words; `change` is HTML of
    `change`; `names` are those of devices. `now` is the hub's time: what is `stale` by more than a day is not told.
    """
    value, coverage, as_of = figure["value"], figure.get("coverage"), figure.get("as_of")
    outdated = stale and as_of is not None and _outdated(as_of, now)
    if outdated:
        value, coverage, note = None, None, ""
    text = f"{value:,.{digits}f}" if value is not None else "—"
    unit = (
        say(UNITS[figure["unit"]], language) if figure.get("unit") in UNITS else str(figure.get("unit") or "")
    )
    if shown is not None and value is not None:
        text, unit = shown
    below = [note] if note else []
    if value is None and not outdated:
        below.append(why or say("not_measured", language))
    if stale and as_of:
        below.append(f"🕒 {say('stale', language)} · {say('as_of', language, time=clock(as_of, zone, now))}")
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
        f'<div class="bl-value">{escape(text)}<small> {escape(unit) if value is not None else ""}</small></div>'
        f"{bar}{change}{small}{taint(figure.get('tainted', ()), names or {}, language)}</div>"
    )


def taint(faults: Sequence[Mapping[str, Any]], names: Mapping[str, str], language: Language) -> str:
    """HTML of what makes a figure doubtful; nothing when nothing does."""
    if not faults:
        return ""
    words = [fault_words(fault, names, language) for fault in faults[:MOST_FAULTS]]
    if len(faults) > MOST_FAULTS:
        words.append(f"+ {len(faults) - MOST_FAULTS}")
    text = say("taint", language, why=" · ".join(words))
    return f'<div class="bl-taint"><span aria-hidden="true">◐</span> {escape(text)}</div>'


def fault_words(fault: Mapping[str, Any], names: Mapping[str, str], language: Language) -> str:
    """A fault in words, with how long it lasted where that is known."""
    key = f"fault.{fault['fault']}"
    told = say(key, language) if key in WORDS else str(fault["fault"])
    name = subject_name(fault["subject"], names, language)
    why = say("fault", language, name=name, fault=told) if name else told
    seconds = fault["seconds"]
    if seconds is None or fault["part"] == "check":  # a check goes by whole hours and days
        return why
    return say("taint.lasted", language, why=why, time=duration(seconds, language))


def subject_name(subject: str, names: Mapping[str, str], language: Language) -> str:
    """The name of a camera or sensor, or of both of a pair FIRST/SECOND."""
    parts = [names.get(part, part) for part in subject.split("/")]
    return say("pair", language, first=parts[0], second=parts[1]) if len(parts) == 2 else parts[0]


def taint_list(taints: Sequence[Mapping[str, Any]], names: Mapping[str, str], language: Language) -> str:
    """HTML of faults and the figures that each spoils."""
    rows = [
        say(
            "taint.line",
            language,
            why=fault_words(each, names, language),
            figures=SEPARATOR[language].join(label(figure, language).lower() for figure in each["figures"]),
        )
        for each in taints
    ]
    return "".join(
        f'<div class="bl-light"><span class="bl-warn" aria-hidden="true">◐</span> {escape(row)}</div>'
        for row in rows
    )


def change(
    now: float | None,
    before: float | None,
    better: Literal["higher", "lower", "neither"],
    words: str,
    language: Language,
    say_it: Callable[[float], str],
) -> str:
    """HTML of the change against a comparable period; nothing when either is unknown.

    An arrow and words always, a colour only where one way is better.
    """
    if now is None or before is None:
        return ""
    size = say_it(abs(now - before))
    if size == say_it(0):
        return f'<div class="bl-change bl-muted">{escape(say("change.same", language, period=words))}</div>'
    rose = now > before
    tone = "muted" if better == "neither" else "good" if rose == (better == "higher") else "bad"
    text = say("change.vs", language, change=f"{'▲' if rose else '▼'} {size}", period=words)
    return f'<div class="bl-change bl-{tone}">{escape(text)}</div>'


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


def light(
    name: str,
    state: str,
    language: Language,
    detail: str = "",
    fault: str | None = None,
    *,
    doubt: str = "",
    why: str = "",
) -> str:
    """HTML of one device's light: shape, name, state in words; a fault outshines the state.

    `doubt` are words of what else spoils what it tells, where it works; `why` is what the box says of it.
    """
    shape, tone = LIGHTS.get(state, LIGHTS["unknown"])
    word = say(f"state.{state}" if state in LIGHTS else "state.unknown", language)
    if fault is not None:
        shape, tone = FAULTY
        word = say(f"fault.{fault}", language) if f"fault.{fault}" in WORDS else fault
    elif doubt and state == "up":
        (shape, tone), word = FAULTY, doubt
    more = f' <span class="bl-note">{escape(detail)}</span>' if detail else ""
    below = f'<div class="bl-note">{escape(why)}</div>' if why else ""
    return (
        f'<div class="bl-light"><span class="bl-{tone}" aria-hidden="true">{shape}</span> '
        f"{escape(name)} · {escape(word)}{more}{below}</div>"
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
    return scrolled(f'<table class="bl-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>')


def scrolled(wide: str) -> str:
    """HTML of a table that is moved within its own frame where the screen is narrower, by keyboard, too."""
    return f'<div class="bl-scroll" tabindex="0">{wide}</div>'


def clock(text: str, zone: ZoneInfo, now: str | None = None) -> str:
    """A moment of the API as the branch's wall clock, with its day where that is not the one of `now`."""
    at = datetime.fromisoformat(text).astimezone(zone)
    today = at if now is None else datetime.fromisoformat(now).astimezone(zone)
    if at.date() == today.date():
        return at.strftime("%H:%M:%S")
    return at.strftime("%m-%d %H:%M:%S" if at.year == today.year else "%Y-%m-%d %H:%M:%S")


def _outdated(as_of: str, now: str | None) -> bool:
    return now is not None and datetime.fromisoformat(now) - datetime.fromisoformat(as_of) > OUTDATED
