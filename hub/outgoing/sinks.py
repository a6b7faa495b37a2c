"""Where a reminder goes: the bank's mail server, its gateway to phones, or, by default, only the log."""

from __future__ import annotations

import asyncio
import os
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

import httpx

from branchloop import exits
from hub.config_events import Gateway, Smtp
from hub.loop.delivery import as_body
from hub.outgoing.post import post

SMTP_S = 15.0
PERMANENT = 500
"""From here on the answers of a mail server are for good."""


class CannotError(Exception):
    """Nobody can reach that customer this way."""


class SinkError(Exception):
    """It may go another time."""


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


class SmtpSink:
    """A mail through the bank's server."""

    tells = True

    def __init__(self, smtp: Smtp, folder: Path) -> None:
        self._smtp = smtp
        self._folder = folder

    async def send(self, note: Note) -> None:
        """One mail."""
        if note.email is None:
            raise CannotError('a phone number needs sink = "webhook"')
        message = EmailMessage()
        message["From"] = self._smtp.sender
        message["To"] = note.email
        message["Subject"] = note.subject
        message["Message-ID"] = f"<{note.identity}@branchloop>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(note.text)
        try:
            await asyncio.to_thread(self._deliver, message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if any(code < PERMANENT for code in codes):  # greylisting, a full mailbox: for now only
                raise SinkError(f"the mail server answered {min(codes)}") from error
            raise CannotError("the mail server refuses this address") from error
        except (
            smtplib.SMTPResponseException
        ) as error:  # its words may name the address, and are kept and logged
            raise SinkError(f"the mail server answered {error.smtp_code}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise SinkError(f"the mail server did not take it: {error}"[:300]) from error

    def _deliver(self, message: EmailMessage) -> None:
        smtp = self._smtp
        with smtplib.SMTP(smtp.host, smtp.port, timeout=SMTP_S) as server:
            if smtp.starttls:
                ca = None if smtp.ca_file is None else str(self._folder / smtp.ca_file)
                server.starttls(context=ssl.create_default_context(cafile=ca))
            if smtp.user_env is not None:
                server.login(os.environ.get(smtp.user_env, ""), os.environ.get(smtp.password_env or "", ""))
            server.send_message(message)


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
