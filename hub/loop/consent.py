"""A consent's life: given, withdrawal pending until every box confirmed, withdrawn; or expired by itself.

Pure. The box of a branch may hold a template from the moment a photo was sent to it until it confirms the
deletion; whoever asks meanwhile is told `pending`, never more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from branchloop.agreement.consent import GUARDIAN_AGE, consent_text
from branchloop.errors import InputError
from branchloop.text.catalogue import LANGUAGES, Language

DAY_MS = 86_400_000
LINK_DAYS = 7
"""An invitation to enrol holds so long."""
ENROL_DAYS = 3
"""So long a box may take to answer before the photos are deleted here."""
ERASE_DAYS = 3_650
"""A deletion is asked for until it is confirmed: a box may come back after years."""
EXPIRY_SLACK_MS = DAY_MS
"""The page fixes the end of retention when it seals; it may be that much short of the full time."""

Channel = Literal["online", "kiosk"]
State = Literal["given", "pending", "withdrawn", "expired"]
HolderState = Literal["waiting", "enrolled", "failed", "leaving", "erasing", "erased"]
"""Of one box: photos on their way; template made; photos refused; being handed over; deletion asked; confirmed."""
Step = Literal["open", "waiting", "enrolled", "retry", "moving", "pending", "withdrawn", "expired"]
"""What a customer is told."""
PHOTO_FAULTS = ("no_face", "two_faces", "too_small", "blurred", "dark", "turned", "covered", "bad_image")
"""Reply codes after which other photos help."""


@dataclass(frozen=True, slots=True)
class Holder:
    """One box that holds, or may hold, something by a consent."""

    site: str
    device: str
    state: HolderState
    reason: str = ""
    at_ms: int = 0

    @property
    def may_hold(self) -> bool:
        """Whether anything of the customer may still lie there."""
        return self.state != "erased"


@dataclass(frozen=True, slots=True)
class Consent:
    """What a customer agreed to, when, by which text; no face and no name."""

    id: str
    customer: str
    site: str
    text_version: str
    text_sha256: str
    purpose: str
    language: Language
    channel: Channel
    given_ms: int
    expires_ms: int
    guardian: bool
    state: State = "given"
    withdrawn_ms: int | None = None
    moving_to: str | None = None

    def holds(self, now_ms: int) -> bool:
        """Whether somebody may be recognised by it now."""
        return (
            self.state == "given" and self.withdrawn_ms is None and self.given_ms <= now_ms < self.expires_ms
        )


def end_of_retention_ms(given_ms: int, days: int) -> int:
    """When a consent given now ends."""
    return given_ms + days * DAY_MS


def check_given(
    *,
    version: str,
    language: str,
    sha256: str,
    days: int,
    minor: bool,
    guardian: bool,
    guardian_name: str,
    now_ms: int,
    expires_ms: int,
) -> None:
    """Whether a consent may be accepted. Raises InputError with what is missing."""
    if language not in LANGUAGES:
        raise InputError(f"{language[:10]!r} is no language of the text.", hint="Use zh or en.")
    if consent_text(language, days, version).sha256 != sha256:
        raise InputError(
            "the consent text was changed since it was shown.", hint="Load the page again and read it anew."
        )
    if minor and not guardian:
        raise InputError(
            f"a customer under {GUARDIAN_AGE} needs a guardian's consent.",
            hint="A parent or guardian fills in that part.",
        )
    if guardian and not guardian_name.strip():
        raise InputError("the guardian's name is missing.", hint="Fill it in.")
    full_ms = end_of_retention_ms(now_ms, days)
    if not full_ms - EXPIRY_SLACK_MS <= expires_ms <= full_ms:
        raise InputError(
            "the end of retention does not fit the bank's time.",
            hint="Load the page again; check your clock.",
        )


def state_after_withdrawal(holders: Iterable[Holder]) -> State:
    """`pending` as long as any box may hold something."""
    return "pending" if any(holder.may_hold for holder in holders) else "withdrawn"


def enrolment_state(outcomes: Mapping[int, str | None], of: int) -> tuple[HolderState, str]:
    """State of one box's enrolment and a reason, from the reply code (or None) of each photo's command.

    `enrolled` from any photo makes the template; otherwise the first fault counts once all have answered.
    """
    codes = [outcomes.get(index) for index in range(of)]
    if "enrolled" in codes:
        return "enrolled", ""
    if any(code is None for code in codes):
        return "waiting", ""
    faults = [code for code in codes if code not in {"partial", "done"}]
    return "failed", str(faults[0]) if faults else "incomplete"


def step(consent: Consent | None, holders: Iterable[Holder], now_ms: int) -> Step:
    """What a customer who asks is told."""
    if consent is None:
        return "open"
    if consent.state in {"pending", "withdrawn"}:
        return "pending" if consent.state == "pending" else "withdrawn"
    if not consent.holds(now_ms):
        return "expired"
    if consent.moving_to is not None:
        return "moving"
    states = [holder.state for holder in holders if holder.site == consent.site]
    if "enrolled" in states:
        return "enrolled"
    return "waiting" if "waiting" in states else "retry"
