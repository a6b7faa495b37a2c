"""The kiosk's desk: camera, session, vault and outbox brought together, one step at a time.

One thread calls `step` for ever; the page's requests come in between, under one lock. No face is looked
for before somebody has asked to be recognised, and no picture is kept: the preview holds the last one, and
only while a customer sees it. A ticket is shown after its check-in is committed to the outbox.
"""

from __future__ import annotations

import json
import logging
import queue
import random
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from branchloop.clock import DAY_MS, from_ms
from branchloop.commands import Command, Gallery, Sealed
from branchloop.consent_text import VERSION
from branchloop.errors import BranchloopError, ConflictError, DependencyError, InputError
from branchloop.kiosk import Kiosk
from branchloop.messages import Attempt as AttemptLine
from branchloop.messages import Checkin, ConsentGiven, Walkin
from branchloop.sealing import gallery_context, unseal
from branchloop.site import Site
from branchloop.text import Language
from edge.checkin.answering import answer
from edge.checkin.vault import Vault
from edge.kiosk.challenge import Challenge
from edge.kiosk.day import CLOCK_OFF_MS, Day, Given, ToldWait
from edge.kiosk.protect import Protection
from edge.kiosk.session import Give, Note, Session, Take, Ticket
from edge.kiosk.threshold import VERIFY, Threshold, decide, template, threshold
from edge.perceive.faces.attempt import Attempt
from edge.perceive.faces.engine import FaceEngine, Image
from edge.perceive.faces.landmarks import Landmarker
from edge.perceive.faces.padmodel import PadModel
from edge.send.link import Link
from edge.send.outbox import Outbox

