"""Reminders through a real mail server and a real gateway: once, in the customer's language, only when true."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from hubworld import World, world
from remindworld import PARTS, booked, look, posted, reminding, stages, states

from branchloop.clock import DAY_MS
from branchloop.processes import free_port
from hub.api.state import now_ms
from hub.config.events import Smtp
from hub.outgoing.mail import SmtpSink
from hub.outgoing.main import run as outgoing_run
from hub.outgoing.reminders import AT_ONCE, MOST_UNSURE, Reminding
from hub.outgoing.sinks import CannotError, LogSink, Note, UnsureError
from hub.store.book.places import day_slots
from hub.store.book.reminders import LEASE_MS
from hub.store.connection import opened
from hub.store.journeys import record


@dataclass
class Mailbox:
    """What the mail server took; it refuses while told so."""

    mails: list[Message] = field(default_factory=list)
    refuse: str | None = None
    refuse_address: str | None = None

    async def handle_RCPT(  # noqa: N802 - its name there
        self, _server: object, _session: object, envelope: Any, address: str, _options: object
    ) -> str:
        if self.refuse_address is not None:
            return self.refuse_address
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802 - its name there
        if self.refuse is not None:
            return self.refuse
        content: bytes = envelope.content  # type: ignore[attr-defined]
        self.mails.append(message_from_bytes(content, policy=default))
        return "250 taken"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@contextmanager
def mail_server(box: Mailbox, certificate: Path) -> Iterator[int]:
    port = free_port()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        server_hostname="localhost",
        tls_context=context,
        require_starttls=True,
    )
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS, book=True) as running:
        yield running


def smtp(port: int, certificate: Path) -> SmtpSink:
    return SmtpSink(
        Smtp(host="localhost", port=port, sender="bank@bank.example", ca_file="cert.pem"), certificate
    )


def test_a_mail_comes_once_in_the_customer_s_language(hub: World, certificate: Path) -> None:
    box = Mailbox()
    one = booked(hub, '{"email": "maria@example.com"}')
    other = booked(hub, '{"email": "wang@example.com"}', "zh", "王小明")
    silent = booked(hub, None, name="Silent Person")
    with mail_server(box, certificate) as port:
        assert look(hub, lambda: smtp(port, certificate), 3) == [2, 0, 0]
    english, chinese = sorted(box.mails, key=lambda mail: str(mail["To"]))
    assert english["To"] == "maria@example.com"
    text = english.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    assert "Loans" in text
    assert "Identity card" in text
    assert "M***" in text
    assert "Findable" not in text
    assert "您已预约" in chinese.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    assert stages(hub, one) == stages(hub, other) == ["booked", "reminded"]
    assert stages(hub, silent) == ["booked"]


@dataclass
class Slow(Mailbox):
    """It answers no mail before it has them all."""

    waits_for: int = 0
    all_here: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802 - its name there
        answer = await super().handle_DATA(_server, _session, envelope)
        if len(self.mails) == self.waits_for:
            self.all_here.set()
        await asyncio.wait_for(self.all_here.wait(), 20)
        return answer


def test_several_mails_are_on_their_way_at_once(hub: World, certificate: Path) -> None:
    """One for which the server takes long holds up no other; each goes once."""
    box = Slow(waits_for=AT_ONCE)
    ids = [booked(hub, f'{{"email": "n{n}@example.com"}}', name=f"Number {n}") for n in range(AT_ONCE)]
    with mail_server(box, certificate) as port:
        assert look(hub, lambda: smtp(port, certificate), 2) == [AT_ONCE, 0]
    assert sorted(str(mail["To"]) for mail in box.mails) == [f"n{n}@example.com" for n in range(AT_ONCE)]
    assert all(stages(hub, each) == ["booked", "reminded"] for each in ids)


def test_a_server_that_refuses_for_now_is_asked_again_and_a_refused_address_is_not(
    hub: World, certificate: Path
) -> None:
    box = Mailbox(refuse="451 later")
    one = booked(hub, '{"email": "maria@example.com"}')
    with mail_server(box, certificate) as port:
        assert look(hub, lambda: smtp(port, certificate)) == [0]
        assert [state for state, _ in states(hub)] == ["waiting"]
        box.refuse = None
        with opened(hub.config.data_dir) as db:
            db.execute("UPDATE reminder SET next_ms=0")
        assert look(hub, lambda: smtp(port, certificate)) == [1]
    assert stages(hub, one) == ["booked", "reminded"]


@pytest.mark.parametrize(
    ("answer", "state"), [("450 4.2.0 greylisted, later", "waiting"), ("550 5.1.1 unknown", "given_up")]
)
def test_an_address_that_is_refused_for_now_is_asked_again(
    hub: World, certificate: Path, answer: str, state: str
) -> None:
    """Greylisting refuses every first mail: only an answer from 500 on is for good."""
    booked(hub, '{"email": "maria@example.com"}')
    with mail_server(Mailbox(refuse_address=answer), certificate) as port:
        assert look(hub, lambda: smtp(port, certificate)) == [0]
    assert [kept for kept, _ in states(hub)] == [state]


def test_a_long_look_reminds_nobody_of_what_is_over(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was due when the look began, the night and the visit included, is asked once more before it is sent."""
    for number in range(3):
        booked(hub, f'{{"email": "a{number}@example.com"}}')
    clock = [now_ms()]
    monkeypatch.setattr("hub.outgoing.reminders.now_ms", lambda: clock[0])
    monkeypatch.setattr("hub.outgoing.reminders.AT_ONCE", 1)

    class Slow:
        tells = True
        sent = 0

        async def send(self, _note: Note) -> None:
            Slow.sent += 1
            clock[0] += 4 * 3_600_000

    asyncio.run(reminding(hub, Slow()).look())
    assert Slow.sent == 1


