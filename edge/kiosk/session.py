"""One customer at the kiosk, from the first touch to the ticket. Pure: times come in, effects come out.

idle → code → ticket, or idle → (number →) face → confirm → ticket. The code's door is one touch away at
every stage, and whatever fails leads to it and to staff, never to a refusal of service. `effects` are
to be carried out by the caller: `Give` a ticket, `Note` an attempt for the audit log.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from branchloop.codes import is_number, read_code, read_qr
from branchloop.errors import InputError
from branchloop.wire.commands import Expected
from edge.kiosk.challenge import Action
from edge.kiosk.day import Day

Stage = Literal[
    "idle",
    "service",
    "code",
    "number",
    "face",
    "confirm",
    "ticket",
    "refused",
    "staff",
    "consent",
    "enrol",
    "enrolled",
]
Door = Literal["code", "face"]
Method = Literal["code", "face"]
Recognise = Literal["off", "verify", "identify"]
IDLE_S = {
    "service": 40.0, "code": 40.0, "number": 40.0, "face": 45.0, "confirm": 20.0, "ticket": 15.0, "refused": 20.0,
    "staff": 30.0, "consent": 120.0, "enrol": 60.0, "enrolled": 10.0,
}  # fmt: skip
FAILURES = 5
FAILURES_S = 300.0
LOCKED_S = 60.0
MOST_TAKEN = 6
TAKEN_S = 120.0
"""More tickets without appointment in so short a time are somebody playing: staff see to it."""


@dataclass(frozen=True, slots=True)
class Give:
    """Give a ticket for an appointment."""

    expected: Expected
    method: Method
    policy: Literal["verify", "identify"] | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """Give a ticket to somebody without an appointment."""

    service: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the audit log."""

    outcome: str
    method: Method | None = None
    appointment: str | None = None
    consent: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is shown at the end."""

    number: str
    service: str
    start_ms: int
    masked_name: str
    title: Literal["mr", "ms"] | None
    wait_s: float | None
    provisional: bool
    again: bool
    may_enrol: bool
    low_s: float | None = None
    high_s: float | None = None
    walk_in: bool = False
    called: bool = False
    counter: str | None = None
    ahead: int | None = None


Effect = Give | Take | Note


@dataclass(slots=True)
class Session:
    """The state machine; not for several threads at once."""

    site: str
    day: Day
    recognise: Recognise
    stage: Stage = "idle"
    why: str = ""
    """Key of what is said at this stage, beside the stage itself."""
    action: Action | None = None
    target: Expected | None = None
    """Whom the face is compared with (verify), who is to confirm, or who enrols."""
    ticket: Ticket | None = None
    typing: bool = False
    """A key was touched since this stage began."""
    effects: list[Effect] = field(default_factory=list)
    version: int = 0
    _touched_s: float = 0.0
    _taken: deque[float] = field(default_factory=deque)
    _failed: deque[float] = field(default_factory=deque)
    _locked_s: float = float("-inf")
    _policy: Literal["verify", "identify"] | None = None
    _held_up: tuple[int, str] = (0, "")
    """The QR code that was refused last, by its hash, and why."""

    def choose(self, door: Door, t_s: float) -> None:
        """A door was touched: whoever it is, nobody who stood here before is meant."""
        self.target = None
        if self._is_locked(t_s):
            self._go("staff", t_s, "locked")
        elif door == "code" or self.recognise == "off":
            self._go("code", t_s)
        elif self.recognise == "identify":
            self._policy = "identify"
            self._go("face", t_s)
        else:
            self._go("number", t_s)

    def without(self, t_s: float, refusal: str | None = None) -> None:
        """Somebody has no appointment and wants a ticket; `refusal` says why none can be given."""
        while self._taken and t_s - self._taken[0] > TAKEN_S:
            self._taken.popleft()
        if self.day.gallery is None:
            refusal = "no_gallery"
        if len(self._taken) >= MOST_TAKEN:
            self.effects.append(Note("many_tickets"))
            self._go("staff", t_s, "many")
        elif refusal is not None:
            self._go("refused", t_s, refusal)
        else:
            self._go("service", t_s)

    def chosen(self, service: str, t_s: float) -> None:
        """What the ticket is for; a second touch finds the stage gone and takes nothing."""
        if self.stage == "service":
            self._taken.append(t_s)
            self.effects.append(Take(service))

    def home(self, t_s: float) -> None:
        """Back to the idle page."""
        self._go("idle", t_s)

    def staff(self, t_s: float) -> None:
        """Somebody asks for help."""
        self.effects.append(Note("staff_asked"))
        self._go("staff", t_s, "asked")

    def typed(self, text: str, now_ms: int, t_s: float) -> None:
        """A code, or the booking number where a face is to follow."""
        if self.stage == "number" and is_number(text):
            self._numbered(text.strip(), now_ms, t_s)
            return
        if self.stage not in {"code", "number"}:
            return
        try:
            code = read_code(text)
        except InputError:
            self._go(self.stage, t_s, "no_code")
            return
        self._opened(code, now_ms, t_s)

    def scanned(self, text: str, now_ms: int, t_s: float) -> None:
        """A QR code was read by the camera. What was refused and is still in view is told beside the keys, and bars nobody."""
        if self.stage not in {"code", "number"}:
            return
        try:
            scanned = read_qr(text)
        except InputError:
            self._fail(Note("foreign_qr", "code"), "foreign_qr", t_s, shown=text)
            return
        if scanned.site != self.site:
            note = Note("other_branch", "code", detail=scanned.site)
            self._fail(note, "other_branch", t_s, counts=False, shown=text)
            return
        self._opened(scanned.code, now_ms, t_s, shown=text)

    def looking(self, verdict: str, action: Action | None, t_s: float) -> None:
        """How the face looks, and what is asked of the person."""
        if self.stage in {"face", "enrol"} and (self.why, self.action) != (verdict, action):
            self.why, self.action = verdict, action
            if action is not None:
                self._touched_s = t_s
            self.version += 1

    def rejected(self, reason: str, t_s: float) -> None:
        """The attempt ended without a decision: an attack, or somebody who went away."""
        if self.stage == "enrol":
            self._go("refused", t_s, "enrol_failed")
            self.effects.append(Note("enrol_failed", "face", detail=reason))
        elif self.stage == "face":
            self._fail(self._note(reason, "face"), "not_live", t_s)

    def matched(self, found: Expected | None, now_ms: int, t_s: float) -> None:
        """Whom the face belongs to, None for nobody."""
        if self.stage != "face":
            return
        if self.day.gallery is None:
            self._knows_nobody("face", t_s)
            return
        if found is None:
            self._fail(self._note("no_match", "face"), "no_match", t_s)
            return
        if found.consent is None or not self.day.holds(found.consent):
            self._fail(Note("withdrawn", "face", found.id, found.consent), "withdrawn", t_s, counts=False)
            return
        refusal = self.day.refusal(found, now_ms)
        if refusal is not None:
            self._fail(Note(refusal, "face", found.id), refusal, t_s, counts=False)
            return
        self.target = found
        self._go("confirm", t_s)

    def confirm(self, yes: bool, now_ms: int, t_s: float) -> None:
        """The customer says whether that is them."""
        if self.stage != "confirm" or self.target is None:
            return
        if not yes:
            self._fail(Note("not_me", "face", self.target.id, self.target.consent), "not_me", t_s)
            return
        if self.day.gallery is None:
            self._knows_nobody("face", t_s)
            return
        refusal = self.day.refusal(self.target, now_ms)
        if self.target.consent is None or not self.day.holds(self.target.consent):
            self._fail(Note("withdrawn", "face", self.target.id), "withdrawn", t_s, counts=False)
        elif refusal is not None:
            self._fail(Note(refusal, "face", self.target.id), refusal, t_s, counts=False)
        else:
            self.effects.append(Give(self.target, "face", self._policy))

    def given(self, ticket: Ticket, t_s: float) -> None:
        """The ticket is kept: show it."""
        self.ticket = ticket
        self._go("ticket", t_s)

    def not_kept(self, t_s: float) -> None:
        """The ticket could not be kept, so none is shown: staff check in."""
        self._go("staff", t_s, "not_kept")

    def enrol(self, t_s: float) -> None:
        """Whoever has just shown their code may enrol: the text comes first."""
        if self.stage == "ticket" and self.ticket is not None and self.ticket.may_enrol:
            self._go("consent", t_s)

    def agreed(self, t_s: float) -> None:
        """The text was agreed to."""
        if self.stage == "consent":
            self._go("enrol", t_s)

    def enrolled(self, t_s: float) -> None:
        """The template is kept."""
        self._go("enrolled", t_s)

    def touch(self, t_s: float, *, key: bool = False) -> None:
        """Somebody is still there; `key`: and types."""
        self._touched_s = t_s
        self.typing |= key

    def tick(self, t_s: float) -> None:
        """Whoever went away leaves nothing on the screen."""
        if self.stage != "idle" and t_s - self._touched_s > IDLE_S[self.stage]:
            self._go("idle", t_s)

    def take_effects(self) -> list[Effect]:
        """What is to be carried out; given out once."""
        effects, self.effects = self.effects, []
        return effects

    def _numbered(self, number: str, now_ms: int, t_s: float) -> None:
        if self.day.gallery is None:
            self._knows_nobody("face", t_s)
            return
        found = self.day.by_number(number)
        if found is None:
            self._fail(Note("unknown_number", "face"), "unknown_code", t_s)
            return
        refusal = self.day.refusal(found, now_ms)
        if refusal is not None:
            self._fail(Note(refusal, "face", found.id), refusal, t_s, counts=False)
        elif found.consent is None or not self.day.holds(found.consent):
            self._fail(Note("no_consent", "face", found.id), "no_consent", t_s, counts=False)
        else:
            self.target, self._policy = found, "verify"
            self._go("face", t_s)

    def _opened(self, code: str, now_ms: int, t_s: float, shown: str = "") -> None:
        if self.day.gallery is None:
            self._knows_nobody("code", t_s, shown)
            return
        found = self.day.by_code(code)
        if found is None:
            self._fail(Note("unknown_code", "code"), "unknown_code", t_s, shown=shown)
            return
        refusal = self.day.refusal(found, now_ms)
        if refusal is not None:
            self._fail(Note(refusal, "code", found.id), refusal, t_s, counts=False, shown=shown)
            return
        self.target = found
        self.effects.append(Give(found, "code"))

    def _knows_nobody(self, method: Method, t_s: float, shown: str = "") -> None:
        """Nothing is wrong with what was shown: the kiosk cannot tell, and guesses nothing by it."""
        self._fail(self._note("no_gallery", method), "no_gallery", t_s, counts=False, shown=shown)

    def _note(self, outcome: str, method: Method) -> Note:
        target = self.target
        return Note(outcome, method, target.id if target else None, target.consent if target else None)

    def _fail(self, note: Note, why: str, t_s: float, *, counts: bool = True, shown: str = "") -> None:
        if shown and (hash(shown), why) == self._held_up:
            if not self.why:
                self.why = f"refused.{why}"
                self.version += 1
            return
        if shown:
            self._held_up = hash(shown), why
        self.effects.append(note)
        if counts:
            self._failed.append(t_s)
            while self._failed and t_s - self._failed[0] > FAILURES_S:
                self._failed.popleft()
            if len(self._failed) >= FAILURES:
                self._failed.clear()
                self._locked_s = t_s + LOCKED_S
                self.effects.append(Note("locked"))
                self._go("staff", t_s, "locked")
                return
        self._go("refused", t_s, why)

    def _is_locked(self, t_s: float) -> bool:
        return t_s < self._locked_s

    def _go(self, stage: Stage, t_s: float, why: str = "") -> None:
        if stage == "idle":
            self.target = self.ticket = self._policy = None
        self.typing &= stage == self.stage
        self.stage, self.why, self.action = stage, why, None
        self._touched_s = t_s
        self.version += 1
