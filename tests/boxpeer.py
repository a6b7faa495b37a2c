"""A kiosk's end of the wire for tests: a real key, real decryption, answers as a box gives them."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from brokers import Broker, Client
from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.errors import InputError
from branchloop.keys.box import new_private, sign_box_key, verify_box_key
from branchloop.keys.sealing import (
    decode,
    fingerprint,
    gallery_context,
    photo_context,
    raw_public,
    seal,
    template_context,
    unseal,
)
from branchloop.wire import topics
from branchloop.wire.arrivals import BoxCertificate
from branchloop.wire.batches import Batch, Item
from branchloop.wire.commands import Adopt, Command, Enrol, Erase, Gallery, Reply, Reseal, Sealed
from branchloop.wire.payload import Wire
from branchloop.wire.status import Status
from hub.api.state import now_ms

DAY_MS = 86_400_000


@dataclass
class BoxPeer:
    """One kiosk. `fault` makes it refuse photos; `mute` makes it do its work and lose the answers."""

    broker: Broker
    root: ec.EllipticCurvePrivateKey
    site: str
    device: str = "kiosk-1"
    fault: str | None = None
    mute: bool = False
    photos: dict[str, dict[int, bytes]] = field(default_factory=dict)
    templates: dict[str, bytes] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    galleries: list[Gallery] = field(default_factory=list)
    client: Client | None = None
    connect_no: int = 0

    def __post_init__(self) -> None:
        self.boot = secrets.token_hex(16)
        self.renew()

    @property
    def raw(self) -> bytes:
        return raw_public(self.key.public_key())

    def renew(self) -> None:
        """A new key, signed by the root."""
        self.key = new_private()
        self.certificate: BoxCertificate = sign_box_key(
            self.root, self.site, self.device, self.raw, now_ms() + DAY_MS
        )

    def connect(self, certificate: BoxCertificate | None = None, *, bare: bool = False) -> None:
        """Connect and say so."""
        self.client = self.broker.client(f"{self.site}/{self.device}")
        self.client.paho.on_message = self._on_message
        self.client.subscribe(*topics.edge_filters(self.site, self.device))
        self.birth(certificate, bare=bare)

    def birth(self, certificate: BoxCertificate | None = None, *, bare: bool = False) -> None:
        assert self.client is not None
        self.connect_no += 1
        status = Status(
            online=True, boot=self.boot, connect_no=self.connect_no, at_ms=now_ms(),
            certificate=None if bare else certificate or self.certificate,
        )  # fmt: skip
        self.client.publish(topics.build(self.site, self.device, "status"), status.to_json(), retain=True)

    def close(self) -> None:
        if self.client is not None:
            self.client.close()

    def send(self, reply: Reply) -> None:
        assert self.client is not None
        self.client.paho.publish(topics.build(self.site, self.device, "reply"), reply.to_json(), qos=1)

    def report(self, kind: str, body: Wire, seq: int = 1) -> None:
        """Send one message as its outbox does."""
        assert self.client is not None
        item = Item(seq=seq, kind=kind, body=json.loads(body.to_json()))
        batch = Batch(epoch="e" * 32, boot=self.boot, oldest=1, sent_ms=now_ms(), items=[item])
        self.client.paho.publish(topics.build(self.site, self.device, "data"), batch.to_json(), qos=1)

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        kind = message.topic.rsplit("/", 1)[1]
        if kind == "gallery":
            sealed = Sealed.model_validate_json(message.payload)
            if sealed.to != fingerprint(self.raw):  # to the key before: the hub has not read the birth yet
                return
            plain = unseal(self.key, sealed, gallery_context(self.site, self.device))
            self.galleries.append(Gallery.model_validate_json(plain))
        elif kind == "command":
            command = Command.model_validate_json(message.payload)
            self.commands.append(command)
            reply = self.replies.get(command.id) or self._answer(command)
            self.replies[command.id] = reply
            if not self.mute:
                self.send(reply)

    def _answer(self, command: Command) -> Reply:
        try:
            code, body = getattr(self, f"_{command.what}")(command.body)
        except InputError as error:
            code, body = ("old_key" if "another key" in error.message else "bad_seal"), {}
        ok = code in {"done", "partial", "enrolled"}
        return Reply(id=command.id, at_ms=now_ms(), ok=ok, code=code, body=body)

    def _enrol(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        asked = Enrol.model_validate(body)
        context = photo_context(
            site=self.site, device=self.device, customer=asked.customer, consent=asked.consent,
            key=fingerprint(self.raw), index=asked.index, expires_ms=asked.expires_ms,
        )  # fmt: skip
        photo = unseal(self.key, asked.photo, context)
        if self.fault is not None and asked.index == 0:
            return self.fault, {}
        held = self.photos.setdefault(asked.consent, {})
        held[asked.index] = photo
        if len(held) < asked.of:
            return "partial", {}
        self.templates[asked.consent] = b"".join(held[i][:32] for i in sorted(held))
        return "enrolled", {}

    def _erase(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        for consent in Erase.model_validate(body).consents:
            self.photos.pop(consent, None)
            self.templates.pop(consent, None)
        return "done", {}

    def _reseal(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        asked = Reseal.model_validate(body)
        raw = verify_box_key(raw_public(self.root.public_key()), asked.to, now_ms())
        template = self.templates.pop(asked.consent, None)
        if template is None:
            return "unknown", {}
        context = template_context(
            site=asked.to.site, device=asked.to.device, consent=asked.consent, key=fingerprint(raw)
        )
        return "done", {"template": seal(raw, template, context).model_dump(mode="json")}

    def _adopt(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        asked = Adopt.model_validate(body)
        context = template_context(
            site=self.site, device=self.device, consent=asked.consent, key=fingerprint(self.raw)
        )
        self.templates[asked.consent] = unseal(self.key, asked.template, context)
        return "done", {}


def public(certificate: BoxCertificate) -> bytes:
    """The key that a certificate vouches for."""
    return decode(certificate.public)