def test_nobody_is_reminded_by_a_clock_that_leapt(hub: World, certificate: Path) -> None:
    """Ingest does not believe it: a mail that went out too early cannot be taken back. Believed again, it goes out."""
    box = Mailbox()
    booked(hub, '{"email": "maria@example.com"}')
    with mail_server(box, certificate) as port:
        for off_ms, sent in ((DAY_MS, 0), (-DAY_MS, 0), (0, 1)):
            hub.store.heartbeat(
                "ingest-1", now_ms(), connected=True, committed_ms=None, believed_ms=now_ms() - off_ms
            )
            assert look(hub, lambda: smtp(port, certificate)) == [sent]


def test_who_has_just_taken_a_place_of_the_waitlist_is_not_reminded(hub: World) -> None:
    """The time was got when the place was confirmed, not when they joined the list."""
    one = booked(hub, '{"email": "maria@example.com"}')
    with opened(hub.config.data_dir) as db:
        record(db, one.happened("booked", now_ms(), start_ms=one.start_ms, waitlist=True))
    assert look(hub, LogSink) == [0]
    assert states(hub) == []


def test_one_that_was_cancelled_or_moved_is_not_reminded_of_the_old_time(
    hub: World, certificate: Path
) -> None:
    box = Mailbox()
    gone = booked(hub, '{"email": "gone@example.com"}')
    moved = booked(hub, '{"email": "moved@example.com"}')
    site = hub.config.sites["hall"]
    with opened(hub.config.data_dir) as db:
        hub.state.book.step(db, gone, "cancel", now_ms())
        later = [
            each
            for each in day_slots(
                db,
                site,
                "loan",
                datetime.fromtimestamp(moved.start_ms / 1000 + 4 * 86_400, site.zone_info).date(),
            )
            if each.free
        ]
        hub.state.book.move(db, site, moved, later[0].start_ms, now_ms())
    with mail_server(box, certificate) as port:
        assert look(hub, lambda: smtp(port, certificate)) == [0]
    assert not box.mails


