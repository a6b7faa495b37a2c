"""Mail servers that are slow, drip, hang up or refuse: what each means for a reminder, and how long it may take."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from brokers import until

from hub.config.events import Smtp
from hub.outgoing.mail import Patience, SmtpSink
from hub.outgoing.sinks import CannotError, Note, SinkError, UnsureError

NOTE = Note("a-1-24", "maria@example.com", None, "Your appointment", "Tomorrow.\n.\nAt ten.\n")
BRIEF = Patience(step_s=0.6, dialogue_s=2.0, answer_s=3.0)


class Moody:
    """A mail server that answers to a mail as told."""

    def __init__(self, answer: Callable[[Any], Awaitable[str]], parting: str = "221 bye") -> None:
        self.answer, self.parting = answer, parting
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, _session: object, envelope: Any) -> str:  # noqa: N802 - its name there
        self.mails.append(envelope.content)
        return await self.answer(server)

    async def handle_QUIT(self, *_: object) -> str:  # noqa: N802 - its name there
        return self.parting


async def taken(_server: object) -> str:
    return "250 taken"


async def taken_late(_server: object) -> str:
    await asyncio.sleep(2 * BRIEF.step_s)
    return "250 taken"


async def spam(_server: object) -> str:
    return "554 5.7.1 this is spam"


async def busy(_server: object) -> str:
    return "451 4.3.0 later"


async def gone(server: Any) -> str:
    server.transport.abort()
    return "250 taken"


async def silent(_server: object) -> str:
    await asyncio.sleep(60)
    return "250 taken"


@asynccontextmanager
async def mail_server(box: Moody) -> AsyncIterator[int]:
    def speaking() -> SMTP:
        return SMTP(
            box, hostname="localhost", auth_require_tls=False,
            authenticator=lambda *_: AuthResult(success=True),
        )  # fmt: skip

    server = await asyncio.get_running_loop().create_server(speaking, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def sink(port: int, **more: Any) -> SmtpSink:
    smtp = Smtp(host="127.0.0.1", port=port, sender="Bank <bank@bank.example>", starttls=False, **more)
    return SmtpSink(smtp, Path(), BRIEF)


async def sent(box: Moody, note: Note = NOTE, **more: Any) -> None:
    async with asyncio.timeout(20), mail_server(box) as port:
        await sink(port, **more).send(note)


@pytest.mark.parametrize(("answer", "parting"), [(taken_late, "221 bye"), (taken, "421 too many mails")])
def test_a_mail_that_was_taken_late_or_without_a_good_bye_was_taken(
    answer: Callable[[Any], Awaitable[str]], parting: str
) -> None:
    box = Moody(answer, parting)
    asyncio.run(sent(box))
    (mail,) = box.mails
    assert b"\r\n.\r\nAt ten." in mail


@pytest.mark.parametrize(
    ("answer", "means", "says"),
    [
        (spam, CannotError, r"refuses this mail \(554\)"),
        (busy, SinkError, "answered 451"),
        (gone, UnsureError, "did not say"),
        (silent, UnsureError, "did not say"),
    ],
)
def test_what_is_answered_to_a_mail_decides(
    answer: Callable[[Any], Awaitable[str]], means: type[Exception], says: str
) -> None:
    with pytest.raises(means, match=says) as found:
        asyncio.run(sent(Moody(answer)))
    assert type(found.value) is means


def test_a_password_that_no_login_can_hold_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_USER", "bank")
    monkeypatch.setenv("MAIL_PASSWORD", "pässwört")
    box = Moody(taken)
    with pytest.raises(SinkError, match="letters beyond ASCII"):
        asyncio.run(sent(box, user_env="MAIL_USER", password_env="MAIL_PASSWORD"))
    assert not box.mails


@pytest.mark.parametrize("address", ["a@[b.c", "a]@b.c", "a(@b.cn", "[a@b.c", "=?utf-8?q?x?=@b.c"])
def test_what_no_mail_can_name_is_sent_to_nobody(address: str) -> None:
    """Such addresses were taken at booking once."""
    box = Moody(taken)
    with pytest.raises(CannotError, match="no mail can name"):
        asyncio.run(sent(box, Note("a-1-24", address, None, "s", "t")))
    assert not box.mails


class Dripping:
    """A server whose greeting never ends."""

    def __init__(self) -> None:
        self.began, self.left = asyncio.Event(), asyncio.Event()

    async def speak(self, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220-")
        self.began.set()
        try:
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            self.left.set()
        finally:
            writer.close()


def test_one_that_drips_is_left_after_the_time_for_a_mail() -> None:
    async def go() -> None:
        drips = Dripping()
        async with asyncio.timeout(20), await asyncio.start_server(drips.speak, "127.0.0.1", 0) as server:
            with pytest.raises(SinkError, match="not done within 2 s"):
                await sink(server.sockets[0].getsockname()[1]).send(NOTE)
            await drips.left.wait()

    asyncio.run(go())
    until(lambda: "unwaited" not in {each.name for each in threading.enumerate()}, "its thread has ended")


def test_one_that_drips_does_not_hold_up_the_end() -> None:
    async def go() -> None:
        drips = Dripping()
        server = await asyncio.start_server(drips.speak, "127.0.0.1", 0)
        smtp = Smtp(
            host="127.0.0.1", port=server.sockets[0].getsockname()[1], sender="b@c.de", starttls=False
        )
        sending = asyncio.create_task(SmtpSink(smtp, Path()).send(NOTE))
        async with asyncio.timeout(20):
            await drips.began.wait()
            sending.cancel()
            await asyncio.wait([sending])
            await drips.left.wait()
        server.close()

    began_s = time.monotonic()
    asyncio.run(go())
    assert time.monotonic() - began_s < 5
