"""The kiosk's desk: camera, session, vault and outbox brought together, one step at a time.

One thread calls `step` for ever; the page's requests come in between, under one lock. No face is looked
for before somebody has asked to be recognised.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from branchloop.errors import DependencyError, InputError
from branchloop.keys.sealing import gallery_context, unseal
from branchloop.site.kiosk import Kiosk
from branchloop.site.site import Site
from branchloop.text.catalogue import Language
from branchloop.wire.commands import Command, Gallery, Sealed
from branchloop.wire.status import ClockOff
from edge.checkin.answering import answer
from edge.checkin.eye import Eye
from edge.checkin.post import Post
from edge.checkin.recognition import Recognition
from edge.checkin.tickets import Tickets
from edge.checkin.vault import Vault
from edge.checkin.view import View
from edge.kiosk.day import Day
from edge.kiosk.hubtime import CLOCK_OFF_MS, HubTime
from edge.kiosk.session import Give, Note, Session, Take
from edge.perceive.faces.attempt import Attempt
from edge.perceive.faces.engine import Image
from edge.perceive.faces.padmodel import PadModel
from edge.send.outbox import Outbox

KEEP_HOUSE_S = 60.0
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
        self.branch = site
        self.kiosk = kiosk
        self.lock = threading.RLock()
        self.camera_up = False
        self.post = Post(kiosk.id, outbox)
        self.eye = Eye(kiosk, pad)
        self._machine = clocks
        self._time = HubTime(vault.kept_time(), clocks.now_s(), clocks.now_ms())
        self._clocks = Clocks(clocks.now_s, lambda: self._time.now_ms(clocks.now_s(), clocks.now_ms()))
        self._heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._decided_ms: int | None = None
        self._language: Language = kiosk.language
        self._told_off_ms = 0
        self._kept_house_s = float("-inf")
        self.day = Day(vault.given(self._clocks.now_ms()))
        self.session = Session(site.id, self.day, kiosk.recognise)
        self._recognition = Recognition(kiosk, vault, self.post)
        self.protection, self.engine = self._recognition.protection, self.eye.engine
        self._tickets = Tickets(kiosk, site.zone_info, self.day, self.session, vault, self.post)
        self._view = View(site, self.day, self.session, crowding)
        self._tickets.resume()
        self._keep_house(self._clocks.now_s(), self._clocks.now_ms())

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
            self._keep_house(now_s, now_ms)
            self.session.tick(now_s)
            stage = self.session.stage
        if image is not None and stage in {"code", "number", "face", "enrol"}:
            self._look(image, stage, now_s)
        elif stage not in {"code", "number", "face", "enrol"}:
            self.eye.rest()
        with self.lock:
            self._carry_out()

    def act(self, what: str, value: Any = None) -> None:
        """Something was touched on the page. Raises InputError for what no page sends."""
        now_s, now_ms = self._clocks.now_s(), self._clocks.now_ms()
        with self.lock:
            session = self.session
            match what, value:
                case "choose", "code" | "face":
                    self.eye.attempt = self._decided_ms = None
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
                    self.eye.attempt = None
                    session.agreed(now_s)
                case "touch", None | "key":
                    session.touch(now_s, key=value == "key")
                case _:
                    raise InputError("this is nothing that the page can ask.", hint="Load it again.")
            self._carry_out()

    def view(self) -> dict[str, Any]:
        """What the page shows."""
        now_ms = self._clocks.now_ms()
        with self.lock:
            return self._view.show(
                now_ms, self._machine.now_ms(), clock_off=self._time.is_off, connected=self.post.connected,
                camera=self.camera_up,
            )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """What the hub is told of this kiosk besides its camera; for the link's thread."""
        return {"clock_off": ClockOff(by_ms=self._told_off_ms)} if self._told_off_ms else {}

    def close(self) -> None:
        """Release the landmarker and the vault."""
        self.eye.close()
        self.vault.close()

    def _take(self, kind: str, payload: bytes) -> None:
        try:
            if kind == "gallery":
                sealed = Sealed.model_validate_json(payload)
                plain = unseal(self.key, sealed, gallery_context(self.site, self.device))
                self._take_gallery(Gallery.model_validate_json(plain))
            else:
                with self.lock:  # the page's requests use the same vault
                    reply = answer(self, Command.model_validate_json(payload), self._clocks.now_ms())
                if self.post.link is not None:
                    self.post.link.reply(reply.to_json())
        except (ValidationError, InputError) as error:
            _LOG.warning("the hub sent a %s that cannot be used: %s", kind, error)

    def _take_gallery(self, gallery: Gallery) -> None:
        with self.lock:
            self._time.heard(gallery.made_ms, self._machine.now_s(), self._machine.now_ms())
            self._tell_clock()
            if not self.day.take(gallery, self._clocks.now_ms()):
                return
            self.vault.keep_day(gallery.to_json())
            gone = self.vault.reconcile(set(gallery.consents), gallery.made_ms, self.post.outbox.oldest)
            if gone:
                _LOG.info("%d template(s) erased: their consents hold no more", len(gone))
            self.session.version += 1

    def _tell_clock(self) -> None:
        off_ms = self._time.off_ms if self._time.is_off else 0
        if abs(off_ms - self._told_off_ms) <= CLOCK_OFF_MS:
            return
        self._told_off_ms = off_ms
        self.post.status_changed()
        if off_ms:
            self.post.note(Note("clock_off", detail=f"by {off_ms} ms of the hub's"), self._clocks.now_ms())

    def _keep_house(self, now_s: float, now_ms: int) -> None:
        """Once a minute, and when the day is over. What is deleted goes by the time that is sure."""
        over = self.day.close(now_ms)
        if not over and now_s - self._kept_house_s < KEEP_HOUSE_S:
            return
        self._kept_house_s = now_s
        sure_ms = self._time.sure_ms(now_s, self._machine.now_ms())
        try:
            self.vault.keep_time(self._time.kept(now_s))
            for consent in self.vault.expire(sure_ms):
                self.post.note(Note("expired", consent=consent), now_ms)
            if self.day.gallery is None:
                self._resume_day(now_ms, sure_ms)
        except DependencyError as error:
            _LOG.warning("%s It is tried again in a minute.", error)
        self.session.version += over

    def _resume_day(self, now_ms: int, sure_ms: int) -> None:
        """The day as it was kept, after a restart or a leap of the clock."""
        text = self.vault.kept_day()
        if text is None:
            return
        gallery = Gallery.model_validate_json(text)
        if now_ms < gallery.valid_until_ms:
            self.day.take(gallery, gallery.made_ms)
            for given in self.vault.given(now_ms):
                self.day.gave(given)
            self.session.version += 1
        elif sure_ms >= gallery.valid_until_ms:
            self.vault.keep_day(None)

    def _look(self, image: Image, stage: str, now_s: float) -> None:
        self.eye.show(image)
        if stage in {"code", "number"}:
            text = self.eye.code(image)
            if text:
                self._decided_ms = 0
                with self.lock:
                    self.session.scanned(text, self._clocks.now_ms(), now_s)
            return
        attempt = self.eye.begin()
        state = attempt.feed(image, now_s)
        with self.lock:
            if self.session.stage != stage or self.eye.attempt is not attempt:
                return  # somebody went another way meanwhile
            if state.kind == "rejected":
                self.eye.attempt = None
                self.session.rejected(state.reason, now_s)
            elif state.kind == "done":
                self.eye.attempt = None
                begun_s = attempt.first_good_s if attempt.first_good_s is not None else now_s
                self._decided_ms = round((self._clocks.now_s() - begun_s) * 1000)
                if stage == "enrol":
                    self._enrol(attempt, now_s)
                else:
                    self._match(attempt, now_s)
            else:
                self.session.looking(state.verdict, state.action, now_s)

    def _match(self, attempt: Attempt, now_s: float) -> None:
        now_ms = self._clocks.now_ms()
        target = self.session.target
        wanted = [target] if target is not None else self.day.candidates(now_ms)
        found = self._recognition.match(attempt.embeddings, wanted, now_ms, named=target is not None)
        self.session.matched(found, now_ms, now_s)

    def _enrol(self, attempt: Attempt, now_s: float) -> None:
        target = self.session.target
        if target is None:
            self.session.home(now_s)
        elif self._recognition.enrol(attempt.embeddings, target, self._language, self._clocks.now_ms()):
            self.session.enrolled(now_s)
        else:
            self.session.not_kept(now_s)

    def _carry_out(self) -> None:
        for effect in self.session.take_effects():
            now_s, now_ms = self._clocks.now_s(), self._clocks.now_ms()
            match effect:
                case Give():
                    if self._tickets.check_in(effect, self._decided_ms, now_s, now_ms):
                        self._decided_ms = None
                case Take():
                    self._tickets.walk_in(effect.service, self._language, now_s, now_ms)
                case Note():
                    self.post.note(effect, now_ms)

    def _has(self, service: str) -> bool:
        return any(each.id == service for each in self.branch.services)
