"""Opening hours as text: `09:00-12:00,13:00-17:00` or `closed`."""

from __future__ import annotations


def spans_min(text: str) -> list[tuple[int, int]]:
    """Opening spans of a day in minutes from midnight. Raises ValueError for anything else."""
    if text.strip() == "closed":
        return []
    spans: list[tuple[int, int]] = []
    for piece in text.split(","):
        try:
            start, end = (_minutes(part) for part in piece.strip().split("-"))
        except ValueError as error:
            raise ValueError(
                f"{text!r} are not opening hours; write 09:00-17:00, 09:00-12:00,13:00-17:00 or closed"
            ) from error
        if start >= end or (spans and start < spans[-1][1]):
            raise ValueError(
                f"{text!r} does not run forwards; write the spans in order, each earlier time first"
            )
        spans.append((start, end))
    return spans


def _minutes(text: str) -> int:
    hour, minute = text.strip().split(":")
    value = int(hour) * 60 + int(minute)
    if not (0 <= value <= 24 * 60 and 0 <= int(minute) < 60):
        raise ValueError(text)
    return value
