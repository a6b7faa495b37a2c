"""Requests for services done online: what was asked, what the bank's core said, and the document made of it.

Works inside whatever transaction the connection is in. Nothing here knows a balance: facts come with `fulfil`.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from branchloop.clock import DAY_MS
from branchloop.codes import ALPHABET
from branchloop.errors import ConflictError, InputError
from branchloop.site.kiosk import Online
from branchloop.site.site import Site
from branchloop.text.catalogue import Language
from hub.loop.appointments import clean_name, masked, service_of
from hub.loop.journey import Channel, Happened, new_journey
from hub.loop.requests import ISSUED, MOST_OPEN, OPEN, State, Step, TooManyRequestsError, after, done_already
from hub.store.book.passes import forget_passes
from hub.store.customers.keyring import Keyring
from hub.store.journeys import record

TOLD, FACTS, DOCUMENT = "request", "request's facts", "document"
CODE_LENGTH = 16
_COLUMNS = (
    "id, site, service, kind, customer, masked_name, journey, channel, scene, partner, language, state, reason, code, "
    "made_ms, ended_ms, expires_ms"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for; `told` is JSON with name, phone, identity and what the kind needs."""

    service: str
    name: str
    phone: str
    told: str
    language: Language
    channel: Channel
    customer: str | None = None
    scene: str | None = None
    partner: str | None = None
    journey: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as kept; nothing personal but the masked name."""

    id: str
    site: str
    service: str
    kind: Online
    customer: str
    masked_name: str
    journey: str
    channel: Channel
    scene: str | None
    partner: str | None
    language: Language
    state: State
    reason: str | None
    """JSON of a Text."""
    code: str | None
    made_ms: int
    ended_ms: int | None
    expires_ms: int | None

    def now(self, now_ms: int) -> State:
        """The state at a moment: a document's time ends by the clock, not by a sweep."""
        over = self.state == "ready" and self.expires_ms is not None and self.expires_ms <= now_ms
        return "expired" if over else self.state

    def fetchable(self, now_ms: int) -> bool:
        """Whether its document can be fetched."""
        return self.state in ISSUED and self.expires_ms is not None and now_ms < self.expires_ms


def ask(db: sqlite3.Connection, keyring: Keyring, site: Site, asked: Asked, now_ms: int) -> Request:
    """Take a request. Raises InputError for a service that needs a visit, TooManyRequestsError."""
    service = service_of(site, asked.service)
    if service.online is None:
        raise InputError(f"{service.id} is not done online.", hint="Book a visit.")
    name = clean_name(asked.name)
    customer = asked.customer or f"c-{secrets.token_hex(8)}"
    phone_mac = keyring.mac(f"phone\n{asked.phone}")
    (waiting,) = db.execute(
        f"SELECT count(*) FROM request WHERE (customer=? OR phone_mac=?) AND state IN {_in(OPEN)}",
        (customer, phone_mac),
    ).fetchone()
    if waiting >= MOST_OPEN:
        raise TooManyRequestsError(
            f"{waiting} requests are open already.",
            hint="Wait for the bank, withdraw one of them, or ask in the branch.",
        )
    identity = f"r-{secrets.token_hex(8)}"
    db.execute(
        "INSERT INTO request (id, site, service, kind, customer, masked_name, phone_mac, journey, channel, scene, "
        "partner, language, state, told, made_ms) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,'asked',?,?)",
        (
            identity, site.id, service.id, service.online, customer, masked(name), phone_mac,
            asked.journey or new_journey(), asked.channel, asked.scene, asked.partner, asked.language,
            keyring.wrap(customer, asked.told.encode(), TOLD), now_ms,
        ),
    )  # fmt: skip
    made = get(db, site.id, identity)
    record(db, _happened(made, "document", now_ms, "asked"))
    return made


def find(db: sqlite3.Connection, site: str, request: str) -> Request | None:
    """A request of a branch."""
    rows = _all(db, "site=? AND id=?", (site, request))
    return rows[0] if rows else None


