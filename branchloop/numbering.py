"""How long a ticket's number means one person: a kiosk gives it to nobody else meanwhile, so a hub that hears it twice knows of a clone."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from branchloop.clock import HOUR_MS, from_ms, local_day_end_ms, local_day_start_ms

APART_MS = 3 * HOUR_MS
"""Midnight does not send home who waits."""


def meant_ms(at_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """From when until when a number given at `at_ms` is given to nobody else: its local day, and some hours before and after."""
    day = from_ms(at_ms, zone).date()
    begin_ms, end_ms = local_day_start_ms(day, zone), local_day_end_ms(day, zone)
    return min(begin_ms, at_ms - APART_MS), max(end_ms, at_ms + APART_MS)
