"""Commands out and replies in: what is queued in the store is published until its box has answered.

A command is a row that was committed with what asked for it, so a killed worker loses none; a reply is
applied in ingest's own transaction, once, whatever comes again. Boxes' certificates are judged here too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.agreement.consent import PURPOSE, consent_text
from branchloop.errors import InputError
from branchloop.keys.box import verify_box_key
from branchloop.keys.sealing import decode, fingerprint
from branchloop.wire import topics
from branchloop.wire.arrivals import Attempt, BoxCertificate, ConsentGiven
from branchloop.wire.commands import Command, Reply
from hub.config.hub import HubConfig
from hub.loop.consent import Consent, end_of_retention_ms
from hub.store.book.entries import Book
from hub.store.branches.pictures import WHATS, Pictures
from hub.store.commands import Asked, Commands
from hub.store.connection import as_errors
from hub.store.customers.consenting import Consenting
from hub.store.customers.consents import Consents
from hub.store.customers.holders import Appointments
from hub.store.customers.receiptkey import receipt_key
from hub.store.interface import Alarm, FeedEvent, Store, Transaction

Publish = Callable[[str, str], bool]
"""Topic and payload; False when there is no connection now."""
Unwrap = Callable[[str, bytes], str | None]
"""Customer and wrapped photo; None when the customer's key is gone."""
EXPIRE_EVERY_MS = 10_000


@dataclass(frozen=True, slots=True)
class Trust:
    """By what ingest judges certificates and signs receipts."""

    root: bytes | None
    receipt_key: ec.EllipticCurvePrivateKey
    consent_days: int
    appointments: Appointments | None = None
    book: Book | None = None

    @classmethod
    def of(
        cls, config: HubConfig, appointments: Appointments | None = None, book: Book | None = None
    ) -> Trust:
        """As configured. Raises ConfigError or DependencyError when the receipt key cannot be used."""
        root = config.people.root_public
        return cls(
            None if root is None else decode(root),
            receipt_key(config.data_dir),
            config.people.consent_days,
            appointments,
            book,
        )


def take_certificate(
    db: sqlite3.Connection, trust: Trust, site: str, device: str, certificate: BoxCertificate, now_ms: int
) -> str | None:
    """Keep a kiosk's certificate; a sentence for an alarm when it is refused."""
    if trust.root is None:
        return "sends a certificate, but hub.toml names no people.root_public to check it by"
    if (certificate.site, certificate.device) != (site, device):
        return f"sends the certificate of {certificate.site}/{certificate.device}"
    try:
        raw = verify_box_key(trust.root, certificate, now_ms)
    except InputError as error:
        return f"sends a certificate that is refused: {error}"
    if not Consents(db).note_key(certificate, fingerprint(raw), now_ms):
        return "sends a key that another one has replaced; is an old disk running?"
    return None


def take_reply(
    db: sqlite3.Connection, trust: Trust, site: str, device: str, reply: Reply, now_ms: int
) -> str | None:
    """Apply a box's answer; a sentence for an alarm when it answers nothing that was asked."""
    asked = Commands(db).find(reply.id)
    if asked is not None and asked.what in WHATS and (asked.site, asked.device) == (site, device):
        fault = Pictures(db).answered(asked, reply, now_ms)
        return None if fault is None else f"does not do what was asked ({reply.id}): {fault}"
    verdict = Consenting(db, trust.receipt_key).apply_reply(site, device, reply, now_ms)
    match verdict:
        case "unknown":
            return f"answers a command that is not known here ({reply.id})"
        case "foreign":
            return f"answers a command of another box ({reply.id})"
        case "wrong":
            return f"does not do what was asked ({reply.id}: {reply.code})"
        case _:
            return None


def take_consent(
    db: sqlite3.Connection, trust: Trust, site: str, device: str, given: ConsentGiven, now_ms: int
) -> str | None:
    """Keep a consent that was given at a kiosk; a sentence when it cannot be."""
    booked = trust.appointments.booked(db, site, given.appointment) if trust.appointments else None
    if booked is None:
        return f"appointment {given.appointment!r} is not known here."
    if booked.minor and not given.guardian:
        return "the customer is under 14, and no guardian consented."
    try:
        text = consent_text(given.language, trust.consent_days, given.text_version)
    except InputError as error:
        return str(error)
    given_ms = min(given.at_ms, now_ms)
    end_ms = min(given.expires_ms, end_of_retention_ms(given_ms, trust.consent_days))
    consent = Consent(
        given.consent, booked.customer, site, text.version, text.sha256, PURPOSE, given.language, "kiosk",
        given_ms, end_ms, given.guardian,
    )  # fmt: skip
    known = Consents(db).find(given.consent)
    if known is not None and (known.customer, known.site) != (consent.customer, site):
        return f"consent {given.consent!r} is another customer's."
    Consenting(db, trust.receipt_key).kiosk_gave(consent, device, now_ms)
    return None


