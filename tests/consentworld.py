# ruff: noqa: ARG002 - the hub asks with more than a day of this size needs
"""A real broker, ingest and API for consent, in one process; kiosks connect as `boxpeer.BoxPeer`."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn
from boxpeer import BoxPeer
from brokers import Broker, running, until
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from branchloop.boxkeys import new_private
from branchloop.clock import from_ms
from branchloop.codes import code_digest
from branchloop.commands import Expected, Queue, Sealed, TicketRange
from branchloop.consent_text import consent_text
from branchloop.processes import free_port
from branchloop.sealing import encode, fingerprint, photo_context, raw_public, seal
from branchloop.site import Site
from hub.api.app import create_app
from hub.api.dots import Dots
from hub.api.state import State, now_ms
from hub.config import HubConfig, read_config
from hub.ingest.apply import Applier
from hub.ingest.commands import Outgoing, Trust
from hub.ingest.gallery import Galleries
from hub.ingest.mqtt import MqttSource
from hub.ingest.worker import Ingest
from hub.runtime import Runtime
from hub.store.audit import AuditLog
from hub.store.connection import connect_readonly
from hub.store.people import PHOTO, Booked, People
from hub.store.schema import DATABASE
from hub.store.sqlite import SqliteStore
from hub.store.tokens import Tokens

SITE = """
id = "{id}"
name = {{ en = "{id} branch", zh = "网点" }}
timezone = "Asia/Shanghai"
plan = {{ width_m = 4.0, height_m = 3.0, cell_m = 0.5 }}
[[kiosk]]
id = "kiosk-1"
x_m = 1.0
y_m = 1.0
source = "usb:0"
{more}
"""
CODE = "7K2M-Q4XD"


@dataclass
class Keys:
    """A data key per customer, as the hub's keyring keeps them."""

    keys: dict[str, bytes] = field(default_factory=dict)

    def wrap(self, customer: str, plain: bytes, context: str) -> bytes:
        key = self.keys.setdefault(customer, secrets.token_bytes(32))
        iv = secrets.token_bytes(12)
        return iv + AESGCM(key).encrypt(iv, plain, context.encode())

    def unwrap(self, customer: str, wrapped: bytes, context: str) -> bytes | None:
        key = self.keys.get(customer)
        if key is None:
            return None
        try:
            return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], context.encode())
        except InvalidTag:
            return None

    def forget(self, customer: str) -> bool:
        return self.keys.pop(customer, None) is not None


@dataclass
class Day:
    """A day of appointments: (site, id) -> who."""

    booked_: dict[tuple[str, str], Booked] = field(default_factory=dict)
    changes: int = 0

    def booked(self, db: sqlite3.Connection, site: str, appointment: str) -> Booked | None:
        return self.booked_.get((site, appointment))

    def forget(self, db: sqlite3.Connection, customer: str, now_ms: int) -> bool:
        kept = {place: who for place, who in self.booked_.items() if who.customer != customer}
        known, self.booked_ = len(kept) < len(self.booked_), kept
        return known

    def expected(
        self, db: sqlite3.Connection, site: Site, now_ms: int, salt: str, consents: Mapping[str, str]
    ) -> list[Expected]:
        return [
            Expected(
                id=appointment, booking_no="0001", code_digest=code_digest(salt, CODE), start_ms=now_ms,
                window_from_ms=now_ms - 1_000, window_to_ms=now_ms + 1_000, service="loan",
                masked_name=who.masked_name, consent=consents.get(who.customer),
            )
            for (at, appointment), who in self.booked_.items() if at == site.id
        ]  # fmt: skip

    def queues(self, db: sqlite3.Connection, site: Site, now_ms: int) -> list[Queue]:
        return [Queue(service="loan", waiting=3, counters=1, as_of_ms=now_ms)]

    def ticket_range(self, db: sqlite3.Connection, site: Site, device: str, now_ms: int) -> TicketRange:
        day = from_ms(now_ms, site.zone_info).date().isoformat()
        return TicketRange(day=day, series="A", first=1, last=99)

    def version(self, db: sqlite3.Connection, site: str) -> int:
        return self.changes


@dataclass
class ConsentWorld:
    """A hub with branches north and south, a kiosk each."""

    folder: Path
    config: HubConfig
    broker: Broker
    root: ec.EllipticCurvePrivateKey
    api: str
    state: State
    day: Day
    keys: Keys
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
        trust = Trust.of(self.config, self.day)
        outgoing = Outgoing(store, db, trust, source.publish, self.unwrap)
        galleries = Galleries(store, db, self.day, self.config.sites, source.publish, print)
        applier = Applier(store, self.config.sites, now_ms, trust)
        try:
            Ingest(source, store, applier, [outgoing.tick, galleries.tick]).run(self.stop)
        finally:
            db.close()
            store.close()

    def unwrap(self, customer: str, wrapped: bytes) -> str | None:
        plain = self.keys.unwrap(customer, wrapped, PHOTO)
        return None if plain is None else plain.decode()

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
def consent_world(folder: Path) -> Iterator[ConsentWorld]:
    """Broker, ingest and API; appointment a-1 of c-1 at north."""
    root = new_private()
    folder.mkdir(parents=True, exist_ok=True)
    for site in ("north", "south"):
        (folder / f"{site}.toml").write_text(SITE.format(id=site, more=""), encoding="utf-8")
    port = free_port()
    (folder / "hub.toml").write_text(
        f'[hub]\ndata_dir = "data"\nbroker = "mqtt://127.0.0.1:{port}"\n'
        f'sites = ["north.toml", "south.toml"]\n[people]\n'
        f'root_public = "{encode(raw_public(root.public_key()))}"\n'
    )
    with running("nats", folder, folder / "hub.toml", port=port) as broker:
        config = read_config(folder / "hub.toml")
        keys = Keys()
        day = Day({("north", "a-1"): Booked("c-1", "王*")})
        SqliteStore(config.data_dir).close()
        tokens, audit = Tokens(config.data_dir), AuditLog(config.data_dir)
        state = State(config, tokens, audit, Dots(), People(day, keys))
        api_port = free_port()
        options = uvicorn.Config(create_app(state), host="127.0.0.1", port=api_port, log_level="warning")
        server = uvicorn.Server(options)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        until(lambda: server.started, "the API answers")
        made = ConsentWorld(folder, config, broker, root, f"http://127.0.0.1:{api_port}", state, day, keys)
        made.start_ingest()
        try:
            yield made
        finally:
            made.stop_ingest()
            server.should_exit = True
            thread.join(10)
            tokens.close()
            audit.close()
