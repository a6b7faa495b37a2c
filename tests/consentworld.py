"""A real broker, ingest and API for consent, in one process; kiosks connect as `boxpeer.BoxPeer`."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from boxpeer import BoxPeer
from brokers import Broker, running, until
from cryptography.hazmat.primitives.asymmetric import ec
from served import served

from branchloop.agreement.consent import consent_text
from branchloop.clock import MINUTE_MS
from branchloop.keys.box import new_private
from branchloop.keys.sealing import encode, fingerprint, photo_context, raw_public, seal
from branchloop.processes import free_port
from branchloop.wire.commands import Sealed
from hub.api.app import create_app
from hub.api.dots import Dots
from hub.api.state import State, now_ms
from hub.config.hub import HubConfig, read_config
from hub.ingest.apply import Applier
from hub.ingest.checkins import Auditing
from hub.ingest.commands import Outgoing, Trust
from hub.ingest.gallery import Galleries
from hub.ingest.mqtt import MqttSource
from hub.ingest.walltime import WallTime
from hub.ingest.worker import Ingest
from hub.runtime import Runtime
from hub.store.audit import AuditLog
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Book, Wanted
from hub.store.book.tickets import assign_series
from hub.store.connection import connect_readonly, opened
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore
from hub.store.tokens import Tokens

SLOT_MS = 15 * MINUTE_MS
LEAST_LEFT_MS = 2 * MINUTE_MS
"""Who booked a slot that ends sooner may be too late by the time a test checks them in; for the next one they are early."""
SITE = """
id = "{id}"
name = {{ en = "{id} branch", zh = "网点" }}
timezone = "Asia/Shanghai"
plan = {{ width_m = 4.0, height_m = 3.0, cell_m = 0.5 }}
[[service]]
id = "loan"
name = {{ en = "Loans", zh = "贷款" }}
minutes = 15
per_slot = 3
[[service]]
id = "desk"
name = {{ en = "Desk", zh = "综合" }}
minutes = 15
per_slot = 50
[[kiosk]]
id = "kiosk-1"
x_m = 1.0
y_m = 1.0
source = "usb:0"
{more}
"""


@dataclass
class ConsentWorld:
    """A hub with branches north and south, a kiosk each."""

    folder: Path
    config: HubConfig
    broker: Broker
    root: ec.EllipticCurvePrivateKey
    api: str
    state: State
    book: Book
    keys: Keyring
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start_ingest(self) -> None:
        """Ingest with a store of its own, as its process has."""
        self.stop.clear()
        self.thread = threading.Thread(target=self._ingest, name="ingest")
        self.thread.start()
        until(lambda: self.ask("SELECT connected FROM heartbeat") == [(1,)], "ingest is connected")

    def stop_ingest(self) -> None:
        self.stop.set()
        if self.thread is not None:
            self.thread.join(15)
        with sqlite3.connect(self.config.data_dir / DATABASE) as db:
            db.execute("UPDATE heartbeat SET connected=0")
        db.close()

    def _ingest(self) -> None:
        source = MqttSource(self.config, Runtime("127.0.0.1", self.broker.port, False, "127.0.0.1", 1))
        store = SqliteStore(self.config.data_dir)
        db = connect_readonly(self.config.data_dir / DATABASE)
        with store.transaction() as transaction:
            assign_series(transaction.db, self.config.sites.values())
        audit = AuditLog(self.config.data_dir)
        trust = Trust.of(self.config, self.book, self.book)
        ticks = [
            Outgoing(store, db, trust, source.publish, self.keys.photo).tick,
            Galleries(store, db, self.book, self.config.sites, source.publish, print).tick,
            Auditing(store, db, audit).tick,
        ]
        applier = Applier(store, self.config.sites, now_ms, trust)
        try:
            Ingest(source, store, applier, WallTime(None), ticks).run(self.stop)
        finally:
            db.close()
            store.close()
            audit.close()

    def book_now(self, appointment: str, customer: str, name: str, **more: bool) -> Appointment:
        """An appointment that may be checked in now, under an id that a test can name."""
        at_ms = now_ms()
        left_ms = SLOT_MS - at_ms % SLOT_MS
        soon_ms = at_ms + left_ms if left_ms < LEAST_LEFT_MS else at_ms
        return self.book_at(soon_ms, appointment, customer, name, **more)

    def book_at(self, at_ms: int, appointment: str, customer: str, name: str, **more: bool) -> Appointment:
        """An appointment of the slot that holds `at_ms`, booked before it began."""
        site = self.config.sites["north"]
        start_ms = at_ms - at_ms % SLOT_MS
        with opened(self.config.data_dir) as db:
            wanted = Wanted("desk", start_ms, name, customer=customer, **more)
            made = self.book.book(db, site, wanted, min(now_ms(), start_ms - MINUTE_MS))
            db.execute("UPDATE appointment SET id=? WHERE id=?", (appointment, made.id))
            return self.book.get(db, site.id, appointment)

    def kept(self, appointment: str = "a-1") -> Appointment:
        with opened(self.config.data_dir) as db:
            return self.book.get(db, "north", appointment)

    def code(self, appointment: str = "a-1") -> str:
        with opened(self.config.data_dir) as db:
            found = self.book.code(db, self.book.get(db, "north", appointment))
        assert found is not None
        return found

    def ask(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        db = sqlite3.connect(self.config.data_dir / DATABASE)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def staff(self, *sites: str) -> dict[str, str]:
        made = self.state.tokens.add(f"staff-{time.monotonic_ns()}", "staff", sites or ("north",), now_ms())
        return {"Authorization": f"Bearer {made}"}

    def peer(self, site: str = "north", **more: object) -> BoxPeer:
        """A kiosk that is connected, and known with its key."""
        peer = BoxPeer(self.broker, self.root, site, **more)  # type: ignore[arg-type]
        peer.connect()
        self.knows(peer)
        return peer

    def knows(self, peer: BoxPeer) -> None:
        sql = "SELECT 1 FROM kiosk_key WHERE site=? AND fingerprint=? AND revoked_ms IS NULL"
        until(lambda: self.ask(sql, peer.site, fingerprint(peer.raw)), "the kiosk's key is known")

    def invite(self, appointment: str = "a-1") -> str:
        """The token of a new link."""
        path = f"{self.api}/api/v1/branches/north/appointments/{appointment}/enrolment"
        answer = httpx.post(path, headers=self.staff())
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["url"].rsplit("/", 1)[1]
        return token

    def view(self, token: str) -> dict[str, object]:
        answer = httpx.get(f"{self.api}/api/v1/enrolments/{token}")
        assert answer.status_code == 200, answer.text
        told: dict[str, object] = answer.json()
        return told

    def body(self, token: str, peer: BoxPeer, photos: list[bytes], **consent: object) -> dict[str, object]:
        """What the page posts."""
        seen = self.view(token)
        expires_ms = int(str(seen["expires_ms"]))
        sealed: list[Sealed] = [
            seal(
                peer.raw, photo,
                photo_context(
                    site=peer.site, device=peer.device, customer=str(seen["customer"]),
                    consent=str(seen["consent"]), key=fingerprint(peer.raw), index=index, expires_ms=expires_ms,
                ),
            )
            for index, photo in enumerate(photos)
        ]  # fmt: skip
        text = consent_text("en", self.config.people.consent_days)
        given: dict[str, object] = {
            "version": text.version, "language": "en", "sha256": text.sha256, "agreed": True,
            "expires_ms": expires_ms, **consent,
        }  # fmt: skip
        return {"consent": given, "device": peer.device, "photos": [json.loads(s.to_json()) for s in sealed]}

    def enrol(self, token: str, peer: BoxPeer, photos: list[bytes], **consent: object) -> httpx.Response:
        body = self.body(token, peer, photos, **consent)
        return httpx.post(f"{self.api}/api/v1/enrolments/{token}", json=body)

    def step(self, token: str) -> str:
        return str(self.view(token)["step"])

    def reaches(self, token: str, step: str) -> dict[str, object]:
        until(lambda: self.step(token) == step, f"the consent is {step}")
        return self.view(token)


@contextmanager
def consent_world(folder: Path, *, hub: str = "", site_text: str = SITE) -> Iterator[ConsentWorld]:
    """Broker, ingest and API; `hub` are further tables of hub.toml."""
    root = new_private()
    folder.mkdir(parents=True, exist_ok=True)
    for site in ("north", "south"):
        (folder / f"{site}.toml").write_text(site_text.format(id=site, more=""), encoding="utf-8")
    port = free_port()
    (folder / "hub.toml").write_text(
        f'[hub]\ndata_dir = "data"\nbroker = "mqtt://127.0.0.1:{port}"\n'
        f'sites = ["north.toml", "south.toml"]\n[people]\n'
        f'root_public = "{encode(raw_public(root.public_key()))}"\n{hub}'
    )
    with running("nats", folder, folder / "hub.toml", port=port) as broker:
        config = read_config(folder / "hub.toml")
        SqliteStore(config.data_dir).close()
        keys = Keyring.of(config)
        book = Book(keys)
        tokens, audit = Tokens(config.data_dir), AuditLog(config.data_dir)
        state = State(config, tokens, audit, Dots(), People(book, keys), book)
        with closing(tokens), closing(audit), served(create_app(state)) as api:
            made = ConsentWorld(folder, config, broker, root, api, state, book, keys)
            made.book_now("a-1", "c-1", "王小明")
            made.start_ingest()
            try:
                yield made
            finally:
                made.stop_ingest()