def get(db: sqlite3.Connection, site: str, request: str) -> Request:
    """A request that must be there. Raises InputError."""
    found = find(db, site, request)
    if found is None:
        raise InputError("there is no such request.", hint="GET …/requests lists them.")
    return found


def of_site(db: sqlite3.Connection, site: str, *, only_open: bool, most: int) -> list[Request]:
    """A branch's requests: the open ones, the oldest first; or the newest of all."""
    if only_open:
        found = f"SELECT id FROM request WHERE site=? AND state IN {_in(OPEN)} ORDER BY made_ms, id LIMIT ?"
    else:
        found = "SELECT id FROM request WHERE site=? ORDER BY made_ms DESC, id DESC LIMIT ?"
    return _all(db, f"id IN ({found})", (site, most))


def by_code(db: sqlite3.Connection, code: str) -> Request | None:
    """Whose document has a code."""
    rows = _all(db, "code=?", (read_code(code),))
    return rows[0] if rows else None


def told(db: sqlite3.Connection, keyring: Keyring, request: Request) -> str | None:
    """What the customer told; None once the customer was forgotten."""
    return _unwrapped(db, keyring, request, "told", TOLD)


def facts(db: sqlite3.Connection, keyring: Keyring, request: Request) -> str | None:
    """What the bank's core said."""
    return _unwrapped(db, keyring, request, "facts", FACTS)


def document(db: sqlite3.Connection, keyring: Keyring, request: Request) -> bytes | None:
    """The signed PDF."""
    (wrapped,) = db.execute("SELECT document FROM request WHERE id=?", (request.id,)).fetchone()
    return None if wrapped is None else keyring.unwrap(request.customer, wrapped, DOCUMENT)


def fulfil(
    db: sqlite3.Connection,
    keyring: Keyring,
    request: Request,
    said: str,
    pdf: bytes | None,
    code: str | None,
    keep_days: int,
    now_ms: int,
) -> Request:
    """Write down what the bank's core said, and the document; the same again changes nothing.

    Raises ConflictError when it was fulfilled by other facts, or the step does not follow.
    """
    known = request.now(now_ms)
    if done_already(known, "fulfil"):
        if facts(db, keyring, request) != said:
            raise ConflictError(
                "the request was fulfilled by other facts.", hint="Withdraw it; the customer asks anew."
            )
        return request
    state = after(known, "fulfil")
    db.execute(
        "UPDATE request SET state=?, facts=?, document=?, code=?, ended_ms=?, expires_ms=? WHERE id=?",
        (
            state, keyring.wrap(request.customer, said.encode(), FACTS),
            None if pdf is None else keyring.wrap(request.customer, pdf, DOCUMENT), code, now_ms,
            None if pdf is None else now_ms + keep_days * DAY_MS, request.id,
        ),
    )  # fmt: skip
    done = get(db, request.site, request.id)
    record(
        db,
        _happened(done, "document", now_ms, "ready"),
        _happened(done, "served", now_ms, "ready"),
        _happened(done, "outcome", now_ms, "ready", outcome="done"),
    )
    return done


def step(
    db: sqlite3.Connection, request: Request, wanted: Step, now_ms: int, reason: str | None = None
) -> Request:
    """Check, decline, withdraw, collect or expire; again changes nothing. Raises ConflictError."""
    known = request.state if wanted == "expire" else request.now(now_ms)
    if done_already(known, wanted):
        return request
    state = after(known, wanted)
    gone = state in {"withdrawn", "expired"}
    db.execute(
        "UPDATE request SET state=?, reason=coalesce(?, reason), ended_ms=coalesce(ended_ms, ?), "
        "document=CASE WHEN ? THEN NULL ELSE document END WHERE id=?",
        (state, reason, now_ms if state != "checking" else None, gone, request.id),
    )
    done = get(db, request.site, request.id)
    record(db, _happened(done, "document", now_ms, state))
    return done


