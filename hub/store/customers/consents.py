"""Consents, the links by which customers reach them, who holds what, receipts and boxes' keys.

Everything works inside whatever transaction the connection is in.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import Any

from branchloop.wire.arrivals import BoxCertificate
from hub.loop.consent import Consent, Holder, HolderState, State

_CONSENT = (
    "id, customer, site, text_version, text_sha256, purpose, language, channel, given_ms, expires_ms, guardian, "
    "state, withdrawn_ms, moving_to"
)
_LINK = "consent, customer, site, appointment, masked_name, minor, created_ms, expires_ms, used_ms"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link's token opens."""

    consent: str
    customer: str
    site: str
    appointment: str
    masked_name: str
    minor: bool
    created_ms: int
    expires_ms: int
    used_ms: int | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed receipt as kept."""

    event: str
    at_ms: int
    body: str


class Consents:
    """The tables of consent, over a connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add_link(self, token: str, link: Link) -> None:
        """Keep a link by the digest of its token."""
        self._db.execute(
            f"INSERT INTO enrolment_link (sha256, {_LINK}) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                token_digest(token), link.consent, link.customer, link.site, link.appointment, link.masked_name,
                int(link.minor), link.created_ms, link.expires_ms, link.used_ms,
            ),
        )  # fmt: skip

    def link(self, token: str) -> Link | None:
        """What a token opens; found by digest, so that the time it takes tells nothing."""
        row = self._db.execute(
            f"SELECT {_LINK} FROM enrolment_link WHERE sha256=?", (token_digest(token),)
        ).fetchone()
        if row is None:
            return None
        fields = list(row)
        fields[5] = bool(fields[5])
        return Link(*fields)

    def use_link(self, consent: str, now_ms: int) -> None:
        """A consent was given by it: it does not open another one."""
        self._db.execute(
            "UPDATE enrolment_link SET used_ms=? WHERE consent=? AND used_ms IS NULL", (now_ms, consent)
        )

    def put(self, consent: Consent, guardian_name: bytes | None = None) -> None:
        """Keep a new consent; the same id again changes nothing."""
        self._db.execute(
            f"INSERT OR IGNORE INTO consent ({_CONSENT}, guardian_name) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                consent.id, consent.customer, consent.site, consent.text_version, consent.text_sha256,
                consent.purpose, consent.language, consent.channel, consent.given_ms, consent.expires_ms,
                int(consent.guardian), consent.state, consent.withdrawn_ms, consent.moving_to, guardian_name,
            ),
        )  # fmt: skip
        self.touch(consent.site)

    def find(self, consent: str) -> Consent | None:
        """A consent by id."""
        rows = self._consents("id=?", (consent,))
        return rows[0] if rows else None

    def of_customer(self, customer: str) -> list[Consent]:
        """All consents of a customer, oldest first."""
        return self._consents("customer=?", (customer,))

    def at_site(self, site: str) -> list[Consent]:
        """All consents of a branch, newest last."""
        return self._consents("site=?", (site,))

    def holding(self, site: str, now_ms: int) -> list[Consent]:
        """Consents that hold at a branch now."""
        where = "site=? AND state='given' AND withdrawn_ms IS NULL AND expires_ms>?"
        return self._consents(where, (site, now_ms))

    def ended(self, now_ms: int) -> list[Consent]:
        """Given consents past their retention."""
        return self._consents("state='given' AND expires_ms<=?", (now_ms,))

    def set_state(self, consent: Consent, state: State, withdrawn_ms: int | None) -> None:
        """Move a consent on; what ends drops its guardian's name."""
        self._db.execute(
            "UPDATE consent SET state=?, withdrawn_ms=?, guardian_name=CASE WHEN ?='given' THEN guardian_name END "
            "WHERE id=?",
            (state, withdrawn_ms, state, consent.id),
        )
        self.touch(consent.site)

    def set_site(self, consent: Consent, site: str, moving_to: str | None) -> None:
        """Where a consent holds, and whereto it is on its way."""
        self._db.execute("UPDATE consent SET site=?, moving_to=? WHERE id=?", (site, moving_to, consent.id))
        self.touch(consent.site)
        self.touch(site)

    def holders(self, consent: str) -> list[Holder]:
        """Boxes that hold, held or may hold something by a consent."""
        rows = self._db.execute(
            "SELECT site, device, state, reason, at_ms FROM consent_holder WHERE consent=? ORDER BY site, device",
            (consent,),
        ).fetchall()
        return [Holder(*row) for row in rows]

    def set_holder(
        self, consent: str, site: str, device: str, state: HolderState, now_ms: int, reason: str = ""
    ) -> None:
        """What one box holds."""
        self._db.execute(
            "INSERT INTO consent_holder (consent, site, device, state, reason, at_ms) VALUES (?,?,?,?,?,?) "
            "ON CONFLICT DO UPDATE SET state=excluded.state, reason=excluded.reason, at_ms=excluded.at_ms",
            (consent, site, device, state, reason, now_ms),
        )
        self.touch(site)

    def enrolled(self, site: str, device: str, now_ms: int) -> dict[str, str]:
        """Customer -> consent that holds now and of which this box has a template."""
        rows = self._db.execute(
            "SELECT c.customer, c.id FROM consent c JOIN consent_holder h ON h.consent=c.id "
            "WHERE h.site=? AND h.device=? AND h.state='enrolled' AND c.site=h.site AND c.state='given' "
            "AND c.withdrawn_ms IS NULL AND c.expires_ms>? ORDER BY c.given_ms",
            (site, device, now_ms),
        ).fetchall()
        return dict(rows)

    def add_receipt(self, consent: str, event: str, at_ms: int, body: str) -> None:
        """Keep a signed receipt."""
        self._db.execute(
            "INSERT INTO consent_receipt (consent, event, at_ms, body) VALUES (?,?,?,?)",
            (consent, event, at_ms, body),
        )

    def receipts(self, consent: str) -> list[Receipt]:
        """Receipts of a consent, oldest first."""
        rows = self._db.execute(
            "SELECT event, at_ms, body FROM consent_receipt WHERE consent=? ORDER BY id", (consent,)
        ).fetchall()
        return [Receipt(*row) for row in rows]

    def key(self, site: str, device: str, now_ms: int) -> BoxCertificate | None:
        """The certificate by which a kiosk's key counts now."""
        row = self._db.execute(
            "SELECT certificate FROM kiosk_key WHERE site=? AND device=? AND revoked_ms IS NULL AND not_after_ms>?",
            (site, device, now_ms),
        ).fetchone()
        return BoxCertificate.model_validate_json(row[0]) if row else None

    def note_key(self, certificate: BoxCertificate, fingerprint: str, now_ms: int) -> bool:
        """Keep a verified certificate; another key of the kiosk is revoked. False for one revoked before."""
        place = (certificate.site, certificate.device)
        known = self._db.execute(
            "SELECT certificate, revoked_ms FROM kiosk_key WHERE site=? AND device=? AND fingerprint=?",
            (*place, fingerprint),
        ).fetchone()
        if known is not None and known[1] is not None:
            return False
        text = certificate.to_json()
        if known is not None and known[0] == text:
            return True
        self._db.execute(
            "UPDATE kiosk_key SET revoked_ms=? WHERE site=? AND device=? AND fingerprint<>? AND revoked_ms IS NULL",
            (now_ms, *place, fingerprint),
        )
        self._db.execute(
            "INSERT INTO kiosk_key (site, device, fingerprint, certificate, not_after_ms, first_ms) "
            "VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET certificate=excluded.certificate, "
            "not_after_ms=excluded.not_after_ms",
            (*place, fingerprint, text, certificate.not_after_ms, now_ms),
        )
        self.touch(certificate.site)
        return True

    def forget_links(self, customer: str) -> int:
        """Close the customer's unused links; the used ones go on showing what became of the consent."""
        return self._db.execute(
            "DELETE FROM enrolment_link WHERE customer=? AND used_ms IS NULL", (customer,)
        ).rowcount

    def touch(self, site: str) -> None:
        """Something changed that the kiosks of a site must hear of."""
        self._db.execute(
            "INSERT INTO site_change (site, version) VALUES (?, 1) ON CONFLICT DO UPDATE SET version=version+1",
            (site,),
        )

    def versions(self) -> dict[str, int]:
        """How often each site changed."""
        return dict(self._db.execute("SELECT site, version FROM site_change").fetchall())

    def _consents(self, where: str, values: tuple[object, ...]) -> list[Consent]:
        rows = self._db.execute(
            f"SELECT {_CONSENT} FROM consent WHERE {where} ORDER BY given_ms, id", values
        ).fetchall()
        return [_consent(row) for row in rows]


def token_digest(token: str) -> str:
    """By which a link is found: SHA-256 in hex."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _consent(row: tuple[Any, ...]) -> Consent:
    fields = list(row)
    fields[10] = bool(fields[10])
    return Consent(*fields)
