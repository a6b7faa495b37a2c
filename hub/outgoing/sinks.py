"""Where a reminder goes: the bank's gateway to phones, or, by default, only the log; mail is in `mail`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx

from branchloop import exits
from hub.config.events import Gateway
from hub.loop.delivery import as_body
from hub.outgoing.post import post


class CannotError(Exception):
    """Nobody can reach that customer this way."""


class SinkError(Exception):
    """It may go another time."""


class UnsureError(SinkError):
    """Nobody knows whether it went."""


@dataclass(frozen=True, slots=True)
class Note:
    """A reminder: `email` or `phone`, and its text."""

    identity: str
    email: str | None
    phone: str | None
    subject: str
    text: str


class Sink(Protocol):
    """Takes reminders."""

    tells: bool
    """Whether a customer hears of it."""

    async def send(self, note: Note) -> None:
        """Send it. Raises SinkError when it may go later, CannotError when never."""


class LogSink:
    """Tells the log that a reminder was due; the address is masked, the text is not there."""

    tells = False

    async def send(self, note: Note) -> None:
        """One line."""
        address = note.email or note.phone or ""
        shown = f"{address[:2]}***{address[-2:]}" if len(address) > 6 else "***"
        exits.log(f'reminder {note.identity} for {shown}: sink = "log", nothing was sent')


class GatewaySink:
    """A signed POST to the bank's gateway, which sends it on to the phone or mailbox."""

    tells = True

    def __init__(self, gateway: Gateway, keys: Sequence[bytes], to: httpx.AsyncClient) -> None:
        self._gateway = gateway
        self._keys = keys
        self._to = to

    async def send(self, note: Note) -> None:
        """One POST."""
        content: dict[str, object] = {
            "type": "branchloop.reminder", "version": 1, "id": note.identity, "email": note.email,
            "phone": note.phone, "subject": note.subject, "text": note.text,
        }  # fmt: skip
        answer = await post(self._to, self._gateway.url, self._keys, note.identity, as_body(content))
        if answer.error is not None:
            raise SinkError(f"the gateway: {answer.error}")