def test_a_phone_is_reached_by_the_gateway_and_not_by_mail(hub: World, certificate: Path) -> None:
    one = booked(hub, '{"phone": "+8613800138000"}', "zh", "王小明")
    with mail_server(Mailbox(), certificate) as port:
        assert look(hub, lambda: smtp(port, certificate)) == [0]
    assert states(hub) == [("given_up", 'a phone number needs sink = "webhook"')]
    other = booked(hub, '{"phone": "+4930901820"}')
    assert gateway_phone(posted(hub)) == ["+4930901820"]
    assert stages(hub, one) == ["booked"]
    assert stages(hub, other) == ["booked", "reminded"]


def gateway_phone(got: list[dict[str, object]]) -> list[object]:
    return [each["phone"] for each in got]


def test_the_log_tells_nobody_and_counts_nobody_as_reminded(
    hub: World, capsys: pytest.CaptureFixture[str]
) -> None:
    one = booked(hub, '{"email": "maria@example.com"}')
    assert look(hub, LogSink, 2) == [0, 0]
    said = capsys.readouterr().err
    assert "nothing was sent" in said
    assert "maria@example" not in said
    assert stages(hub, one) == ["booked"]


def test_a_kill_between_marking_and_sending_reminds_again(hub: World, certificate: Path) -> None:
    one = booked(hub, '{"email": "maria@example.com"}')
    with opened(hub.config.data_dir) as db:
        db.execute(
            "INSERT INTO reminder (appointment, start_ms, hours, state, attempts, next_ms, at_ms) VALUES (?,?,24,'sending',1,0,1)",
            (one.id, one.start_ms),
        )
    box = Mailbox()
    with mail_server(box, certificate) as port:
        assert look(hub, lambda: smtp(port, certificate), 2) == [1, 0]
    assert len(box.mails) == 1


class Meanwhile:
    """A sink during whose sending a second process looks for what is due."""

    tells = True

    def __init__(self, hub: World) -> None:
        self.hub, self.told, self.looks = hub, list[str](), list[int]()

    async def send(self, note: Note) -> None:
        self.told.append(note.identity)
        if len(self.told) < 5:
            self.looks.append(await reminding(self.hub, self).look())


def test_what_one_process_is_sending_another_leaves_alone(hub: World) -> None:
    """Until that one must have ended: also the second that takes it over is not disturbed by a third."""
    one, sink = booked(hub, '{"email": "maria@example.com"}'), Meanwhile(hub)
    assert look(hub, lambda: sink) == [1]
    assert (len(sink.told), sink.looks) == (1, [0])
    assert stages(hub, one) == ["booked", "reminded"]
    with opened(hub.config.data_dir) as db:
        db.execute("UPDATE reminder SET state='sending', at_ms=at_ms-?", (LEASE_MS,))
    assert look(hub, lambda: sink) == [1]
    assert (len(sink.told), sink.looks) == (2, [0, 0])


def test_an_appointment_of_a_service_that_is_no_more_holds_up_no_other(hub: World, certificate: Path) -> None:
    """It is given up with the reason; who is due after it is reminded all the same."""
    gone = booked(hub, '{"email": "a@example.com"}', name="Ann First")
    booked(hub, '{"email": "b@example.com"}', name="Bo Second")
    with opened(hub.config.data_dir) as db:
        db.execute("UPDATE appointment SET service='closed-down', start_ms=start_ms-1 WHERE id=?", (gone.id,))
    box = Mailbox()
    with mail_server(box, certificate) as port:
        assert look(hub, lambda: smtp(port, certificate), 2) == [1, 0]
    assert [str(each["To"]) for each in box.mails] == ["b@example.com"]
    assert sorted(state for state, _ in states(hub)) == ["given_up", "sent"]


