"""Coverage by day and hour as a picture, with its legend and its gaps in words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from html import escape
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from branchloop import theme
from branchloop.text.catalogue import Language, say
from dashboard import localtime
from dashboard.evidence import percent

MOST_GAPS = 8
_HOURS_W, _CELL_H, _LEFT, _TOP = 600.0, 18.0, 84.0, 22.0


def svg(days: Sequence[Mapping[str, Any]], language: Language) -> str:
    """Days × hours: the height of a cell's bar is its coverage; gaps are hatched, closed hours are shaded."""
    first, last = _shown_hours(days)
    cell_w = _HOURS_W / (last - first)
    width, height = _LEFT + _HOURS_W, _TOP + len(days) * (_CELL_H + 2) + 8 * _weeks(days) + 2
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="system-ui, \'Noto Sans SC\', sans-serif" font-size="12" fill="{theme.INK}">',
        '<defs><pattern id="gap" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="5" height="5" fill="{theme.PAPER}"/><rect width="1.6" height="5" fill="{theme.BAD}"/></pattern></defs>',
    ]
    out += [
        f'<text x="{_LEFT + (hour - first) * cell_w:g}" y="14" fill="{theme.MUTED}">{hour:02d}</text>'
        for hour in range(first, last)
        if last - first <= 14 or hour % 3 == 0
    ]
    y = _TOP
    for index, day in enumerate(days):
        weekday = date.fromisoformat(day["date"]).weekday()
        if index and weekday == 0:
            y += 8  # a little air between weeks
        name = f"{say(f'day.{weekday}', language)} {day['date'][5:]}"
        out.append(f'<text x="4" y="{y + 13:g}">{escape(name)}</text>')
        out += [
            _cell(hour, _LEFT + (hour["hour"] - first + place) * cell_w, y, cell_w * share - 2)
            for hour, place, share in _placed(day["hours"])
            if first <= hour["hour"] < last
        ]
        y += _CELL_H + 2
    return "".join([*out, "</svg>"])


def alt(answer: Mapping[str, Any], language: Language) -> str:
    """The calendar in words."""
    gaps = sum(hour["state"] == "gap" for day in answer["days"] for hour in day["hours"])
    coverage = "—" if answer["coverage"] is None else f"{percent(answer['coverage'])} %"
    first, last = answer["days"][0]["date"], answer["days"][-1]["date"]
    return say("quality.calendar.alt", language, start=first, end=last, coverage=coverage, gaps=gaps)


def legend(language: Language) -> str:
    """HTML of what the calendar's cells mean."""
    swatches = {
        "full": f"background:{theme.ACCENT}",
        "part": f"background:linear-gradient(to top, {theme.ACCENT} 45%, {theme.PAPER} 45%)",
        "gap": f"background:repeating-linear-gradient(45deg, {theme.BAD} 0 1.6px, {theme.PAPER} 1.6px 5px)",
        "closed": f"background:{theme.CLOSED}",
        "ahead": f"background:{theme.PAPER}",
    }
    parts = [
        f'<span><i style="{style}"></i>{escape(say(f"quality.legend.{key}", language))}</span>'
        for key, style in swatches.items()
    ]
    return f'<div class="bl-swatches">{"".join(parts)}</div>'


def gap_list(answer: Mapping[str, Any], language: Language) -> str:
    """The hours in words that nobody observed, the last days first; of the hour under way what is over."""
    days, rows = answer["days"], []
    now = datetime.fromisoformat(answer["server_time"]).astimezone(ZoneInfo(answer["timezone"]))
    for day in reversed(days):
        gaps = _gaps(day["hours"], now, language)
        if gaps:
            rows.append(say("quality.gap", language, date=day["date"], hours=", ".join(gaps)))
    if not rows:
        judged = any(hour["state"] == "observed" for day in days for hour in day["hours"])
        key = "quality.gaps.none" if judged else "quality.gaps.unwatched"
        return f'<div class="bl-note">{escape(say(key, language))}</div>'
    more = [f"+ {len(rows) - MOST_GAPS}"] if len(rows) > MOST_GAPS else []
    return "".join(f'<div class="bl-light">▨ {escape(row)}</div>' for row in rows[:MOST_GAPS] + more)


