"""Links: by a customer's consent, a partner's user and a pseudonym here are one person.

The partner's reference is never kept, only its HMAC. Giving and taking back is written with the signed
receipt and the ledger in the connection's one transaction; nothing of a link is left once it was taken back.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, get_args

from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.agreement.link import link_text
from branchloop.errors import ConflictError, InputError
from branchloop.text.catalogue import LANGUAGES, Language
from hub.config.partners import Partner
from hub.config.scenes import Purpose
from hub.loop.consent import DAY_MS, Consent
from hub.loop.embedding import Mac
from hub.loop.journey import Channel, Happened
from hub.loop.pairwise import pairwise
from hub.loop.receipt import Event, receipt
from hub.store.customers.consents import Consents
from hub.store.customers.forgotten import folder_of, note
from hub.store.customers.keyring import Keyring
from hub.store.journeys import record

MOST_SUBJECT = 120
_SUBJECT = "partner's subject\n"
_COLUMNS = "partner, subject, customer, consent, purposes, text_version, text_sha256, language, site, journey, given_ms, expires_ms"  # fmt: skip


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a customer agreed to: the text as it was shown, and the purposes ticked."""

    version: str
    language: str
    sha256: str
    purposes: frozenset[Purpose] = frozenset()


@dataclass(frozen=True, slots=True)
class Visit:
    """The errand in which a link is given, for the ledger."""

    site: str
    journey: str
    service: str | None = None
    channel: Channel | None = "card"
    scene: str | None = None
    appointment: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One link as kept."""

    partner: str
    subject: str
    customer: str
    consent: str
    purposes: frozenset[Purpose]
    text_version: str
    text_sha256: str
    language: Language
    site: str
    journey: str
    given_ms: int
    expires_ms: int


def subject_digest(mac: Mac, partner: str, subject: str) -> str:
    """By which a partner's reference is found again without being kept. Raises InputError for what is none."""
    if not subject.strip() or len(subject) > MOST_SUBJECT:
        raise InputError(
            "the subject is no reference of a user.", hint=f"Give 1 to {MOST_SUBJECT} characters."
        )
    return mac(_SUBJECT + json.dumps([partner, subject]))


def customer_of(db: sqlite3.Connection, partner: str, subject: str, now_ms: int) -> str | None:
    """The pseudonym linked with a partner's user now; `subject` as `subject_digest` made it."""
    found = find(db, partner, subject, now_ms)
    return None if found is None else found.customer


def find(db: sqlite3.Connection, partner: str, subject: str, now_ms: int) -> Link | None:
    """The link of a partner's user that holds now."""
    return _one(db, "partner=? AND subject=? AND expires_ms>?", (partner, subject, now_ms))


def every(db: sqlite3.Connection) -> list[Link]:
    """All links that are kept."""
    return _links(db, "1", ())


def of_customer(db: sqlite3.Connection, customer: str, now_ms: int) -> list[Link]:
    """The links of a customer that hold now."""
    return _links(db, "customer=? AND expires_ms>?", (customer, now_ms))


def knows(db: sqlite3.Connection, partner: str, customer: str, now_ms: int) -> bool:
    """Whether a link that holds now makes a customer known to a partner."""
    return any(each.partner == partner for each in of_customer(db, customer, now_ms))


def link(
    db: sqlite3.Connection,
    keyring: Keyring,
    key: ec.EllipticCurvePrivateKey,
    partner: Partner,
    subject: str,
    customer: str,
    agreed: Agreed,
    visit: Visit,
    now_ms: int,
) -> tuple[Link, str]:
    """Link a partner's user (digest) with a customer; the link and its signed receipt. Again changes nothing.

    Other purposes than before are another consent: the one before is taken back, with its tags. Raises
    InputError when the text was not the one shown, ConflictError when either is linked with somebody else.
    """
    _check(agreed, partner)
    end_expired(db, keyring, key, now_ms)  # one whose time is over must not stand in the way
    before = _one(db, "partner=? AND subject=?", (partner.id, subject))
    if before is not None and before.customer != customer:
        raise ConflictError(
            f"who is signed in at {partner.name.en} is linked with another visitor here.",
            hint="Unlink first; then link again.",
        )
    if before is not None and (before.purposes, before.text_sha256) == (agreed.purposes, agreed.sha256):
        return before, _kept(db, before, "given")
    other = _one(db, "partner=? AND customer=?", (partner.id, customer))
    if other is not None and other.subject != subject:
        raise ConflictError(
            f"this visitor is linked with another user of {partner.name.en}.",
            hint="Unlink first; then link again.",
        )
    if before is not None:
        _end(db, key, before, "withdrawn", now_ms)
    made = Link(
        partner.id, subject, customer, secrets.token_hex(16), agreed.purposes, agreed.version, agreed.sha256,
        "zh" if agreed.language == "zh" else "en", visit.site, visit.journey, now_ms,
        now_ms + partner.link_days * DAY_MS,
    )  # fmt: skip
    db.execute(
        f"INSERT INTO partner_link ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            made.partner, made.subject, made.customer, made.consent, json.dumps(sorted(made.purposes)),
            made.text_version, made.text_sha256, made.language, made.site, made.journey, made.given_ms,
            made.expires_ms,
        ),
    )  # fmt: skip
    signed = _sign(db, key, made, "given", now_ms)
    record(
        db,
        Happened(
            "linked", now_ms, visit.site, visit.journey, visit.service, visit.channel, visit.scene, partner.id,
            customer, visit.appointment,
            {
                "pairwise": pairwise(keyring.mac, customer, partner.id),
                "purposes": ",".join(sorted(made.purposes)),
            },
        ),
    )  # fmt: skip
    return made, signed


