"""A reminder as a mail through the bank's server: how long it may take, and what the server's answers mean."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from hub.config.events import Smtp
from hub.outgoing.sinks import CannotError, Note, SinkError, UnsureError
from hub.outgoing.threads import unwaited

PERMANENT = 500
"""From here on the answers of a mail server are for good."""
_LINE = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a mail server is waited for."""

    step_s: float = 15.0
    """Until it is reached, and for each answer but the one to the mail."""
    dialogue_s: float = 60.0
    """Until it has the mail, however slowly it drips."""
    answer_s: float = 600.0
    """For the answer to the mail, which some look through first: as RFC 5321, 4.5.3.2.6, has it."""


class SmtpSink:
    """A mail through the bank's server."""

    tells = True

    def __init__(self, smtp: Smtp, folder: Path, patience: Patience | None = None) -> None:
        self._smtp = smtp
        self._folder = folder
        self._patience = patience or Patience()

    async def send(self, note: Note) -> None:
        """One mail."""
        if note.email is None:
            raise CannotError('a phone number needs sink = "webhook"')
        message = _message(self._smtp.sender, note.email, note)
        way = _Way(self._patience)
        work = unwaited(self._deliver, message, note.email, way)
        try:
            await way.arrived(work)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if any(code < PERMANENT for code in codes):  # greylisting, a full mailbox: for now only
                raise SinkError(f"the mail server answered {min(codes)}") from error
            raise CannotError("the mail server refuses this address") from error
        except (OSError, smtplib.SMTPException, ValueError) as error:
            if not way.taken:
                raise _meaning(error, way) from error
        finally:
            work.cancel()
            way.end()

    def _deliver(self, message: EmailMessage, address: str, way: _Way) -> None:
        smtp = self._smtp
        server = _Server(smtp.host, smtp.port, way)
        try:
            if smtp.starttls:
                ca = None if smtp.ca_file is None else str(self._folder / smtp.ca_file)
                server.starttls(context=ssl.create_default_context(cafile=ca))
            if smtp.user_env is not None:
                _login(server, os.environ.get(smtp.user_env, ""), os.environ.get(smtp.password_env or "", ""))
            server.send_message(message, to_addrs=[address])
            with contextlib.suppress(OSError, smtplib.SMTPException):  # it has the mail
                server.quit()
        finally:
            server.close()


class _Way:
    """How far a mail is, as its thread and who awaits it see it."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.server: _Server | None = None
        self.handed_over = False
        """The server has all of it, and did not say what it does with it."""
        self.taken = False
        self.ended = False
        self._allow(patience.dialogue_s)

    async def arrived(self, work: asyncio.Future[None]) -> None:
        """Wait for its thread, as long as each part of the way may take."""
        while not (await asyncio.wait([work], timeout=max(0.0, self._until_s - time.monotonic())))[0]:
            if time.monotonic() >= self._until_s:
                raise TimeoutError(f"it was not done within {self._allowed_s:g} s")
        work.result()

    def hand_over(self) -> None:
        """From here on only the server knows."""
        self._allow(self.patience.answer_s)
        self.handed_over = True

    def hear(self, code: int) -> None:
        """What the server says of it."""
        self.taken = 200 <= code < 300
        self.handed_over = code < 400
        self._allow(self.patience.step_s)

    def end(self) -> None:
        """Free the thread, wherever it waits."""
        self.ended = True
        sock = None if self.server is None else self.server.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _allow(self, seconds: float) -> None:
        self._allowed_s = seconds
        self._until_s = time.monotonic() + seconds


class _Server(smtplib.SMTP):
    """The dialogue, with more patience for the answer to the mail."""

    def __init__(self, host: str, port: int, way: _Way) -> None:
        self._way = way
        way.server = self
        super().__init__(host, port, timeout=way.patience.step_s)

    def getreply(self) -> tuple[int, bytes]:
        """Nothing more once it was ended."""
        if self._way.ended:
            self.close()
            raise smtplib.SMTPServerDisconnected("it was given up")
        return super().getreply()

    def data(self, msg: bytes | str) -> tuple[int, bytes]:  # type: ignore[override]
        """Hand the mail over. Raises SMTPDataError when it is not taken."""
        self.putcmd("data")
        code, words = self.getreply()
        if code == 354:
            content = msg.encode() if isinstance(msg, str) else msg
            self.send(_LINE.sub(b"..", content) + (b"" if content.endswith(b"\r\n") else b"\r\n"))
            self._way.hand_over()  # before the end of it: once that is under way nobody knows
            self.send(b".\r\n")
            assert self.sock is not None  # noqa: S101 - it was just written to
            self.sock.settimeout(self._way.patience.answer_s)
            code, words = self.getreply()
            self._way.hear(code)
            self.sock.settimeout(self._way.patience.step_s)
        if not self._way.taken:
            raise smtplib.SMTPDataError(code, words)
        return 250, words


def _message(sender: str, address: str, note: Note) -> EmailMessage:
    """Raises SinkError for a sender that is none, CannotError for what no mail can hold."""
    message = EmailMessage()
    if not _named(message, "From", sender):
        raise SinkError("`sender` in [reminders.smtp] is not an address")
    if _named(message, "To", address) != [address]:
        raise CannotError("no mail can name this address")
    try:
        message["Subject"] = note.subject
        message["Message-ID"] = f"<{note.identity}@branchloop>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(note.text)
    except ValueError as error:
        raise CannotError("no mail can hold this text") from error
    return message


def _named(message: EmailMessage, header: str, text: str) -> list[str]:
    """The addresses that a header names; none when it cannot be read."""
    try:
        message[header] = text
        return [each.addr_spec for each in message[header].addresses]
    except Exception:  # noqa: BLE001 - Python's reading of addresses raises whatever it stumbles over
        return []


def _login(server: smtplib.SMTP, user: str, password: str) -> None:
    try:
        server.login(user, password)
    except UnicodeError as error:
        raise SinkError(
            "the mail server's user or password has letters beyond ASCII, which no login can hold"
        ) from error


def _meaning(error: Exception, way: _Way) -> CannotError | SinkError:
    if isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= PERMANENT:
        return CannotError(f"the mail server refuses this mail ({error.smtp_code})")
    if way.handed_over:
        return UnsureError("the mail server had all of the mail and did not say whether it takes it")
    if isinstance(error, smtplib.SMTPResponseException):
        return SinkError(f"the mail server answered {error.smtp_code}")  # its words may name the address
    if isinstance(error, ValueError):  # as the name of a server that no network can have
        return SinkError(f"the mail server cannot be spoken to: {type(error).__name__}")
    return SinkError(f"the mail server did not take it: {error}"[:300])