def take_expired(
    db: sqlite3.Connection, trust: Trust, site: str, device: str, told: Attempt, now_ms: int
) -> str | None:
    """Hear of a template that a kiosk deleted as past its time; a sentence for an alarm when it was not."""
    if told.outcome != "expired" or told.consent is None:
        return None
    if not Consenting(db, trust.receipt_key).deleted_early(told.consent, site, device, now_ms):
        return None
    return "deleted a template whose consent still holds: its customer must enrol anew; set its clock"


class Outgoing:
    """Publishes what is due. For use by ingest's one thread."""

    def __init__(
        self,
        store: Store,
        db: sqlite3.Connection,
        trust: Trust,
        publish: Publish,
        unwrap: Unwrap | None = None,
        sure_ms: Callable[[], int] | None = None,
    ) -> None:
        """`db` reads what `store` writes. Without `unwrap` (a hub without keyring) photos wait.

        `sure_ms` tells a time that has certainly come: nothing is ended by another.
        """
        self._sure_ms = sure_ms
        self._store = store
        self._db = db
        self._trust = trust
        self._publish = publish
        self._unwrap = unwrap
        self._looked_ms = 0

    def tick(self, now_ms: int) -> None:
        """Publish open commands whose time has come; end what is past its time. Raises DependencyError."""
        if not 0 <= now_ms - self._looked_ms < EXPIRE_EVERY_MS:
            self._looked_ms = now_ms
            self._end_what_is_over(now_ms if self._sure_ms is None else self._sure_ms())
        with as_errors():
            due = Commands(self._db).due(now_ms)
        if not due:
            return
        sent = [asked for asked in due if asked.expires_ms > now_ms and self._send(asked)]
        if sent:
            with self._store.transaction() as transaction:
                commands = Commands(transaction.db)
                for asked in sent:
                    commands.sent(asked, now_ms)

    def _end_what_is_over(self, now_ms: int) -> None:
        with as_errors():
            if not Commands(self._db).expired(now_ms) and not Consents(self._db).ended(now_ms):
                return
        with self._store.transaction() as transaction:
            consenting = Consenting(transaction.db, self._trust.receipt_key)
            for asked in consenting.commands.expired(now_ms):
                alarm = Alarm(
                    asked.site, asked.device, "reply", asked.what, now_ms,
                    f"did not answer `{asked.what}` in time; is it switched on?",
                )  # fmt: skip
                raise_alarm(transaction, alarm)
                if asked.what in WHATS:
                    Pictures(transaction.db).expire(asked, now_ms)
            consenting.expire(now_ms)
            consenting.end_of_retention(now_ms)

    def _send(self, asked: Asked) -> bool:
        body = dict(asked.body)
        if asked.photo is not None:
            if self._unwrap is None:
                return False
            sealed = self._unwrap(asked.customer, asked.photo)
            if sealed is None:  # forgotten meanwhile: nothing can be sent any more
                with self._store.transaction() as transaction:
                    Commands(transaction.db).settle(asked.id, "cancelled", "forgotten", asked.at_ms)
                return False
            body["photo"] = json.loads(sealed)
        command = Command(
            id=asked.id, what=asked.what, at_ms=asked.at_ms, expires_ms=asked.expires_ms, body=body
        )
        return self._publish(topics.build(asked.site, asked.device, "command"), command.to_json())


def raise_alarm(transaction: Transaction, alarm: Alarm) -> None:
    """Record an alarm, and tell who watches the branch when it is new."""
    if transaction.raise_alarm(alarm):
        body = {"what": alarm.what, "detail": alarm.detail, "device": alarm.device}
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        transaction.feed([FeedEvent(alarm.site, alarm.device, "alarm", alarm.at_ms, text)])