def unlink(
    db: sqlite3.Connection, keyring: Keyring, key: ec.EllipticCurvePrivateKey, found: Link, now_ms: int
) -> str | None:
    """Delete a link and the tags kept by its consent; the signed receipt. None when it was gone already."""
    if _one(db, "partner=? AND subject=?", (found.partner, found.subject)) != found:
        return None
    signed = _end(db, key, found, "withdrawn", now_ms)
    record(db, _unlinked(keyring, found, now_ms))
    return signed


def forget_links(
    db: sqlite3.Connection, keyring: Keyring, customer: str, now_ms: int, until_ms: int | None = None
) -> bool:
    """Delete every link and tag of a customer who is forgotten, or those given until a moment; whether there was any.

    The ledger keeps the partner's own name for them, so that the partner can be told to forget as well.
    """
    given = "customer=? AND given_ms<=coalesce(?, given_ms)"
    links = _links(db, given, (customer, until_ms))
    db.execute("PRAGMA secure_delete=ON")
    tags = db.execute(f"DELETE FROM tag WHERE {given}", (customer, until_ms)).rowcount
    for each in links:
        db.execute("DELETE FROM tag WHERE consent=?", (each.consent,))
        db.execute("DELETE FROM partner_link WHERE consent=?", (each.consent,))
        record(db, _unlinked(keyring, each, now_ms))
    return bool(links) or tags > 0


def end_expired(
    db: sqlite3.Connection, keyring: Keyring, key: ec.EllipticCurvePrivateKey, now_ms: int
) -> list[str]:
    """Delete links and tags whose time is over; whose they were. They counted for nothing since."""
    over = _links(db, "expires_ms<=?", (now_ms,))
    for each in over:
        _end(db, key, each, "expired", now_ms)
        record(db, _unlinked(keyring, each, now_ms))
    rows = db.execute("DELETE FROM tag WHERE expires_ms<=? RETURNING customer", (now_ms,)).fetchall()
    return list(dict.fromkeys([*(each.customer for each in over), *(customer for (customer,) in rows)]))


def may_tag(found: Link | None, purpose: Purpose, now_ms: int) -> bool:
    """Whether a link's consent covers a purpose now."""
    return found is not None and purpose in found.purposes and found.expires_ms > now_ms


def _check(agreed: Agreed, partner: Partner) -> None:
    language = next((each for each in LANGUAGES if each == agreed.language), None)
    if language is None:
        raise InputError(f"{agreed.language[:10]!r} is no language of the text.", hint="Use zh or en.")
    unknown: Collection[str] = agreed.purposes - set(get_args(Purpose))
    if unknown:
        raise InputError(
            f"{min(unknown)[:40]!r} is no purpose.", hint=f"Use some of {', '.join(get_args(Purpose))}."
        )
    if link_text(language, partner.name, partner.link_days, agreed.version).sha256 != agreed.sha256:
        raise InputError(
            "the text was changed since it was shown.", hint="Load the page again and read it anew."
        )


def _end(db: sqlite3.Connection, key: ec.EllipticCurvePrivateKey, found: Link, event: Event, now_ms: int) -> str:  # fmt: skip
    if event == "withdrawn":
        note(folder_of(db), "link", [found.consent], now_ms)
    db.execute("PRAGMA secure_delete=ON")
    db.execute("DELETE FROM tag WHERE consent=?", (found.consent,))
    db.execute("DELETE FROM partner_link WHERE consent=?", (found.consent,))
    return _sign(db, key, found, event, now_ms)


def _unlinked(keyring: Keyring, found: Link, now_ms: int) -> Happened:
    name = pairwise(keyring.mac, found.customer, found.partner)
    return Happened(
        "unlinked", now_ms, found.site, found.journey, partner=found.partner, detail={"pairwise": name}
    )


def _sign(db: sqlite3.Connection, key: ec.EllipticCurvePrivateKey, found: Link, event: Event, now_ms: int) -> str:  # fmt: skip
    """The receipt, as of every consent; its purpose names the partner and what tags may be used for."""
    consent = Consent(
        found.consent, found.customer, found.site, found.text_version, found.text_sha256, _purpose(found),
        found.language, "online", found.given_ms, found.expires_ms, guardian=False,
    )  # fmt: skip
    signed = receipt(key, event, consent, now_ms)
    Consents(db).add_receipt(found.consent, event, now_ms, signed)
    return signed


def _purpose(found: Link) -> str:
    return "/".join(["link", found.partner, *sorted(found.purposes)])


def _kept(db: sqlite3.Connection, found: Link, event: Event) -> str:
    return next(each.body for each in Consents(db).receipts(found.consent) if each.event == event)


def _one(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> Link | None:
    found = _links(db, where, values)
    return found[0] if found else None


def _links(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Link]:
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM partner_link WHERE {where} ORDER BY given_ms", values
    ).fetchall()
    return [_link(row) for row in rows]


def _link(row: tuple[Any, ...]) -> Link:
    fields = list(row)
    fields[4] = frozenset(json.loads(fields[4]))
    return Link(*fields)
