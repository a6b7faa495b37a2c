"""What the kiosk's page shows, as JSON: the session, times by the branch's clock, names of services, how full it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from branchloop.clock import from_ms
from branchloop.site.site import Site
from edge.checkin.tickets import told_wait
from edge.kiosk.day import Day
from edge.kiosk.session import Session

CROWDING_FRESH_MS = 60_000


class View:
    """Looks at one kiosk; changes nothing."""

    def __init__(self, branch: Site, day: Day, session: Session, crowding: Path) -> None:
        """`crowding` is the file in which the box says how full the branch is."""
        self._branch = branch
        self._day = day
        self._session = session
        self._crowding = crowding

    def show(
        self, now_ms: int, machine_ms: int, *, clock_off: bool, connected: bool, camera: bool
    ) -> dict[str, Any]:
        """What the page shows now; `machine_ms` is by the machine's clock, which the box's core goes by."""
        session = self._session
        ticket, target = session.ticket, session.target
        view: dict[str, Any] = {
            "version": session.version,
            "stage": session.stage,
            "why": session.why,
            "action": session.action,
            "typing": session.typing,
            "hub": connected,
            "camera": camera,
            "known": self._day.gallery is not None,
            "clock_off": clock_off,
        }
        if session.stage == "confirm" and target is not None:
            view["who"] = {
                "name": target.masked_name, "title": target.title,
                "at": self._local(target.start_ms), "service": self._service(target.service),
            }  # fmt: skip
        if session.stage == "ticket" and ticket is not None:
            view["ticket"] = {
                "number": ticket.number, "name": ticket.masked_name, "title": ticket.title,
                "at": self._local(ticket.start_ms), "service": self._service(ticket.service),
                "wait_s": ticket.wait_s, "low_s": ticket.low_s, "high_s": ticket.high_s,
                "walk_in": ticket.walk_in, "provisional": ticket.provisional, "again": ticket.again,
                "may_enrol": ticket.may_enrol, "called": ticket.called, "ahead": ticket.ahead,
                "counter": self._counter(ticket.counter),
            }  # fmt: skip
        if session.stage in {"idle", "service"}:
            view["crowding"] = self._crowd(machine_ms)
            view["queues"] = [
                {
                    "id": each.id,
                    "service": self._service(each.id),
                    **told_wait(self._day.wait(each.id, now_ms)),
                }
                for each in self._branch.services
            ]
        return view

    def _crowd(self, machine_ms: int) -> dict[str, Any] | None:
        """What the box last counted; None when it has not for a minute."""
        try:
            told: dict[str, Any] = json.loads(self._crowding.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return told if machine_ms - int(told.get("at_ms", 0)) <= CROWDING_FRESH_MS else None

    def _service(self, service: str) -> dict[str, str]:
        found = next((each for each in self._branch.services if each.id == service), None)
        return {"zh": found.name.zh, "en": found.name.en} if found else {"zh": service, "en": service}

    def _counter(self, counter: str | None) -> dict[str, str] | None:
        """The name of a configured one, what staff typed of any other."""
        if counter is None:
            return None
        found = next((each for each in self._branch.counters if each.id == counter), None)
        return {"zh": found.name.zh, "en": found.name.en} if found else {"zh": counter, "en": counter}

    def _local(self, at_ms: int) -> str:
        return from_ms(at_ms, self._branch.zone_info).strftime("%H:%M")
