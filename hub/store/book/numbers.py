"""Which numbers of a series are somebody's, over midnight too: ticket numbers begin again with the day, but past who is still here."""

from __future__ import annotations

import sqlite3
from datetime import date

from branchloop.clock import from_ms
from branchloop.numbering import meant_ms
from branchloop.site.site import Site
from hub.store.book.midnight import around, beside


def taken(db: sqlite3.Connection, site: Site, device: str, series: str, day: date, now_ms: int) -> set[int]:
    """Numbers that a device gave for a day, or so lately that they are nobody else's, or to whom midnight left here."""
    since_ms, _ = meant_ms(now_ms, site.zone_info)
    here = {each.id for each in beside(db, site, now_ms)}
    return {
        int(number[1:])
        for number, appointment, of, at_ms in db.execute(
            "SELECT number, appointment, day, at_ms FROM ticket WHERE site=? AND day>=? AND number LIKE ? AND device=?",
            (site.id, around(day)[0], f"{series}%", device),
        )
        if of == day.isoformat() or at_ms >= since_ms or appointment in here
    }


def given_twice(db: sqlite3.Connection, site: Site, number: str, at_ms: int, appointment: str) -> bool:
    """Whether a number given at a moment was somebody else's then."""
    begin_ms, end_ms = meant_ms(at_ms, site.zone_info)
    day = from_ms(begin_ms, site.zone_info).date()
    row = db.execute(
        "SELECT 1 FROM ticket WHERE site=? AND day>=? AND number=? AND appointment<>? AND at_ms>=? AND at_ms<?",
        (site.id, around(day)[0], number, appointment, begin_ms, end_ms),
    ).fetchone()
    return row is not None