def expire_documents(db: sqlite3.Connection, now_ms: int) -> int:
    """Delete documents whose time is over; how many."""
    over = _all(db, "document IS NOT NULL AND expires_ms<=?", (now_ms,))
    for each in over:
        if each.state == "ready":
            step(db, each, "expire", now_ms)
        db.execute("UPDATE request SET document=NULL WHERE id=?", (each.id,))
    return len(over)


def forget_requests(db: sqlite3.Connection, customer: str, now_ms: int, until_ms: int | None = None) -> bool:
    """Overwrite everything of a customer's requests, of all or those made until a moment; whether there were any."""
    rows = db.execute(
        "SELECT id FROM request WHERE customer=? AND made_ms<=coalesce(?, made_ms)", (customer, until_ms)
    ).fetchall()
    for (request,) in rows:
        _anonymise(db, request, now_ms)
    return bool(rows)


def retire_requests(db: sqlite3.Connection, before_ms: int, now_ms: int) -> list[str]:
    """Overwrite requests that ended, or were left open, before; who they were, for their keys."""
    rows = db.execute(
        "SELECT id, customer FROM request WHERE coalesce(ended_ms, made_ms)<? AND masked_name<>'*'",
        (before_ms,),
    ).fetchall()
    for request, _ in rows:
        _anonymise(db, request, now_ms)
    return [customer for _, customer in rows]


def new_code() -> str:
    """A fresh code of a document, 80 random bits: XXXX-XXXX-XXXX-XXXX."""
    plain = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(plain[at : at + 4] for at in range(0, CODE_LENGTH, 4))


def read_code(text: str) -> str:
    """A document's code as it is kept, however it was typed."""
    plain = text.upper().replace("-", "").replace(" ", "").translate(_READ_AS)
    return "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))


_READ_AS: Mapping[int, str] = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V"})


def _anonymise(db: sqlite3.Connection, request: str, now_ms: int) -> None:
    db.execute("PRAGMA secure_delete=ON")
    nobody = f"x-{secrets.token_hex(8)}"
    (customer,) = db.execute("SELECT customer FROM request WHERE id=?", (request,)).fetchone()
    db.execute(
        "UPDATE journey_event SET customer=? WHERE customer=? AND json_extract(detail, '$.request')=?",
        (nobody, customer, request),
    )
    db.execute(
        "UPDATE request SET customer=?, masked_name='*', phone_mac='', told=x'', facts=NULL, document=NULL, "
        "reason=NULL, code=NULL, ended_ms=coalesce(ended_ms, ?), "
        f"state=CASE WHEN state IN {_in(OPEN)} THEN 'withdrawn' ELSE state END WHERE id=?",
        (nobody, now_ms, request),
    )
    db.execute("DELETE FROM idempotency WHERE appointment=?", (request,))
    forget_passes(db, request)


def _unwrapped(
    db: sqlite3.Connection, keyring: Keyring, request: Request, column: str, context: str
) -> str | None:
    (wrapped,) = db.execute(f"SELECT {column} FROM request WHERE id=?", (request.id,)).fetchone()
    plain = None if wrapped is None else keyring.unwrap(request.customer, wrapped, context)
    return None if plain is None else plain.decode()


def _happened(request: Request, stage: str, at_ms: int, state: State, **detail: str) -> Happened:
    return Happened(
        stage,  # type: ignore[arg-type]
        at_ms, request.site, request.journey, request.service, request.channel, request.scene, request.partner,
        request.customer, None, {"request": request.id, "online": request.kind, "state": state, **detail},
    )  # fmt: skip


def _in(states: frozenset[State]) -> str:
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


def _all(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Request]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM request WHERE {where} ORDER BY made_ms, id", values).fetchall()
    return [Request(*row) for row in rows]


def parsed(text: str | None) -> dict[str, object] | None:
    """JSON as it was kept."""
    return None if text is None else dict(json.loads(text))