PREVIEW_PX = 480
CROWDING_FRESH_MS = 60_000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Monotonic seconds, and UTC ms."""

    now_s: Callable[[], float]
    now_ms: Callable[[], int]


class Desk:
    """One kiosk at work."""

    def __init__(
        self,
        site: Site,
        kiosk: Kiosk,
        *,
        vault: Vault,
        outbox: Outbox,
        key: ec.EllipticCurvePrivateKey,
        clocks: Clocks,
        crowding: Path,
        pad: PadModel | None = None,
    ) -> None:
        self.site = site.id
        self.device = kiosk.id
        self.root = kiosk.root_public
        self.key = key
        self.vault = vault
        self.protection = Protection(vault.turn_key)
        self.engine = FaceEngine()
        self.branch = site
        self.kiosk = kiosk
        self.link: Link | None = None
        self.lock = threading.RLock()
        self.preview: bytes | None = None
        self.camera_up = False
        self._landmarker = Landmarker()
        self._pad = pad
        self._outbox = outbox
        self._clocks = clocks
        self._crowding = crowding
        self._heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._attempt: Attempt | None = None
        self._decided_ms: int | None = None
        self._language: Language = kiosk.language
        self._qr = cv2.QRCodeDetector()
        self._expired_ms = 0
        day = from_ms(clocks.now_ms(), site.zone_info).date().isoformat()
        self.day = Day(vault.given(day))
        self.session = Session(site.id, self.day, kiosk.recognise)
        self._resume()

    def hear(self, kind: str, payload: bytes) -> None:
        """A gallery or command came; called by the link's thread."""
        self._heard.put((kind, payload))

    def step(self, image: Image | None) -> None:
        """Take what the hub sent, the next picture if there is one, and the time."""
        while not self._heard.empty():
            kind, payload = self._heard.get()
            try:
                self._take(kind, payload)
            except DependencyError as error:
                _LOG.warning("%s The hub will say it again.", error)
        now_s, now_ms = self._clocks.now_s(), self._clocks.now_ms()
        with self.lock:
            self._keep_house(now_ms)
            self.session.tick(now_s)
            stage = self.session.stage
        if image is not None and stage in {"code", "number", "face", "enrol"}:
            self._look(image, stage, now_s)
        elif stage not in {"code", "number", "face", "enrol"}:
            self.preview = self._attempt = None
        with self.lock:
            self._carry_out()

    def act(self, what: str, value: Any = None) -> None:
        """Something was touched on the page. Raises InputError for what no page sends."""
        now_s, now_ms = self._clocks.now_s(), self._clocks.now_ms()
        with self.lock:
            session = self.session
            match what, value:
                case "choose", "code" | "face":
                    self._attempt = self._decided_ms = None
                    session.choose(value, now_s)
                case "choose", "walk_in":
                    closed = None if self.branch.is_open(now_ms) else "closed"
                    session.without(now_s, closed)
                case "service", [str() as service, "zh" | "en" as language] if self._has(service):
                    self._language = language
                    session.chosen(service, now_s)
                case "typed", str():
                    session.typed(value[:40], now_ms, now_s)
                case "confirm", bool():
                    session.confirm(value, now_ms, now_s)
                case "home", None:
                    session.home(now_s)
                case "staff", None:
                    session.staff(now_s)
                case "enrol", None:
                    session.enrol(now_s)
                case "agree", "zh" | "en":
                    self._language = value
                    self._attempt = None
                    session.agreed(now_s)
                case "touch", None:
                    session.touch(now_s)
                case _:
                    raise InputError("this is nothing that the page can ask.", hint="Load it again.")
            self._carry_out()

    def view(self) -> dict[str, Any]:
        """What the page shows."""
        now_ms = self._clocks.now_ms()
        with self.lock:
            session = self.session
            ticket, target = session.ticket, session.target
            view: dict[str, Any] = {
                "version": session.version,
                "stage": session.stage,
                "why": session.why,
                "action": session.action,
                "hub": self.link is not None and self.link.online and self.link.hub_online,
                "camera": self.camera_up,
                "known": self.day.gallery is not None,
                "clock_off": abs(self.day.clock_off_ms) > CLOCK_OFF_MS,
            }
            if session.stage == "confirm" and target is not None:
                view["who"] = {
                    "name": target.masked_name, "title": target.title,
                    "at": self._local(target.start_ms), "service": self._service(target.service),
                }  # fmt: skip
            if session.stage == "ticket" and ticket is not None:
                view["ticket"] = {
                    "number": ticket.number, "name": ticket.masked_name, "title": ticket.title,
                    "at": self._local(ticket.start_ms), "service": self._service(ticket.service),
                    "wait_s": ticket.wait_s, "low_s": ticket.low_s, "high_s": ticket.high_s,
                    "walk_in": ticket.walk_in, "provisional": ticket.provisional, "again": ticket.again,
                    "may_enrol": ticket.may_enrol,
                }  # fmt: skip
            if session.stage in {"idle", "service"}:
                view["crowding"] = self._crowd(now_ms)
                view["queues"] = [
                    {
                        "id": each.id,
                        "service": self._service(each.id),
                        **_told(self.day.wait(each.id, now_ms)),
                    }
                    for each in self.branch.services
                ]
        return view

    def close(self) -> None:
        """Release the landmarker and the vault."""
        self._landmarker.close()
        self.vault.close()

    def _resume(self) -> None:
        """After a crash: check-ins that did not reach the outbox, and the day as it was."""
        for appointment, body in self.vault.unsent():
            kept = self._kept(body)
            if self._outbox.append_now(*kept) is not None:
                self.vault.sent(appointment)
        text = self.vault.kept_day()
        if text is not None:
            gallery = Gallery.model_validate_json(text)
            if self._clocks.now_ms() < gallery.valid_until_ms:
                self.day.take(gallery, gallery.made_ms)
            else:
                self.vault.keep_day(None)

    def _take(self, kind: str, payload: bytes) -> None:
        now_ms = self._clocks.now_ms()
        try:
            if kind == "gallery":
                sealed = Sealed.model_validate_json(payload)
                plain = unseal(self.key, sealed, gallery_context(self.site, self.device))
                self._take_gallery(Gallery.model_validate_json(plain), now_ms)
            else:
                with self.lock:  # the page's requests use the same vault
                    reply = answer(self, Command.model_validate_json(payload), now_ms)
                if self.link is not None:
                    self.link.reply(reply.to_json())
        except (ValidationError, InputError) as error:
            _LOG.warning("the hub sent a %s that cannot be used: %s", kind, error)

    def _take_gallery(self, gallery: Gallery, now_ms: int) -> None:
        with self.lock:
            was_off = abs(self.day.clock_off_ms) > CLOCK_OFF_MS
            if not self.day.take(gallery, now_ms):
                return
            self.vault.keep_day(gallery.to_json())
            gone = self.vault.reconcile(set(gallery.consents), gallery.made_ms, self._outbox.oldest, now_ms)
            if gone:
                _LOG.info("%d template(s) erased: their consents hold no more", len(gone))
            if abs(self.day.clock_off_ms) > CLOCK_OFF_MS and not was_off:
                self._note(Note("clock_off", detail=f"by {self.day.clock_off_ms} ms of the hub's"))
            self.session.version += 1

    def _keep_house(self, now_ms: int) -> None:
        if self.day.close(now_ms):
            self.vault.keep_day(None)
            self.session.version += 1
        if now_ms - self._expired_ms > 60_000:
            self._expired_ms = now_ms
            self.vault.expire(now_ms)

    def _look(self, image: Image, stage: str, now_s: float) -> None:
        self._show(image)
        if stage in {"code", "number"}:
            text = self._read_qr(image)
            if text:
                self._decided_ms = 0
                with self.lock:
                    self.session.scanned(text, self._clocks.now_ms(), now_s)
            return
        if self._attempt is None:
            liveness = self.kiosk.liveness
            challenge = Challenge(random.SystemRandom(), liveness.actions) if liveness.challenge else None
            self._attempt = Attempt(self.engine, self._landmarker, challenge=challenge, pad=self._pad)
        attempt = self._attempt
        state = attempt.feed(image, now_s)
        with self.lock:
            if self.session.stage != stage or self._attempt is not attempt:
                return  # somebody went another way meanwhile
            if state.kind == "rejected":
                self._attempt = None
                self.session.rejected(state.reason, now_s)
            elif state.kind == "done":
                self._attempt = None
                begun_s = attempt.first_good_s if attempt.first_good_s is not None else now_s
                self._decided_ms = round((self._clocks.now_s() - begun_s) * 1000)
                if stage == "enrol":
                    self._enrol(attempt, now_s)
                else:
                    self._match(attempt, now_s)
            else:
                self.session.looking(state.verdict, state.action, now_s)

    def _match(self, attempt: Attempt, now_s: float) -> None:
        """Compare with the one named (verify), or with those who are expected now (identify)."""
        now_ms = self._clocks.now_ms()
        target = self.session.target
        wanted = [target] if target is not None else self.day.candidates(now_ms)
        by_consent = {each.consent: each for each in wanted if each.consent is not None}
        held = [each for each in self.vault.templates(now_ms) if each.consent in by_consent]
        found = None
        if held:
            probes = self.protection.apply(np.stack(attempt.embeddings))
            scores = probes @ np.stack([each.vector for each in held]).T
            limit = (
                Threshold(VERIFY, 0.0, 1, extrapolated=False)
                if target is not None
                else threshold(self.kiosk.fpir, len(held))
            )
            index = decide(np.asarray(scores), limit)
            found = by_consent.get(held[index].consent) if index is not None else None
        self.session.matched(found, now_ms, now_s)

    def _enrol(self, attempt: Attempt, now_s: float) -> None:
        """Make a template of whoever has shown the code and agreed; the consent travels with the outbox."""
        now_ms = self._clocks.now_ms()
        target = self.session.target
        if target is None:
            self.session.home(now_s)
            return
        consent = secrets.token_hex(16)
        expires_ms = now_ms + self.kiosk.consent_days * DAY_MS
        given = ConsentGiven(
            id=secrets.token_hex(8), at_ms=now_ms, consent=consent, appointment=target.id,
            text_version=VERSION, language=self._language, expires_ms=expires_ms,
        )  # fmt: skip
        seq = self._outbox.append_now("consent", given)
        if seq is None:
            self.session.not_kept(now_s)
            return
        vector = self.protection.apply(template(attempt.embeddings))
        self.vault.keep(consent, vector, expires_ms, seq)
        if self.link is not None:
            self.link.urgent()
        self.session.enrolled(now_s)

    def _carry_out(self) -> None:
        for effect in self.session.take_effects():
            match effect:
                case Give():
                    self._give(effect)
                case Take():
                    self._walk_in(effect.service)
                case Note():
                    self._note(effect)

    def _give(self, give: Give) -> None:
        now_s, now_ms = self._clocks.now_s(), self._clocks.now_ms()
        expected = give.expected
        known = self.day.ticket(expected)
        provisional = self.link is None or not (self.link.online and self.link.hub_online)
        if known is None:
            try:
                known = self._new_ticket(give, now_ms, provisional=provisional)
            except BranchloopError as error:
                _LOG.error("no ticket was given: %s", error)
                self.session.not_kept(now_s)
                return
            again = False
        else:
            again = True
        told = _told(self.day.wait(expected.service, now_ms, expected.id, expected.start_ms))
        self.session.given(
            Ticket(
                known, expected.service, expected.start_ms, expected.masked_name, expected.title,
                told["wait_s"], provisional and not again, again,
                may_enrol=give.method == "code" and expected.consent is None and self.kiosk.recognise != "off",
                low_s=told["low_s"], high_s=told["high_s"],
            ),
            now_s,
        )  # fmt: skip

    def _walk_in(self, service: str) -> None:
        """A ticket without appointment: kept, in the outbox, and only then shown."""
        now_s, now_ms = self._clocks.now_s(), self._clocks.now_ms()
        provisional = self.link is None or not (self.link.online and self.link.hub_online)
        identity = f"{self.device}-{secrets.token_hex(8)}"
        try:
            day, number = self._next_number()
            body = Walkin(
                id=identity, at_ms=now_ms, service=service, language=self._language, number=number,
                provisional=provisional,
            )  # fmt: skip
            self._keep(identity, day, "walkin", body)
        except BranchloopError as error:
            _LOG.error("no ticket was given: %s", error)
            self.session.not_kept(now_s)
            return
        self.day.gave(Given(identity, number, now_ms, service))
        told = _told(self.day.wait(service, now_ms, besides=identity))
        self.session.given(
            Ticket(
                number, service, now_ms, "", None, told["wait_s"], provisional, again=False, may_enrol=False,
                low_s=told["low_s"], high_s=told["high_s"], walk_in=True,
            ),
            now_s,
        )  # fmt: skip

    def _new_ticket(self, give: Give, now_ms: int, *, provisional: bool) -> str:
        day, number = self._next_number()
        body = Checkin(
            id=f"{self.device}-{secrets.token_hex(8)}", at_ms=now_ms, appointment=give.expected.id,
            method=give.method, policy=give.policy, number=number, provisional=provisional,
            decided_ms=self._decided_ms,
        )  # fmt: skip
        self._decided_ms = None
        self._keep(give.expected.id, day, "checkin", body)
        self.day.gave(Given(give.expected.id, number, now_ms))
        return number

    def _next_number(self) -> tuple[str, str]:
        """The day, and the next number of it. Raises ConflictError."""
        gallery = self.day.gallery
        if gallery is None:
            raise ConflictError("this kiosk knows of no day.", hint="Ask our staff.")
        day = gallery.tickets.day
        return day, self.day.next_number(self.vault.last_number(day, gallery.tickets.series))

    def _keep(self, what: str, day: str, kind: Literal["checkin", "walkin"], body: Checkin | Walkin) -> None:
        """Into the vault and the outbox, or neither. Raises DependencyError."""
        self.vault.give(what, day, body.number, body.at_ms, body.to_json())
        if self._outbox.append_now(kind, body) is None:
            self.vault.take_back(what)
            raise DependencyError("the ticket could not be kept.", hint="Free some space.")
        self.vault.sent(what)
        if self.link is not None:
            self.link.urgent()

    @staticmethod
    def _kept(body: str) -> tuple[str, Checkin | Walkin]:
        """A ticket as the vault has it: a check-in names an appointment, one without has a service."""
        if "service" in json.loads(body):
            return "walkin", Walkin.model_validate_json(body)
        return "checkin", Checkin.model_validate_json(body)

    def _note(self, note: Note) -> None:
        line = AttemptLine(
            id=f"{self.device}-{secrets.token_hex(8)}", at_ms=self._clocks.now_ms(), outcome=note.outcome,
            method=note.method, appointment=note.appointment, consent=note.consent, detail=note.detail,
        )  # fmt: skip
        self._outbox.append("attempt", line)
        if self.link is not None:
            self.link.urgent()

    def _read_qr(self, image: Image) -> str:
        try:
            text, _, _ = self._qr.detectAndDecode(image)
        except cv2.error:  # some pictures make OpenCV's decoder fail; the next one may not
            return ""
        return text

    def _show(self, image: Image) -> None:
        """The preview, mirrored as people see themselves."""
        scale = PREVIEW_PX / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        ok, content = cv2.imencode(".jpg", cv2.flip(small, 1), [cv2.IMWRITE_JPEG_QUALITY, 75])
        self.preview = content.tobytes() if ok else None

    def _crowd(self, now_ms: int) -> dict[str, Any] | None:
        """What the box last counted; None when it has not for a minute."""
        try:
            told: dict[str, Any] = json.loads(self._crowding.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return told if now_ms - int(told.get("at_ms", 0)) <= CROWDING_FRESH_MS else None

    def _has(self, service: str) -> bool:
        return any(each.id == service for each in self.branch.services)

    def _service(self, service: str) -> dict[str, str]:
        found = next((each for each in self.branch.services if each.id == service), None)
        return {"zh": found.name.zh, "en": found.name.en} if found else {"zh": service, "en": service}

    def _local(self, at_ms: int) -> str:
        return from_ms(at_ms, self.branch.zone_info).strftime("%H:%M")


def _told(wait: ToldWait | None) -> dict[str, float | None]:
    """A wait as the page shows it: without an interval it is the kiosk's own estimate."""
    if wait is None:
        return {"wait_s": None, "low_s": None, "high_s": None}
    return {"wait_s": wait.wait_s, "low_s": wait.low_s, "high_s": wait.high_s}
