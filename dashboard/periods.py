"""Days and hours to look at, and answers over several of them put together. Pure.

Only what may be added is added: sums and grids are, medians and percentiles are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from branchloop.clock import reached

Period = Literal["day", "weekday", "week"]
PERIODS: tuple[Period, ...] = ("day", "weekday", "week")
Span = tuple[datetime, datetime]
Answer = Mapping[str, Any]


def days(period: Period, day: date) -> list[date]:
    """The days that a period ending on `day` is made of, oldest first."""
    steps = {"day": range(1), "weekday": range(0, 28, 7), "week": range(7)}[period]
    return sorted(day - timedelta(days=step) for step in steps)


def spans(chosen: Sequence[date], first: int, last: int, zone: ZoneInfo) -> list[Span]:
    """Hours `[first, last)` of the branch's clock on each day; days that touch become one span.

    An hour that comes twice is in it twice; a day whose clock skips all of these hours has none.
    """
    found: list[Span] = []
    for day in chosen:
        start, end = (
            reached(datetime.combine(day + timedelta(hour // 24), time(hour % 24), tzinfo=zone))
            for hour in (first, last)
        )
        if start == end:
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def so_far(period: Sequence[Span], now: datetime) -> list[Span]:
    """The spans up to now, to the minute: what is still to come cannot be compared."""
    until = now.replace(second=0, microsecond=0)
    return [
        (start, min(end, until, key=datetime.timestamp))
        for start, end in period
        if start.timestamp() < until.timestamp()
    ]


def earlier(period: Sequence[Span], by_days: int) -> list[Span]:
    """The same hours of the clock, some days before; those that the clock skipped are left out."""
    step = timedelta(days=by_days)
    found = [(reached(start - step), reached(end - step)) for start, end in period]
    return [(start, end) for start, end in found if start != end]


def lasted_h(period: Sequence[Span]) -> float:
    """Hours that really went by, whatever the clock showed."""
    return sum(end.timestamp() - start.timestamp() for start, end in period) / 3600


def total(answers: Sequence[Answer], key: str) -> float | None:
    """Sum of one figure over those answers that know it; None when none does."""
    known = [answer[key] for answer in answers if answer[key] is not None]
    return sum(known) if known else None


def grid(answers: Sequence[Answer], key: str) -> NDArray[np.float64]:
    """Sum of one grid (rows, columns) over answers of one plan; without any walk or cell, an empty one."""
    parts = [np.asarray(answer[key], dtype=np.float64) for answer in answers]
    parts = [part for part in parts if part.size]
    return np.sum(parts, axis=0) if parts else np.zeros((0, 0))


def coverage(answers: Sequence[Answer], parts: Sequence[Answer] | None = None) -> float | None:
    """Coverage of the answers' opening time together, or of `parts`, one of each, such as a zone's.

    Where no answer has any opening time, the mean of what was observed while it was closed.
    """
    known = [
        (part["coverage"], answer["opened_s"])
        for part, answer in zip(parts if parts is not None else answers, answers, strict=True)
        if part["coverage"] is not None
    ]
    opened_s = sum(weight for _, weight in known)
    if opened_s > 0:
        return float(sum(share * weight for share, weight in known) / opened_s)
    return float(sum(share for share, _ in known) / len(known)) if known else None


def opened_s(answers: Sequence[Answer]) -> float:
    """Opening time so far of the answers together, in seconds."""
    return float(sum(answer["opened_s"] for answer in answers))


def widened(answers: Sequence[Answer], asked: Sequence[Span]) -> bool:
    """Whether the hub answered about longer times than it was asked: of old times it keeps no hours."""
    return any(
        datetime.fromisoformat(answer["from"]) < start or datetime.fromisoformat(answer["to"]) > end
        for answer, (start, end) in zip(answers, asked, strict=True)
    )


def as_of(answers: Sequence[Answer]) -> str | None:
    """The newest moment that any answer holds (RFC 3339 in UTC, which sorts as text)."""
    return max((answer["as_of"] for answer in answers if answer["as_of"] is not None), default=None)


def tainted(*kinds: Sequence[Answer]) -> list[dict[str, Any]]:
    """All faults of several kinds of answers about the same spans, those of one device and kind put together.

    Seconds are added over the spans of one kind of answer, not over kinds: they tell of the same time.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for answers in kinds:
        lasted: dict[tuple[str, str, str], float] = {}
        for fault in (fault for answer in answers for fault in answer["tainted"]):
            key = (fault["part"], fault["subject"], fault["fault"])
            lasted[key] = lasted.get(key, 0.0) + (fault["seconds"] or 0.0)
            known = found.setdefault(key, {**fault, "seconds": 0.0, "figures": []})
            known["figures"] += [figure for figure in fault["figures"] if figure not in known["figures"]]
        for key, seconds in lasted.items():
            found[key]["seconds"] = max(found[key]["seconds"], seconds)
    return list(found.values())