def test_a_fault_of_one_task_ends_the_process_and_is_not_silent(
    hub: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor begins it anew; without that nobody would ever be reminded again."""

    async def broken(_: Reminding) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Reminding, "run", broken)

    async def go() -> None:
        async with asyncio.timeout(20):
            await outgoing_run(hub.config, asyncio.Event())

    with pytest.raises(RuntimeError, match="a fault of ours"):
        asyncio.run(go())


def test_no_address_stays_where_a_server_names_it_and_nothing_of_it_after_an_erasure(
    hub: World, certificate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a mail server says is not kept; a forgotten customer has no reminders."""
    made = booked(hub, '{"email": "maria@example.com"}')
    with mail_server(Mailbox(refuse="451 <maria@example.com> is busy"), certificate) as port:
        assert look(hub, lambda: smtp(port, certificate)) == [0]
    assert states(hub) == [("waiting", "the mail server answered 451")]
    assert "maria" not in capsys.readouterr().err
    with opened(hub.config.data_dir) as db:
        assert hub.state.book.forget(db, made.customer, now_ms())
    assert states(hub) == []


class Failing:
    """A sink that fails as told."""

    tells = True

    def __init__(self, fault: Exception | None) -> None:
        self.fault, self.told = fault, list[str]()

    async def send(self, note: Note) -> None:
        self.told.append(note.email or "")
        if self.fault is not None:
            raise self.fault


def test_one_that_may_have_gone_is_not_sent_for_ever(hub: World) -> None:
    booked(hub, '{"email": "maria@example.com"}')
    sink = Failing(UnsureError("the connection was lost"))
    for _ in range(MOST_UNSURE + 2):
        assert look(hub, lambda: sink) == [0]
        with opened(hub.config.data_dir) as db:
            db.execute("UPDATE reminder SET next_ms=0")
    assert len(sink.told) == MOST_UNSURE
    assert states(hub) == [("given_up", "the connection was lost")]


def test_a_fault_at_one_reminder_holds_up_no_other_and_names_nobody(
    hub: World, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        booked(hub, f'{{"email": "a{number}@example.com"}}')
    sink = Failing(AttributeError("a0@example.com has no domain"))
    assert look(hub, lambda: sink) == [0]
    assert len(sink.told) == 2
    assert states(hub) == [("waiting", "internal fault")] * 2
    said = capsys.readouterr().err
    assert "internal fault (AttributeError)" in said
    assert "example.com" not in said


def test_a_fault_before_a_reminder_is_marked_is_a_try_as_well(
    hub: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction undoes the mark: the same fault would be logged every ten seconds until the visit."""
    booked(hub, '{"email": "maria@example.com"}')

    def broken(*_: object) -> None:
        raise LookupError("no such language")

    monkeypatch.setattr("hub.outgoing.reminders.worded", broken)
    for _ in range(3):
        assert look(hub, lambda: Failing(None)) == [0]
        with opened(hub.config.data_dir) as db:
            db.execute("UPDATE reminder SET next_ms=0")
    assert states(hub) == [("given_up", "internal fault")]


def test_who_is_given_up_is_told_in_the_log_without_a_name(
    hub: World, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = booked(hub, '{"email": "maria@example.com"}')
    look(hub, lambda: Failing(CannotError("the mail server refuses this address")))
    gone = booked(hub, '{"email": "bo@example.com"}')
    with opened(hub.config.data_dir) as db:
        db.execute("UPDATE appointment SET service='closed-down' WHERE id=?", (gone.id,))
    look(hub, lambda: Failing(None))
    said = capsys.readouterr().err
    for one in (refused, gone):
        assert f"reminder of {one.id} is given up: " in said
    assert "example.com" not in said
    assert "Findable" not in said


def test_a_clock_that_was_set_back_holds_up_no_reminder(hub: World) -> None:
    booked(hub, '{"email": "maria@example.com"}')
    assert look(hub, lambda: Failing(UnsureError("lost"))) == [0]
    for ahead_ms, sent in ((300_000, 0), (3_600_000, 1)):
        with opened(hub.config.data_dir) as db:
            db.execute("UPDATE reminder SET next_ms=?", (now_ms() + ahead_ms,))
        assert look(hub, lambda: Failing(None)) == [sent]
