"""Customers who want to be reminded, and looks at who is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hubworld import World
from receiver import SECRET, receiving
from tables import IDENTITY_CARD, service

from branchloop.clock import DAY_MS
from hub.api.state import now_ms
from hub.config.events import Gateway, Reminders
from hub.loop.delivery import key_of
from hub.outgoing.post import client
from hub.outgoing.reminders import Reminding
from hub.outgoing.sinks import GatewaySink, Sink
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Wanted
from hub.store.book.places import day_slots
from hub.store.connection import opened, reading

PARTS = service("loan", per_slot=50, documents=[IDENTITY_CARD])


def booked(
    hub: World, contact: str | None, language: str = "en", name: str = "Maria Findable"
) -> Appointment:
    """Booked three days ago for the hour after next."""
    site, at_ms = hub.config.sites["hall"], now_ms()
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    if start.minute:
        start += timedelta(minutes=30)
    with opened(hub.config.data_dir) as db:
        day = day_slots(db, site, "loan", start.astimezone(site.zone_info).date())
        slot = next(each for each in day if each.start_ms >= at_ms + 90 * 60_000 and each.free)
        wanted = Wanted("loan", slot.start_ms, name, contact=contact, language=language, channel="card")  # type: ignore[arg-type]
        return hub.state.book.book(db, site, wanted, at_ms - 3 * DAY_MS)


def reminding(hub: World, sink: Sink, **rules: object) -> Reminding:
    loud = Reminders(quiet_from_h=24, quiet_to_h=0, **rules)  # type: ignore[arg-type]
    return Reminding(replace(hub.config, reminders=loud), hub.state.book, sink)


def look(hub: World, make: Callable[[], Sink], times: int = 1) -> list[int]:
    async def go() -> list[int]:
        return [await reminding(hub, make()).look() for _ in range(times)]

    return asyncio.run(go())


def posted(hub: World) -> list[dict[str, Any]]:
    """What a gateway gets of the one who is due, in one look."""
    with receiving() as gateway:

        async def go() -> int:
            async with client() as to:
                sink = GatewaySink(Gateway(url=gateway.url, secret_env="X"), [key_of(SECRET, "test")], to)
                return await reminding(hub, sink).look()

        assert asyncio.run(go()) == 1
    return gateway.got


def stages(hub: World, appointment: Appointment) -> list[str]:
    with reading(hub.config.data_dir) as db:
        rows = db.execute(
            "SELECT stage FROM journey_event WHERE appointment=? ORDER BY id", (appointment.id,)
        )
        return [stage for (stage,) in rows]


def states(hub: World) -> list[tuple[str, str | None]]:
    with reading(hub.config.data_dir) as db:
        return db.execute("SELECT state, error FROM reminder ORDER BY appointment, hours").fetchall()
