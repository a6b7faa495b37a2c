"""What a kiosk says to the hub: committed to its outbox first, and on its way as soon as there is a link."""

from __future__ import annotations

import secrets

from branchloop.wire.arrivals import Attempt
from branchloop.wire.payload import Wire
from edge.kiosk.session import Note
from edge.send.link import Link
from edge.send.outbox import Outbox


class Post:
    """The outbox of one kiosk and its link, once there is one."""

    def __init__(self, device: str, outbox: Outbox) -> None:
        self.outbox = outbox
        self.link: Link | None = None
        self._device = device

    @property
    def connected(self) -> bool:
        """Whether the hub hears of it now."""
        return self.link is not None and self.link.online and self.link.hub_online

    def new_id(self) -> str:
        """An id that no other kiosk gives."""
        return f"{self._device}-{secrets.token_hex(8)}"

    def send(self, kind: str, body: Wire) -> int | None:
        """Commit at once; its seq, or None when there is no room."""
        return self.outbox.append_now(kind, body)

    def note(self, note: Note, at_ms: int) -> None:
        """How an attempt went, or that something is off; it may be committed a little later."""
        line = Attempt(
            id=self.new_id(), at_ms=at_ms, outcome=note.outcome, method=note.method,
            appointment=note.appointment, consent=note.consent, detail=note.detail,
        )  # fmt: skip
        self.outbox.append("attempt", line)
        self.urgent()

    def status_changed(self) -> None:
        """What this kiosk says of itself is another."""
        if self.link is not None:
            self.link.status_changed()

    def urgent(self) -> None:
        """Somebody waits for what was committed."""
        if self.link is not None:
            self.link.urgent()