def clock_changes(days: Sequence[Mapping[str, Any]], language: Language) -> str:
    """HTML of the days on which the clocks were changed within the hours shown; empty without one."""
    first, last = _shown_hours(days)
    rows = []
    for day in days:
        times = Counter(hour["hour"] for hour in day["hours"])
        for key, odd in (
            ("clock.twice", [hour for hour in range(first, last) if times[hour] > 1]),
            ("clock.missing", [hour for hour in range(first, last) if not times[hour]]),
        ):
            if odd:
                hours = f"{odd[0]:02d}–{odd[-1] + 1:02d}"
                rows.append(say(key, language, date=day["date"], hours=hours))
    return "".join(f'<div class="bl-note">{escape(row)}</div>' for row in rows)


def _placed(hours: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], float, float]]:
    """Each hour with its place in its column and its share of it: hours of one name stand side by side."""
    times = Counter(hour["hour"] for hour in hours)
    told: Counter[int] = Counter()
    for hour in hours:
        share = 1 / times[hour["hour"]]
        yield hour, told[hour["hour"]] * share, share
        told[hour["hour"]] += 1


def _shown_hours(days: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """The hours in which the branch is ever open, and one on both sides."""
    opened = [hour["hour"] for day in days for hour in day["hours"] if hour["state"] != "closed"]
    if not opened:
        return 0, 24
    return max(0, min(opened) - 1), min(24, max(opened) + 2)


def _cell(hour: Mapping[str, Any], x: float, y: float, wide: float) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{_CELL_H:g}" rx="2"'
    if hour["state"] == "closed":
        return f'<rect {place} fill="{theme.CLOSED}"/>'
    if hour["state"] in {"before", "ahead"}:
        return f'<rect {place} fill="none" stroke="{theme.PLAN_LINE}" stroke-width=".5"/>'
    if hour["state"] == "gap":
        return f'<rect {place} fill="url(#gap)" stroke="{theme.BAD}" stroke-width=".75"/>'
    share = hour["coverage"] or 0.0
    tall = max(1.5, share * _CELL_H)
    return (
        f'<rect {place} fill="{theme.PAPER}" stroke="{theme.ACCENT}" stroke-width=".5"/>'
        f'<rect x="{x:g}" y="{y + _CELL_H - tall:g}" width="{wide:g}" height="{tall:g}" rx="2" '
        f'fill="{theme.ACCENT}" fill-opacity="{0.45 + 0.45 * share:.2f}"/>'
    )


def _weeks(days: Sequence[Mapping[str, Any]]) -> int:
    return sum(date.fromisoformat(day["date"]).weekday() == 0 for day in days)


def _gaps(hours: Sequence[Mapping[str, Any]], now: datetime, language: Language) -> list[str]:
    """Unobserved hours as people say spans of them: 9, 10, 11, 14 -> 09–12, 14–15. `hours` are all of the day."""
    names = [
        localtime.named(f"{hour['hour']:02d}", language, second=place > 0)
        for hour, place, _ in _placed(hours)
    ]
    found: list[str] = []
    for state, run in groupby(range(len(hours)), key=lambda at: hours[at]["state"]):
        begun = [at for at in run if _start(hours[at]) + timedelta(minutes=1) <= now]
        if state != "gap" or not begun:
            continue
        first, last = begun[0], begun[-1]
        back = last + 1 < len(hours) and hours[last + 1]["hour"] <= hours[last]["hour"]
        end = names[last + 1] if back else f"{hours[last]['hour'] + 1:02d}"
        if now < _start(hours[last]) + timedelta(hours=1):
            end = localtime.named(f"{now:%H:%M}", language, second=bool(now.fold))
        found.append(f"{names[first]}–{end}")
    return found


def _start(hour: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(hour["start"])
